"""Which releases belong to an interval of time: a partition of the asset `releases`, a day of a backfill."""

from datetime import datetime

from piwright.database.connection import Connection, fetch_all

# Walks the index upstream_file_uploaded, which carries release_id, and nothing else.
RELEASES_UPLOADED = """
    SELECT DISTINCT release_id FROM upstream_file
    WHERE uploaded_at >= %(start)s AND uploaded_at < %(end)s
    ORDER BY release_id
"""


def releases_uploaded(connection: Connection, start: datetime, end: datetime) -> list[int]:
    """Ids of the releases of which a file was uploaded in `[start, end)`; both with a time zone.

    A release that got an sdist late belongs to both intervals: there may be something to build now.
    """
    return [row.release_id for row in fetch_all(connection, RELEASES_UPLOADED, {"start": start, "end": end})]
