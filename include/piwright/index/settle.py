"""Says in the database what is published now.

    settle(connection, prepared, sources)      # one transaction, committed

A project is settled only if nobody wrote its row since it was read: what came later is not on the pages yet.
"""

from collections.abc import Sequence

from piwright.database.connection import Connection, fetch_all
from piwright.index.page_sources import PageSource
from piwright.index.prepare import Prepared

MARK_PUBLISHED = "UPDATE wheel SET published_at = now() WHERE wheel_id = ANY(%(wheels)s) AND published_at IS NULL"
"""By `wheel_pkey`."""

LOCK_PROJECTS = """
SELECT project_id, xmin::text AS row_version, stale_since IS NOT NULL AS stale, listed, listed_extra,
       offered_wheels, offered_releases, offered_bytes
FROM project
WHERE project_id = ANY(%(projects)s)
ORDER BY project_id
FOR NO KEY UPDATE SKIP LOCKED
"""
"""By `project_pkey`. Who holds a row is changing what its pages say: it stays due, and the next publication counts it."""

WRITE_PROJECTS = """
UPDATE project p
SET stale_since = CASE WHEN s.settled THEN NULL ELSE p.stale_since END, listed = s.listed, listed_extra = s.listed_extra,
    offered_wheels = s.wheels, offered_releases = s.releases, offered_bytes = s.bytes
FROM unnest(%(project_id)s::int[], %(settled)s::boolean[], %(listed)s::boolean[], %(listed_extra)s::boolean[],
            %(wheels)s::int[], %(releases)s::int[], %(bytes)s::bigint[])
     AS s (project_id, settled, listed, listed_extra, wheels, releases, bytes)
WHERE p.project_id = s.project_id
"""
"""By `project_pkey`."""

COUNT = """
INSERT INTO offer_count (projects, releases, wheels, bytes)
VALUES (%(projects)s, %(releases)s, %(wheels)s, %(bytes)s)
"""

FOLD_COUNTS = "SELECT fold_offer_counts()"


def settle(connection: Connection, done: Sequence[Prepared], sources: Sequence[PageSource]) -> bool:
    """Record what is published of these projects; True if it changed how much is offered."""
    by_id = {each.project_id: each for each in done if each.changes_its_row}
    published = [wheel for each in done for wheel in each.published]
    with connection.cursor() as cursor:
        if published:
            cursor.execute(MARK_PUBLISHED, {"wheels": published})
        written, difference = [], [0, 0, 0, 0]
        for row in fetch_all(connection, LOCK_PROJECTS, {"projects": list(by_id)}) if by_id else []:
            each = by_id[row.project_id]
            assert each.offered is not None
            settled = row.stale and not each.problems and row.row_version == each.row_version
            offered = (row.offered_wheels, row.offered_releases, row.offered_bytes)
            if not settled and (row.listed, row.listed_extra) == each.listed and offered == each.offered:
                continue
            written.append((row.project_id, settled, *each.listed, *each.offered))
            wheels, releases, size = (now - before for now, before in zip(each.offered, offered, strict=True))
            projects = int(each.offered[0] > 0) - int(offered[0] > 0)
            difference = [sum(pair) for pair in zip(difference, (projects, releases, wheels, size), strict=True)]
        if written:
            names = ("project_id", "settled", "listed", "listed_extra", "wheels", "releases", "bytes")
            cursor.execute(WRITE_PROJECTS, dict(zip(names, map(list, zip(*written, strict=True)), strict=True)))
        if any(difference):
            cursor.execute(COUNT, dict(zip(("projects", "releases", "wheels", "bytes"), difference, strict=True)))
    for number, source in enumerate(sources):
        ids = [each.project_id for each in done if number in each.sources_done]
        if ids:
            source.settle(connection, ids)
    connection.commit()
    return any(difference)
