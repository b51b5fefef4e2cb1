"""Project and build pages in a real browser: readable on a phone, quiet, accessible, harmless.

`PIWRIGHT_SCREENSHOTS=docs/screenshots` keeps the pictures.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from project_example import fill_example
from project_rows import ProjectRows

from index.serving import UPSTREAM, IndexServer
from piwright.database.connection import connect
from piwright.database.provision import Access
from piwright.site.static_files import static_files
from support.browser import Browser, axe
from support.postgres import fresh_database

PROJECTS = ("spidev", "rpi-lgpio", "waits", "many-versions", "evil", "shut")


@pytest.fixture(scope="module")
def pages(postgres_server: str, postgres_template: Access, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Address of each page below the site, and of the site itself under ""."""
    home = tmp_path_factory.mktemp("pages")
    tree = home / "tree"
    files = dict(static_files())
    found = {}
    with fresh_database(postgres_server, postgres_template) as access, connect(access.application) as connection:
        rows = ProjectRows(connection, home)
        fill_example(rows)
        for name in PROJECTS:
            made = rows.rendered(name)
            files |= made.files | {path: source.read_bytes() for path, source in made.places.items()}
            found[name] = f"project/{name}/"
            builds = [path for path in made.files if "/build/" in path and path.endswith("index.html")]
            if builds:
                # Of the most lines, so that there is something to see.
                longest = max(builds, key=lambda path: made.files[path].count(b"log-line"))
                found[f"build of {name}"] = longest.removesuffix("index.html")
    for path, content in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(content)
    return found | {"": str(tree)}


@pytest.fixture(scope="module")
def site(pages: dict[str, str]) -> Iterator[str]:
    with IndexServer(Path(pages[""]), UPSTREAM) as served:
        yield served.url


NAMES = [*PROJECTS, "build of spidev", "build of rpi-lgpio", "build of evil"]
PICTURES = {"spidev": "project", "rpi-lgpio": "project-failed", "build of rpi-lgpio": "build"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("width", "dark"), [(390, False), (1280, True)])
def test_a_page_is_accessible_quiet_and_no_wider_than_the_window(
    browser: Browser, site: str, pages: dict[str, str], name: str, width: int, dark: bool, tmp_path: Path
) -> None:
    with browser.page(width=width, dark=dark) as page:
        page.open(f"{site}/{pages[name]}")
        assert page.complaints == []
        assert page.overflow == 0
        assert axe(page) == []
        assert len(page.hosts) == 1
        if name in PICTURES:
            kept = Path(os.environ.get("PIWRIGHT_SCREENSHOTS") or tmp_path)
            page.screenshot(kept / f"{PICTURES[name]}-{width}-{'dark' if dark else 'light'}.png", most=2000)


@pytest.mark.parametrize("width", [320, 710, 768, 1030])
def test_a_page_fits_between_a_phone_and_a_desk(browser: Browser, site: str, pages: dict[str, str], width: int) -> None:
    with browser.page(width=width) as page:
        for name in NAMES:
            page.tab.goto(f"{site}/{pages[name]}", wait_until="networkidle")
            assert page.overflow == 0, name


def test_nothing_of_a_page_needs_scripts(browser: Browser, site: str, pages: dict[str, str]) -> None:
    for name in ("spidev", "build of rpi-lgpio"):
        with browser.page(scripts=True) as page:
            page.open(f"{site}/{pages[name]}")
            with_scripts = page.tab.locator("main").inner_text()
        with browser.page(scripts=False) as page:
            page.open(f"{site}/{pages[name]}")
            assert page.tab.locator("main").inner_text() == with_scripts


def test_the_answer_and_the_line_to_type_are_on_the_first_screen_of_a_phone(
    browser: Browser, site: str, pages: dict[str, str]
) -> None:
    with browser.page(width=390, height=844) as page:
        page.open(f"{site}/{pages['spidev']}")
        answer = page.tab.locator(".answer").bounding_box()
        targets = page.tab.locator(".project-targets").bounding_box()
        assert answer
        assert targets
        assert answer["y"] + answer["height"] < 480
        assert targets["y"] + targets["height"] < 844


def test_the_evidence_is_one_click_away_and_marked(browser: Browser, site: str, pages: dict[str, str]) -> None:
    with browser.page(width=390, height=844) as page:
        page.open(f"{site}/{pages['build of rpi-lgpio']}")
        page.tab.get_by_role("link", name="Line 1 233", exact=False).first.click()
        marked = page.tab.locator(".log-evidence")
        marked.wait_for()
        page.tab.wait_for_function(
            "() => { const box = document.querySelector('.log-evidence').getBoundingClientRect();"
            " return box.top >= 0 && box.bottom <= innerHeight }"
        )
        assert "fatal error: lgpio.h" in marked.inner_text()
        assert page.tab.evaluate("document.querySelectorAll('.log-evidence').length") == 1


def test_the_whole_log_opens_as_text(browser: Browser, site: str, pages: dict[str, str]) -> None:
    with browser.page() as page:
        page.open(f"{site}/{pages['build of rpi-lgpio']}")
        with page.tab.expect_response(lambda response: response.url.endswith("log.txt")) as answer:
            page.tab.get_by_role("link", name="all of them").click()
        assert answer.value.headers["content-type"].startswith("text/plain")
        assert answer.value.text().count("\n") == 3001


def test_a_hostile_log_does_nothing_but_stand_there(browser: Browser, site: str, pages: dict[str, str]) -> None:
    with browser.page() as page:
        dialogs: list[str] = []
        page.tab.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        page.open(f"{site}/{pages['build of evil']}")
        assert "<script>alert(1)</script>" in page.tab.locator(".log").inner_text()
        assert dialogs == []
        assert page.complaints == []
        assert page.tab.evaluate("document.querySelectorAll('script').length") == 0


def test_every_control_is_reached_by_the_keyboard(browser: Browser, site: str, pages: dict[str, str]) -> None:
    with browser.page() as page:
        page.open(f"{site}/{pages['many-versions']}")
        page.tab.locator("summary").first.focus()
        page.tab.keyboard.press("Enter")
        assert page.tab.locator(".project-older[open]").count() == 1
        page.tab.locator(".project-scroll").focus()
        assert page.tab.evaluate("document.activeElement.className").startswith("scroll")
