"""Queues jobs: which releases become work, at which priority, for the run of which interval.

    queue_first_sight(connection, partition="2026-11-21")       # lines of the watch list nobody queued yet
    queue_interval(connection, start, end, partition="2026-11-21")
    queue_requested(connection, requirements, force=False)

Each answers the jobs that wait because of it, and what needs no job and why. Queueing again is a no-op unless
something is missing.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from piwright.catalog.intervals import releases_uploaded
from piwright.database.connection import Connection, execute_values, fetch_all
from piwright.database.stale_pages import mark_stale
from piwright.planning import priority
from piwright.planning.estimate import estimate
from piwright.planning.needs import judge

# Walks release_project_id_version_key.
_VERSIONS = """
SELECT release_id, project_id, version, yanked FROM release
WHERE project_id = ANY (%s) AND gone_at IS NULL
"""

# Walks the primary key of release, then upstream_file_release_id_filename_key.
_FILES = """
SELECT f.release_id, f.upstream_file_id, f.filename, f.kind, f.hashes, f.size, f.requires_python
FROM upstream_file f WHERE f.release_id = ANY (%s)
"""

# Walks wheel_release. One that is held serves nobody, and one that we widened keeps no target from building its own.
_OUR_WHEELS = """
SELECT release_id, tags FROM wheel
WHERE release_id = ANY (%s) AND removed_at IS NULL AND held_reason IS NULL AND NOT facts ? 'widened'
"""

# Walks the primary key of release, release_project_id_version_key, job_release_id_target_id_key and
# attempt_job_id_number_key.
_HISTORY = """
SELECT p.project_id, past.seconds
FROM (SELECT DISTINCT project_id FROM release WHERE release_id = ANY (%s)) p
CROSS JOIN LATERAL (
    SELECT extract(epoch FROM a.finished_at - a.started_at)::float AS seconds
    FROM release r JOIN job j USING (release_id) JOIN attempt a USING (job_id)
    WHERE r.project_id = p.project_id AND a.outcome = 'built'
    ORDER BY a.attempt_id DESC LIMIT 5
) past
"""

# 100 is priority.PERSON. What failed or was built stays so: new evidence or a person makes it wait again, not another
# look at the same day.
_QUEUE = """
INSERT INTO job (release_id, target_id, priority, partition, estimate_seconds, forced) VALUES %s
ON CONFLICT (release_id, target_id) DO UPDATE
SET state = 'waiting', priority = greatest(job.priority, excluded.priority), partition = excluded.partition,
    estimate_seconds = excluded.estimate_seconds, forced = excluded.forced, reason = NULL, next_try_at = NULL,
    changed_at = now()
WHERE job.state IN ('waiting', 'superseded', 'removed', 'parked')
   OR (excluded.priority >= 100 AND job.state <> 'leased' AND (excluded.forced OR job.state <> 'built'))
