"""What is written for a project, when, and what is left for the next publication."""

import gzip
import json
import pickle
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit
from xml.etree import ElementTree

import pytest
from project_example import EVIL, fill_example
from project_rows import BOOKWORM, SITE, TRIXIE, ProjectRows

from piwright.database.connection import Connection
from piwright.index.page_sources import PageSource, Rendered
from piwright.site import project_source


@pytest.fixture
def rows(connection: Connection, tmp_path: Path) -> ProjectRows:
    return ProjectRows(connection, tmp_path)


class Links(HTMLParser):
    """Everything a page leads to or loads, its ids, its elements and its text."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.elements.append((tag, values))
        self.ids += [str(values["id"])] if "id" in values else []
        self.links += [str(values[name]) for name in ("href", "src") if name in values]

    def handle_data(self, data: str) -> None:
        self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)


def page(made: Rendered, name: str) -> Links:
    return Links(made.files[f"project/{name}/index.html"])


def settle(rows: ProjectRows, name: str) -> None:
    rows.site.settle(rows.connection, [rows.id_of(name)])


def test_it_is_what_the_publisher_takes(rows: ProjectRows) -> None:
    source: PageSource = rows.site
    rows.wheel("spidev", "3.6")
    project = rows.id_of("spidev")
    read = source.read(rows.connection, [project], everything=False)
    elsewhere = pickle.loads(pickle.dumps((source, read[project])))
    assert elsewhere[0].render(elsewhere[1]) == source.render(read[project])


def test_a_project_has_a_page_data_a_badge_a_feed_and_a_page_for_each_build(rows: ProjectRows) -> None:
    build = rows.attempt(rows.job("spidev", "3.6"), log="one\ntwo\n")
    rows.wheel("spidev", "3.6", attempt=build)
    made = rows.rendered("spidev")
    below = f"project/spidev/build/{build}/"
    assert list(made.files) == [
        *(f"{below}json", f"{below}index.html"),
        *(f"project/spidev/{name}" for name in ("badge.svg", "feed.atom", "json", "index.html")),
    ]
    [(place, source)] = made.places.items()
    assert place == f"{below}log.txt.gz"
    assert gzip.decompress(source.read_bytes()) == b"one\ntwo\n"


def test_a_builds_page_is_written_once_and_again_only_with_everything(rows: ProjectRows) -> None:
    first = rows.attempt(rows.job("spidev", "3.6"))
    assert f"project/spidev/build/{first}/index.html" in rows.rendered("spidev").files
    # Nothing is said to be there before it is settled.
    assert f"project/spidev/build/{first}/index.html" in rows.rendered("spidev").files
    settle(rows, "spidev")
    second = rows.attempt(rows.job("spidev", "3.6"))
    made = rows.rendered("spidev").files
    assert f"project/spidev/build/{first}/index.html" not in made
    assert f"project/spidev/build/{second}/index.html" in made
    assert f"project/spidev/build/{first}/index.html" in rows.rendered("spidev", everything=True).files


def test_a_build_that_came_after_the_reading_stays_due(rows: ProjectRows) -> None:
    rows.attempt(rows.job("spidev", "3.6"))
    rows.rendered("spidev")
    late = rows.attempt(rows.job("spidev", "3.6"))
    settle(rows, "spidev")
    assert rows.value("SELECT array_agg(attempt_id) FROM attempt WHERE page_at IS NULL") == [late]


@pytest.mark.parametrize("everything", [False, True])
def test_many_builds_are_written_in_portions(
    rows: ProjectRows, everything: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project_source, "PORTION", 3)
    job = rows.job("spidev", "3.6")
    ids = {rows.attempt(job, "timeout") for _ in range(7)}
    if everything:  # all were written before, and the tree was lost
        rows.execute("UPDATE attempt SET page_at = now()")
    written: set[int] = set()
    rounds = []
    for number in range(1, 9):
        rows.execute("UPDATE project SET stale_since = NULL")
        made = rows.rendered("spidev", everything=everything and number == 1)
        found = {int(match[1]) for path in made.files if (match := re.search(r"build/(\d+)/index", path))}
        assert not found & written
        written |= found
        linked = [re.findall(rb'href="(?:build/|\.\./)(\d+)/', each) for each in made.files.values()]
        assert {int(each) for links in linked for each in links} <= written
        assert (
            len(
                re.findall(
                    b'<th scope="row">.*?</th><td data-label="Version">', made.files["project/spidev/index.html"]
                )
            )
            == 7
        )
        rounds.append(len(found))
        settle(rows, "spidev")
        if rows.value("SELECT stale_since FROM project") is None:
            break
    assert written == ids
    assert rounds == [3, 3, 1]


def test_projects_that_are_read_together_share_what_is_read_at_once(
    rows: ProjectRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project_source, "MOST_AT_ONCE", 3)
    for name in ("a", "b", "c"):
        for _ in range(2):
            rows.attempt(rows.job(name, "1.0"), "timeout")
    ids = [rows.id_of(name) for name in ("a", "b", "c")]
    found = []
    while True:
        rows.execute("UPDATE project SET stale_since = NULL")
        read = rows.site.read(rows.connection, ids)
        found.append([len(read[project].builds) for project in ids])
        assert all(f"project/{each.name}/index.html" in rows.site.render(each).files for each in read.values())
        rows.site.settle(rows.connection, ids)
        if not rows.value("SELECT count(*) FROM project WHERE stale_since IS NOT NULL"):
            break
    assert found == [[2, 1, 0], [0, 1, 2]]


def test_a_project_nobody_wants_any_more_loses_its_page(rows: ProjectRows) -> None:
    project = rows.project("spidev")
    assert "project/spidev/index.html" in rows.rendered("spidev").files
    rows.execute("DELETE FROM watch WHERE project_id = %s", project)
    rows.execute("UPDATE project SET stale_since = now()")
    assert rows.rendered("spidev") == Rendered(gone=("project/spidev/",))
    rows.execute("UPDATE project SET stale_since = NULL")
    assert rows.site.read(rows.connection, [project], everything=True) == {}


def test_a_wheel_whose_file_is_lost_is_not_offered(rows: ProjectRows) -> None:
    rows.wheel("spidev", "3.6", published_at=None)
    shown = page(rows.rendered("spidev"), "spidev")
    assert "its file is missing" in shown.text
    assert not [link for link in shown.links if link.endswith(".whl")]


def test_the_page_answers_in_one_look(rows: ProjectRows) -> None:
    fill_example(rows)
    text = page(rows.rendered("spidev"), "spidev").text
    assert "Version 3.8 installs on 3 of 4 targets, without compiling." in text
    assert "Trixie 64-bit: Nobody builds for this target at the moment." in text
    assert f"pip install --index-url {SITE}/simple/ spidev" in text
    assert f"uv pip install --default-index {SITE}/simple/ spidev" in text
    assert "sudo apt install libgpiod3 libopenblas0-pthread" in text
    assert "Held by alice: crashes on a Pi Zero" in text
    failed = page(rows.rendered("rpi-lgpio"), "rpi-lgpio").text
    assert "No wheel: pip would have to compile version 0.6." in failed
    assert "A C or C++ header is not installed on the worker." in failed
    assert "missing header" in failed
    line = "src/lgpio_wrap.c:22:10: fatal error: lgpio.h: No such file or directory"
    assert f"The log for Bookworm 32-bit {line}" in failed
    assert [link for link in page(rows.rendered("rpi-lgpio"), "rpi-lgpio").links if link.endswith("/#L1233")]
    shut = page(rows.rendered("shut"), "shut").text
    assert "Nothing of this can be installed. Upstream holds it in quarantine: malware" in shut
    assert "pip install" not in shut.partition("Badge")[0]
    assert "Not yet: version 2.0 is in the queue." in page(rows.rendered("waits"), "waits").text
    old = page(rows.rendered("many-versions"), "many-versions").text
    assert "archived Upstream says so: use spidev" in old


def test_a_project_with_two_thousand_versions_stays_readable(rows: ProjectRows) -> None:
    rows.release("old", "0.1")
    rows.execute(
        "INSERT INTO release (project_id, version, original_version, yanked) "
        "SELECT %s, '1.' || n, '1.' || n, n %% 2 = 0 FROM generate_series(0, 1999) n",
        rows.id_of("old"),
    )
    made = rows.rendered("old")
    html = made.files["project/old/index.html"]
    assert len(html) < 150_000
    assert html.count(b'<th scope="row">') == 50
    assert b"1.1999" in html
    text = page(made, "old").text
    assert "1 951 older versions" in text.replace("\u202f", " ")
    assert "Still older ones are in the JSON" in text
    data = json.loads(made.files["project/old/json"])
    assert [each["version"] for each in data["releases"]] == [*(f"1.{n}" for n in range(1999, -1, -1)), "0.1"]


def test_versions_that_nobody_asked_for_share_a_line(rows: ProjectRows) -> None:
    for number in range(12):
        rows.release("old", f"1.{number}")
    rows.execute("UPDATE release SET yanked = true WHERE version = '1.9'")
    html = rows.rendered("old").files["project/old/index.html"].decode()
    table = html[html.index('<table class="stack matrix">') : html.index("</table>")]
    lines = [" ".join(re.sub("<[^>]*>", " ", each).split()) for each in table.split('<th scope="row">')[1:]]
    assert [line.split(" It is not in the queue")[0] for line in lines] == [
        "1.11 20 Nov 2026 not considered",
        "1.10 20 Nov 2026 not considered",
        "1.9 yanked 20 Nov 2026 yanked Yanked.",
        "1.0 to 1.8 9 versions not considered",
    ]
    assert lines[-1].endswith("Which versions 1.8, 1.7, 1.6, 1.5, 1.4, 1.3, 1.2, 1.1, 1.0")


def test_every_link_between_the_pages_leads_somewhere(rows: ProjectRows) -> None:
    fill_example(rows)
    made: dict[str, bytes] = {}
    for name in ("spidev", "rpi-lgpio", "waits", "many-versions", "evil", "shut"):
        rendered = rows.rendered(name)
        made |= rendered.files | {path: b"" for path in rendered.places}
    wheels = {
        f"files/{row[0][:2]}/{row[0][2:]}/{row[1]}"
        for row in [(rows.value("SELECT sha256 FROM wheel WHERE filename = %s", name), name) for name in offered(rows)]
    }
    for path, content in made.items():
        if not path.endswith("index.html"):
            continue
        shown = Links(content)
        assert len(shown.ids) == len(set(shown.ids)), path
        for link in shown.links:
            url = urlsplit(urljoin(f"http://tree/{path}", link))
            if url.netloc != "tree":
                assert link.startswith("https://upstream.invalid/simple/")
                continue
            there = unquote(url.path).lstrip("/")
            if there.startswith(("simple/", "extra/", "static/", "search/", "status/", "feed.atom")) or not there:
                continue  # other pages' business
            there += "index.html" if there.endswith("/") else ""
            assert there in made or f"{there}.gz" in made or there in wheels, f"{path} leads to {link}"
            if url.fragment and there in made:
                assert unquote(url.fragment) in Links(made[there]).ids, f"{path} leads to {link}"


def offered(rows: ProjectRows) -> list[str]:
    names = rows.value("SELECT array_agg(filename) FROM wheel WHERE held_reason IS NULL")
    return list(names)


_FORBIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def test_hostile_texts_are_only_text_wherever_they_come_up(rows: ProjectRows) -> None:
    fill_example(rows)
    made = rows.rendered("evil")
    for path, content in made.files.items():
        if path.endswith("json"):
            json.loads(content)
            continue
        text = content.decode()
        assert not _FORBIDDEN.search(text), path
        if path.endswith((".svg", ".atom")):
            ElementTree.fromstring(content)
            continue
        assert "<script" not in text
        for tag, attributes in Links(content).elements:
            assert tag not in ("script", "style", "iframe", "object", "form", "base")
            assert not [name for name in attributes if name.startswith("on") or name == "style"], (path, tag)
        assert EVIL[:25] in " ".join(Links(content).words)
        assert len(content) < 400_000
    build = next(content for path, content in made.files.items() if re.search(r"build/\d+/index.html", path))
    assert "rm -rf" not in Links(build).text.partition("Repeat it on a Pi")[2].partition("Log")[0]


def test_data_says_what_the_page_shows(rows: ProjectRows) -> None:
    fill_example(rows)
    data = json.loads(rows.rendered("spidev").files["project/spidev/json"])
    assert data["piwright"] == {"json": "1.0"}
    assert (data["newest_version"], data["status"]) == ("3.8", "active")
    assert data["releases"][0]["targets"]["bookworm-cp311-armv7l"]["state"] == "built"
    waiting = data["releases"][0]["targets"]["trixie-cp313-aarch64"]
    assert (waiting["state"], waiting["queue"]["ahead"], waiting["queue"]["seconds"]) == ("waiting", 0, None)
    assert data["targets"][2]["apt_packages"] == ["libgpiod3", "libopenblas0-pthread"]
    assert {each["state"] for each in data["files"]} == {"offered", "held_back"}
    assert data["releases"][3]["yanked"] == "broken on 64 bit"
    assert len(data["attempts"]) == 10
    assert data["downloads"]["total"] == sum(40 + (back * 37) % 90 for back in range(45))


def test_a_page_depends_on_what_it_shows_alone(rows: ProjectRows) -> None:
    rows.wheel("spidev", "3.6")
    rows.attempt(rows.job("spidev", "3.6", TRIXIE, "failed"), "timeout")
    before = rows.rendered("spidev").files
    rows.connection.commit()
    rows.wheel("other", "1.0")
    rows.job("waiting", "1.0", BOOKWORM, "waiting")
    assert rows.rendered("spidev").files == before


def test_the_feed_has_the_last_builds_newest_first(rows: ProjectRows) -> None:
    job = rows.job("spidev", "3.6", state="failed")
    ids = [rows.attempt(job, "timeout", evidence_text="a < b & c") for _ in range(35)]
    feed = ElementTree.fromstring(rows.rendered("spidev").files["project/spidev/feed.atom"])
    names = {"a": "http://www.w3.org/2005/Atom"}
    entries = feed.findall("a:entry", names)
    assert [entry.findtext("a:id", "", names) for entry in entries] == [
        f"{SITE}/project/spidev/build/{each}/" for each in sorted(ids, reverse=True)[:30]
    ]
    assert entries[0].findtext("a:title", "", names) == "spidev 3.6 for bookworm-cp311-armv7l: timeout"
    assert "a < b & c" in entries[0].findtext("a:summary", "", names)
    assert feed.findtext("a:updated", "", names) == "2026-11-21T05:06:07Z"
