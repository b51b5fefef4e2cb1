"""What workers say of themselves, who is refused for it, and that nobody waits for a refused one."""

import dataclasses
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from piwright.database.connection import Connection, fetch_all, fetch_one
from piwright.planning import leases
from piwright.planning.jobs import queue_first_sight
from piwright.planning.plan import plan_batches
from piwright.planning.workers import (
    WorkerEntry,
    distrust,
    probe_is_due,
    refusal,
    register_workers,
    store_probe,
)
from support.shop import BOOKWORM, TRIXIE, add_sdist, add_worker

VERSION = "abc123"


@dataclass(frozen=True)
class Sandbox:
    kind: str = "bubblewrap"
    why: str = ""
    memory: str = "watchdog"


@dataclass(frozen=True)
class Facts:
    worker_version: str = VERSION
    sandbox: Sandbox = Sandbox()
    libraries: dict[str, str] = field(default_factory=lambda: {"libffi.so.8": "libffi8"})
    cores: int = 4


BARE = Facts(sandbox=Sandbox("none", "bwrap is not installed"))


def row(connection: Connection, worker_id: int) -> tuple[str, str | None]:
    found = fetch_one(connection, "SELECT state, state_reason FROM worker WHERE worker_id = %s", (worker_id,))
    assert found is not None
    return tuple(found)


def target_of(connection: Connection, worker_id: int) -> int:
    found = fetch_one(connection, "SELECT target_id FROM worker WHERE worker_id = %s", (worker_id,))
    assert found is not None
    return int(found.target_id)


def add_batch(connection: Connection, target_id: int) -> int:
    found = fetch_one(
        connection,
        "INSERT INTO batch (target_id, run_id, label, expected_seconds) VALUES (%s, 'r', 'b', 1) RETURNING batch_id",
        (target_id,),
    )
    assert found is not None
    return int(found.batch_id)


@pytest.mark.parametrize(
    ("kind", "allowed", "refused"),
    [("bubblewrap", (), False), ("none", (), True), ("none", ("pi-2",), True), ("none", ("pi-2", "pi-1"), False)],
)
def test_only_a_worker_that_is_named_may_build_without_a_sandbox(
    kind: str, allowed: tuple[str, ...], refused: bool
) -> None:
    said = refusal("pi-1", kind, "bwrap is not installed", allowed)
    assert (said is not None) is refused
    if said:
        assert "bwrap is not installed" in said
        assert "install bubblewrap" in said
        assert "name pi-1 in PIWRIGHT_ALLOW_UNSANDBOXED" in said


def test_what_a_worker_says_is_kept_and_its_libraries_are_its_target_s(connection: Connection) -> None:
    worker = add_worker(connection)
    assert store_probe(connection, worker, Facts(), allowed=()) is None
    found = fetch_one(connection, "SELECT * FROM worker")
    assert found is not None
    assert found.facts == {"worker_version": VERSION, "cores": 4, "sandbox": dataclasses.asdict(Sandbox())}
    assert found.probed_at is not None
    more = Facts(libraries={"libffi.so.8": "libffi8:armhf", "libz.so.1": "zlib1g"})
    store_probe(connection, worker, more, allowed=())
    libraries = fetch_all(connection, "SELECT target_id, soname, package FROM target_library ORDER BY soname")
    target = target_of(connection, worker)
    assert [tuple(each) for each in libraries] == [
        (target, "libffi.so.8", "libffi8:armhf"),
        (target, "libz.so.1", "zlib1g"),
    ]


def test_a_worker_without_a_sandbox_is_refused_and_comes_back_when_it_has_one(connection: Connection) -> None:
    worker = add_worker(connection)
    said = store_probe(connection, worker, BARE, allowed=())
    assert said is not None
    assert row(connection, worker) == ("refused", said)
    leases.mark_worker(connection, worker, "live")
    leases.mark_worker(connection, worker, "lost", "unplugged")
    assert row(connection, worker) == ("refused", said)
    assert store_probe(connection, worker, Facts(), allowed=()) is None
    assert row(connection, worker) == ("live", None)
    assert store_probe(connection, worker, BARE, allowed=("pi-1",)) is None
    assert row(connection, worker) == ("live", None)


def test_a_drained_worker_stays_drained_whatever_it_says(connection: Connection) -> None:
    worker = add_worker(connection)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE worker SET state = 'drained', state_reason = 'new card'")
    assert store_probe(connection, worker, BARE, allowed=()) is not None
    assert row(connection, worker) == ("drained", "new card")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE worker SET state = 'live'")
    assert probe_is_due(connection, worker, VERSION, allowed=())  # so the operator who brings it back changes nothing


def test_a_worker_is_asked_when_what_is_known_is_missing_old_or_of_another_program(connection: Connection) -> None:
    worker = add_worker(connection)
    assert probe_is_due(connection, worker, VERSION, allowed=())
    store_probe(connection, worker, Facts(), allowed=())
    assert not probe_is_due(connection, worker, VERSION, allowed=())
    assert probe_is_due(connection, worker, "another", allowed=())
    with connection.cursor() as cursor:
        cursor.execute("UPDATE worker SET probed_at = now() - interval '25 hours'")
    assert probe_is_due(connection, worker, VERSION, allowed=())
    store_probe(connection, worker, Facts(), allowed=())
    distrust(connection, worker)
    assert probe_is_due(connection, worker, VERSION, allowed=())


