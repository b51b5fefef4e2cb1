"""What each database role may and may not do."""

import psycopg2
import pytest

from piwright.database.connection import Connection, connect, fetch_all, fetch_one
from piwright.database.provision import Access

ADD_PROJECT = "INSERT INTO project (name, display_name) VALUES ('spidev', 'spidev') RETURNING project_id"


def test_the_application_records_but_does_not_erase(connection: Connection) -> None:
    assert fetch_one(connection, ADD_PROJECT) is not None
    with pytest.raises(psycopg2.errors.InsufficientPrivilege), connection.cursor() as cursor:
        cursor.execute("DELETE FROM project")


def test_the_analyst_reads_and_changes_nothing(database: Access) -> None:
    with connect(database.analyst) as analyst:
        assert fetch_all(analyst, "SELECT * FROM attempt") == []
        with pytest.raises(psycopg2.errors.InsufficientPrivilege), analyst.cursor() as cursor:
            cursor.execute(ADD_PROJECT)


def test_every_table_has_a_primary_key_and_a_comment(connection: Connection) -> None:
    bare = fetch_all(
        connection,
        """
        SELECT c.relname FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> 'alembic_version'
          AND (obj_description(c.oid) IS NULL
               OR NOT EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary))
        """,
    )
    tables = fetch_all(connection, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
    assert len(tables) > 10
    assert bare == []


def test_every_foreign_key_leads_an_index_or_points_at_a_small_table(connection: Connection) -> None:
    # Deleting or joining along a foreign key without an index scans; targets and workers are few, ever.
    unindexed = fetch_all(
        connection,
        """
        SELECT c.conrelid::regclass::text AS on_table, a.attname
        FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
        WHERE c.contype = 'f' AND c.confrelid::regclass::text NOT IN ('target', 'worker')
          AND c.conrelid::regclass::text <> 'lease'
          AND NOT EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1])
        """,
    )
    assert unindexed == []


def test_job_counts_follow_every_change_and_survive_folding(connection: Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH p AS (INSERT INTO project (name, display_name) VALUES ('a', 'a') RETURNING project_id),
                 r AS (INSERT INTO release (project_id, version, original_version)
                       SELECT project_id, n::text, n::text FROM p, generate_series(1, 5) n RETURNING release_id),
                 t AS (INSERT INTO target (name, distribution, python, architecture, tags)
                       VALUES ('t', 'd', '3.11', 'x', '{py3-none-any}') RETURNING target_id)
            INSERT INTO job (release_id, target_id, priority, estimate_seconds) SELECT release_id, target_id, 1, 1 FROM r, t
            """
        )
        cursor.execute("UPDATE job SET state = 'built' WHERE job_id IN (SELECT job_id FROM job LIMIT 2)")
        cursor.execute("SELECT fold_job_counts()")
        cursor.execute(
            "UPDATE job SET state = 'failed' WHERE job_id IN (SELECT job_id FROM job WHERE state = 'waiting' LIMIT 1)"
        )
    counted = fetch_all(connection, "SELECT state, sum(jobs)::int FROM job_count GROUP BY state ORDER BY state")
    assert [tuple(row) for row in counted] == [("built", 2), ("failed", 1), ("waiting", 2)]


def test_offer_counts_are_the_same_after_folding(connection: Connection) -> None:
    sums = (
        "SELECT sum(projects)::int AS projects, sum(releases)::int AS releases, sum(wheels)::int AS wheels, "
        "sum(bytes)::int AS bytes FROM offer_count"
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT fold_offer_counts()")  # nothing there
        cursor.execute(
            "INSERT INTO offer_count (projects, releases, wheels, bytes) VALUES (1, 2, 3, 400), (0, -1, -1, -100)"
        )
        before = fetch_one(connection, sums)
        cursor.execute("SELECT fold_offer_counts()")
    assert before is not None
    assert tuple(before) == (1, 1, 2, 300)
    assert fetch_one(connection, sums) == before
    assert len(fetch_all(connection, "SELECT FROM offer_count")) == 1


FORBIDDEN = {
    "how much is offered": "DELETE FROM offer_count",
    "a rollup": "UPDATE build_day SET attempts = 0",
    "an attempt's class": "UPDATE attempt SET failure_class = 'x'",
    "downloads": "DELETE FROM download",
    "a wheel's content": "UPDATE wheel SET sha256 = repeat('0', 64)",
    "a wheel's facts": "UPDATE wheel SET facts = '{}'",
    "a wheel": "DELETE FROM wheel",
    "an attempt": "UPDATE attempt SET smoke = '{}'",
    "a library's name": "UPDATE target_library SET soname = 'x'",
    "a library": "DELETE FROM target_library",
    "whose exception it is": "UPDATE network_exception SET project_id = 1",
}


@pytest.mark.parametrize("statement", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_the_application_cannot_change_what_the_code_never_does(connection: Connection, statement: str) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize("table", ["network_exception", "target_library", "wheel", "worker"])
def test_the_analyst_only_reads_what_operators_and_workers_said(database: Access, table: str) -> None:
    with connect(database.analyst) as analyst:
        assert fetch_all(analyst, f"SELECT * FROM {table}") == []
        for statement in (f"INSERT INTO {table} DEFAULT VALUES", f"DELETE FROM {table}"):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege), analyst.cursor() as cursor:
                cursor.execute(statement)
            analyst.rollback()


def test_a_wheel_is_not_held_and_released_at_once(database: Access) -> None:
    with connect(database.owner) as owner, owner.cursor() as cursor:
        cursor.execute("ALTER TABLE wheel ALTER attempt_id DROP NOT NULL, ALTER release_id DROP NOT NULL")
        cursor.execute(
            "INSERT INTO wheel (filename, sha256, size, tags, metadata_sha256, built_at, held_reason) "
            "VALUES ('a', repeat('0', 64), 1, '{a}', repeat('0', 64), now(), 'it does not import')"
        )
        with pytest.raises(psycopg2.errors.CheckViolation):
            cursor.execute("UPDATE wheel SET released_by = 'me', released_at = now()")
