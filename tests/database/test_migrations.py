"""A database with somebody's rows in it goes from each schema to the next, and loses nothing."""

from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest

from piwright.database.connection import connect, fetch_all, fetch_one
from piwright.database.migrate import current_revision, migrate, newest_revision
from piwright.database.provision import Access, bring_up_to_date

ROWS_AT_0001 = """
INSERT INTO project (name, display_name) VALUES ('spidev', 'spidev'), ('evdev', 'evdev');
INSERT INTO release (project_id, version, original_version) SELECT project_id, '1.0', '1.0' FROM project;
INSERT INTO target (name, distribution, python, architecture, tags)
VALUES ('bookworm-cp311-armv7l', 'bookworm', '3.11', 'armv7l', '{cp311-cp311-linux_armv7l}');
INSERT INTO worker (name, connection_id, target_id, python, state_directory, state, probed_at)
SELECT 'pi-' || state, 'c-' || state, target_id, '/usr/bin/python3', '/srv', state, '2026-11-20T00:00:00Z'
FROM target, unnest(ARRAY['live', 'drained', 'lost']) state;
INSERT INTO batch (target_id, run_id, label, expected_seconds) SELECT target_id, 'run', 'a batch', 1 FROM target;
INSERT INTO job (release_id, target_id, priority, estimate_seconds, batch_id, state)
SELECT release_id, target_id, 1, 1, batch_id, 'built' FROM release, target JOIN batch USING (target_id);
INSERT INTO lease (worker_id, slot, batch_id, expires_at) SELECT w.worker_id, 1, b.batch_id, now() FROM worker w, batch b LIMIT 1;
INSERT INTO attempt (job_id, number, outcome, started_at, finished_at) SELECT job_id, 1, 'built', now(), now() FROM job;
INSERT INTO wheel (attempt_id, release_id, filename, sha256, size, tags, metadata_sha256, built_at, published_at)
SELECT attempt_id, release_id, name || '-1.0-py3-none-any.whl', repeat('a', 64), 1, '{py3-none-any}', repeat('b', 64),
       now(), now()
FROM attempt JOIN job USING (job_id) JOIN release USING (release_id) JOIN project USING (project_id);
"""


MEANT_TO_CHANGE = ("probed_at", "stale_since")
"""Every worker is probed anew, every page is written anew."""


@pytest.fixture
def old(postgres_server: str, postgres_template: Access) -> Iterator[Access]:
    """A database at 0001 with rows in every table a shop uses."""
    name = "test_at_0001"

    def at(url: str) -> str:
        return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))

    admin = psycopg2.connect(postgres_server)
    admin.autocommit = True
    try:
        with admin.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            cursor.execute(f"CREATE DATABASE {name} OWNER {urlsplit(postgres_template.owner).username}")
        urls = (postgres_template.owner, postgres_template.application, postgres_template.analyst)
        access = Access(*map(at, urls), airflow=postgres_template.airflow)
        migrate(access.owner, "0001")
        with connect(access.owner) as connection, connection.cursor() as cursor:
            cursor.execute(ROWS_AT_0001)
        yield access
    finally:
        with admin.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        admin.close()


def test_a_database_with_rows_goes_to_the_newest_schema_and_keeps_them(old: Access) -> None:
    tables = ("project", "release", "target", "worker", "batch", "job", "lease", "attempt", "wheel")
    with connect(old.owner) as connection:
        before = {table: fetch_all(connection, f"SELECT * FROM {table} ORDER BY 1") for table in tables}
    assert all(before.values())
    assert current_revision(old.owner) == "0001"
    bring_up_to_date(old)
    assert current_revision(old.owner) == newest_revision()
    with connect(old.owner) as connection:
        for table in tables:
            columns = ", ".join(column for column in before[table][0]._fields if column not in MEANT_TO_CHANGE)
            kept = fetch_all(connection, f"SELECT {columns} FROM {table} ORDER BY 1")
            assert [row._asdict() for row in kept] == [
                {column: value for column, value in row._asdict().items() if column not in MEANT_TO_CHANGE}
                for row in before[table]
            ]


def test_what_was_published_stays_offered_and_every_worker_is_asked_what_it_is(old: Access) -> None:
    bring_up_to_date(old)
    with connect(old.application) as connection:
        wheels = fetch_all(connection, "SELECT held_reason, apt_packages, facts, note, released_at FROM wheel")
        assert [tuple(row) for row in wheels] == [(None, [], {}, None, None)] * 2
        workers = fetch_all(
            connection, "SELECT state, probed_at, seen_at IS NOT NULL AS seen FROM worker ORDER BY name"
        )
        assert [tuple(row) for row in workers] == [("drained", None, True), ("live", None, True), ("lost", None, True)]
        attempt = fetch_one(connection, "SELECT smoke, sandbox, connections FROM attempt")
        assert attempt is not None
        assert tuple(attempt) == (None, None, None)


def test_attempts_of_old_are_in_the_rollups_and_every_page_is_due(old: Access) -> None:
    bring_up_to_date(old)
    with connect(old.analyst) as connection:
        attempts = fetch_one(connection, "SELECT count(*) FROM attempt")
        for rollup in ("build_hour", "build_day"):
            assert fetch_one(connection, f"SELECT sum(attempts)::bigint FROM {rollup}") == attempts
        assert not fetch_all(connection, "SELECT FROM project WHERE stale_since IS NULL")
        assert not fetch_all(connection, "SELECT FROM attempt WHERE page_at IS NOT NULL")


def test_each_role_may_use_what_is_new_at_once(old: Access) -> None:
    bring_up_to_date(old)
    with connect(old.application) as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO network_exception (project_id, reason, allowed_by) SELECT min(project_id), 'r', 'me' FROM project"
        )
        cursor.execute(
            "INSERT INTO target_library (target_id, soname, package) SELECT target_id, 'libz.so.1', 'zlib1g' FROM target"
        )
        cursor.execute("UPDATE wheel SET held_reason = 'it does not import'")
    with connect(old.analyst) as connection:
        assert fetch_all(
            connection, "SELECT FROM network_exception, target_library, wheel WHERE held_reason IS NOT NULL"
        )


def test_migrating_again_changes_nothing(old: Access) -> None:
    bring_up_to_date(old)
    bring_up_to_date(old)
    assert current_revision(old.owner) == newest_revision()