def test_an_allowance_that_was_taken_back_is_noticed_before_the_next_batch(connection: Connection) -> None:
    worker = add_worker(connection)
    store_probe(connection, worker, BARE, allowed=("pi-1",))
    assert not probe_is_due(connection, worker, VERSION, allowed=("pi-1",))
    assert probe_is_due(connection, worker, VERSION, allowed=())


def test_registering_anew_gives_a_refused_worker_another_chance(connection: Connection) -> None:
    worker = add_worker(connection)
    store_probe(connection, worker, BARE, allowed=())
    target = target_of(connection, worker)
    register_workers(connection, [WorkerEntry("pi-1", "c", target, "/usr/bin/python3", "/srv/piwright", 1)])
    assert row(connection, worker) == ("live", None)
    assert probe_is_due(connection, worker, VERSION, allowed=())


def test_a_refused_worker_is_never_leased_not_even_to_the_batch_it_has(connection: Connection) -> None:
    worker = add_worker(connection)
    target = target_of(connection, worker)
    batch = add_batch(connection, target)
    assert leases.take_lease(connection, batch, target) is not None
    store_probe(connection, worker, BARE, allowed=())
    assert leases.take_lease(connection, batch, target) is None
    assert fetch_all(connection, "SELECT FROM lease") == []
    assert leases.take_lease(connection, batch, target, only=worker) is None


def test_a_batch_goes_to_the_worker_that_is_not_refused(connection: Connection) -> None:
    bare, good = add_worker(connection, "pi-1"), add_worker(connection, "pi-2")
    store_probe(connection, bare, BARE, allowed=())
    target = target_of(connection, good)
    lease = leases.take_lease(connection, add_batch(connection, target), target)
    assert lease is not None
    assert (lease.worker.worker_id, lease.slot) == (good, 1)


@pytest.mark.parametrize(
    ("states", "nobody"),
    [
        (["refused"], True),
        (["refused", "refused"], True),
        (["refused", "drained"], True),
        (["refused", "live"], False),
        (["refused", "lost"], False),
        (["drained"], False),  # an operator's own doing, who will bring it back
        ([], False),
    ],
)
def test_there_is_nobody_left_when_all_that_are_not_drained_are_refused(
    connection: Connection, states: list[str], nobody: bool
) -> None:
    other = add_worker(connection, "elsewhere", TRIXIE)
    for number, state in enumerate(states):
        worker = add_worker(connection, f"pi-{number}", BOOKWORM)
        if state == "refused":
            store_probe(connection, worker, BARE, allowed=())
        with connection.cursor() as cursor:
            cursor.execute("UPDATE worker SET state = %s WHERE worker_id = %s", (state, worker))
    found = fetch_one(connection, "SELECT target_id FROM target WHERE name = %s", (BOOKWORM.name,))
    said = leases.nobody_may_build(connection, found.target_id) if found else None
    assert (said is not None) is nobody
    if said:
        assert "pi-0 is refused: it cannot shut builds in (bwrap is not installed)" in said
    assert leases.nobody_may_build(connection, target_of(connection, other)) is None


def test_one_task_at_a_time_asks_a_refused_worker_again(connection: Connection) -> None:
    worker = add_worker(connection)
    target = target_of(connection, worker)
    store_probe(connection, worker, BARE, allowed=())
    while_ago = timedelta(minutes=10)
    assert leases.refused_workers(connection, target, unseen_for=while_ago) == []
    with connection.cursor() as cursor:
        cursor.execute("UPDATE worker SET seen_at = now() - interval '11 minutes'")
    (found,) = leases.refused_workers(connection, target, unseen_for=while_ago)
    assert found.worker_id == worker
    assert leases.refused_workers(connection, target, unseen_for=while_ago) == []
    assert len(leases.refused_workers(connection, target, unseen_for=timedelta(0))) == 1


def test_a_target_whose_workers_are_all_refused_gets_a_batch_whose_task_says_so(connection: Connection) -> None:
    store_probe(connection, add_worker(connection), BARE, allowed=())
    add_sdist(connection, "spidev", "3.6")
    queue_first_sight(connection, None)
    assert len(plan_batches(connection, "run", None, batch_seconds=300)) == 1


def test_of_two_workers_of_a_target_that_differ_the_later_one_counts(connection: Connection) -> None:
    first, second = add_worker(connection, "pi-1"), add_worker(connection, "pi-2")
    names = [f"lib{number}.so.1" for number in range(2000)]
    store_probe(connection, first, Facts(libraries=dict.fromkeys(names, "a1")), allowed=())
    store_probe(connection, second, Facts(libraries=dict.fromkeys(reversed(names), "b1")), allowed=())
    assert len(fetch_all(connection, "SELECT FROM target_library WHERE package = 'b1'")) == 2000
