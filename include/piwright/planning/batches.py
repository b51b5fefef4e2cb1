"""Packs waiting jobs into batches, and follows a batch through its life.

plan_batches(connection, run_id, partition, batch_seconds=300)   # -> [PlannedBatch(batch_id, label), ...]
builds = open_builds(connection, batch_id)                       # what is left to build of it
...
finish_batch(connection, batch_id)
return_leftovers(connection, run_id)                             # whatever a run did not finish waits again
"""

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from piwright.database.connection import Connection, execute_values, fetch_all, fetch_one
from piwright.planning import priority
from piwright.planning.needs import judge

MOST_BATCHES = 500
"""Of one run: Airflow's scheduler slows down beyond (notes on mapped tasks)."""

_LONGEST_WAIT = timedelta(hours=24)
"""A planned batch nobody started for so long belongs to a run that is gone."""

# Walks job_claim. Jobs of the run's own interval, those that wait for no run in particular, and the urgent ones.
CLAIMABLE = """
SELECT j.job_id, j.release_id, j.target_id, j.priority, j.estimate_seconds, j.forced, p.name, r.version,
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


@dataclass(frozen=True)
class Candidate:
    """A job that could go into a batch; `estimate` in seconds."""

    job_id: int
    target_id: int
    priority: int
    estimate: float
    name: str


@dataclass(frozen=True)
class PlannedBatch:
    """A batch and what a person reads in Airflow's list of mapped tasks."""

    batch_id: int
    label: str


def pack(jobs: Iterable[Candidate], batch_seconds: float, slots: int) -> list[list[Candidate]]:
    """Spread jobs of one target over batches. Pure.

    About `batch_seconds` a batch, a build that is longer alone, and never fewer batches than there are `slots` to use
    while there are jobs for them. Longest first onto the emptiest batch; inside a batch the urgent come first.
    Batches come in the order they should start.
    """
    ordered = sorted(jobs, key=lambda job: (-job.estimate, job.job_id))
    batches = [[job] for job in ordered if job.estimate >= batch_seconds]
    rest = [job for job in ordered if job.estimate < batch_seconds]
    if rest:
        count = max(math.ceil(sum(job.estimate for job in rest) / batch_seconds), min(slots, len(rest)))
        bins: list[list[Candidate]] = [[] for _ in range(count)]
        heap = [(0.0, number) for number in range(count)]
        for job in rest:
            seconds, number = heapq.heappop(heap)
            bins[number].append(job)
            heapq.heappush(heap, (seconds + job.estimate, number))
        batches += [each for each in bins if each]
    for each in batches:
        each.sort(key=lambda job: (-job.priority, -job.estimate, job.job_id))
    return sorted(batches, key=lambda each: (-each[0].priority, -_seconds(each), each[0].job_id))


def _seconds(batch: Sequence[Candidate]) -> float:
    return sum(job.estimate for job in batch)


def label(batch: Sequence[Candidate]) -> str:
    """What is inside, short enough for a list: `spidev 3.6, evdev 1.7.1 and 4 more`."""
    names = ", ".join(job.name for job in batch[:3])
    return names if len(batch) <= 3 else f"{names} and {len(batch) - 3} more"


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
            "SELECT target_id, sum(slots)::int AS slots FROM worker WHERE state <> 'drained' GROUP BY target_id",
        )
    }
    batches = [
        batch
        for target_id, jobs in by_target.items()
        # A target without a worker waits: its tasks would hold the pool and never get a Pi.
        if target_id in slots
        for batch in pack(jobs, batch_seconds, slots[target_id])
    ]
    batches.sort(key=lambda each: (-each[0].priority, -_seconds(each)))
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
    for row in fetch_all(
        connection, "SELECT release_id, tags FROM wheel WHERE release_id = ANY (%s) AND removed_at IS NULL", (ids,)
    ):
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
    return needed


def _store(connection: Connection, run_id: str, batch: Sequence[Candidate]) -> PlannedBatch:
    text = label(batch)
    row = fetch_one(
        connection,
        "INSERT INTO batch (target_id, run_id, label, expected_seconds) VALUES (%s, %s, %s, %s) RETURNING batch_id",
        (batch[0].target_id, run_id, text, _seconds(batch)),
    )
    assert row is not None
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE job SET state = 'leased', batch_id = %s, changed_at = now() WHERE job_id = ANY (%s)",
            (row.batch_id, [job.job_id for job in batch]),
        )
    return PlannedBatch(row.batch_id, text)


@dataclass(frozen=True)
class Batch:
    """A batch as it stands; `remote_name` and `worker_id` are None until it was sent to a worker."""

    batch_id: int
    target_id: int
    label: str
    state: str
    round: int
    remote_name: str | None
    worker_id: int | None


def read_batch(connection: Connection, batch_id: int) -> Batch:
    """The batch. Raises `LookupError` for an id that is none."""
    row = fetch_one(
        connection,
        "SELECT batch_id, target_id, label, state, round, remote_name, worker_id FROM batch WHERE batch_id = %s",
        (batch_id,),
    )
    if row is None:
        raise LookupError(f"batch_id = {batch_id} is no batch: plan_batches makes them.")
    return Batch(*row)


