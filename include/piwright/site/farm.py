"""Reads how the farm is doing: workers and what they build, the queue by target, failures by class, how fresh pages are.

    farm = read_farm(connection)
    farm.workers[0].building, farm.queues[0].seconds

Counts come from `job_count` and `build_hour`, which are kept as things happen.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from piwright.database.connection import Connection, fetch_all, fetch_one
from piwright.site.presentable import presentable
from piwright.site.project_contents import QUEUE_LIMIT

COUNT_LIMIT = 100_000
"""Projects whose pages are due that are counted; beyond, it says "more than"."""

WORKERS = """
SELECT w.worker_id, w.name, t.name AS target, w.state, w.state_reason AS reason, w.slots, w.seen_at,
       (w.facts ->> 'cores')::int AS cores, (w.facts ->> 'memory_bytes')::bigint AS memory,
       (w.facts ->> 'disk_free_bytes')::bigint AS disk_free
FROM worker w JOIN target t USING (target_id)
WHERE w.state <> 'drained' OR w.state_reason IS DISTINCT FROM 'removed'
ORDER BY w.name
"""
"""All of them: a farm has some dozens. An emulated Pi that was removed stays in the table for its builds' sake."""

LEASES = """
SELECT l.worker_id, l.slot, b.label, l.taken_at, p.name AS project, r.version
FROM lease l JOIN batch b USING (batch_id)
LEFT JOIN job j ON j.job_id = l.job_id LEFT JOIN release r USING (release_id) LEFT JOIN project p USING (project_id)
WHERE l.expires_at >= now()
ORDER BY l.worker_id, l.slot
"""
"""All of them: one for each slot at most; then primary keys."""

QUEUES = """
SELECT t.name,
       coalesce(sum(c.jobs) FILTER (WHERE c.state = 'waiting'), 0)::bigint AS waiting,
       coalesce(sum(c.jobs) FILTER (WHERE c.state = 'leased'), 0)::bigint AS building,
       (SELECT coalesce(sum(w.slots), 0) FROM worker w WHERE w.target_id = t.target_id AND w.state = 'live') AS slots
FROM target t LEFT JOIN job_count c USING (target_id)
WHERE t.active
GROUP BY t.target_id
ORDER BY t.rank, t.name
"""
"""`job_count` has a few rows for each target and state."""

ESTIMATES = """
SELECT t.name, q.jobs, q.seconds
FROM target t CROSS JOIN LATERAL (
    SELECT count(*) AS jobs, sum(head.estimate_seconds)::float AS seconds FROM (
        SELECT j.estimate_seconds FROM job j WHERE j.target_id = t.target_id AND j.state = 'waiting'
        ORDER BY j.priority DESC, j.job_id LIMIT %(limit)s
    ) head
) q
WHERE t.active AND q.jobs > 0
"""
"""What the heads of the queues are expected to take, by `job_claim`. Project pages add up the same jobs."""

LAST_HOUR = "SELECT max(hour) AS hour FROM build_hour"
"""By the unique index of `build_hour`, which begins with the hour."""

LAST_DAY = """
SELECT b.failure_class, w.name AS worker, sum(b.attempts)::bigint AS attempts
FROM build_hour b LEFT JOIN worker w USING (worker_id)
WHERE b.hour > %(after)s
GROUP BY b.failure_class, w.name
"""
"""By the unique index of `build_hour`."""

FRESHNESS = """
SELECT (SELECT count(*) FROM (SELECT FROM project WHERE stale_since IS NOT NULL LIMIT %(limit)s) due) AS due,
       (SELECT min(stale_since) FROM project WHERE stale_since IS NOT NULL) AS due_since,
       (SELECT count(*) FROM wheel WHERE held_reason IS NOT NULL AND removed_at IS NULL) AS held, now() AS as_of
"""
"""By the partial indexes `project_stale` and `wheel_held`."""

NEWEST = """
SELECT built_at FROM wheel WHERE published_at IS NOT NULL AND removed_at IS NULL AND held_reason IS NULL
ORDER BY built_at DESC LIMIT 1
"""
"""By `wheel_built`."""


