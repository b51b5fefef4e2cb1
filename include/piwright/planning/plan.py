"""Claims waiting jobs for a run and makes batches of them.

plan_batches(connection, run_id, partition, batch_seconds=300)      # -> [PlannedBatch(batch_id, label), ...]
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from piwright.database.connection import Connection, execute_values, fetch_all, fetch_one
from piwright.database.stale_pages import mark_stale
from piwright.planning import priority
from piwright.planning.batches import sweep_abandoned
from piwright.planning.needs import judge
from piwright.planning.pack import Candidate, expected_seconds, label, pack

MOST_BATCHES = 500
"""Of one run: Airflow's scheduler slows down beyond."""

# Walks job_claim. Jobs of the run's own interval, those that wait for no run in particular, and the urgent ones.
CLAIMABLE = """
SELECT j.job_id, j.release_id, r.project_id, j.target_id, j.priority, j.estimate_seconds, j.forced, p.name, r.version,
       r.gone_at, t.tags, t.python
FROM target t
CROSS JOIN LATERAL (
    SELECT * FROM job
    WHERE job.target_id = t.target_id AND job.state = 'waiting'
      AND (job.partition = %(partition)s OR job.partition IS NULL OR job.priority >= %(urgent)s)
      AND (job.next_try_at IS NULL OR job.next_try_at <= now())
    ORDER BY job.priority DESC, job.job_id
    LIMIT %(most)s
    FOR UPDATE SKIP LOCKED
) j
JOIN release r USING (release_id) JOIN project p USING (project_id)
WHERE t.active
"""

_FILES = """
SELECT f.release_id, f.filename, f.kind, f.hashes, f.requires_python
FROM upstream_file f WHERE f.release_id = ANY (%s)
"""

_OUR_WHEELS = """
SELECT release_id, tags FROM wheel
WHERE release_id = ANY (%s) AND removed_at IS NULL AND held_reason IS NULL AND NOT facts ? 'widened'
"""
"""By `wheel_release`. One that is held serves nobody, and one that we widened keeps no target from building its own; what
they were built for stays built."""


@dataclass(frozen=True)
class PlannedBatch:
    """A batch and what a person reads in Airflow's list of mapped tasks."""

    batch_id: int
    label: str


def plan_batches(
    connection: Connection, run_id: str, partition: str | None, *, batch_seconds: float, most: int = MOST_BATCHES
) -> list[PlannedBatch]:
    """Claim waiting jobs and pack them into batches of a run; jobs that are needed no more are settled instead.

    Running it again for the same run answers its open batches too, so a retried task plans nothing twice.
    """
    sweep_abandoned(connection)
    known = fetch_all(
        connection,
        "SELECT batch_id, label FROM batch WHERE run_id = %s AND state IN ('planned', 'running') ORDER BY batch_id",
        (run_id,),
    )
    rows = fetch_all(connection, CLAIMABLE, {"partition": partition, "most": most * 50, "urgent": priority.ANY_RUN})
    by_target = defaultdict(list)
    for row in _still_needed(connection, rows):
        name = f"{row.name} {row.version}"
        by_target[row.target_id].append(Candidate(row.job_id, row.target_id, row.priority, row.estimate_seconds, name))
    slots = {
        row.target_id: row.slots
        for row in fetch_all(
            connection,
            # A refused worker builds nothing, yet a batch is planned: its task says so, where jobs would wait in silence.
            "SELECT target_id, coalesce(sum(slots) FILTER (WHERE state <> 'refused'), 1)::int AS slots "
            "FROM worker WHERE state <> 'drained' GROUP BY target_id",
        )
    }
    batches = [
        batch
        for target_id, jobs in by_target.items()
        # A target without a worker waits: its tasks would hold the pool and never get a Pi.
        if target_id in slots
        for batch in pack(jobs, batch_seconds, slots[target_id])
    ]
    batches.sort(key=lambda each: (-each[0].priority, -expected_seconds(each)))
    planned = [PlannedBatch(row.batch_id, row.label) for row in known]
    most = max(most - len(planned), 0)
    planned += [_store(connection, run_id, batch) for batch in batches[:most]]
    if batches[most:]:
        # More than one run carries: whichever run comes next may take them.
        left = [job.job_id for batch in batches[most:] for job in batch]
        with connection.cursor() as cursor:
            cursor.execute("UPDATE job SET partition = NULL WHERE job_id = ANY (%s)", (left,))
    with connection.cursor() as cursor:
        cursor.execute("SELECT fold_job_counts()")
    return planned


def _still_needed(connection: Connection, rows: Sequence[Any]) -> list[Any]:
    """The rows whose release upstream still has and still has no wheel for; the others' jobs are settled."""
    ids = list({row.release_id for row in rows})
    files = defaultdict(list)
    for row in fetch_all(connection, _FILES, (ids,)):
        files[row.release_id].append(row)
    wheels = defaultdict(list)
    for row in fetch_all(connection, _OUR_WHEELS, (ids,)):
        wheels[row.release_id].append(row.tags)
    needed, settled = [], []
    for row in rows:
        ours = [] if row.forced else wheels[row.release_id]
        verdict = judge(files[row.release_id], ours, row.tags, row.python)
        if row.gone_at is not None:
            settled.append((row.job_id, "removed", "upstream removed the release"))
        elif verdict.sdist is None:
            settled.append((row.job_id, "superseded", verdict.reason or ""))
        else:
            needed.append(row)
    if settled:
        with connection.cursor() as cursor:
            execute_values(
                cursor,
                "UPDATE job SET state = s.state, reason = s.reason, changed_at = now() "
                "FROM (VALUES %s) AS s (job_id, state, reason) WHERE job.job_id = s.job_id",
                settled,
            )
        jobs = {job_id for job_id, _, _ in settled}
        mark_stale(connection, [row.project_id for row in rows if row.job_id in jobs])
    return needed


def _store(connection: Connection, run_id: str, batch: Sequence[Candidate]) -> PlannedBatch:
    text = label(batch)
    row = fetch_one(
        connection,
        "INSERT INTO batch (target_id, run_id, label, expected_seconds) VALUES (%s, %s, %s, %s) RETURNING batch_id",
        (batch[0].target_id, run_id, text, expected_seconds(batch)),
    )
    assert row is not None
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE job SET state = 'leased', batch_id = %s, changed_at = now() WHERE job_id = ANY (%s)",
            (row.batch_id, [job.job_id for job in batch]),
        )
    return PlannedBatch(row.batch_id, text)
