"""Reads from the database what the home page tells: numbers, what was built last, what failed last.

    overview = read_overview(connection)
    overview.wheels, overview.newest[0].project

Every list and every count has a limit, so the page costs the same at any size of the shop.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from piwright.database.connection import Connection, fetch_all, fetch_one

COUNT_LIMIT = 100_000
"""Wheels that are counted one by one; beyond, the page says "more than"."""

LIST_LIMIT = 40
"""Rows of each table on the page."""

EVIDENCE_LENGTH = 240
"""Characters of a line of a log that are shown."""

JOBS = "SELECT state, sum(jobs)::bigint AS jobs FROM job_count GROUP BY state"
"""Never counts jobs: `job_count` has a few rows for each target and state."""

WHEELS = """
WITH counted AS (
    SELECT release_id FROM wheel
    WHERE published_at IS NOT NULL AND removed_at IS NULL AND held_reason IS NULL
    ORDER BY built_at DESC
    LIMIT %(limit)s
)
SELECT count(*) AS wheels, count(DISTINCT release_id) AS releases, count(DISTINCT r.project_id) AS projects
FROM counted JOIN release r USING (release_id)
"""
"""By `wheel_built`, up to the limit, then `release_pkey`."""

NEWEST = """
SELECT p.name AS project, r.version, w.filename, w.tags, w.size, w.built_at, r.yanked
FROM wheel w
JOIN release r USING (release_id)
JOIN project p USING (project_id)
WHERE w.published_at IS NOT NULL AND w.removed_at IS NULL AND w.held_reason IS NULL
  AND r.gone_at IS NULL AND p.gone_at IS NULL AND p.status <> 'quarantined'
ORDER BY w.built_at DESC, w.wheel_id DESC
LIMIT %(limit)s
"""
"""By `wheel_built`, then primary keys."""

FAILURES = """
SELECT a.job_id, p.name AS project, r.version, t.name AS target, a.failure_class,
       coalesce(nullif(a.evidence_text, ''), a.message, '') AS evidence, a.finished_at
FROM attempt a
JOIN job j USING (job_id)
JOIN release r USING (release_id)
JOIN project p USING (project_id)
JOIN target t USING (target_id)
WHERE a.outcome = 'failed' AND j.state IN ('failed', 'parked')
ORDER BY a.recorded_at DESC, a.attempt_id DESC
LIMIT %(limit)s
"""
"""By `attempt_recorded`, then primary keys."""


@dataclass(frozen=True)
class BuiltWheel:
    """A wheel on the page: size in bytes, tags as in its name."""

    project: str
    version: str
    filename: str
    tags: tuple[str, ...]
    size: int
    built_at: datetime
    yanked: bool


@dataclass(frozen=True)
class Failure:
    """A job that is given up, with what its last attempt says."""

    project: str
    version: str
    target: str
    failure_class: str
    evidence: str
    finished_at: datetime


@dataclass(frozen=True)
class Overview:
    """All the home page tells. `more`: there are more wheels than were counted."""

    projects: int
    releases: int
    wheels: int
    more: bool
    failed: int
    waiting: int
    newest: tuple[BuiltWheel, ...]
    failures: tuple[Failure, ...]


def read_overview(connection: Connection, count_limit: int = COUNT_LIMIT, list_limit: int = LIST_LIMIT) -> Overview:
    """The shop as it is now. `projects`, `releases` and `wheels` are those with a published wheel of ours."""
    counted = fetch_one(connection, WHEELS, {"limit": count_limit + 1})
    assert counted is not None
    jobs = {row.state: row.jobs for row in fetch_all(connection, JOBS)}
    newest = fetch_all(connection, NEWEST, {"limit": list_limit})
    return Overview(
        projects=counted.projects,
        releases=counted.releases,
        wheels=min(counted.wheels, count_limit),
        more=counted.wheels > count_limit,
        failed=jobs.get("failed", 0) + jobs.get("parked", 0),
        waiting=jobs.get("waiting", 0) + jobs.get("leased", 0),
        newest=tuple(BuiltWheel(**row._asdict() | {"tags": tuple(row.tags)}) for row in newest),
        failures=_last_failures(connection, list_limit),
    )


def _last_failures(connection: Connection, limit: int) -> tuple[Failure, ...]:
    """The last failure of each job, newest first; jobs are tried a few times, so a few rows are read for each."""
    failures: dict[int, Failure] = {}
    for row in fetch_all(connection, FAILURES, {"limit": limit * 4}):
        failures.setdefault(
            row.job_id,
            Failure(
                project=row.project,
                version=row.version,
                target=row.target,
                failure_class=row.failure_class,
                evidence=presentable(row.evidence),
                finished_at=row.finished_at,
            ),
        )
    return tuple(failures.values())[:limit]


# Control characters, and those that turn the direction of what follows: a log is written by whoever wrote the package.
_UNSHOWABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def presentable(line: str) -> str:
    """A line of a log as it can be shown on a page: one line, not too long, nothing in it that moves other text."""
    line = _UNSHOWABLE.sub("\ufffd", " ".join(line.split()))
    return line if len(line) <= EVIDENCE_LENGTH else line[: EVIDENCE_LENGTH - 1] + "…"