@dataclass(frozen=True)
class Lease:
    """A slot in use. Project and version are None until the worker has said what it builds."""

    slot: int
    label: str
    taken_at: datetime
    project: str | None
    version: str | None


@dataclass(frozen=True)
class WorkerLine:
    """A worker; what it says of itself is None before it was asked. Memory and disk in bytes."""

    name: str
    target: str
    state: str
    reason: str
    slots: int
    seen_at: datetime | None
    cores: int | None
    memory: int | None
    disk_free: int | None
    leases: tuple[Lease, ...] = ()
    builds: int = 0
    failed: int = 0


@dataclass(frozen=True)
class Queue:
    """Jobs of a target. `seconds` is how long the live workers need for those that wait; None without one.

    A queue that is longer than `QUEUE_LIMIT` is taken to go on as it begins.
    """

    target: str
    waiting: int
    building: int
    slots: int
    seconds: float | None


@dataclass(frozen=True)
class Farm:
    """All the status page tells, as of `as_of`. The last day ends at `until`, the end of the last hour with builds."""

    workers: tuple[WorkerLine, ...]
    queues: tuple[Queue, ...]
    until: datetime | None
    built: int
    failures: tuple[tuple[str, int], ...]
    due: int
    due_since: datetime | None
    held: int
    newest: datetime | None
    as_of: datetime

    @property
    def more_due(self) -> bool:
        """There are more projects due than were counted."""
        return self.due > COUNT_LIMIT

    @property
    def failed(self) -> int:
        """Attempts that failed on the last day."""
        return sum(attempts for _, attempts in self.failures)


def read_farm(connection: Connection) -> Farm:
    """The farm as it is now."""
    heads = {row.name: row for row in fetch_all(connection, ESTIMATES, {"limit": QUEUE_LIMIT})}
    queues = []
    for row in fetch_all(connection, QUEUES):
        head = heads.get(row.name)
        needed = head.seconds * max(row.waiting / head.jobs, 1) if head else 0.0
        seconds = needed / int(row.slots) if row.slots else None
        queues.append(Queue(row.name, row.waiting, row.building, int(row.slots), seconds if row.waiting else 0.0))
    last = fetch_one(connection, LAST_HOUR)
    until = last.hour + timedelta(hours=1) if last and last.hour else None
    day = fetch_all(connection, LAST_DAY, {"after": until - timedelta(hours=25)}) if until else []
    failures: dict[str, int] = {}
    for row in day:
        failures[row.failure_class] = failures.get(row.failure_class, 0) + row.attempts
    built = failures.pop("", 0)
    fresh = fetch_one(connection, FRESHNESS, {"limit": COUNT_LIMIT + 1})
    assert fresh is not None
    newest = fetch_one(connection, NEWEST)
    return Farm(
        workers=_workers(connection, day),
        queues=tuple(queues),
        until=until,
        built=built,
        failures=tuple(sorted(failures.items(), key=lambda each: (-each[1], each[0]))),
        due=fresh.due,
        due_since=fresh.due_since,
        held=fresh.held,
        newest=newest.built_at if newest else None,
        as_of=fresh.as_of,
    )


def _workers(connection: Connection, day: list[Any]) -> tuple[WorkerLine, ...]:
    """Workers with what they build, and how many builds of the last day were theirs."""
    leases: dict[int, list[Lease]] = {}
    for row in fetch_all(connection, LEASES):
        lease = Lease(row.slot, presentable(row.label, 80), row.taken_at, row.project, row.version)
        leases.setdefault(row.worker_id, []).append(lease)
    workers = []
    for row in fetch_all(connection, WORKERS):
        values = row._asdict()
        worker = WorkerLine(**{name: value for name, value in values.items() if name != "worker_id"})
        theirs = [each for each in day if each.worker == worker.name]
        workers.append(
            replace(
                worker,
                reason=presentable(worker.reason or ""),
                leases=tuple(leases.get(row.worker_id, ())),
                builds=sum(each.attempts for each in theirs),
                failed=sum(each.attempts for each in theirs if each.failure_class),
            )
        )
    return tuple(workers)
