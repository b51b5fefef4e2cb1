"""Brings the served tree up to date with the database, in an order that never lies.

    report = publish(connection, store_root=settings.store_directory, index_root=settings.index_directory,
                     upstream_url=settings.upstream_url)

Up: the wheel, its `.metadata`, the project's pages, the list of projects. Down: the list, the pages, the `.metadata`,
the wheel. Whoever reads in between, or after a crash in between, finds every file that any page names.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from piwright.database.connection import Connection, fetch_all, fetch_one
from piwright.index.compose import served_wheels
from piwright.index.contents import ProjectContents, read_contents
from piwright.index.layout import served_wheel
from piwright.index.publication import Progress, Publication, PublishReport

__all__ = ["PublishReport", "publish"]

LOCK = 7066
"""Number of the PostgreSQL advisory lock that makes one publisher at a time."""

BATCH = 100
"""Projects read from the database at once."""

STALE = """
SELECT project_id, stale_since AS position
FROM project
WHERE stale_since <= %(until)s AND stale_since >= %(position)s
  AND (stale_since, project_id) > (%(position)s, %(project)s)
ORDER BY stale_since, project_id
LIMIT %(limit)s
"""
"""By `project_stale`."""

ALL = """
SELECT project_id, %(position)s::timestamptz AS position
FROM project
WHERE project_id > %(project)s
ORDER BY project_id
LIMIT %(limit)s
"""
"""By `project_pkey`."""


def publish(
    connection: Connection,
    *,
    store_root: Path,
    index_root: Path,
    upstream_url: str,
    progress: Progress | None = None,
    everything: bool = False,
) -> PublishReport:
    """Publish the projects whose pages are out of date; with `everything`, make the whole tree what it should be.

    `everything` also restores a lost tree and removes pages and files that no row of the database stands for.
    Commits after each project, so the connection must have nothing pending; a second publisher waits for the first.
    Whoever changes what a page says must write the project's row in the same transaction (`stale_since`).
    Raises `OSError` when the tree cannot be written (a full disk): what was done so far holds, the rest stays due.
    """
    with _alone(connection):
        run = Publication(connection, store_root, index_root, progress)
        seen: set[str] = set()
        kept: set[Path] = set()
        for batch in _batches(connection, everything):
            contents = _read(connection, batch, upstream_url)
            run.bring_up_to_date(contents)
            if everything:
                seen.update(each.name for each in contents)
                kept.update(
                    served_wheel(index_root, wheel.sha256, wheel.filename)
                    for each in contents
                    for wheel in served_wheels(each)
                )
        if everything:
            run.remove_strangers(seen, kept)
        run.write_roots()
        return run.report


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = 0")  # the other publisher may have much to do
        cursor.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
    connection.commit()
    try:
        yield
    finally:
        if not connection.closed:  # a lost connection has lost the lock too
            connection.rollback()
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
            connection.commit()


def _batches(connection: Connection, everything: bool) -> Iterator[list[int]]:
    """Ids of the projects to look at. What becomes stale from now on is for the next run, so this one ends."""
    until = fetch_one(connection, "SELECT now() AS now, '-infinity'::timestamptz::text AS position")
    connection.commit()
    assert until is not None
    position: str | datetime = until.position
    project = 0
    while True:
        parameters = {"until": until.now, "position": position, "project": project, "limit": BATCH}
        rows = fetch_all(connection, ALL if everything else STALE, parameters)
        connection.commit()
        if not rows:
            return
        position, project = rows[-1].position, rows[-1].project_id
        yield [row.project_id for row in rows]


def _read(connection: Connection, batch: Iterable[int], upstream_url: str) -> list[ProjectContents]:
    with connection.cursor() as cursor:
        # One snapshot for all queries: a page must not mix two states of the catalog.
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    contents = read_contents(connection, batch, upstream_url)
    connection.commit()
    return contents
