"""Writes what a build came to into the database: attempt, wheels, the job's state, pages that are out of date.

Each function runs in the caller's transaction; `intake.receive` is the caller. Locks are taken in one order (the job,
then wheels, then the project), and other jobs of the release are only touched where nobody holds them.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from packaging.version import Version

from piwright.database.connection import Connection, Json, fetch_all, fetch_one
from piwright.database.stale_pages import mark_stale
from piwright.intake.appraisal import Appraised
from piwright.intake.examine import Verdict
from piwright.intake.recorded import Known, Order, Received, find_recorded
from piwright.intake.store import StoredLog
from piwright.intake.wheel_check import CheckedWheel

MOST_ATTEMPTS = 3
"""After so many tries that failed by our own doing a job is failed; a person or new evidence makes it wait again."""

_SETTLED = ("built", "superseded", "removed")

_ATTEMPT = """
INSERT INTO attempt (
    job_id, number, batch_id, worker_id, outcome, failure_class, message, evidence_line, evidence_text, captured,
    started_at, finished_at, phases, peak_memory_bytes, log_path, log_sha256, log_bytes, environment,
    smoke, sandbox, connections)
VALUES (
    %(job)s, %(number)s, %(batch)s, %(worker)s, %(outcome)s, %(failure_class)s, %(message)s, %(line)s, %(text)s,
    %(captured)s, %(started)s, %(finished)s, %(phases)s, %(memory)s, %(log_path)s, %(log_sha256)s, %(log_bytes)s,
    %(environment)s, %(smoke)s, %(sandbox)s, %(connections)s)
ON CONFLICT (job_id, number) DO NOTHING
RETURNING attempt_id
"""

# The unique name is the last word on a race: the loser sees no row and looks again.
_WHEEL = """
INSERT INTO wheel (
    attempt_id, release_id, filename, sha256, size, tags, build_tag, requires_python, metadata_sha256, built_at,
    apt_packages, facts, note, held_reason)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (filename) DO NOTHING
RETURNING wheel_id
"""

_JOB = """
UPDATE job SET state = %(state)s, reason = %(reason)s, attempts = greatest(attempts, %(number)s),
    forced = forced AND %(state)s NOT IN ('built', 'superseded'),
    partition = CASE WHEN %(state)s = 'waiting' THEN NULL ELSE partition END,
    next_try_at = CASE WHEN %(state)s = 'waiting' THEN now() END, changed_at = now()
