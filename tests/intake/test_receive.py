"""Taking in builds, against a real PostgreSQL: what is recorded, what is published, and what happens to jobs."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from intake.hostile_wheels import CODE, CORPUS, METADATA, TAG, Hostile, make_wheel, wheel_info
from intake.receiving import ABI3, HEADER_LOG, LOG, TRIXIE, Shop, abi3, different, open_shop, other_batch, pure
from piwright.database.connection import Connection, Json, connect, fetch_one
from piwright.database.provision import Access
from piwright.intake import receive
from piwright.intake.limits import Limits
from piwright.intake.receive import Received
from piwright.intake.store import FileStore
from piwright.intake.wheel_check import CheckedWheel


@pytest.fixture
def shop(connection: Connection, tmp_path: Path) -> Shop:
    return open_shop(connection, tmp_path)


# What is recorded


def test_a_build_is_recorded_with_its_course_its_log_and_its_wheel(shop: Shop) -> None:
    job_id = shop.job()
    received = shop.receive(shop.build(job_id))
    assert (received.outcome, received.failure_class, received.retry) == ("built", None, False)

    job = shop.one("SELECT * FROM job WHERE job_id = %s", (job_id,))
    assert (job.state, job.attempts, job.reason) == ("built", 1, None)
    attempt = shop.one("SELECT * FROM attempt")
    assert (attempt.job_id, attempt.number, attempt.batch_id) == (job_id, 1, shop.batch_id)
    assert (attempt.outcome, attempt.failure_class, attempt.worker_id) == ("built", None, shop.worker_id)
    assert attempt.finished_at - attempt.started_at == timedelta(seconds=90)
    assert attempt.phases[0]["seconds"] == 80.5
    assert attempt.peak_memory_bytes == 4096
    assert attempt.environment["requirements"] == ["setuptools==80.9.0"]
    with shop.store.open_log(attempt.log_path) as lines:
        assert lines.read() == LOG
    assert (attempt.log_sha256, attempt.log_bytes) == (hashlib.sha256(LOG.encode()).hexdigest(), len(LOG))

    wheel = shop.one("SELECT * FROM wheel")
    assert received.wheel_ids == (wheel.wheel_id,)
    assert (wheel.filename, wheel.tags, wheel.build_tag) == (f"spidev-3.6-{TAG}.whl", [TAG], "")
    assert (wheel.requires_python, wheel.built_at) == (">=3.7", attempt.finished_at)
    assert wheel.metadata_sha256 == hashlib.sha256(METADATA).hexdigest()
    assert wheel.published_at is None
    content = shop.store.wheel_path(wheel.sha256, wheel.filename).read_bytes()
    assert (hashlib.sha256(content).hexdigest(), len(content)) == (wheel.sha256, wheel.size)
    assert shop.one("SELECT stale_since FROM project").stale_since is not None


def test_what_was_received_is_committed(shop: Shop, database: Access) -> None:
    shop.receive(shop.build(shop.job()))
    with connect(database.application) as other:
        assert fetch_one(other, "SELECT 1 FROM wheel") is not None


def test_receiving_again_changes_nothing_and_answers_the_same(shop: Shop) -> None:
    built, failed = shop.job(), shop.job("trixie-cp313-armv7l", TRIXIE)
    directories = [shop.build(built), shop.build(failed, wheel=None, kind="no_space")]

    def everything() -> list[Any]:
        tables = ("job", "attempt", "wheel", "project")
        return [shop.all(f"SELECT * FROM {table} ORDER BY 1") for table in tables]

    first = [shop.receive(each) for each in directories], everything()
    assert first == ([shop.receive(each) for each in directories], everything())
    assert first[0][1].retry


def test_a_failure_is_recorded_with_its_class_its_evidence_and_what_was_captured(shop: Shop) -> None:
    job_id = shop.job()
    received = shop.receive(shop.build(job_id, wheel=None, log=HEADER_LOG))
    assert received == Received("failed", "missing_header", False, ())
    attempt = shop.one("SELECT * FROM attempt")
    assert (attempt.failure_class, attempt.message) == ("missing_header", "the worker says backend")
    assert (attempt.evidence_line, attempt.captured) == (3, {"header": "ffi.h"})
    assert attempt.evidence_text == "a.c:1:10: fatal error: ffi.h: No such file or directory"
    job = shop.one("SELECT * FROM job")
    assert (job.state, job.attempts) == ("failed", 1)
    assert job.reason.startswith("missing_header: ")
    assert shop.one("SELECT stale_since FROM project").stale_since is not None  # its page says why


def test_attempts_are_rolled_up_as_they_arrive(shop: Shop) -> None:
    job_id = shop.job()
    for number in (1, 2):
        shop.receive(shop.build(job_id, number, wheel=None, kind="fetch_failed"))
    shop.receive(shop.build(job_id, 3))
    for rollup in ("build_hour", "build_day"):
        rows = shop.all(
            f"SELECT failure_class, sum(attempts)::int AS attempts, sum(seconds)::int AS seconds FROM {rollup} "
            "WHERE worker_id = %s GROUP BY 1 ORDER BY 1",
            (shop.worker_id,),
        )
        assert [tuple(row) for row in rows] == [("", 1, 90), ("fetch_failed", 2, 180)]


def test_the_newest_release_says_what_its_project_is(shop: Shop) -> None:
    def summary() -> str | None:
        return shop.one("SELECT summary FROM project").summary

    def described(text: str, make: Any = make_wheel) -> Any:
        metadata = f"Metadata-Version: 2.1\nName: spidev\nVersion: 3.6\nSummary: {text}\n".encode()
        return partial(make, metadata=metadata)

    shop.receive(shop.build(shop.job(), wheel=described("Talks \x1b[31mSPI\x1b[0m \u202edrawkcab")))
    assert summary() == "Talks SPI \ufffddrawkcab"
    shop.all(
        """
        WITH newer AS (INSERT INTO release (project_id, version, original_version)
                       SELECT project_id, '3.7', '3.7' FROM project RETURNING release_id)
        INSERT INTO wheel (attempt_id, release_id, filename, sha256, size, tags, metadata_sha256, built_at)
        SELECT attempt_id, newer.release_id, 'spidev-3.7.whl', sha256, size, tags, metadata_sha256, built_at
        FROM wheel, newer RETURNING wheel_id
        """
    )
    received = shop.receive(shop.build(shop.job("trixie-cp311-armv7l"), wheel=described("Older words", pure)))
    assert len(received.wheel_ids) == 1
    assert summary() == "Talks SPI \ufffddrawkcab"


def test_our_own_doing_is_tried_three_times_in_the_same_batch(shop: Shop) -> None:
    job_id = shop.job()
    for number in (1, 2, 3):
        received = shop.receive(shop.build(job_id, number, wheel=None, kind="fetch_failed"))
        job = shop.one("SELECT *, next_try_at <= now() AS due FROM job")
        assert job.attempts == number
        assert job.batch_id == shop.batch_id
        if number < 3:
            assert received == Received("failed", "fetch_failed", True, ())
            assert (job.state, job.partition, job.due) == ("waiting", None, True)
        else:
            assert received == Received("failed", "fetch_failed", False, ())
            assert job.state == "failed"


def test_a_worker_without_room_for_a_log_is_believed_that_it_had_none(shop: Shop) -> None:
    received = shop.receive(shop.build(shop.job(), wheel=None, kind="no_space", log=None))
    assert (received.failure_class, received.retry) == ("no_space", True)
    assert shop.one("SELECT log_path FROM attempt").log_path is None


# What is refused


@pytest.mark.parametrize("case", CORPUS[::6], ids=lambda case: case.name)
def test_a_hostile_wheel_costs_its_own_build_and_no_other_of_the_batch(shop: Shop, case: Hostile) -> None:
    bad, good = shop.job(), shop.job("trixie-cp313-armv7l", TRIXIE)
    received = shop.receive(shop.build(bad, wheel=case.make))
    assert received == Received("failed", "rejected", False, ())
    assert case.reason in shop.one("SELECT message FROM attempt").message
    assert shop.all("SELECT * FROM wheel") == []
    assert shop.stored() == []
    assert shop.receive(shop.build(good, wheel=pure)).outcome == "built"
    assert (shop.state(bad), shop.state(good)) == ("failed", "built")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"build": "9-9"}, "was expected"),
        ({"wheels": []}, "wheels is empty"),
        ({"wheels": [{"filename": f"spidev-3.6-{TAG}.whl", "size": 5, "sha256": "0" * 64}]}, "result.json claims 5 bytes"),
        ({"wheels": [{"filename": "../../x.whl", "size": 5, "sha256": "0" * 64}]}, "no wheel's file name"),
        ({"wheels": [{"filename": f"spidev-3.6-1-{TAG}.whl", "size": 5, "sha256": "0" * 64}]}, "missing"),
        ({"wheels": [{"filename": "a\0b.whl", "size": 5, "sha256": "0" * 64}]}, "no wheel's file name"),
        ({"wheels": [{"filename": f"{n}.whl", "size": 5, "sha256": "0" * 64} for n in range(9)]}, "lists 9 wheels"),
    ],
)  # fmt: skip
def test_a_result_that_is_not_true_is_refused(shop: Shop, change: dict[str, Any], words: str) -> None:
    received = shop.receive(shop.build(shop.job(), **change))
    assert received == Received("failed", "rejected", False, ())
    assert words in shop.one("SELECT message FROM attempt").message
    assert shop.all("SELECT * FROM wheel") == []


@pytest.mark.parametrize("content", [b"", b"no json", b"[" * 100_000, bytes(5 << 20), b'{"format": "\0"}'])
def test_a_result_that_is_no_json_is_refused(shop: Shop, content: bytes) -> None:
    directory = shop.build(shop.job())
    (directory / "result.json").write_bytes(content)
    assert shop.receive(directory) == Received("failed", "rejected", False, ())


def test_nul_and_terminal_sequences_reach_the_database_as_text(shop: Shop) -> None:
    failure = {"kind": "backend", "message": "a\x00b\x1b[2J"}
    log = "ValueError: \x00\x1b[31mred\x1b]0;title\x07\n"
    shop.receive(shop.build(shop.job(), wheel=None, failure=failure, log=log, environment={"\x00": ["\x00"]}))
    attempt = shop.one("SELECT * FROM attempt")
    assert attempt.message == "a\N{REPLACEMENT CHARACTER}b"
    assert attempt.evidence_text.isprintable()
    assert attempt.environment == {"\N{REPLACEMENT CHARACTER}": ["\N{REPLACEMENT CHARACTER}"]}


@pytest.mark.parametrize("kind", ["too long", "link", "missing"])
def test_a_build_whose_log_cannot_be_kept_is_refused(shop: Shop, kind: str) -> None:
    directory = shop.build(shop.job())
    log = directory / "log.txt"
    log.unlink()
    if kind == "too long":
        log.write_bytes(bytes(2000))
    elif kind == "link":
        log.symlink_to(directory / "result.json")
    received = shop.receive(directory, limits=Limits(log_bytes=1000))
    assert received == Received("failed", "rejected", False, ())
    assert "log.txt" in shop.one("SELECT message FROM attempt").message
    assert shop.one("SELECT log_path FROM attempt").log_path is None


def test_a_fault_of_our_own_records_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = shop.job()
    directory = shop.build(job_id)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FileStore, "_keep", staticmethod(full))
    with pytest.raises(OSError, match="No space"):
        shop.receive(directory)
    assert shop.all("SELECT * FROM attempt") == []
    monkeypatch.undo()
    assert shop.receive(directory).outcome == "built"


def test_a_job_that_is_none_is_said_so(shop: Shop) -> None:
    directory = shop.build(4711)
    with pytest.raises(LookupError, match="job_id = 4711"):
        shop.receive(directory)


# Names that are taken


def test_the_same_file_built_again_is_no_second_wheel(shop: Shop) -> None:
    job_id = shop.job()
    first = shop.receive(shop.build(job_id))
    shop.one("UPDATE job SET state = 'leased', forced = true RETURNING 1")
    second = shop.receive(shop.build(job_id, 2))
    assert second == first
    assert shop.one("SELECT count(*) AS n FROM wheel").n == 1
    job = shop.one("SELECT * FROM job")
    assert (job.state, job.forced, job.attempts) == ("built", False, 2)


def test_other_content_for_a_published_name_is_superseded(shop: Shop) -> None:
    first, second = shop.job(), shop.job("trixie-cp313-armv7l", TRIXIE)
    published = shop.receive(shop.build(first, wheel=abi3))
    changed = shop.build(
        second,
        wheel=lambda d: make_wheel(
            d,
            "spidev-3.6-cp311-abi3-linux_armv7l.whl",
            info=wheel_info(["cp311-abi3-linux_armv7l"]),
            code=ABI3 | {"spidev.py": b"other\n"},
        ),
    )
    received = shop.receive(changed)
    assert received == Received("built", None, False, published.wheel_ids)
    job = shop.one("SELECT * FROM job WHERE job_id = %s", (second,))
    assert job.state == "superseded"
    assert "spidev-3.6-cp311-abi3-linux_armv7l.whl is published already" in job.reason
    assert len(shop.stored()) == 1


def test_a_name_spelled_another_way_is_the_same_name_to_pip(shop: Shop) -> None:
    first, second = shop.job(), shop.job("trixie-cp313-armv7l", TRIXIE)
    shop.receive(shop.build(first, wheel=pure))
    spelled = shop.build(
        second,
        wheel=lambda d: make_wheel(
            d,
            "SpiDev-3.6-py3-none-any.whl",
            info=wheel_info(["py3-none-any"]),
            dist_info="SpiDev-3.6.dist-info",
            code={"spidev.py": b"other\n"},
        ),
    )
    shop.receive(spelled)
    assert shop.state(second) == "superseded"
    assert shop.one("SELECT count(*) AS n FROM wheel").n == 1


def test_a_forced_rebuild_gets_the_next_free_build_number(shop: Shop) -> None:
    job_id = shop.job()
    shop.receive(shop.build(job_id))
    for number, content in ((2, b"two\n"), (3, b"three\n")):
        shop.one("UPDATE job SET state = 'leased', forced = true RETURNING 1")
        rebuilt = shop.build(job_id, number, wheel=lambda d, c=content: make_wheel(d, code=CODE | {"spidev.py": c}))  # type: ignore[misc]
        received = shop.receive(rebuilt)
        wheel = shop.one("SELECT * FROM wheel ORDER BY wheel_id DESC")
        assert received.wheel_ids == (wheel.wheel_id,)
        assert wheel.filename == f"spidev-3.6-{number - 1}-{TAG}.whl"
        assert wheel.build_tag == str(number - 1)
        content = shop.store.wheel_path(wheel.sha256, wheel.filename).read_bytes()
        assert hashlib.sha256(content).hexdigest() == wheel.sha256
    assert len(shop.stored()) == 3


def test_the_name_of_a_removed_file_is_not_used_again(shop: Shop) -> None:
    job_id = shop.job()
    shop.receive(shop.build(job_id))
    shop.one("UPDATE wheel SET removed_at = now(), removed_reason = 'asked for' RETURNING 1")
    shop.one("UPDATE job SET state = 'leased' RETURNING 1")
    shop.receive(shop.build(job_id, 2))
    names = [row.filename for row in shop.all("SELECT filename FROM wheel ORDER BY wheel_id")]
    assert names == [f"spidev-3.6-{TAG}.whl", f"spidev-3.6-1-{TAG}.whl"]


def test_a_build_that_loses_the_race_for_a_name_looks_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = shop.job(), shop.job("trixie-cp313-armv7l", TRIXIE)
    loser = shop.build(second, wheel=pure)
    place = receive._place
    calls = []

    def late(connection: Connection, order: Any, wheels: tuple[CheckedWheel, ...], *more: Any) -> Any:
        placed = place(connection, order, wheels, *more)
        calls.append(order.job_id)
        if calls == [second]:
            connection.rollback()
            shop.receive(shop.build(first, wheel=pure))
        return placed

    monkeypatch.setattr(receive, "_place", late)
    received = shop.receive(loser)
    assert calls == [second, first, second]
    assert received.outcome == "built"
    assert (shop.state(first), shop.state(second)) == ("built", "built")
    assert shop.one("SELECT count(*) AS n FROM wheel").n == 1


def test_two_controllers_that_receive_one_build_at_once_record_it_once(shop: Shop, database: Access) -> None:
    directory = shop.build(shop.job())
    shop.connection.commit()
    start = threading.Barrier(2)

    def take() -> Received:
        with connect(database.application) as own:
            start.wait()
            return shop.receive(directory, connection=own)

    with ThreadPoolExecutor(2) as pool:
        one, other = [future.result() for future in (pool.submit(take), pool.submit(take))]
    assert one == other
    assert shop.one("SELECT count(*) AS n FROM attempt").n == 1
    assert shop.one("SELECT count(*) AS n FROM wheel").n == 1


# Other jobs and other batches


def test_a_pure_wheel_serves_every_target_and_an_abi3_one_its_own_distribution(shop: Shop) -> None:
    first = shop.job()
    later = shop.job("bookworm-cp313-armv7l", TRIXIE, "waiting")
    trixie = shop.job("trixie-cp313-armv7l", TRIXIE, "waiting")
    leased = shop.job("sid-cp314-armv7l", TRIXIE, "leased")
    asked = shop.job("sid-cp313-armv7l", TRIXIE, "waiting", forced=True)
    old = shop.job("buster-cp27-armv7l", ["cp27-cp27mu-linux_armv7l"], "waiting")
    shop.receive(shop.build(first, wheel=abi3))
    assert [shop.state(each) for each in (later, trixie)] == ["superseded", "waiting"]
    shop.one("UPDATE job SET state = 'leased' WHERE job_id = %s RETURNING 1", (first,))
    shop.receive(shop.build(first, 2, wheel=pure))
    assert [shop.state(each) for each in (first, later, trixie)] == ["built", "superseded", "superseded"]
    assert [shop.state(each) for each in (leased, asked, old)] == ["leased", "waiting", "waiting"]
    reason = shop.one("SELECT reason FROM job WHERE job_id = %s", (trixie,)).reason
    assert reason == "spidev-3.6-py3-none-any.whl serves this target too"


def test_a_compiled_wheel_serves_its_own_target_only(shop: Shop) -> None:
    first, other = shop.job(), shop.job("trixie-cp313-armv7l", TRIXIE, "waiting")
    shop.receive(shop.build(first))
    assert shop.state(other) == "waiting"


def test_a_late_build_of_a_batch_that_lost_the_job_brings_its_wheel_but_not_its_state(shop: Shop) -> None:
    job_id = shop.job()
    owner = other_batch(shop)
    shop.one("UPDATE job SET batch_id = %s RETURNING 1", (owner,))
    late = shop.receive(shop.build(job_id))
    assert late.outcome == "built"
    assert shop.one("SELECT count(*) AS n FROM wheel").n == 1
    job = shop.one("SELECT * FROM job")
    assert (job.state, job.batch_id, job.attempts) == ("leased", owner, 0)

    # The owner finds it in place, whatever it brings itself.
    received = shop.receive(shop.build(job_id, 2, wheel=different), batch_id=owner)
    assert received == Received("built", None, False, late.wheel_ids)
    assert shop.state(job_id) == "built"
    assert shop.one("SELECT count(*) AS n FROM wheel").n == 1


@pytest.mark.parametrize("kind", ["backend", "no_space"])
def test_a_job_with_a_late_wheel_is_built_though_its_owner_failed(shop: Shop, kind: str) -> None:
    job_id = shop.job()
    owner = other_batch(shop)
    shop.one("UPDATE job SET batch_id = %s RETURNING 1", (owner,))
    shop.receive(shop.build(job_id))
    assert not shop.receive(shop.build(job_id, 2, wheel=None, kind=kind), batch_id=owner).retry
    assert shop.state(job_id) == "built"


def test_a_late_failure_changes_no_job(shop: Shop) -> None:
    job_id = shop.job()
    shop.one("UPDATE job SET batch_id = %s RETURNING 1", (other_batch(shop),))
    received = shop.receive(shop.build(job_id, wheel=None, kind="no_space"))
    assert received == Received("failed", "no_space", False, ())
    assert shop.state(job_id) == "leased"
    assert shop.one("SELECT count(*) AS n FROM attempt").n == 1


@pytest.mark.parametrize("state", ["built", "superseded", "removed"])
def test_a_job_that_was_settled_meanwhile_takes_no_wheel(shop: Shop, state: str) -> None:
    job_id = shop.job(state=state)
    received = shop.receive(shop.build(job_id))
    assert received == Received("built", None, False, ())
    assert shop.state(job_id) == state
    assert shop.all("SELECT * FROM wheel") == []
    attempt = shop.one("SELECT * FROM attempt")
    assert (attempt.outcome, attempt.message) == ("built", f"Its wheel was not taken: the job was {state} already.")


def test_an_attempt_that_was_given_up_as_lost_stays_lost(shop: Shop) -> None:
    job_id = shop.job()
    shop.one(
        "INSERT INTO attempt (job_id, number, outcome, failure_class, started_at, finished_at, captured) "
        "VALUES (%s, 1, 'failed', 'worker_lost', now(), now(), %s) RETURNING 1",
        (job_id, Json({})),
    )
    assert shop.receive(shop.build(job_id)) == Received("failed", "worker_lost", False, ())
    assert shop.all("SELECT * FROM wheel") == []
