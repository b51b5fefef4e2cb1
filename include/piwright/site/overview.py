"""Reads from the database what the home page tells: numbers, targets, what was built last, what failed last.

    overview = read_overview(connection)
    overview.wheels, overview.newest[0].project

Counts come from sums that are kept as things happen, and every list has a limit, so the page costs the same at any size
of the shop.
"""

from dataclasses import dataclass
from datetime import datetime

from piwright.database.connection import Connection, fetch_all, fetch_one
from piwright.site.presentable import presentable

NEWEST_LIMIT = 40
"""Wheels that were built last: all are in the feed and the JSON, those of `RELEASE_LIMIT` releases on the page."""

RELEASE_LIMIT = 10

FAILURE_LIMIT = 10
"""Jobs in the list of what failed last."""

OFFERED = """
SELECT coalesce(sum(projects), 0)::bigint AS projects, coalesce(sum(releases), 0)::bigint AS releases,
       coalesce(sum(wheels), 0)::bigint AS wheels, coalesce(sum(bytes), 0)::bigint AS bytes
FROM offer_count
"""
"""A few rows, folded together now and then: wheels are never counted."""

TARGETS = """
SELECT t.name, t.distribution, t.python, t.architecture, t.active,
       coalesce(sum(c.jobs) FILTER (WHERE c.state = 'built'), 0)::bigint AS built,
       coalesce(sum(c.jobs) FILTER (WHERE c.state IN ('failed', 'parked')), 0)::bigint AS failed,
       coalesce(sum(c.jobs) FILTER (WHERE c.state IN ('waiting', 'leased')), 0)::bigint AS waiting
FROM target t LEFT JOIN job_count c USING (target_id)
GROUP BY t.target_id
ORDER BY t.rank, t.name
"""
"""`job_count` has a few rows for each target and state: jobs are never counted."""

NEWEST = """
SELECT p.name AS project, r.version, w.filename, w.tags, w.size, w.built_at, r.yanked, w.attempt_id,
       a.page_at IS NOT NULL AS has_page,
       NOT coalesce((w.facts ->> 'needs_distribution')::boolean, false) AS everywhere
FROM wheel w
JOIN attempt a USING (attempt_id)
JOIN release r ON r.release_id = w.release_id
JOIN project p USING (project_id)
WHERE w.published_at IS NOT NULL AND w.removed_at IS NULL AND w.held_reason IS NULL
  AND r.gone_at IS NULL AND p.gone_at IS NULL AND p.status <> 'quarantined'
ORDER BY w.built_at DESC, w.wheel_id DESC
LIMIT %(limit)s
"""
"""By `wheel_built`, then primary keys."""

FAILURES = """
SELECT a.job_id, a.attempt_id, a.page_at IS NOT NULL AS has_page, p.name AS project, r.version, t.name AS target,
       a.failure_class, coalesce(nullif(a.evidence_text, ''), a.message, '') AS evidence, a.finished_at
FROM attempt a
JOIN job j USING (job_id)
JOIN release r USING (release_id)
JOIN project p USING (project_id)
JOIN target t USING (target_id)
WHERE a.outcome = 'failed' AND j.state IN ('failed', 'parked') AND p.gone_at IS NULL AND p.status <> 'quarantined'
ORDER BY a.recorded_at DESC, a.attempt_id DESC
LIMIT %(limit)s
"""
"""By `attempt_recorded`, then primary keys."""


@dataclass(frozen=True)
class BuiltWheel:
    """A wheel on the page: size in bytes, tags as in its name. `everywhere`: the complete index offers it."""

    project: str
    version: str
    filename: str
    tags: tuple[str, ...]
    size: int
    built_at: datetime
    yanked: bool
    attempt_id: int
    has_page: bool
    everywhere: bool = True


@dataclass(frozen=True)
class BuiltRelease:
    """The wheels of one release among those built last, the newest first."""

    project: str
    version: str
    yanked: bool
    wheels: tuple[BuiltWheel, ...]

    @property
    def tags(self) -> tuple[str, ...]:
        """What they run on, each once."""
        return tuple(dict.fromkeys(tag for wheel in self.wheels for tag in wheel.tags))

    @property
    def size(self) -> int:
        """Bytes together."""
        return sum(wheel.size for wheel in self.wheels)


@dataclass(frozen=True)
class Failure:
    """A job that is given up, with what its last attempt says; `has_page`: its build page is published."""

    project: str
    version: str
    target: str
    failure_class: str
    evidence: str
    finished_at: datetime
    attempt_id: int
    has_page: bool


@dataclass(frozen=True)
class TargetLine:
    """A target and its jobs."""

    name: str
    distribution: str
    python: str
    architecture: str
    active: bool
    built: int
    failed: int
    waiting: int


@dataclass(frozen=True)
class Overview:
    """All the home page tells, but for the history of builds. Projects and releases are those with a wheel of ours."""

    projects: int
    releases: int
    wheels: int
    bytes: int
    targets: tuple[TargetLine, ...]
    newest: tuple[BuiltWheel, ...]
    failures: tuple[Failure, ...]

    @property
    def newest_releases(self) -> tuple[BuiltRelease, ...]:
        """The newest wheels by release, in the order of the newest of each."""
        found: dict[tuple[str, str], list[BuiltWheel]] = {}
        for wheel in self.newest:
            found.setdefault((wheel.project, wheel.version), []).append(wheel)
        groups = [BuiltRelease(*key, wheels[0].yanked, tuple(wheels)) for key, wheels in found.items()]
        return tuple(groups[:RELEASE_LIMIT])

    @property
    def built(self) -> int:
        """Jobs that came to a wheel."""
        return sum(target.built for target in self.targets)

    @property
    def failed(self) -> int:
        """Jobs that are given up."""
        return sum(target.failed for target in self.targets)

    @property
    def waiting(self) -> int:
        """Jobs that wait or are being built."""
        return sum(target.waiting for target in self.targets)

    @property
    def success(self) -> float | None:
        """Which part of the jobs that ended came to a wheel, from 0 to 1; None while none has ended."""
        ended = self.built + self.failed
        return self.built / ended if ended else None


def read_overview(
    connection: Connection, newest_limit: int = NEWEST_LIMIT, failure_limit: int = FAILURE_LIMIT
) -> Overview:
    """The shop as it is now."""
    offered = fetch_one(connection, OFFERED)
    assert offered is not None
    newest = fetch_all(connection, NEWEST, {"limit": newest_limit})
    return Overview(
        **offered._asdict(),
        targets=tuple(TargetLine(**row._asdict()) for row in fetch_all(connection, TARGETS)),
        newest=tuple(BuiltWheel(**row._asdict() | {"tags": tuple(row.tags)}) for row in newest),
        failures=_last_failures(connection, failure_limit),
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
                attempt_id=row.attempt_id,
                has_page=row.has_page,
            ),
        )
    return tuple(failures.values())[:limit]
