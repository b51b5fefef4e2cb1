"""The home page tells what is in the database, harmlessly, and only as much as fits a page."""

import base64
import gzip
import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from index.published_shop import BUILT, Shop
from piwright.database.connection import Connection, connect
from piwright.database.provision import Access
from piwright.site.home import render_home, write_home
from piwright.site.overview import FAILURES, JOBS, NEWEST, WHEELS, Overview, presentable, read_overview

URL = "http://127.0.0.1:8000"


@pytest.fixture
def shop(connection: Connection, tmp_path: Path) -> Shop:
    return Shop(connection, tmp_path)


class Text(HTMLParser):
    """What a reader sees, and the elements it is in."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.words: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._hidden = 0
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._hidden += tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag == "style"

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)


def home(shop: Shop, url: str = URL) -> bytes:
    write_home(shop.connection, shop.index_root, url)
    shop.connection.commit()
    return (shop.index_root / "index.html").read_bytes()


def test_an_empty_shop_says_how_to_use_it_and_that_nothing_is_built(shop: Shop) -> None:
    text = Text(home(shop)).text
    assert f"pip install --index-url {URL}/simple/ PACKAGE" in text
    assert f"uv pip install --default-index {URL}/simple/ PACKAGE" in text
    assert f"[global] index-url = {URL}/simple/" in text
    assert f'[[index]] url = "{URL}/simple/" default = true' in text
    assert "Nothing yet." in text
    assert "trusted-host" not in text


def test_numbers_lists_and_the_example_come_from_the_database(shop: Shop) -> None:
    shop.wheel("spidev", "3.6")
    shop.wheel("spidev", "3.7", built_at=BUILT + timedelta(days=1))
    shop.wheel("smbus2", "1.0", built_at=BUILT - timedelta(days=1))
    job = shop.job("rpi-gpio", "0.7", state="failed")
    shop.attempt(job, "missing_header", evidence_text="fatal error: Python.h: No such file", evidence_line=3)
    shop.job("waits", "1.0", state="waiting")
    shop.publish()
    page = home(shop)
    overview = read_overview(shop.connection)
    assert (overview.projects, overview.releases, overview.wheels) == (2, 3, 3)
    assert (overview.failed, overview.waiting, overview.more) == (1, 1, False)
    assert [wheel.version for wheel in overview.newest] == ["3.7", "3.6", "1.0"]
    text = Text(page).text
    assert "/simple/ spidev" in text
    assert "missing header fatal error: Python.h: No such file" in text
    assert "5 Mar 2026, 05:06" in text
    links = {attributes.get("href") for tag, attributes in Text(page).elements if tag == "a"}
    assert {"simple/", "extra/simple/", "simple/spidev/", "simple/smbus2/"} <= links


def test_what_is_not_published_is_not_shown(shop: Shop) -> None:
    shop.wheel("spidev", "3.6")
    removed = shop.wheel("removed", "1.0")
    shop.wheel("held", "1.0")
    shop.publish()
    shop.wheel("too-early", "1.0")
    shop.remove_wheel(removed)
    shop.project("held", status="quarantined")
    assert [wheel.project for wheel in read_overview(shop.connection).newest] == ["spidev"]


def test_a_wheel_that_is_held_after_it_was_published_is_not_shown(shop: Shop) -> None:
    shop.wheel("spidev", "3.5")
    held = shop.wheel("spidev", "3.6")
    shop.publish()
    shop.hold(held)
    overview = read_overview(shop.connection)
    assert [each.version for each in overview.newest] == ["3.5"]
    assert overview.wheels == 1


def test_a_job_that_failed_often_is_one_failure_and_one_that_was_built_is_none(shop: Shop) -> None:
    often = shop.job("often", "1.0", state="failed")
    for message in ("first", "second", "last"):
        shop.attempt(often, "backend", message=message)
    healed = shop.job("healed", "1.0", state="built")
    shop.attempt(healed, "backend", message="once")
    failures = read_overview(shop.connection).failures
    assert [(failure.project, failure.evidence) for failure in failures] == [("often", "last")]


def test_lists_and_counts_have_a_limit(shop: Shop) -> None:
    for number in range(4):
        shop.wheel("spidev", f"1.{number}")
        shop.attempt(shop.job("fails", f"1.{number}", state="failed"), "backend")
    shop.publish()
    overview = read_overview(shop.connection, count_limit=3, list_limit=2)
    assert (overview.wheels, overview.more) == (3, True)
    assert (len(overview.newest), len(overview.failures)) == (2, 2)
    assert "3+" in Text(render_home(overview, URL)).text.replace(" ", "")


def test_it_is_written_only_when_it_changed_and_twice_as_small_for_who_takes_gzip(shop: Shop) -> None:
    assert write_home(shop.connection, shop.index_root, URL) is True
    path = shop.index_root / "index.html"
    inode = path.stat().st_ino
    assert write_home(shop.connection, shop.index_root, URL) is False
    assert path.stat().st_ino == inode
    packed = path.with_name("index.html.gz").read_bytes()
    assert gzip.decompress(packed) == path.read_bytes()
    assert len(packed) * 2 < path.stat().st_size


def test_pip_is_told_to_trust_a_host_only_where_it_would_refuse_it(shop: Shop) -> None:
    text = Text(home(shop, "http://pi.lan:8000")).text
    assert "pip install --trusted-host pi.lan:8000 --index-url http://pi.lan:8000/simple/" in text
    assert "trusted-host = pi.lan:8000" in text
    assert "trusted-host" not in Text(home(shop, "https://wheels.invalid")).text


HOSTILE = "<script>alert(1)</script>\x1b[31m\x00".replace("\x00", "") + '" onload="x\u202egnp.exe' + "A" * 5000


def test_a_hostile_log_line_is_only_text(shop: Shop) -> None:
    shop.attempt(shop.job("evil", "1.0", state="failed"), "backend", evidence_text=HOSTILE)
    page = home(shop)
    assert b"<script" not in page
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e]", page.decode())
    assert "<script>alert(1)</script>" in unescape(page.decode())
    assert len(page) < 40_000


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("  a\t b\n", "a b"),
        ("a\x1b[0m", "a\ufffd[0m"),
        ("a\u202eb\u2066c", "a\ufffdb\ufffdc"),
        ("x" * 240, "x" * 240),
        ("x" * 241, "x" * 239 + "…"),
        ("", ""),
    ],
)
def test_a_log_line_is_made_presentable(line: str, shown: str) -> None:
    assert presentable(line) == shown


def test_the_page_loads_nothing_runs_nothing_and_allows_its_own_style(shop: Shop) -> None:
    page = home(shop)
    elements = Text(page).elements
    assert not [tag for tag, _ in elements if tag in ("script", "img", "iframe", "object", "form")]
    for tag, attributes in elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        if tag == "link":
            assert str(attributes["href"]).startswith("data:")
    assert b"url(" not in page
    assert b"@import" not in page
    [policy] = [str(a["content"]) for tag, a in elements if a.get("http-equiv") == "Content-Security-Policy"]
    [style] = re.findall(r"<style>(.*?)</style>", page.decode(), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")


def test_the_page_depends_on_what_it_shows_alone(shop: Shop) -> None:
    overview = Overview(1, 1, 1, False, 0, 0, (), ())
    assert render_home(overview, URL) == render_home(overview, URL + "/")
    assert render_home(replace(overview, wheels=1234567), URL) != render_home(overview, URL)
    assert "1\u202f234\u202f567" in render_home(replace(overview, wheels=1234567), URL).decode()


FILL = """
INSERT INTO project (name, display_name) SELECT 'project-' || n, n::text FROM generate_series(1, 3000) n;
INSERT INTO release (project_id, version, original_version)
SELECT project_id, v::text, v::text FROM project, generate_series(1, 3) v;
INSERT INTO target (name, distribution, python, architecture, tags) VALUES ('t', 'd', '3.11', 'x', '{py3-none-any}');
INSERT INTO job (release_id, target_id, priority, estimate_seconds, state)
SELECT release_id, target_id, 1, 1, CASE WHEN release_id % 4 = 0 THEN 'failed' ELSE 'built' END FROM release, target;
INSERT INTO attempt (job_id, number, outcome, failure_class, started_at, finished_at, recorded_at)
SELECT job_id, 1, CASE state WHEN 'failed' THEN 'failed' ELSE 'built' END,
       CASE state WHEN 'failed' THEN 'backend' END, now(), now(), now() - make_interval(secs => job_id)
