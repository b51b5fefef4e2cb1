"""Batches and leases, on a real database."""

from datetime import UTC, datetime, timedelta

import pytest

from piwright.database.connection import Connection, connect, fetch_all, fetch_one
from piwright.database.provision import Access
from piwright.planning import batches, leases
from piwright.planning import plan as planning
from piwright.planning.jobs import queue_first_sight, queue_interval
from support.shop import BOOKWORM, add_file, add_sdist, add_worker

DAY = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture
def worker(connection: Connection) -> int:
    return add_worker(connection)


def plan(connection: Connection, run: str = "run", partition: str | None = "x") -> list[planning.PlannedBatch]:
    return planning.plan_batches(connection, run, partition, batch_seconds=300)


def states(connection: Connection) -> list[str]:
    return [row.state for row in fetch_all(connection, "SELECT state FROM job ORDER BY job_id")]


@pytest.mark.usefixtures("worker")
def test_a_run_takes_its_interval_and_the_urgent_and_leaves_other_intervals(connection: Connection) -> None:
    add_sdist(connection, "mine", "1.0", uploaded=DAY)
    add_sdist(connection, "other", "1.0", uploaded=DAY - timedelta(days=1))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE watch SET queued_at = now()")  # neither is seen for the first time
    queue_interval(connection, DAY, DAY + timedelta(days=1), "20")
    queue_interval(connection, DAY - timedelta(days=1), DAY, "19")
    add_sdist(connection, "urgent", "1.0", uploaded=DAY - timedelta(days=9))
    queue_first_sight(connection, "elsewhere")
    (batch,) = plan(connection, partition="20")
    assert batch.label == "urgent 1.0, mine 1.0"
    assert [row.partition for row in fetch_all(connection, "SELECT partition FROM job WHERE state = 'waiting'")] == [
        "19"
    ]


@pytest.mark.usefixtures("worker")
def test_planning_a_run_again_plans_nothing_twice(connection: Connection) -> None:
    add_sdist(connection, "a", "1.0")
    queue_first_sight(connection, None)
    assert plan(connection) == plan(connection) != []


def test_what_no_worker_can_build_waits(connection: Connection) -> None:
    from piwright.planning.targets import store_targets

    store_targets(connection, [BOOKWORM])
    add_sdist(connection, "a", "1.0")
    queue_first_sight(connection, None)
    assert plan(connection) == []
    assert states(connection) == ["waiting"]


@pytest.mark.usefixtures("worker")
def test_a_job_that_is_needed_no_more_is_settled_when_planned(connection: Connection) -> None:
    release = add_sdist(connection, "a", "1.0")
    queue_first_sight(connection, None)
    add_file(connection, release, "a-1.0-py3-none-any.whl")
    assert plan(connection) == []
    row = fetch_one(connection, "SELECT state, reason FROM job")
    assert row is not None
    assert tuple(row) == ("superseded", "upstream serves a-1.0-py3-none-any.whl")


@pytest.mark.usefixtures("worker")
def test_two_plans_at_once_share_no_job(connection: Connection, database: Access) -> None:
    add_sdist(connection, "a", "1.0")
    queue_first_sight(connection, None)
    connection.commit()
    assert len(plan(connection, "one")) == 1  # not committed: its rows are locked
    with connect(database.application) as other:
        assert plan(other, "two") == []


@pytest.mark.usefixtures("worker")
def test_what_a_run_did_not_finish_waits_for_any_run(connection: Connection) -> None:
    add_sdist(connection, "a", "1.0")
    queue_first_sight(connection, "day")
    plan(connection, "one", "day")
    assert states(connection) == ["leased"]
    assert batches.return_leftovers(connection, "one") == ["a 1.0"]
    (again,) = plan(connection, "two", "another day")
    assert again.label == "a 1.0"


