"""The home page tells what is in the database, harmlessly, and only as much as fits a page."""

import configparser
import json
import os
import re
import subprocess
import sys
import tomllib
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
from piwright.site.build_history import BY_DAY, BY_WORKER, History, read_history
from piwright.site.home import home_json, render_home
from piwright.site.overview import FAILURES, NEWEST, OFFERED, TARGETS, Overview, read_overview
from piwright.site.presentable import presentable

URL = "http://127.0.0.1:8000"
NO_HISTORY = History(0.0, 0, (), ())


@pytest.fixture
def shop(connection: Connection, tmp_path: Path) -> Shop:
    return Shop(connection, tmp_path)


class Text(HTMLParser):
    """What a reader sees, and the elements it is in."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.words: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)

    @property
    def links(self) -> set[str]:
        return {str(attributes.get("href")) for tag, attributes in self.elements if tag == "a"}


def home(shop: Shop, url: str = URL) -> bytes:
    page = render_home(read_overview(shop.connection), read_history(shop.connection), url)
    shop.connection.commit()
    return page


def test_an_empty_shop_says_how_to_use_it_and_that_nothing_is_built(shop: Shop) -> None:
    text = Text(home(shop)).text
    assert f"pip install --index-url {URL}/simple/ PACKAGE" in text
    assert f"uv pip install --default-index {URL}/simple/ PACKAGE" in text
    assert "Nothing yet." in text
    assert "Nothing was built yet." in text
    assert "trusted-host" not in text


def test_who_uses_raspberry_pi_os_is_told_what_to_replace_and_what_pip_refuses(shop: Shop) -> None:
    page = Text(home(shop))
    assert "use" in {attributes.get("id") for _, attributes in page.elements}  # where project pages lead
    text = page.text
    assert "/etc/pip.conf" in text
    assert "extra-index-url . The line above replaces it" in text
    assert "/etc/uv/uv.toml" in text
    assert "externally-managed-environment" in text
    assert "python3 -m venv" in text


@pytest.mark.parametrize("url", [URL, "http://pi.example:8000"], ids=["loopback", "without TLS"])
def test_each_line_that_configures_pip_and_uv_does_so_when_it_is_pasted(shop: Shop, tmp_path: Path, url: str) -> None:
    lines = [
        unescape(line)
        for line in re.findall(r"<pre[^>]*><code>(.*?)</code></pre>", home(shop, url).decode(), re.DOTALL)
    ]
    (etc := tmp_path / "etc").mkdir()
    (fake := tmp_path / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
    fake.chmod(0o755)
    environment = {"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{tmp_path}:{os.environ['PATH']}"}
    for line in lines:
        if "install --" not in line and "uv pip install" not in line:
            pasted = line.replace("/etc/", f"{etc}/")
            subprocess.run(["bash", "-ec", pasted], env=environment, check=True, stdout=subprocess.DEVNULL)
    for written in (tmp_path / ".config" / "pip" / "pip.conf", etc / "pip.conf"):
        found = configparser.ConfigParser()
        found.read(written)
        wanted = {"index-url": f"{url}/simple/"} | ({} if url == URL else {"trusted-host": "pi.example:8000"})
        assert dict(found["global"]) == wanted
    assert tomllib.loads((etc / "uv" / "uv.toml").read_text()) == {
        "index": [{"url": f"{url}/simple/", "default": True}]
    }
    said = subprocess.run(
        ["sh", "-c", '. "$HOME/.profile"; echo "$UV_DEFAULT_INDEX"'], env=environment, capture_output=True, text=True
    )
    assert said.stdout == f"{url}/simple/\n"


def test_numbers_lists_and_the_example_come_from_the_database(shop: Shop) -> None:
    shop.wheel("spidev", "3.6")
    shop.wheel("spidev", "3.7", built_at=BUILT + timedelta(days=1))
    shop.wheel("smbus2", "1.0", built_at=BUILT - timedelta(days=1))
    job = shop.job("rpi-gpio", "0.7", state="failed")
    shop.attempt(job, "missing_header", evidence_text="fatal error: Python.h: No such file", evidence_line=3)
    shop.job("waits", "1.0", state="waiting")
    shop.publish()
    overview = read_overview(shop.connection)
    assert (overview.projects, overview.releases, overview.wheels) == (2, 3, 3)
    assert overview.bytes == sum(path.stat().st_size for path in shop.index_root.glob("files/**/*.whl"))
    assert (overview.built, overview.failed, overview.waiting) == (3, 1, 1)
    assert overview.success == 0.75
    assert [wheel.version for wheel in overview.newest] == ["3.7", "3.6", "1.0"]
    page = Text(home(shop))
    assert "/simple/ spidev" in page.text
    assert "75.0 %" in page.text
    assert "missing header fatal error: Python.h: No such file" in page.text
    assert "5 Mar 2026, 05:06" in page.text
    assert {"./simple/", "./extra/simple/", "project/spidev/", "project/smbus2/", "here/simple/"} <= page.links


def test_a_target_that_is_built_no_longer_has_no_index_to_go_to(shop: Shop) -> None:
    shop.job("spidev", "3.6", target="old")
    shop.job("spidev", "3.6", target="new")
    shop.execute("UPDATE target SET active = false WHERE name = 'old'")
    shop.publish()
    page = Text(home(shop))
    assert "old/simple/" not in page.links
    assert "new/simple/" in page.links
    assert "no longer built" in page.text


def test_wheels_of_a_release_are_one_line(shop: Shop) -> None:
    shop.wheel("numpy", "2.0", "cp311-cp311-linux_armv7l")
    shop.wheel("numpy", "2.0", "cp311-cp311-linux_aarch64", built_at=BUILT - timedelta(hours=1))
    shop.wheel("spidev", "3.6", built_at=BUILT - timedelta(minutes=1))
    shop.publish()
    releases = read_overview(shop.connection).newest_releases
    assert [(each.project, len(each.wheels)) for each in releases] == [("numpy", 2), ("spidev", 1)]
    assert releases[0].tags == ("cp311-cp311-linux_armv7l", "cp311-cp311-linux_aarch64")


def test_a_build_page_is_linked_only_where_it_is_published(shop: Shop) -> None:
    shop.wheel("spidev", "3.6")
    attempt = shop.attempt(shop.job("fails", "1.0", state="failed"), "backend")
    shop.publish()
    assert f"project/fails/build/{attempt}/" not in Text(home(shop)).links
    shop.execute("UPDATE attempt SET page_at = now()")
    links = Text(home(shop)).links
    assert {f"project/fails/build/{attempt}/", "project/fails/"} <= links
    assert len([link for link in links if link.startswith("project/spidev/build/")]) == 1


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
    assert [each.version for each in read_overview(shop.connection).newest] == ["3.5"]
    shop.publish()
    assert read_overview(shop.connection).wheels == 1


def test_a_job_that_failed_often_is_one_failure_and_one_that_was_built_is_none(shop: Shop) -> None:
    often = shop.job("often", "1.0", state="failed")
    for message in ("first", "second", "last"):
        shop.attempt(often, "backend", message=message)
    healed = shop.job("healed", "1.0", state="built")
    shop.attempt(healed, "backend", message="once")
    failures = read_overview(shop.connection).failures
    assert [(failure.project, failure.evidence) for failure in failures] == [("often", "last")]


def test_lists_have_a_limit(shop: Shop) -> None:
    for number in range(4):
        shop.wheel("spidev", f"1.{number}")
        shop.attempt(shop.job("fails", f"1.{number}", state="failed"), "backend")
    shop.publish()
    overview = read_overview(shop.connection, newest_limit=2, failure_limit=3)
    assert (len(overview.newest), len(overview.failures)) == (2, 3)


def test_pip_is_told_to_trust_a_host_only_where_it_would_refuse_it(shop: Shop) -> None:
    text = Text(home(shop, "http://pi.lan:8000")).text
    assert "pip install --trusted-host pi.lan:8000 --index-url http://pi.lan:8000/simple/" in text
    assert "trusted-host = pi.lan:8000" in text
    assert "trusted-host" not in Text(home(shop, "https://wheels.invalid")).text


HOSTILE = "<script>alert(1)</script>\x1b[31m" + '" onload="x\u202egnp.exe' + "A" * 5000


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
        ("a\u202eb\u2066c\u200bd", "a\ufffdb\ufffdc\ufffdd"),
        ("x" * 240, "x" * 240),
        ("x" * 241, "x" * 239 + "…"),
        ("x" * 10_000_000, "x" * 239 + "…"),
        (" " * 10_000 + "late", "…"),
        ("", ""),
    ],
)
def test_a_log_line_is_made_presentable(line: str, shown: str) -> None:
    assert presentable(line) == shown


def test_the_page_has_no_style_or_script_of_its_own_and_loads_from_its_own_site_alone(shop: Shop) -> None:
    elements = Text(home(shop)).elements
    assert not [tag for tag, _ in elements if tag in ("script", "style", "img", "iframe", "object", "form")]
    for tag, attributes in elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        if tag == "link":
            assert not re.match("[a-z]+:|//", str(attributes["href"]))
    [policy] = [str(a["content"]) for tag, a in elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self';")


def test_the_page_depends_on_what_it_shows_alone() -> None:
    overview = Overview(1, 1, 1, 1, (), (), ())
    page = render_home(overview, NO_HISTORY, URL)
    assert page == render_home(overview, NO_HISTORY, URL + "/")
    assert "1\u202f234\u202f567" in render_home(replace(overview, wheels=1234567), NO_HISTORY, URL).decode()


def test_the_history_ends_with_the_last_builds_and_leaves_no_day_out(shop: Shop) -> None:
    job = shop.job("spidev", "1.0")
    day = timedelta(days=1)
    for back, failure in ((0, None), (0, "backend"), (3, None), (200, None)):
        shop.attempt(job, failure, recorded_at=BUILT - back * day, finished_at=BUILT + timedelta(seconds=50))
    history = read_history(shop.connection)
    assert [day.day for day in history.days] == [BUILT.date() - back * day for back in reversed(range(14))]
    assert [(each.built, each.failed) for each in history.days[-4:]] == [(1, 0), (0, 0), (0, 0), (1, 1)]
    assert (history.attempts, history.seconds) == (4, 200.0)
    assert [(each.name, each.attempts, each.days[-4:]) for each in history.workers] == [("unknown", 3, (1, 0, 0, 2))]
    text = Text(home(shop)).text
    assert "Last builds on 4 Mar 2026: 1 built, 1 failed." in text
    assert "3 min 20 s" in text


def test_workers_beyond_a_dozen_are_one_line(shop: Shop) -> None:
    job = shop.job("spidev", "1.0")
    shop.execute(
        "INSERT INTO worker (name, connection_id, target_id, python, state_directory)"
        " SELECT 'pi-' || n, n::text, 1, 'python3', '/' FROM generate_series(1, 20) n"
    )
    for number in range(1, 21):
        for _ in range(number):
            shop.attempt(job, worker_id=number)
    workers = read_history(shop.connection).workers
    assert [each.name for each in workers] == [f"pi-{n}" for n in range(20, 9, -1)] + ["others"]
    assert sum(each.attempts for each in workers) == 210
    assert workers[-1].days[-1] == sum(range(1, 10))


def test_the_json_has_what_the_page_shows(shop: Shop) -> None:
    shop.wheel("spidev", "3.6")
    attempt = shop.attempt(shop.job("evil", "1.0", state="failed"), "backend", evidence_text=HOSTILE)
    shop.publish()
    content = json.loads(home_json(read_overview(shop.connection), read_history(shop.connection)))
    assert content["piwright"] == {"json": "1.0"}
    assert (content["projects"], content["versions"], content["wheels"]) == (1, 1, 1)
    assert content["jobs"] == {"built": 1, "failed": 1, "waiting": 0}
    assert content["newest"][0]["filename"] == "spidev-3.6-py3-none-any.whl"
    assert content["newest"][0]["built"] == "2026-03-04T05:06:07Z"
    assert (content["failures"][0]["project"], content["failures"][0]["build"]) == ("evil", attempt)
    assert sum(day["built"] for day in content["days"]) == 1
    assert content["targets"][0]["index"] == "here/simple/"


FILL = """
INSERT INTO project (name, display_name) SELECT 'project-' || n, n::text FROM generate_series(1, 3000) n;
INSERT INTO release (project_id, version, original_version)
SELECT project_id, v::text, v::text FROM project, generate_series(1, 3) v;
INSERT INTO target (name, distribution, python, architecture, tags) VALUES ('t', 'd', '3.11', 'x', '{py3-none-any}');
INSERT INTO job (release_id, target_id, priority, estimate_seconds, state)
SELECT release_id, target_id, 1, 1, CASE WHEN release_id % 4 = 0 THEN 'failed' ELSE 'built' END FROM release, target;
INSERT INTO worker (name, connection_id, target_id, python, state_directory)
SELECT 'pi-' || n, n::text, 1, 'python3', '/' FROM generate_series(1, 20) n;
INSERT INTO attempt (job_id, number, worker_id, outcome, failure_class, started_at, finished_at, recorded_at)
SELECT job_id, 1, 1 + job_id % 20, CASE state WHEN 'failed' THEN 'failed' ELSE 'built' END,
       CASE state WHEN 'failed' THEN 'backend' END, now(), now(), now() - make_interval(hours => job_id::int)
