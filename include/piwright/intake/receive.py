"""Takes in one finished build: distrusts it, classifies it, stores its files and records it.

    received = receive_build(connection, job_id=123, attempt_number=1, batch_id=17, worker_id=2,
                             directory=home / "incoming" / "17-1" / "123-1", store=FileStore(...))
    received.retry      # the same batch should build it again

Files go into the store first, then one transaction says everything about them: a crash in between leaves a file
nobody names, never a row without its file.
"""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from piwright.database.connection import Connection
from piwright.intake import record, recorded
from piwright.intake.appraisal import Appraised, appraise, held_reason
from piwright.intake.examine import Verdict, examine
from piwright.intake.limits import Limits
from piwright.intake.record import NameTaken
from piwright.intake.recorded import Known, Order, Received
from piwright.intake.retag import RetagError, next_build_number, retag
from piwright.intake.store import FileStore, StoredLog
from piwright.intake.untrusted import FileRefused, open_regular
from piwright.intake.wheel_check import Wanted, WheelRejected, check_wheel

__all__ = ["Received", "receive_build"]

_MOST_RACES = 5


@dataclass(frozen=True)
class _Placed:
    """What became of the wheels of a build: new ones with names nobody has, and those that were there before."""

    new: tuple[Appraised, ...] = ()
    known: tuple[Known, ...] = ()
    superseded_by: str | None = None


def receive_build(
    connection: Connection,
    *,
    job_id: int,
    attempt_number: int,
    batch_id: int,
    worker_id: int,
    directory: Path,
    store: FileStore,
    limits: Limits | None = None,
) -> Received:
    """Record the build in `directory` as attempt `attempt_number` of a job. Commits.

    Received again, the same attempt changes nothing and answers what was recorded. The job's state changes only while
    `batch_id` owns it. If another batch does by now, the attempt is recorded as the history it is, and its wheel is
    taken unless the job was settled meanwhile: it is a good build, and the other batch will then find it in place.
    Raises LookupError for a job that is none, OSError when our own disk fails; nothing is recorded then.
    """
    limits = limits or Limits()
    try:
        order = recorded.read_order(connection, job_id)
        earlier = recorded.find_recorded(connection, job_id, attempt_number, batch_id)
        connection.commit()
        if earlier is not None:
            return earlier
        wanted = Wanted(order.project, order.version, tuple(order.tags), order.architecture, order.libc)
        with tempfile.TemporaryDirectory(prefix="piwright-wheels-") as folder:
            scratch = Path(folder)
            verdict = examine(directory, wanted, limits, corrected_in=scratch / "corrected")
            stored_log = _store_log(store, directory / "log.txt", limits)
            attempt = record.Attempt(job_id, attempt_number, batch_id, worker_id, stored_log)
            for race in range(_MOST_RACES):
                # Another build may take the name between looking and recording; then it is looked up again.
                try:
                    again = scratch / f"numbered-{race}"
                    return _place_and_record(connection, order, attempt, verdict, wanted, store, limits, again)
                except NameTaken:
                    connection.rollback()
        raise RuntimeError(f"the wheel of job {job_id} found its name taken {_MOST_RACES} times in a row")
    except BaseException:
        connection.rollback()
        raise


def _place_and_record(
    connection: Connection,
    order: Order,
    attempt: record.Attempt,
    verdict: Verdict,
    wanted: Wanted,
    store: FileStore,
    limits: Limits,
    scratch: Path,
) -> Received:
    placed = _Placed()
    try:
        placed = _place(connection, order, verdict, wanted, scratch, limits)
    except (WheelRejected, RetagError) as error:
        verdict = verdict.rejected("it cannot be given a new build number", str(error))
    for wheel in (each.wheel for each in placed.new):
        if store.put_wheel(wheel.path, wheel.filename).sha256 != wheel.sha256:
            raise RuntimeError(f"{wheel.filename} changed while it was stored")
    if verdict.failure is None:
        received = record.record_built(
            connection, order, attempt, verdict, placed.new, placed.known, placed.superseded_by
        )
    else:
        received = record.record_failed(connection, order, attempt, verdict)
    connection.commit()
    return received


def _place(
    connection: Connection,
    order: Order,
    verdict: Verdict,
    wanted: Wanted,
    scratch: Path,
    limits: Limits,
) -> _Placed:
    """Find each wheel its name. A file once published never changes, so a rebuild needs another."""
    new: list[Appraised] = []
    known: list[Known] = []
    superseded_by: str | None = None
    imports = held_reason(verdict.smoke) is None
    for number, wheel in enumerate(verdict.wheels):
        existing = recorded.find_wheel(connection, order, wheel)
        if existing is None:
            new.append(appraise(connection, order, wheel, verdict.smoke))
        elif existing.sha256 == wheel.sha256 and not existing.removed:
            known.append(existing)
        elif order.forced or existing.removed or (existing.held_by_us and imports):
            taken = recorded.wheel_names(connection, order, wheel)
            path = retag(wheel.path, next_build_number(taken), scratch / str(number))
            rebuilt = replace(check_wheel(path, wanted, limits), corrections=wheel.corrections, widened=wheel.widened)
            new.append(appraise(connection, order, rebuilt, verdict.smoke))
        else:
            known.append(existing)
            if existing.job_id != order.job_id and existing.held_reason is None:
                superseded_by = existing.filename
    return _Placed(tuple(new), tuple(known), superseded_by)


def _store_log(store: FileStore, path: Path, limits: Limits) -> StoredLog | None:
    try:
        open_regular(path, limits.log_bytes).close()
    except FileRefused:
        return None  # what is wrong with it is in the verdict
    return store.put_log(path)