@pytest.mark.usefixtures("worker")
def test_a_batch_goes_on_with_the_jobs_that_are_still_its_own(connection: Connection) -> None:
    add_sdist(connection, "a", "1.0")
    queue_first_sight(connection, None)
    (first,) = plan(connection, "one")
    batches.return_leftovers(connection, "one")
    assert [each.project for each in batches.open_builds(connection, first.batch_id)] == ["a"]
    batches.return_leftovers(connection, "one")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE job SET state = 'waiting', batch_id = NULL")
    (second,) = plan(connection, "two")
    assert batches.open_builds(connection, first.batch_id) == []
    assert [each.name.endswith("-1") for each in batches.open_builds(connection, second.batch_id)] == [True]


def test_a_lease_is_one_slot_and_the_slots_are_shared_out(connection: Connection, worker: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE worker SET slots = 2")
    target = int(fetch_all(connection, "SELECT target_id FROM worker")[0][0])
    ids = [
        fetch_all(
            connection,
            "INSERT INTO batch (target_id, run_id, label, expected_seconds) VALUES (%s, 'r', 'b', 1) RETURNING batch_id",
            (target,),
        )[0][0]
        for _ in range(3)
    ]
    taken = [leases.take_lease(connection, batch, target) for batch in ids]
    assert [each and (each.worker.worker_id, each.slot) for each in taken] == [(worker, 1), (worker, 2), None]
    assert leases.take_lease(connection, ids[0], target) == taken[0]  # asking again changes nothing
    leases.release_lease(connection, ids[0])
    assert leases.take_lease(connection, ids[2], target) is not None


def test_an_expired_lease_makes_room(connection: Connection, worker: int) -> None:
    add_sdist(connection, "a", "1.0")
    queue_first_sight(connection, None)
    (batch,) = plan(connection)
    target = batches.read_batch(connection, batch.batch_id).target_id
    assert leases.take_lease(connection, batch.batch_id, target) is not None
    other = fetch_all(
        connection,
        "INSERT INTO batch (target_id, run_id, label, expected_seconds) VALUES (%s, 'r', 'b', 1) RETURNING batch_id",
        (target,),
    )[0][0]
    assert leases.take_lease(connection, other, target) is None
    with connection.cursor() as cursor:
        cursor.execute("UPDATE lease SET expires_at = now() - interval '1 second'")
    assert leases.take_lease(connection, other, target) is not None
    assert leases.renew_lease(connection, batch.batch_id) is False


def test_a_lost_worker_gets_nothing_until_it_is_time_to_try_it_again(connection: Connection, worker: int) -> None:
    add_sdist(connection, "a", "1.0")
    queue_first_sight(connection, None)
    (batch,) = plan(connection)
    target = batches.read_batch(connection, batch.batch_id).target_id
    leases.mark_worker(connection, worker, "lost", "unplugged")
    assert leases.take_lease(connection, batch.batch_id, target) is None
    with connection.cursor() as cursor:
        cursor.execute("UPDATE worker SET seen_at = now() - interval '1 hour'")
    assert leases.take_lease(connection, batch.batch_id, target) is not None


def test_a_drained_worker_gets_nothing_and_stays_drained(connection: Connection, worker: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE worker SET state = 'drained'")
    leases.mark_worker(connection, worker, "live")
    row = fetch_one(connection, "SELECT state, target_id FROM worker")
    assert row is not None
    assert row.state == "drained"


@pytest.mark.usefixtures("worker")
def test_a_batch_nobody_looks_after_is_given_back(connection: Connection) -> None:
    add_sdist(connection, "a", "1.0")
    queue_first_sight(connection, None)
    assert len(plan(connection, "one")) == 1
    with connection.cursor() as cursor:
        cursor.execute("UPDATE batch SET state = 'running', heartbeat_at = now() - interval '29 minutes'")
    assert batches.sweep_abandoned(connection) == []
    with connection.cursor() as cursor:
        cursor.execute("UPDATE batch SET heartbeat_at = now() - interval '31 minutes'")
    assert batches.sweep_abandoned(connection) == ["a 1.0"]
    assert states(connection) == ["waiting"]


def test_the_claim_walks_its_index(connection: Connection, worker: int) -> None:
    # A million rows would show it by time; the plan shows it at once when sequential scans are made dear.
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN " + planning.CLAIMABLE, {"partition": "x", "most": 100, "urgent": 50})
        plan_text = "\n".join(row[0] for row in cursor.fetchall())
    assert "job_claim" in plan_text
