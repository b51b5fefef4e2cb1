"""The page of the farm says who builds what, what waits and for how long, and what failed on the last day."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from index.published_shop import BUILT, Shop
from piwright.database.connection import Connection, Json, connect
from piwright.database.provision import Access
from piwright.site.farm import ESTIMATES, FRESHNESS, LAST_DAY, LAST_HOUR, LEASES, QUEUES, read_farm
from piwright.site.page_environment import moment
from piwright.site.project_json import iso
from piwright.site.status_page import render_status, status_json
from support.postgres import fresh_database

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e"


@pytest.fixture
def shop(connection: Connection, tmp_path: Path) -> Shop:
    return Shop(connection, tmp_path)


def add_worker(shop: Shop, name: str, **columns: object) -> int:
    shop.job("spidev", "1.0", state="waiting")
    values = {
        "name": name,
        "connection_id": name,
        "target_id": 1,
        "python": "python3",
        "state_directory": "/",
    } | columns
    names, places = ", ".join(values), ", ".join(["%s"] * len(values))
    shop.execute(f"INSERT INTO worker ({names}) VALUES ({places})", tuple(values.values()))
    return int(shop.value("SELECT worker_id FROM worker WHERE name = %s", name))


def page(shop: Shop) -> str:
    content = render_status(read_farm(shop.connection)).decode()
    shop.connection.commit()
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", content))


def test_an_empty_farm_says_so(shop: Shop) -> None:
    text = page(shop)
    assert "0 of 0 workers live" in text
    assert "There is no worker yet." in text
    assert "Nothing was built yet." in text


def test_a_worker_is_shown_with_its_state_its_reason_and_what_it_builds(shop: Shop) -> None:
    live = add_worker(shop, "pi-1", slots=2, seen_at=BUILT, facts=Json({"cores": 4, "memory_bytes": 4_000_000_000}))
    add_worker(shop, "pi-2", state="lost", state_reason=HOSTILE)
    add_worker(shop, "pi-3", state="drained", state_reason="removed")
    shop.execute(
        "INSERT INTO batch (target_id, run_id, label, state, worker_id, expected_seconds)"
        " VALUES (1, 'run', 'spidev 1.0', 'running', %s, 60)",
        (live,),
    )
    shop.execute(
        "INSERT INTO lease (worker_id, slot, batch_id, job_id, taken_at, expires_at)"
        " SELECT worker_id, 1, batch_id, 1, %s, now() + interval '1 hour' FROM batch",
        (BUILT,),
    )
    farm = read_farm(shop.connection)
    assert [(each.name, each.state, len(each.leases)) for each in farm.workers] == [
        ("pi-1", "live", 1),
        ("pi-2", "lost", 0),
    ]
    text = page(shop)
    assert "1 of 2 workers live" in text
    assert "spidev 1.0 since 4 Mar 2026, 05:06" in text
    assert "1 of 2 slots in use" in text
    assert b"<script" not in render_status(farm)
    assert "\u202e" not in text
    content = json.loads(status_json(farm))
    assert content["workers"][0]["building"][0]["project"] == "spidev"
    assert content["workers"][0]["seen"] == "2026-03-04T05:06:07Z"
    assert content["workers"][1]["state"] == "lost"


def test_the_queue_takes_what_its_jobs_are_estimated_to_take_shared_by_the_live_slots(shop: Shop) -> None:
    add_worker(shop, "pi-1", slots=2)
    add_worker(shop, "pi-2", slots=1, state="lost")
    for number in range(9):
        shop.job("waits", f"1.{number}", state="waiting")
    shop.execute("UPDATE job SET estimate_seconds = 30")
    shop.execute("UPDATE job SET estimate_seconds = 130 WHERE job_id = (SELECT min(job_id) FROM job)")
    [queue] = read_farm(shop.connection).queues
    assert (queue.waiting, queue.slots, queue.seconds) == (10, 2, (9 * 30 + 130) / 2)


def test_a_long_queue_goes_on_as_it_begins(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    add_worker(shop, "pi-1")
    for number in range(9):
        shop.job("waits", f"1.{number}", state="waiting")
    shop.execute("UPDATE job SET estimate_seconds = 30")
    monkeypatch.setattr("piwright.site.farm.QUEUE_LIMIT", 4)
    [queue] = read_farm(shop.connection).queues
    assert (queue.waiting, queue.seconds) == (10, 10 * 30)


def test_the_page_says_when_it_was_read(shop: Shop) -> None:
    read = read_farm(shop.connection)
    assert abs(datetime.now(UTC) - read.as_of) < timedelta(minutes=1)
    assert f'<time datetime="{moment(read.as_of)}">'.encode() in render_status(read)
    assert json.loads(status_json(read))["as_of"] == iso(read.as_of)


def test_a_queue_without_a_live_worker_has_no_end(shop: Shop) -> None:
    shop.job("waits", "1.0", state="waiting")
    [queue] = read_farm(shop.connection).queues
    assert queue.seconds is None
    assert "no live worker" in page(shop)


def test_the_last_day_ends_with_the_last_builds(shop: Shop) -> None:
    worker = add_worker(shop, "pi-1")
    job = shop.job("spidev", "1.0")
    for back, failure in ((0, None), (1, "timeout"), (2, "timeout"), (23, "backend"), (24, None), (300, "backend")):
        shop.attempt(job, failure, recorded_at=BUILT - timedelta(hours=back), worker_id=worker)
    farm = read_farm(shop.connection)
    assert farm.until == BUILT.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    assert (farm.built, farm.failures) == (1, (("timeout", 2), ("backend", 1)))
    assert (farm.workers[0].builds, farm.workers[0].failed) == (4, 3)


def test_pages_that_are_due_are_counted(shop: Shop) -> None:
    shop.wheel("spidev", "3.6")
    assert read_farm(shop.connection).due == 1
    assert "1 project with pages to bring up to date" in page(shop)
    shop.publish()
    assert "Every page is up to date." in page(shop)


FILL = """
INSERT INTO target (name, distribution, python, architecture, tags) VALUES ('t', 'd', '3.11', 'x', '{py3-none-any}');
INSERT INTO worker (name, connection_id, target_id, python, state_directory)
SELECT 'pi-' || n, n::text, 1, 'python3', '/' FROM generate_series(1, 20) n;
INSERT INTO project (name, display_name, stale_since)
SELECT 'project-' || n, n::text, CASE WHEN n % 500 = 0 THEN now() END FROM generate_series(1, 30000) n;
INSERT INTO release (project_id, version, original_version) SELECT project_id, '1.0', '1.0' FROM project;
INSERT INTO job (release_id, target_id, state, priority, estimate_seconds)
SELECT release_id, 1, 'waiting', 10, 1 FROM release;
INSERT INTO build_hour (hour, target_id, worker_id, failure_class, attempts, seconds)
SELECT now() - make_interval(hours => h), 1, w, c, 1, 1
FROM generate_series(1, 1500) h, generate_series(1, 20) w, (VALUES ('backend'), ('')) f (c);
INSERT INTO build_day (day, target_id, worker_id, failure_class, attempts, seconds)
SELECT '2010-01-01'::date + d, 1, w, c, 1, 1
FROM generate_series(1, 1500) d, generate_series(1, 20) w, (VALUES ('backend'), ('')) f (c);
ANALYZE;
"""


@pytest.fixture(scope="module")
def large(postgres_server: str, postgres_template: Access) -> Iterator[Connection]:
    with fresh_database(postgres_server, postgres_template) as access, connect(access.owner) as owner:
        with owner.cursor() as cursor:
            cursor.execute(FILL)
        yield owner


@pytest.mark.parametrize("statement", [LAST_HOUR, LAST_DAY, ESTIMATES, LEASES, QUEUES, FRESHNESS])
def test_no_query_of_the_page_scans_what_grows(large: Connection, statement: str) -> None:
    with large.cursor() as cursor:
        cursor.execute("SELECT max(hour) - interval '24 hours' FROM build_hour")
        row = cursor.fetchone()
        cursor.execute("EXPLAIN " + statement, {"after": row[0], "limit": 1000})
        plan = "\n".join(each[0] for each in cursor.fetchall())
    few = "target|worker|lease|batch|job_count|wheel"  # of these the fixture has some dozens of rows or none
    plan = re.sub(f"Seq Scan on ({few}) ", "", plan)
    assert "Seq Scan" not in plan, plan
