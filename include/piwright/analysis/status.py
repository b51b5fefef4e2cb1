"""How the shop is doing: jobs by state, workers and their leases, what is out of date.

status = read_status(connection)
status.to_json()          # what `piwright status --json` prints, apart from Airflow's runs
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from piwright.database.connection import Connection, fetch_all, fetch_one

JOB_STATES = ("waiting", "leased", "built", "failed", "parked", "superseded", "removed")


@dataclass(frozen=True)
class LeaseStatus:
    """A slot in use. `building` is what its worker builds at the moment, as `name version`."""

    slot: int
    batch_id: int
    label: str
    building: str | None
    taken_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class WorkerStatus:
    """A worker with its leases. `sandbox` is what it said of its own, None before it was asked."""

    name: str
    target: str
    state: str
    reason: str | None
    slots: int
    leases: tuple[LeaseStatus, ...]
    sandbox: dict[str, Any] | None = None


@dataclass(frozen=True)
class ShopStatus:
    """Counts are of jobs, projects and wheels, of which some are `held`; `skipped` maps a project to why it could not be
    read upstream."""

    jobs: dict[str, int]
    projects: int
    wheels: int
    held: int
    stale_projects: int
    skipped: dict[str, str]
    workers: tuple[WorkerStatus, ...]

    @property
    def building(self) -> list[str]:
        """What is being built right now."""
        return [lease.building for worker in self.workers for lease in worker.leases if lease.building]

    def to_json(self) -> dict[str, Any]:
        """Plain data with times in ISO 8601."""
        return {
            "jobs": self.jobs,
            "projects": self.projects,
            "wheels": self.wheels,
            "held": self.held,
            "stale_projects": self.stale_projects,
            "skipped": self.skipped,
            "workers": [
                {
                    "name": worker.name,
                    "target": worker.target,
                    "state": worker.state,
                    "reason": worker.reason,
                    "slots": worker.slots,
                    "sandbox": worker.sandbox,
                    "leases": [
                        {
                            "slot": lease.slot,
                            "batch": lease.batch_id,
                            "label": lease.label,
                            "building": lease.building,
                            "taken": lease.taken_at.isoformat(),
                            "expires": lease.expires_at.isoformat(),
                        }
                        for lease in worker.leases
                    ],
                }
                for worker in self.workers
            ],
        }


def read_status(connection: Connection) -> ShopStatus:
    """The status now. Counts of jobs come from `job_count`, so nothing here scans the jobs."""
    counted = fetch_all(connection, "SELECT state, sum(jobs)::bigint AS jobs FROM job_count GROUP BY state")
    jobs = dict.fromkeys(JOB_STATES, 0) | {row.state: row.jobs for row in counted}
    totals = fetch_one(
        connection,
        """
        SELECT (SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = 'project'::regclass) AS many_projects,
               (SELECT count(*) FROM (SELECT FROM project LIMIT 10001) few) AS projects,
               (SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = 'wheel'::regclass) AS many_wheels,
               (SELECT count(*) FROM (SELECT FROM wheel WHERE removed_at IS NULL LIMIT 10001) few) AS wheels,
               (SELECT count(*) FROM wheel WHERE held_reason IS NOT NULL AND removed_at IS NULL) AS held,
               (SELECT count(*) FROM project WHERE stale_since IS NOT NULL) AS stale
        """,
    )
    assert totals is not None
    skipped = fetch_all(
        connection,
        "SELECT DISTINCT p.name, p.skip_reason FROM watch w JOIN project p USING (project_id) "
        "WHERE p.skip_reason IS NOT NULL ORDER BY p.name LIMIT 100",
    )
    return ShopStatus(
        jobs=jobs,
        # Exact while it is cheap; PostgreSQL's own estimate beyond.
        projects=totals.projects if totals.projects <= 10000 else totals.many_projects,
        wheels=totals.wheels if totals.wheels <= 10000 else totals.many_wheels,
        held=totals.held,
        stale_projects=totals.stale,
        skipped={row.name: row.skip_reason for row in skipped},
        workers=tuple(_read_workers(connection)),
    )


def _read_workers(connection: Connection) -> list[WorkerStatus]:
    leases: dict[int, list[LeaseStatus]] = {}
    for row in fetch_all(
        connection,
        """
        SELECT l.worker_id, l.slot, l.batch_id, b.label, l.taken_at, l.expires_at, p.name || ' ' || r.version AS building
        FROM lease l JOIN batch b USING (batch_id)
        LEFT JOIN job j ON j.job_id = l.job_id LEFT JOIN release r USING (release_id) LEFT JOIN project p USING (project_id)
        WHERE l.expires_at >= now() ORDER BY l.worker_id, l.slot
        """,
    ):
        lease = LeaseStatus(row.slot, row.batch_id, row.label, row.building, row.taken_at, row.expires_at)
        leases.setdefault(row.worker_id, []).append(lease)
    workers = fetch_all(
        connection,
        "SELECT w.worker_id, w.name, t.name AS target, w.state, w.state_reason, w.slots, w.facts -> 'sandbox' AS sandbox "
        "FROM worker w JOIN target t USING (target_id) "
        # An emulated Pi that was removed stays in the table for its builds' sake.
        "WHERE w.state <> 'drained' OR w.state_reason IS DISTINCT FROM 'removed' ORDER BY w.name",
    )
    return [
        WorkerStatus(
            *(row.name, row.target, row.state, row.state_reason, row.slots),
            leases=tuple(leases.get(row.worker_id, ())),
            sandbox=row.sandbox,
        )
        for row in workers
    ]


@dataclass(frozen=True)
class Outcome:
    """How one attempt ended; `seconds` is how long it took."""

    attempt_id: int
    name: str
    version: str
    outcome: str
    failure_class: str | None
    evidence: str | None
    worker: str | None
    seconds: float


def outcomes_since(connection: Connection, attempt_id: int, limit: int = 100) -> list[Outcome]:
    """Attempts recorded after one, oldest first. Walks attempt's primary key."""
    rows = fetch_all(
        connection,
        """
        SELECT a.attempt_id, p.name, r.version, a.outcome, a.failure_class, coalesce(a.evidence_text, a.message) AS evidence,
               w.name AS worker, extract(epoch FROM a.finished_at - a.started_at)::float AS seconds
        FROM attempt a JOIN job USING (job_id) JOIN release r USING (release_id) JOIN project p USING (project_id)
        LEFT JOIN worker w ON w.worker_id = a.worker_id
        WHERE a.attempt_id > %s ORDER BY a.attempt_id LIMIT %s
        """,
        (attempt_id, limit),
    )
    return [Outcome(*row) for row in rows]