RETURNING job_id
"""


@dataclass(frozen=True)
class Queued:
    """Jobs that wait now, and one sentence for each release that needs none."""

    job_ids: tuple[int, ...]
    unneeded: tuple[str, ...]


@dataclass(frozen=True)
class _Release:
    release_id: int
    project_id: int
    version: Version
    yanked: bool


def queue_first_sight(connection: Connection, partition: str | None) -> Queued:
    """Queue the newest release each new line of the watch list admits; the line is new until this has seen it.

    A newest release that is yanked is queued too, last, beside the newest that is not.
    """
    lines = fetch_all(connection, "SELECT project_id, specifier FROM watch WHERE queued_at IS NULL")
    releases = _releases_of(connection, {line.project_id for line in lines})
    wanted: dict[int, int] = {}
    for line in lines:
        admitted = _admitted(SpecifierSet(line.specifier), releases[line.project_id])
        for newest in (max(admitted, key=_age, default=None), max(_kept(admitted), key=_age, default=None)):
            if newest is not None:
                wanted[newest.release_id] = priority.YANKED if newest.yanked else priority.FIRST_SIGHT
    queued = _queue(connection, wanted, partition)
    with connection.cursor() as cursor:
        # A project whose page could not be read yet has no releases: its lines stay new.
        seen = [(line.project_id, line.specifier) for line in lines if releases[line.project_id]]
        if seen:
            execute_values(
                cursor,
                "UPDATE watch w SET queued_at = now() FROM (VALUES %s) AS seen (project_id, specifier) "
                "WHERE w.project_id = seen.project_id AND w.specifier = seen.specifier",
                seen,
            )
    return queued


def queue_interval(connection: Connection, start: datetime, end: datetime, partition: str) -> Queued:
    """Queue the releases with a file uploaded in `[start, end)` that a line of the watch list admits."""
    uploaded = set(releases_uploaded(connection, start, end))
    rows = fetch_all(
        connection,
        "SELECT DISTINCT w.project_id, w.specifier FROM release r JOIN watch w USING (project_id) "
        "WHERE r.release_id = ANY (%s)",
        (list(uploaded),),
    )
    releases = _releases_of(connection, {row.project_id for row in rows})
    wanted = {
        each.release_id: priority.YANKED if each.yanked else priority.NEW
        for row in rows
        for each in _admitted(SpecifierSet(row.specifier), releases[row.project_id])
        if each.release_id in uploaded
    }
    return _queue(connection, wanted, partition)


def queue_requested(
    connection: Connection, requirements: Iterable[Requirement], *, targets: Collection[str] = (), force: bool = False
) -> Queued:
    """Queue what a person asked for: the newest release each requirement admits, or the one it pins.

    `targets` names the targets to build for, all active ones if empty; `force` builds although there is a wheel.
    Projects that are not in the catalog are the caller's to bring there first.
    """
    asked = list(requirements)
    names = [canonicalize_name(each.name) for each in asked]
    rows = fetch_all(connection, "SELECT project_id, name FROM project WHERE name = ANY (%s)", (names,))
    ids = {row.name: row.project_id for row in rows}
    releases = _releases_of(connection, set(ids.values()))
    wanted: dict[int, int] = {}
    for name, requirement in zip(names, asked, strict=True):
        admitted = _admitted(requirement.specifier, releases[ids[name]]) if name in ids else []
        newest = max(_kept(admitted) or admitted, key=_age, default=None)
        if newest is not None:
            wanted[newest.release_id] = priority.PERSON
    return _queue(connection, wanted, None, targets=targets, force=force)


def settle_removed(connection: Connection) -> int:
    """Jobs of releases that upstream removed are over, whatever became of them. Answers how many. Walks release_gone."""
    rows = fetch_all(
        connection,
        "UPDATE job SET state = 'removed', reason = 'upstream removed the release', changed_at = now() "
        "FROM release r WHERE r.release_id = job.release_id AND r.gone_at IS NOT NULL "
        "AND job.state NOT IN ('removed', 'leased') RETURNING r.project_id",
    )
    mark_stale(connection, [row.project_id for row in rows])
    return len(rows)


def _releases_of(connection: Connection, project_ids: Collection[int]) -> defaultdict[int, list[_Release]]:
    found: defaultdict[int, list[_Release]] = defaultdict(list)
    for row in fetch_all(connection, _VERSIONS, (list(project_ids),)):
        found[row.project_id].append(_Release(row.release_id, row.project_id, Version(row.version), row.yanked))
    return found


def _admitted(specifier: SpecifierSet, releases: Sequence[_Release]) -> list[_Release]:
    """Those a specifier lets in; pre-releases only where it asks for them or there is nothing else (PEP 440)."""
    return list(specifier.filter(releases, key=_age))


def _kept(releases: Iterable[_Release]) -> list[_Release]:
    return [each for each in releases if not each.yanked]


def _age(release: _Release) -> Version:
    return release.version


def _queue(
    connection: Connection,
    wanted: dict[int, int],
    partition: str | None,
    *,
    targets: Collection[str] = (),
    force: bool = False,
) -> Queued:
    """Make jobs of release ids and priorities, for every target that needs them."""
    ids = list(wanted)
    files = defaultdict(list)
    for row in fetch_all(connection, _FILES, (ids,)):
        files[row.release_id].append(row)
    wheels = defaultdict(list)
    for row in [] if force else fetch_all(connection, _OUR_WHEELS, (ids,)):
        wheels[row.release_id].append(row.tags)
    of = {
        row.release_id: row
        for row in fetch_all(
            connection,
            "SELECT r.release_id, r.project_id, p.name, r.version FROM release r JOIN project p USING (project_id) "
            "WHERE r.release_id = ANY (%s)",
            (ids,),
        )
    }
    history = defaultdict(list)
    for row in fetch_all(connection, _HISTORY, (ids,)):
        history[row.project_id].append(row.seconds)

    rows, unneeded = [], []
    for target in fetch_all(connection, "SELECT target_id, name, tags, python FROM target WHERE active ORDER BY rank"):
        if targets and target.name not in targets:
            continue
        for release_id, level in wanted.items():
            release = of[release_id]
            verdict = judge(files[release_id], wheels[release_id], target.tags, target.python)
            if verdict.sdist is None:
                unneeded.append(f"{release.name} {release.version} for {target.name}: {verdict.reason}.")
                continue
            seconds = estimate(history[release.project_id], verdict.sdist.size)
            rows.append((release_id, target.target_id, level, partition, seconds, force))
    if not rows:
        return Queued((), tuple(unneeded))
    with connection.cursor() as cursor:
        queued = execute_values(cursor, _QUEUE, rows, fetch=True)
    mark_stale(connection, [of[row[0]].project_id for row in rows])
    return Queued(tuple(row.job_id for row in queued), tuple(unneeded))