WHERE job_id = %(job)s
"""

# wheel_attempt by way of attempt_job_id_number_key.
_HAS_WHEEL = """
SELECT w.wheel_id FROM attempt a JOIN wheel w USING (attempt_id) WHERE a.job_id = %s AND w.removed_at IS NULL
"""

# job_release_id_target_id_key. A pure wheel serves every target that accepts one of its tags; one that was compiled
# serves the later Pythons of its own distribution and architecture, whose libraries it was linked with.
_SERVED = """
UPDATE job SET state = 'superseded', reason = %(reason)s, changed_at = now()
WHERE job_id IN (
    SELECT j.job_id FROM job j JOIN target t USING (target_id)
    WHERE j.release_id = %(release)s AND j.job_id <> %(job)s AND j.state = 'waiting' AND NOT j.forced
      AND (t.tags && %(pure)s
           OR (t.tags && %(tags)s AND t.distribution = %(distribution)s AND t.architecture = %(architecture)s))
    ORDER BY j.job_id
    FOR UPDATE OF j SKIP LOCKED
)
"""

# By primary key. What we hold ourselves imports here after all: the same bytes serve another target as well.
_LET_GO = """
UPDATE wheel SET held_reason = NULL
WHERE wheel_id = ANY (%s) AND held_reason IS NOT NULL AND held_by IS NULL RETURNING filename
"""

_HELD = (
    "SELECT filename, held_reason FROM wheel WHERE wheel_id = ANY (%s) AND held_reason IS NOT NULL ORDER BY wheel_id"
)

# job_release_id_target_id_key. Such a reason begins with the name of the wheel that is held.
_NOT_HELD_ANY_MORE = """
UPDATE job SET reason = NULL, changed_at = now()
WHERE job_id IN (
    SELECT job_id FROM job WHERE release_id = %(release)s AND state = 'built' AND starts_with(reason, %(filename)s)
    ORDER BY job_id FOR UPDATE SKIP LOCKED
)
"""

# By project_pkey.
_SUMMARY = (
    "UPDATE project SET summary = %(summary)s WHERE project_id = %(project)s AND summary IS DISTINCT FROM %(summary)s"
)

# release_project_id_version_key, then wheel_release.
_VERSIONS_WITH_WHEELS = """
SELECT r.version FROM release r
WHERE r.project_id = %s AND r.release_id <> %s AND EXISTS (SELECT FROM wheel w WHERE w.release_id = r.release_id)
"""

_MOST_CONNECTIONS = (1 << 31) - 1


class NameTaken(Exception):
    """Another build published a wheel under this name a moment ago."""


@dataclass(frozen=True)
class Attempt:
    """Which try of which job this is, by whom, and its log."""

    job_id: int
    number: int
    batch_id: int
    worker_id: int
    log: StoredLog | None


def record_failed(connection: Connection, order: Order, attempt: Attempt, verdict: Verdict) -> Received:
    """Record an attempt that failed. What was our own doing is tried again up to `MOST_ATTEMPTS` times."""
    assert verdict.failure is not None
    begun = _begin(connection, attempt, verdict)
    if begun.earlier is not None:
        return begun.earlier
    retry = begun.owned and verdict.failure.infrastructure and attempt.number < MOST_ATTEMPTS
    serving = [] if order.forced or not begun.owned else fetch_all(connection, _HAS_WHEEL, (order.job_id,))
    if serving:
        retry = False  # a batch that had lost the job brought its wheel after all
        _set_job(connection, attempt, "built", _why_held(connection, [row.wheel_id for row in serving]))
    elif begun.owned:
        reason = f"{verdict.failure.failure_class}: {verdict.message or verdict.failure.meaning}"
        _set_job(connection, attempt, "waiting" if retry else "failed", reason)
    mark_stale(connection, [order.project_id])
    return Received("failed", verdict.failure.failure_class, retry, ())


def record_built(
    connection: Connection,
    order: Order,
    attempt: Attempt,
    verdict: Verdict,
    new: Sequence[Appraised],
    known: Sequence[Known],
    superseded_by: str | None,
) -> Received:
    """Record an attempt that built: `new` wheels get rows, `known` ones have theirs.

    A wheel that is held serves nobody but its own job, which says so. A known one that we hold because it did not
    import elsewhere is offered once it imports here.

    `superseded_by` names a published file of another job that these wheels would have replaced. Raises `NameTaken`.
    """
    begun = _begin(connection, attempt, verdict)
    if begun.earlier is not None:
        return begun.earlier
    if begun.settled:
        mark_stale(connection, [order.project_id])
        return Received("built", None, False, ())
    inserted = tuple(_insert_wheel(connection, order, begun.attempt_id, verdict, each) for each in new)
    serving = inserted + tuple(each.wheel_id for each in known)
    let_go = _let_go(connection, order, serving, verdict)
    if begun.owned and superseded_by is not None and not new:
        reason = f"{superseded_by} is published already with other content, and a published file never changes"
        _set_job(connection, attempt, "superseded", reason)
    elif begun.owned:
        _set_job(connection, attempt, "built", _why_held(connection, serving))
    offered = [each.wheel for each in new if each.held_reason is None]
    if offered or let_go:
        # One the project itself meant for this platform only says nothing about what it builds on others.
        _settle_others(connection, order, [wheel for wheel in offered if not wheel.widened])
    _describe_project(connection, order, [each.wheel for each in new])
    mark_stale(connection, [order.project_id])
    return Received("built", None, False, serving)


@dataclass(frozen=True)
class _Begun:
    """A recorded attempt. `owned`: its batch may change the job's state; `settled`: the job needs no wheel any more;
    `earlier`: what was recorded, if somebody recorded this very attempt a moment ago."""

    attempt_id: int
    owned: bool
    settled: bool
    earlier: Received | None = None


def _begin(connection: Connection, attempt: Attempt, verdict: Verdict) -> _Begun:
    """Lock the job and record the attempt."""
    job = fetch_one(connection, "SELECT state, batch_id FROM job WHERE job_id = %s FOR UPDATE", (attempt.job_id,))
    if job is None:
        raise LookupError(f"job_id = {attempt.job_id} was removed meanwhile.")
    settled = job.state in _SETTLED
    if settled and verdict.failure is None:
        verdict = dataclasses.replace(verdict, message=f"Its wheel was not taken: the job was {job.state} already.")
    attempt_id = _insert_attempt(connection, attempt, verdict)
    if attempt_id is None:
        earlier = find_recorded(connection, attempt.job_id, attempt.number, attempt.batch_id)
        return _Begun(0, False, settled, earlier)
    return _Begun(attempt_id, job.batch_id == attempt.batch_id and not settled, settled)


def _insert_attempt(connection: Connection, attempt: Attempt, verdict: Verdict) -> int | None:
    failure, log, tried = verdict.failure, attempt.log, verdict.connections
    values = {
        "job": attempt.job_id,
        "number": attempt.number,
        "batch": attempt.batch_id,
        "worker": attempt.worker_id,
        "outcome": "failed" if failure else "built",
        "failure_class": failure and failure.failure_class,
        "message": verdict.message,
        "line": failure and failure.line,
        "text": failure and failure.text,
        "captured": Json(failure.captured if failure else {}),
        "started": verdict.started,
        "finished": verdict.finished,
        "phases": Json(list(verdict.phases)),
        "memory": verdict.peak_memory_bytes,
        "log_path": log and log.path,
        "log_sha256": log and log.sha256,
        "log_bytes": log and log.bytes,
        "environment": Json(verdict.environment | ({"connections": tried} if tried else {})),
        "smoke": verdict.smoke and Json(dataclasses.asdict(verdict.smoke)),
        "sandbox": verdict.sandbox and Json(verdict.sandbox),
        "connections": tried and min(tried["outside"] + tried["lookups"], _MOST_CONNECTIONS),
    }
    row = fetch_one(connection, _ATTEMPT, values)
    return row and int(row.attempt_id)


def _insert_wheel(connection: Connection, order: Order, attempt_id: int, verdict: Verdict, new: Appraised) -> int:
    wheel = new.wheel
    row = fetch_one(
        connection,
        _WHEEL,
        (
            *(attempt_id, order.release_id, wheel.filename, wheel.sha256, wheel.size, list(wheel.tags)),
            *(wheel.build_tag, wheel.requires_python, wheel.metadata_sha256, verdict.finished),
            *(list(new.apt_packages), Json(new.facts), new.note, new.held_reason),
        ),
    )
    if row is None:
        raise NameTaken(wheel.filename)
    return int(row.wheel_id)


def _describe_project(connection: Connection, order: Order, wheels: Sequence[CheckedWheel]) -> None:
    """The newest release we have a wheel of says what its project is."""
    summary = next((wheel.summary for wheel in wheels if wheel.summary), None)
    if summary is not None and not _newer_wheels(connection, order):
        _execute(connection, _SUMMARY, {"project": order.project_id, "summary": summary})


def _newer_wheels(connection: Connection, order: Order) -> bool:
    rows = fetch_all(connection, _VERSIONS_WITH_WHEELS, (order.project_id, order.release_id))
    return any(Version(row.version) > Version(order.version) for row in rows)


def _let_go(connection: Connection, order: Order, wheel_ids: Sequence[int], verdict: Verdict) -> bool:
    """Offer what we held and what this very build imported; True if there was any."""
    if verdict.smoke is None or verdict.smoke.outcome != "imported":
        return False
    rows = fetch_all(connection, _LET_GO, (list(wheel_ids),))
    for row in rows:
        _execute(connection, _NOT_HELD_ANY_MORE, {"release": order.release_id, "filename": row.filename})
    return bool(rows)


def _why_held(connection: Connection, wheel_ids: Sequence[int]) -> str | None:
    """Why what was built is not offered, if it is not."""
    held = fetch_one(connection, _HELD, (list(wheel_ids),))
    return f"{held.filename} is held: {held.held_reason}" if held else None


def _set_job(connection: Connection, attempt: Attempt, state: str, reason: str | None) -> None:
    values = {"job": attempt.job_id, "number": attempt.number, "state": state, "reason": reason}
    _execute(connection, _JOB, values)


def _settle_others(connection: Connection, order: Order, wheels: Sequence[CheckedWheel]) -> None:
    for wheel in wheels:
        values = {
            "job": order.job_id,
            "release": order.release_id,
            "reason": f"{wheel.filename} serves this target too",
            "tags": list(wheel.tags),
            "pure": [tag for tag in wheel.tags if tag.endswith("-any")],
            "distribution": order.distribution,
            "architecture": order.architecture,
        }
        _execute(connection, _SERVED, values)


def _execute(connection: Connection, statement: str, values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