@dataclass(frozen=True)
class Build:
    """One job of a batch, as the worker needs it. `number` is the attempt it will be."""

    job_id: int
    number: int
    project: str
    version: str
    filename: str
    url: str
    hashes: dict[str, str]
    size: int | None
    uploaded_at: datetime | None

    @property
    def name(self) -> str:
        """The worker's name for it: job and attempt."""
        return f"{self.job_id}-{self.number}"


def open_builds(connection: Connection, batch_id: int) -> list[Build]:
    """What is left to build of a batch, urgent first. Jobs it carries that wait (again) are leased to it."""
    rows = fetch_all(
        connection,
        """
        WITH taken AS (
            UPDATE job SET state = 'leased', changed_at = CASE state WHEN 'leased' THEN changed_at ELSE now() END
            WHERE batch_id = %s AND state IN ('leased', 'waiting')
            RETURNING job_id, release_id, target_id, priority, estimate_seconds, attempts
        )
        SELECT j.*, p.name AS project, r.version, t.python, t.tags
        FROM taken j JOIN release r USING (release_id) JOIN project p USING (project_id) JOIN target t USING (target_id)
        ORDER BY j.priority DESC, j.estimate_seconds DESC, j.job_id
        """,
        (batch_id,),
    )
    files = defaultdict(list)
    for row in fetch_all(
        connection,
        "SELECT release_id, filename, kind, url, hashes, size, uploaded_at, requires_python FROM upstream_file "
        "WHERE release_id = ANY (%s)",
        ([row.release_id for row in rows],),
    ):
        files[row.release_id].append(row)
    builds = []
    for row in rows:
        # Wheels are left out: whether there is one was asked when the batch was planned.
        sdists = [each for each in files[row.release_id] if each.kind == "sdist"]
        sdist = judge(sdists, [], row.tags, row.python).sdist
        if sdist is None:
            with connection.cursor() as cursor:
                cursor.execute(
                    "UPDATE job SET state = 'removed', reason = 'upstream took its source distribution away', "
                    "changed_at = now() WHERE job_id = %s",
                    (row.job_id,),
                )
            continue
        file = (sdist.filename, sdist.url, sdist.hashes, sdist.size, sdist.uploaded_at)
        builds.append(Build(row.job_id, row.attempts + 1, row.project, row.version, *file))
    return builds


def begin_round(connection: Connection, batch_id: int, worker_id: int, remote_name: str) -> None:
    """Note where a batch is sent, before it is: whoever comes next looks for it there."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE batch SET state = 'running', worker_id = %s, remote_name = %s, round = round + 1, "
            "started_at = coalesce(started_at, now()), heartbeat_at = now() WHERE batch_id = %s",
            (worker_id, remote_name, batch_id),
        )


def forget_worker(connection: Connection, batch_id: int) -> None:
    """The batch is on no worker any more: the next round may go anywhere."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE batch SET worker_id = NULL, remote_name = NULL WHERE batch_id = %s", (batch_id,))


def finish_batch(connection: Connection, batch_id: int) -> None:
    """Every job of the batch is settled."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE batch SET state = 'done', finished_at = now() WHERE batch_id = %s", (batch_id,))


def return_leftovers(connection: Connection, run_id: str) -> list[str]:
    """At the end of a run: what its batches did not finish waits for the next run. Answers their labels."""
    rows = fetch_all(
        connection, "SELECT batch_id FROM batch WHERE run_id = %s AND state IN ('planned', 'running')", (run_id,)
    )
    return _abandon(connection, [row.batch_id for row in rows])


def sweep_abandoned(connection: Connection) -> list[str]:
    """Return what batches hold that nobody looks after: no lease, no heartbeat. Walks batch_open."""
    rows = fetch_all(
        connection,
        """
        SELECT b.batch_id FROM batch b LEFT JOIN lease l USING (batch_id)
        WHERE b.state IN ('planned', 'running') AND (l.batch_id IS NULL OR l.expires_at < now())
          AND b.heartbeat_at < now() - CASE b.state WHEN 'planned' THEN %s ELSE interval '30 minutes' END
        FOR UPDATE OF b SKIP LOCKED
        """,
        (_LONGEST_WAIT,),
    )
    return _abandon(connection, [row.batch_id for row in rows])


def _abandon(connection: Connection, batch_ids: Sequence[int]) -> list[str]:
    if not batch_ids:
        return []
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM lease WHERE batch_id = ANY (%s)", (batch_ids,))
        cursor.execute(
            "UPDATE job SET state = 'waiting', partition = NULL, reason = 'its batch ended early', changed_at = now() "
            "WHERE batch_id = ANY (%s) AND state = 'leased'",
            (batch_ids,),
        )
    rows = fetch_all(
        connection,
        "UPDATE batch SET state = 'abandoned', finished_at = now() WHERE batch_id = ANY (%s) RETURNING label",
        (batch_ids,),
    )
    return [row.label for row in rows]
