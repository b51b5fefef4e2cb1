"""Queueing jobs, on a real database."""

from datetime import UTC, datetime, timedelta

import pytest
from packaging.requirements import Requirement

from piwright.database.connection import Connection, fetch_all
from piwright.planning import priority
from piwright.planning.jobs import queue_first_sight, queue_interval, queue_requested, settle_removed
from piwright.planning.targets import store_targets
from support.shop import BOOKWORM, TRIXIE, UPLOADED, add_file, add_project, add_release, add_sdist

DAY = datetime(2026, 11, 20, tzinfo=UTC)
NEXT = DAY + timedelta(days=1)


@pytest.fixture(autouse=True)
def target(connection: Connection) -> None:
    store_targets(connection, [BOOKWORM])


def queued(connection: Connection) -> dict[str, int]:
    rows = fetch_all(
        connection,
        "SELECT p.name || ' ' || r.version AS what, j.priority FROM job j JOIN release r USING (release_id) "
        "JOIN project p USING (project_id) WHERE j.state = 'waiting'",
    )
    return {row.what: row.priority for row in rows}


def test_first_sight_queues_the_newest_release_each_line_admits(connection: Connection) -> None:
    for version in ("1.0", "1.9", "2.0", "2.1rc1"):
        add_sdist(connection, "a", version)
    add_project(connection, "a", watch="<2")
    queue_first_sight(connection, "2026-11-20")
    assert queued(connection) == {"a 2.0": priority.FIRST_SIGHT, "a 1.9": priority.FIRST_SIGHT}


def test_a_prerelease_is_the_newest_where_there_is_nothing_else(connection: Connection) -> None:
    add_sdist(connection, "a", "1.0b1")
    queue_first_sight(connection, None)
    assert queued(connection) == {"a 1.0b1": priority.FIRST_SIGHT}


def test_a_line_is_new_only_once(connection: Connection) -> None:
    add_sdist(connection, "a", "1.0")
    assert len(queue_first_sight(connection, None).job_ids) == 1
    add_sdist(connection, "a", "2.0")
    assert queue_first_sight(connection, None).job_ids == ()


def test_a_line_whose_project_could_not_be_read_stays_new(connection: Connection) -> None:
    add_project(connection, "a")
    queue_first_sight(connection, None)
    add_sdist(connection, "a", "1.0")
    assert len(queue_first_sight(connection, None).job_ids) == 1


def test_a_yanked_newest_release_is_queued_last_beside_the_newest_that_is_kept(connection: Connection) -> None:
    add_sdist(connection, "a", "1.0")
    add_sdist(connection, "a", "1.1", yanked="broken")
    queue_first_sight(connection, None)
    assert queued(connection) == {"a 1.0": priority.FIRST_SIGHT, "a 1.1": priority.YANKED}


def test_an_interval_queues_what_was_uploaded_in_it_and_is_admitted(connection: Connection) -> None:
    add_sdist(connection, "a", "1.0", uploaded=DAY)
    add_sdist(connection, "a", "1.1", uploaded=NEXT - timedelta(microseconds=1))
    add_sdist(connection, "a", "1.2", uploaded=NEXT)
    add_sdist(connection, "b", "1.0", watch="<1", uploaded=UPLOADED)
    add_sdist(connection, "c", "1.0", watch=None, uploaded=UPLOADED)
    queue_interval(connection, DAY, NEXT, "2026-11-20")
    assert queued(connection) == {"a 1.0": priority.NEW, "a 1.1": priority.NEW}


def test_looking_at_a_day_again_queues_nothing_that_was_built_or_failed(connection: Connection) -> None:
    add_sdist(connection, "a", "1.0")
    add_sdist(connection, "b", "1.0")
    first = queue_interval(connection, DAY, NEXT, "2026-11-20")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE job SET state = 'built' WHERE job_id = %s", (first.job_ids[0],))
        cursor.execute("UPDATE job SET state = 'failed' WHERE job_id = %s", (first.job_ids[1],))
    assert queue_interval(connection, DAY, NEXT, "2026-11-20").job_ids == ()


def test_each_active_target_gets_its_own_job(connection: Connection) -> None:
    store_targets(connection, [BOOKWORM, TRIXIE])
    add_sdist(connection, "a", "1.0")
    assert len(queue_interval(connection, DAY, NEXT, "x").job_ids) == 2


def test_what_upstream_serves_is_not_queued_and_says_so(connection: Connection) -> None:
    release = add_sdist(connection, "a", "1.0")
    add_file(connection, release, "a-1.0-py3-none-any.whl")
    found = queue_first_sight(connection, None)
    assert found.job_ids == ()
    assert found.unneeded == ("a 1.0 for bookworm-cp311-armv7l: upstream serves a-1.0-py3-none-any.whl.",)


def test_a_person_can_ask_again_for_what_failed_and_with_force_for_what_was_built(connection: Connection) -> None:
    add_sdist(connection, "a", "1.0")
    asked = [Requirement("a")]
    (job,) = queue_requested(connection, asked).job_ids
    for state, force, again in [("failed", False, True), ("built", False, False), ("built", True, True)]:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE job SET state = %s WHERE job_id = %s", (state, job))
        assert (queue_requested(connection, asked, force=force).job_ids == (job,)) is again


def test_a_person_can_pin_a_version_and_name_a_target(connection: Connection) -> None:
    store_targets(connection, [BOOKWORM, TRIXIE])
    for version in ("1.0", "2.0"):
        add_sdist(connection, "a", version)
    queue_requested(connection, [Requirement("A==1.0")], targets=[TRIXIE.name])
    assert queued(connection) == {"a 1.0": priority.PERSON}


def test_a_release_without_files_needs_no_job(connection: Connection) -> None:
    add_release(connection, add_project(connection, "a"), "1.0")
    assert queue_first_sight(connection, None).job_ids == ()


def test_jobs_of_what_upstream_removed_are_over_and_come_back_with_it(connection: Connection) -> None:
    release = add_sdist(connection, "a", "1.0")
    queue_first_sight(connection, None)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE release SET gone_at = now()")
    assert settle_removed(connection) == 1
    assert settle_removed(connection) == 0
    with connection.cursor() as cursor:
        cursor.execute("UPDATE release SET gone_at = NULL WHERE release_id = %s", (release,))
    assert len(queue_interval(connection, DAY, NEXT, "x").job_ids) == 1