FROM job;
INSERT INTO build_day (day, target_id, worker_id, failure_class, attempts, seconds)
SELECT '2010-01-01'::date + d, 1, w, c, 1, 1
FROM generate_series(1, 1500) d, generate_series(1, 20) w, (VALUES ('backend'), ('timeout')) f (c);
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
            for statement in (NEWEST, FAILURES, OFFERED, TARGETS, BY_DAY, BY_WORKER):
                cursor.execute("SELECT max(day) - 90 AS after FROM build_day")
                row = cursor.fetchone()
                cursor.execute("EXPLAIN " + statement, {"limit": 20, "after": row[0]})
                found[statement] = "\n".join(row[0] for row in cursor.fetchall())
        yield found


@pytest.mark.parametrize(
    "statement", [NEWEST, FAILURES, BY_DAY, BY_WORKER], ids=["newest", "failures", "by day", "by worker"]
)
def test_no_query_of_the_page_scans_what_grows(plans: dict[str, str], statement: str) -> None:
    plan = re.sub("Seq Scan on (target|worker)", "", plans[statement])  # some dozens of rows, ever
    assert "Seq Scan" not in plan, plan


def test_neither_jobs_nor_wheels_are_ever_counted(plans: dict[str, str]) -> None:
    assert set(re.findall(r"Scan.* on (\w+)", plans[TARGETS])) == {"job_count", "target"}
    assert set(re.findall(r"Scan.* on (\w+)", plans[OFFERED])) == {"offer_count"}
