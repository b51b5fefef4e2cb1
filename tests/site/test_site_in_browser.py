"""The pages of the shop in Chromium: they fit, they are accessible, they complain of nothing, and the search finds.

`PIWRIGHT_SCREENSHOTS=docs/screenshots` keeps the pictures.
"""

import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from index.published_shop import Shop
from index.serving import UPSTREAM, IndexServer, NginxServer
from piwright.database.connection import Connection
from piwright.index.storage import open_storage
from piwright.site.project_source import ProjectSite
from piwright.site.search_index import SearchDue
from piwright.site.shop_pages import write_shop_pages
from support.browser import Browser, Page, axe

HOSTILE = '<script>alert("log")</script>\x1b[31m \u202egnp.exe'

PAGES = {
    "home": "/",
    "search": "/search/?q=serial+port",
    "status": "/status/",
    "missing": "/project/numpi/",
}


def look(page: Page, site: str, name: str) -> None:
    page.open(site + PAGES[name], status=404 if name == "missing" else 200)
    if name == "search":
        page.tab.locator("#results .summary").nth(2).wait_for()
    if name == "missing":
        page.tab.locator("#case a").first.wait_for()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_is_accessible_and_complains_of_nothing(
    browser: Browser, busy_site: str, name: str, width: int, dark: bool, tmp_path: Path
) -> None:
    with browser.page(width=width, dark=dark) as page:
        look(page, busy_site, name)
        assert axe(page) == []
        assert page.overflow == 0
        assert page.complaints == []
        assert page.hosts == {urlsplit(busy_site).netloc}
        kept = os.environ.get("PIWRIGHT_SCREENSHOTS")
        picture = Path(kept or tmp_path) / f"{name}-{width}-{'dark' if dark else 'light'}.png"
        page.screenshot(picture, most=2000)
        assert picture.stat().st_size > 10_000


@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_read_without_scripts(browser: Browser, busy_site: str, name: str) -> None:
    with browser.page(scripts=False) as page:
        page.open(busy_site + PAGES[name], status=404 if name == "missing" else 200)
        text = page.tab.locator("main").inner_text()
        assert page.complaints == []
    said = {
        "home": "pip install --index-url",
        "search": "needs JavaScript",
        "status": "4 of 6 workers live",
        "missing": "Why there may be no wheel",
    }
    assert said[name] in text


def test_a_page_can_be_read_at_twice_the_size_of_letters(browser: Browser, busy_site: str) -> None:
    with browser.page(width=640) as page:  # 1280 at 200 % (WCAG 1.4.4)
        page.open(busy_site + PAGES["home"])
        assert page.overflow == 0


@pytest.mark.parametrize("width", [320, 710, 768, 1030])  # 1280 at 400 % (WCAG 1.4.10), then tablets
def test_a_page_fits_between_a_phone_and_a_desk(browser: Browser, busy_site: str, width: int) -> None:
    with browser.page(width=width) as page:
        for path in PAGES.values():
            page.tab.goto(busy_site + path, wait_until="networkidle")
            assert page.overflow == 0, path


def results(page: Page) -> list[tuple[str, str]]:
    lines = page.tab.locator("#results li")
    return [(each.locator("a").inner_text(), each.locator(".mark").inner_text()) for each in lines.all()]


def search(page: Page, text: str) -> list[tuple[str, str]]:
    """Type it as a person does, and wait for what is said."""
    page.tab.locator("#q").fill("")
    expect(page.tab.locator("#said")).to_have_text("")
    page.tab.locator("#q").press_sequentially(text)
    expect(page.tab.locator("#said")).not_to_have_text("")
    page.tab.wait_for_load_state("networkidle")
    return results(page)


def test_the_search_finds_by_name_in_any_spelling_by_parts_and_by_words(browser: Browser, busy_site: str) -> None:
    with browser.page() as page:
        page.open(busy_site + "/search/")
        assert search(page, "numpy")[0] == ("numpy", "wheel here")
        assert search(page, "RPi.GPIO")[0] == ("rpi-gpio", "wheel here")
        by_part = dict(search(page, "gpio"))
        assert {"pigpio", "gpiozero", "rpi-gpio"} <= set(by_part)
        assert {"spidev", "smbus2"} == {name for name, _ in search(page, "devices bus")}
        assert search(page, "grpc") == [("grpcio", "failed")]
        assert search(page, "wheel-waits") == [("wheel-waits", "waiting")]
        assert search(page, "requests")[0] == ("requests", "from upstream")
        assert search(page, "python library opencv")[0] == ("opencv-python", "wheel here")
        assert search(page, "nosuchthing") == []
        assert "Nothing is called “nosuchthing”" in page.tab.locator("#said").inner_text()
        assert page.complaints == []


def test_the_search_fetches_a_few_files_of_many(browser: Browser, busy_site: str, busy_tree: Path) -> None:
    there = [path for path in (busy_tree / "search").rglob("*.txt")]
    assert len(there) > 25
    with browser.page() as page:
        page.open(busy_site + "/search/?q=pigpio")
        fetched = {url for url in page.requests if "/search/names/" in url or "/search/words/" in url}
        assert 1 <= len(fetched) <= 4
        assert max(path.stat().st_size for path in there) <= 64 << 10


