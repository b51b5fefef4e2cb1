"""Brings the served tree up to date with the database, in an order that never lies.

    report = publish(connection, storage=open_storage(settings.storage_address, settings.encodings),
                     store_root=settings.store_directory, upstream_url=settings.upstream_url, sources=[...])

Up: the wheel, its `.metadata`, the project's pages, the list of projects. Down: the list, the pages, the `.metadata`,
the wheel. Whoever reads in between, or after a crash in between, finds every file that any page names.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from piwright.database.connection import Connection, fetch_all, fetch_one
from piwright.index.crew import crew
from piwright.index.flavours import read_flavours, target_content, target_file
from piwright.index.page_sources import PageSource
from piwright.index.prepare import Preparation
from piwright.index.publication import Progress, Publication, PublishReport
from piwright.index.storage import Storage
from piwright.index.strangers import strange_files, strange_pages
from piwright.intake.store import FileStore

__all__ = ["PublishReport", "publish"]

LOCK = 7066
"""Number of the PostgreSQL advisory lock that makes one publisher at a time."""

BATCH = 200
"""Projects read from the database at once, and whose pages appear together."""

FIRST_BATCH = 50
"""The first are fewer: the worker processes wait for them."""

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
    storage: Storage,
    store_root: Path,
    upstream_url: str,
    sources: Sequence[PageSource] = (),
    progress: Progress | None = None,
    everything: bool = False,
    processes: int | None = None,
) -> PublishReport:
    """Publish the projects whose pages are out of date; with `everything`, make the whole tree what it should be.

    `everything` also restores a lost tree and removes pages and files that no row of the database stands for.
    Commits after each batch, so the connection must have nothing pending; a second publisher waits for the first.
    Whoever changes what a page says must write the project's row in the same transaction (`stale_since`).
    `processes` make pages at a time; None or 0: as many as there are processors.
    Raises `OSError` when the tree cannot be written (a full disk): what was done so far holds, the rest stays due.
    """
    with _alone(connection):
        flavours = read_flavours(connection)
        connection.commit()
        for name in flavours.inactive:
            if storage.has(target_file(name)):
                storage.remove([f"{name}/simple/index.html", f"{name}/simple/index.v1_json", f"{name}/simple/"])
                storage.remove([target_file(name)])
        # A target that is new, or has other tags, concerns projects that nobody called stale.
        targets = {target_file(name): target_content(name, flavour) for name, flavour in flavours.targets.items()}
        others = {path: content for path, content in targets.items() if storage.read(path) != content}
        with storage.group() as group:
            preparation = Preparation(
                storage, group, FileStore(store_root), upstream_url, flavours.all, tuple(sources), everything
            )
            with crew(processes, preparation) as members:
                run = Publication(connection, preparation, members, group, flavours, progress)
                for batch in _batches(connection, everything or bool(others)):
                    run.bring_up_to_date(batch)
                run.finish()
            if everything:
                run.remove_pages(strange_pages(connection, storage, flavours.all))
                run.remove_files(strange_files(connection, storage))
            storage.write(others)
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
    limit = min(FIRST_BATCH, BATCH)
    while True:
        parameters = {"until": until.now, "position": position, "project": project, "limit": limit}
        rows = fetch_all(connection, ALL if everything else STALE, parameters)
        connection.commit()
        if not rows:
            return
        position, project, limit = rows[-1].position, rows[-1].project_id, BATCH
        yield [row.project_id for row in rows]