FROM job;
INSERT INTO wheel (attempt_id, release_id, filename, sha256, size, tags, metadata_sha256, built_at, published_at)
SELECT attempt_id, release_id, attempt_id::text, repeat('a', 64), 1, '{py3-none-any}', repeat('b', 64),
       now() - make_interval(secs => attempt_id), now()
FROM attempt JOIN job USING (job_id);
ANALYZE;
"""


@pytest.fixture(scope="module")
def plans(postgres_server: str, postgres_template: Access) -> Iterator[dict[str, str]]:
    from support.postgres import fresh_database

    with fresh_database(postgres_server, postgres_template) as access, connect(access.owner) as owner:
        with owner.cursor() as cursor:
            cursor.execute(FILL)
            found = {}
            for statement in (WHEELS, NEWEST, FAILURES, JOBS):
                cursor.execute("EXPLAIN " + statement, {"limit": 20})
                found[statement] = "\n".join(row[0] for row in cursor.fetchall())
        yield found


@pytest.mark.parametrize("statement", [WHEELS, NEWEST, FAILURES], ids=["wheels", "newest", "failures"])
def test_no_query_of_the_page_scans_what_grows(plans: dict[str, str], statement: str) -> None:
    plan = plans[statement].replace("Seq Scan on target", "")  # a few rows, ever
    assert "Seq Scan" not in plan, plan


def test_jobs_are_never_counted(plans: dict[str, str]) -> None:
    assert re.findall(r"Scan.* on (\w+)", plans[JOBS]) == ["job_count"]
