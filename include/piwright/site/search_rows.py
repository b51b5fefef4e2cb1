"""Reads what the search says of projects from the database.

    entries_of(connection, [17, 4])          # {"spidev": Entry(...), "gone": None}
    for entries in all_entries(connection): ...

None: nothing is said of the project any more.
"""

from collections.abc import Collection, Iterator
from typing import Any

from piwright.database.connection import Connection, fetch_all
from piwright.site.search_entries import Entry, State, make_entry

CHUNK = 5000
"""Projects read at once."""

_COLUMNS = """
SELECT p.project_id, p.name, p.summary, p.status, p.skip_reason IS NOT NULL AS skipped, p.gone_at IS NOT NULL AS gone,
       p.checked_at IS NOT NULL AS looked_at, p.offered_wheels, w.watched IS TRUE AS watched
FROM project p LEFT JOIN LATERAL (SELECT true AS watched FROM watch w WHERE w.project_id = p.project_id LIMIT 1) w ON true
"""

SOME = _COLUMNS + "WHERE p.project_id = ANY(%(ids)s)"
"""By `project_pkey`, `watch_pkey`."""

NEXT = _COLUMNS + "WHERE p.project_id > %(after)s ORDER BY p.project_id LIMIT %(limit)s"
"""By `project_pkey`, `watch_pkey`."""

JOBS = """
SELECT r.project_id,
       bool_or(j.state IN ('waiting', 'leased')) AS waiting,
       bool_or(j.state IN ('failed', 'parked')) AS failed,
       bool_or(j.state = 'built') AS built
FROM release r JOIN job j USING (release_id)
WHERE r.project_id = ANY(%(ids)s)
GROUP BY r.project_id
"""
"""By the unique indexes of `release` (project, version) and `job` (release, target)."""


def entries_of(connection: Connection, project_ids: Collection[int]) -> dict[str, Entry | None]:
    """What the search says of some projects."""
    found: dict[str, Entry | None] = {}
    ids = sorted(project_ids)
    for start in range(0, len(ids), CHUNK):
        found |= _entries(connection, fetch_all(connection, SOME, {"ids": ids[start : start + CHUNK]}))
    return found


def all_entries(connection: Connection) -> Iterator[list[Entry]]:
    """What the search says of all projects, some thousand at a time."""
    after = 0
    while rows := fetch_all(connection, NEXT, {"after": after, "limit": CHUNK}):
        yield [entry for entry in _entries(connection, rows).values() if entry is not None]
        after = rows[-1].project_id


def _entries(connection: Connection, rows: list[Any]) -> dict[str, Entry | None]:
    ids = [row.project_id for row in rows]
    jobs = {row.project_id: row for row in fetch_all(connection, JOBS, {"ids": ids})}
    return {row.name: _entry(row, jobs.get(row.project_id)) for row in rows}


def _entry(project: Any, jobs: Any | None) -> Entry | None:
    has_page = jobs is not None or project.watched or project.skipped or project.offered_wheels > 0
    if project.gone and not has_page:
        return None
    return make_entry(project.name, _state(project, jobs), has_page, project.summary)


def _state(project: Any, jobs: Any | None) -> State:
    """The first that is true, from what helps a reader most."""
    cases = (
        (State.REMOVED, project.gone or project.status == "quarantined"),
        (State.OURS, project.offered_wheels > 0),
        (State.WAITING, jobs is not None and jobs.waiting),
        (State.FAILED, jobs is not None and jobs.failed),
        (State.SKIPPED, project.skipped),
        (State.HELD, jobs is not None and jobs.built),
        (State.UPSTREAM, project.looked_at),
    )
    return next((state for state, holds in cases if holds), State.UNKNOWN)
