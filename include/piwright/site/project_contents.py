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


class ProjectRows(NamedTuple):
    """A project's rows, of the queries and in their columns' order, each with the project's id in front."""

    project: Row
    targets: tuple[TargetFacts, ...]
    releases: list[Row]
    files: list[Row]
    jobs: list[Row]
    attempts: list[Row]
    wheels: list[Row]
    downloads: list[Row]
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
    releases, files, jobs, attempts, wheels, downloads = (
        _by_project(_fetch(connection, statement, asked))
        for statement in (RELEASES, FILES, JOBS, ATTEMPTS, WHEELS, DOWNLOADS)
    )
    places = _places(connection, {row[3] for rows in jobs.values() for row in rows if row[4] == "waiting"})
    return {
        row[0]: ProjectRows(
            row,
            targets,
            releases.get(row[0], []),
            files.get(row[0], []),
            jobs.get(row[0], []),
            attempts.get(row[0], []),
            wheels.get(row[0], []),
            downloads.get(row[0], []),
            {job[1]: places[job[1]] for job in jobs.get(row[0], []) if job[1] in places},
        )
        for row in projects
    }


def parse_project(rows: ProjectRows) -> ProjectFacts:
    """What the rows of a project say."""
    *columns, network_reason, network_since, watched, as_of = rows.project
    project_id, name, display_name, *more = columns
    status, status_reason, skip_reason, summary, gone, checked_at = more
    files: dict[int, list[UpstreamFileFacts]] = {}
    for _, release_id, filename, kind, requires_python, hashes in rows.files:
        known = _HASHES.decode(hashes) if hashes is not None else {}
        files.setdefault(release_id, []).append(UpstreamFileFacts(filename, kind, known, requires_python))
    downloads = rows.downloads[0] if rows.downloads else (None, 0, None, None)
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
        releases=tuple(ReleaseFacts(*(*row[1:], tuple(files.get(row[1], ())))) for row in rows.releases),
        jobs=tuple(JobFacts(*(*row[1:], *rows.places.get(row[1], (None, 0.0)))) for row in rows.jobs),
        attempts=tuple(AttemptFacts(*row[1:]) for row in rows.attempts),
        wheels=tuple(_wheel(row) for row in rows.wheels),
        downloads=tuple(zip(downloads[2] or (), downloads[3] or (), strict=True)),
        downloads_total=downloads[1],
    )


def _wheel(row: Row) -> WheelFacts:
    """In the order of the columns of `WHEELS`, which are those of `WheelFacts` but for the removal."""
    _, *columns, removed, removed_reason, corrections = row
    columns[7], columns[11] = tuple(columns[7]), tuple(columns[11])
    columns += [(removed_reason or "removed") if removed else None, tuple(corrections or ())]
    return WheelFacts(*columns)


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
    """Plain tuples: rows with names cannot be sent to another process."""
    with connection.cursor(cursor_factory=psycopg2.extensions.cursor) as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall()


def _by_project(rows: Iterable[Row]) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row)
    return found
