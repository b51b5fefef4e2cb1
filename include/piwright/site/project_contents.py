"""Reads from the database what project pages tell, for many projects at once.

    rows = read_project_rows(connection, [17, 18])      # in the publisher's process: as they come
    facts = parse_project(rows[17])                     # where the page is made
    facts.releases, facts.jobs

A handful of queries for any number of projects (`project_queries.py`). A project that has no page (nobody watches it,
nothing was ever built of it, nothing is wrong with it) is left out.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
import psycopg2.extensions

from piwright.database.connection import Connection, fetch_all
from piwright.site.project_facts import (
    AttemptFacts,
    ExceptionFacts,
    JobFacts,
    ProjectFacts,
    ReleaseFacts,
    TargetFacts,
    UpstreamFileFacts,
    WheelFacts,
    pack_tags,
)
from piwright.site.project_queries import (
    ATTEMPTS,
    DOWNLOADS,
    FILES,
    JOBS,
    PROJECTS,
    QUEUE,
    RELEASES,
    TARGETS,
    WHEELS,
    platforms_pattern,
)

QUEUE_LIMIT = 1000
"""Jobs of a target's queue that are counted; beyond, a page says "more than"."""

Row = tuple[Any, ...]
Places = dict[int, tuple[int, float]]
"""Of a job that waits: how many are before it in the queue, and how long those will take."""

_HASHES = msgspec.json.Decoder(dict[str, str])
_NONE = msgspec.msgpack.encode(())
_ROWS = msgspec.msgpack.Decoder(list[Row])
_ATTEMPTS = msgspec.msgpack.Decoder(tuple[AttemptFacts, ...])
_WHEELS = msgspec.msgpack.Decoder(tuple[WheelFacts, ...])


class ProjectRows(NamedTuple):
    """A project's rows, of the queries and in their columns' order.

    What there are many of is packed, without the project's id in front, and empty if there are none: `pickle` takes four
    times as long for it.
    """

    project: Row
    targets: tuple[TargetFacts, ...]
    releases: bytes
    files: bytes
    jobs: bytes
    attempts: bytes
    wheels: bytes
    downloads: Row | None
    places: Places


def read_targets(connection: Connection) -> tuple[TargetFacts, ...]:
    """The active targets, in their order."""
    rows = fetch_all(connection, TARGETS)
    return tuple(TargetFacts(*(*row[:5], pack_tags(row.tags), row.slots)) for row in rows)


def read_project_facts(connection: Connection, project_ids: Sequence[int]) -> dict[int, ProjectFacts]:
    """The projects among these that have a page."""
    return {each: parse_project(rows) for each, rows in read_project_rows(connection, project_ids).items()}


def read_project_rows(connection: Connection, project_ids: Sequence[int]) -> dict[int, ProjectRows]:
    """The rows of the projects among these that have a page. To be called in one snapshot."""
    projects = _fetch(connection, PROJECTS, {"projects": list(project_ids)})
    if not projects:
        return {}
    targets = read_targets(connection)
    asked = {"projects": [row[0] for row in projects], "platforms": platforms_pattern(targets)}
    releases, files, jobs, attempts, wheels = (
        _by_project(_fetch(connection, statement, asked)) for statement in (RELEASES, FILES, JOBS, ATTEMPTS, WHEELS)
    )
    downloads = {row[0]: row for row in _fetch(connection, DOWNLOADS, asked)}
    places = _places(connection, {row[2] for rows in jobs.values() for row in rows if row[3] == "waiting"})
    return {
        row[0]: ProjectRows(
            row,
            targets,
            _pack(releases.get(row[0])),
            _pack(files.get(row[0])),
            _pack(jobs.get(row[0])),
            _pack(attempts.get(row[0])),
            _pack(wheels.get(row[0])),
            downloads.get(row[0]),
            {job[0]: places[job[0]] for job in jobs.get(row[0], ()) if job[0] in places},
        )
        for row in projects
    }


def parse_project(rows: ProjectRows) -> ProjectFacts:
    """What the rows of a project say."""
    *columns, network_reason, network_since, watched, as_of = rows.project
    project_id, name, display_name, *more = columns
    status, status_reason, skip_reason, summary, gone, checked_at = more
    files: dict[int, list[UpstreamFileFacts]] = {}
    for release_id, filename, kind, requires_python, hashes in _ROWS.decode(rows.files or _NONE):
        known = _HASHES.decode(hashes) if hashes is not None else {}
        files.setdefault(release_id, []).append(UpstreamFileFacts(filename, kind, known, requires_python))
    downloads = rows.downloads or (None, 0, None, None)
    return ProjectFacts(
        project_id=project_id,
        name=name,
        display_name=display_name,
        as_of=as_of,
        status=status,
        status_reason=status_reason,
        skip_reason=skip_reason,
        summary=summary,
        gone=gone,
        checked_at=checked_at,
        network=ExceptionFacts(network_reason, network_since) if network_since else None,
        watched=tuple(watched),
        targets=rows.targets,
        releases=tuple(
            ReleaseFacts(*(*row, tuple(files.get(row[0], ())))) for row in _ROWS.decode(rows.releases or _NONE)
        ),
        jobs=tuple(JobFacts(*row, *rows.places.get(row[0], (None, 0.0))) for row in _ROWS.decode(rows.jobs or _NONE)),
        attempts=_ATTEMPTS.decode(rows.attempts or _NONE),
        wheels=_WHEELS.decode(rows.wheels or _NONE),
        downloads=tuple(zip(downloads[2] or (), downloads[3] or (), strict=True)),
        downloads_total=downloads[1],
    )


def _places(connection: Connection, targets: Iterable[int]) -> Places:
    """For the jobs at the head of each target's queue."""
    places: Places = {}
    ahead: dict[int, tuple[int, float]] = {}
    asked = list(targets)
    for target, job, estimate in _fetch(connection, QUEUE, {"targets": asked, "limit": QUEUE_LIMIT}) if asked else ():
        count, seconds = places[job] = ahead.get(target, (0, 0.0))
        ahead[target] = (count + 1, seconds + estimate)
    return places


def _fetch(connection: Connection, statement: str, parameters: Any) -> list[Row]:
    """Plain tuples: those with names are slow to make, and no better packed."""
    with connection.cursor(cursor_factory=psycopg2.extensions.cursor) as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall()


def _by_project(rows: Iterable[Row]) -> dict[int, list[Row]]:
    """The rows of each project, without its id."""
    found: dict[int, list[Row]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row[1:])
    return found


def _pack(rows: list[Row] | None) -> bytes:
    return msgspec.msgpack.encode(rows) if rows else b""