def test_the_search_says_how_many_there_are_and_shows_those_that_fit_best(browser: Browser, busy_site: str) -> None:
    with browser.page() as page:
        page.open(busy_site + "/search/?q=acme")
        shown = results(page)
        assert len(shown) == 30
        assert shown[0][0].startswith("acme")
        assert "the 30 that fit best" in page.tab.locator("#said").inner_text()
        assert page.tab.locator("#said").get_attribute("aria-live") == "polite"


def test_the_search_is_used_by_keyboard_alone(browser: Browser, busy_site: str) -> None:
    with browser.page() as page:
        page.open(busy_site + "/")
        page.tab.keyboard.press("Tab")
        assert page.tab.evaluate("document.activeElement.textContent") == "Skip to the content"
        while page.tab.evaluate("document.activeElement.textContent") != "Search":
            page.tab.keyboard.press("Tab")
        page.tab.keyboard.press("Enter")
        page.tab.wait_for_url("**/search/")
        expect(page.tab.locator("#q")).to_be_focused()
        page.tab.keyboard.type("gpio")
        page.tab.locator("#results a").nth(1).wait_for()
        page.tab.wait_for_load_state("networkidle")
        page.tab.keyboard.press("ArrowDown")
        page.tab.keyboard.press("ArrowDown")
        assert page.tab.evaluate("document.activeElement.closest('li').previousElementSibling !== null")
        page.tab.keyboard.press("Escape")
        assert page.tab.evaluate("document.activeElement.id") == "q"
        assert page.tab.url.endswith("?q=gpio")
        first = page.tab.locator("#results a").first.get_attribute("href")
        page.expected_missing.add(str(first))
        page.tab.keyboard.press("Enter")
        page.tab.wait_for_url("**/project/**")
        assert page.tab.url == first


def test_hostile_names_and_words_in_the_address_are_only_text(browser: Browser, busy_site: str) -> None:
    with browser.page() as page:
        for path in (
            "/search/?q=%3Cscript%3Ealert(1)%3C/script%3E",
            "/search/?q=%22onfocus=%22alert(1)&q=x",
            "/search/?q=" + "a" * 5000,
            "/search/?q=__proto__",
            "/search/?q=%E2%80%AEgnp",
        ):
            page.open(busy_site + path)
            assert page.tab.locator("#said").inner_text() != ""
        for path in ("/project/%3Cimg%20src=x%20onerror=alert(1)%3E/", "/project/%zz/", "/project/constructor/"):
            page.open(busy_site + path, status=404)
        assert page.complaints == []


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/project/grpcio/", "It could not be built."),
        ("/simple/Grpc.IO/", "This shop has nothing to say of grpc-io."),
        ("/extra/simple/wheel-waits/", "It waits to be built."),
        ("/project/numpy/build/12345/", "There are wheels for it here."),
        ("/files/ab/cd/numpy-1.0-py3-none-any.whl", "There are wheels for it here."),
        ("/requests", "Nothing was built here"),
        ("/project/numpi/", "Spelled like it: numpy"),
    ],
)
def test_the_page_for_what_is_missing_says_which_case_it_is(
    browser: Browser, busy_site: str, path: str, said: str
) -> None:
    with browser.page() as page:
        page.open(busy_site + path, status=404)
        page.tab.locator("#case p").first.wait_for()
        assert said in page.tab.locator("#case").inner_text()
        assert page.complaints == []


def test_the_chart_says_in_a_table_what_it_shows(browser: Browser, busy_site: str) -> None:
    with browser.page() as page:
        page.open(busy_site + "/")
        page.tab.locator("summary").click()
        rows = page.tab.locator("details tbody tr")
        assert rows.count() == 60
        assert rows.first.inner_text().split("\t") == ["22 Nov 2026", "32", "13"]
        assert page.tab.get_by_role("img", name="Builds on each day").count() == 1


@pytest.mark.parametrize("server_kind", [IndexServer, NginxServer], ids=["embedded", "nginx"])
def test_the_servers_we_have_serve_it_so_that_it_works(
    browser: Browser, connection: Connection, tmp_path: Path, server_kind: type[IndexServer] | type[NginxServer]
) -> None:
    shop = Shop(connection, tmp_path)
    shop.wheel("spidev", "3.6")
    shop.project("spidev", summary="An SPI bus")
    shop.attempt(shop.job("fails", "1.0", state="failed"), "backend", evidence_text=HOSTILE)
    storage = open_storage(shop.index_root, ("gz", "zst"))
    url = "http://127.0.0.1:8000"
    shop.publish(storage=storage, sources=[ProjectSite(url, UPSTREAM, shop.store.root), SearchDue(storage)])
    write_shop_pages(connection, storage, site_url=url)
    with server_kind(shop.index_root, UPSTREAM) as server, browser.page() as page:
        page.open(server.url + "/")
        page.tab.get_by_role("link", name="spidev").first.click()
        page.tab.wait_for_url("**/project/spidev/")
        page.tab.get_by_role("link", name="Search").click()
        page.tab.wait_for_url("**/search/")
        assert search(page, "fails") == [("fails", "failed")]
        page.tab.locator("#results a").click()
        page.tab.wait_for_url("**/project/fails/")
        page.open(server.url + "/status/")
        for path in ("/json", "/status/json", "/feed.atom", "/sitemap.xml", "/sitemap/1.xml", "/robots.txt"):
            assert page.tab.request.get(server.url + path).status == 200, path
        page.open(server.url + "/project/spidef/", status=404)
        page.tab.locator("#case a").click()
        page.tab.wait_for_url("**/project/spidev/")
        assert page.complaints == []
        assert page.hosts == {urlsplit(server.url).netloc}
