"""Adds what was fetched to the counts of the day, and moves the position in the log, in one transaction.

    done = store_batch(connection, log, start=0, end=81920, fetches=Counter({...}))

Exactly once: a batch counts if the log's position is still where the batch began, and then the position moves with it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from piwright.database.connection import Connection, execute_values, fetch_all, fetch_one
from piwright.database.stale_pages import mark_stale
from piwright.downloads.client import Client
from piwright.downloads.log_file import LogFile

LOCK = 7068
"""Number of the PostgreSQL advisory lock that makes one batch at a time."""

# By access_log_fingerprint_key.
FIND_LOG = "SELECT access_log_id, fingerprint, position FROM access_log WHERE fingerprint = ANY (%s)"

ADD_LOG = "INSERT INTO access_log (fingerprint, position) VALUES (%s, %s)"

# By access_log_pkey.
MOVE_LOG = "UPDATE access_log SET fingerprint = %s, position = %s, read_at = now() WHERE access_log_id = %s"

# By wheel_filename_key and release_pkey.
FIND_WHEELS = """
SELECT w.wheel_id, w.filename, w.sha256, r.project_id
FROM wheel w JOIN release r USING (release_id)
WHERE w.filename = ANY (%s)
"""

# By download_pkey.
ADD_DOWNLOADS = """
INSERT INTO download AS known (wheel_id, day, target, python, installer, downloads) VALUES %s
ON CONFLICT (wheel_id, day, target, python, installer) DO UPDATE SET downloads = known.downloads + excluded.downloads
"""

# By project_download_pkey.
ADD_PROJECT_DOWNLOADS = """
INSERT INTO project_download AS known (project_id, day, downloads) VALUES %s
ON CONFLICT (project_id, day) DO UPDATE SET downloads = known.downloads + excluded.downloads
"""


@dataclass(frozen=True)
class FileFetch:
    """A file that was fetched on a day, and what fetched it; the shop need not have it."""

    day: date
    sha256: str
    filename: str
    client: Client


@dataclass(frozen=True)
class Stored:
    """What became of a batch: how many of its fetches were of wheels of ours, and of how many projects."""

    downloads: int
    project_ids: frozenset[int]


def find_position(connection: Connection, log: LogFile) -> int:
    """How far a log was counted; 0 for one that was never seen. Leaves no transaction open."""
    known = _find(connection, log)
    connection.commit()
    return known[1] if known else 0


def store_batch(
    connection: Connection, log: LogFile, *, start: int, end: int, fetches: Mapping[FileFetch, int]
) -> Stored | None:
    """Count what lies from `start` to `end` and commit. None: somebody else counted there meanwhile, and nothing is done.

    Raises `LogReplaced` if the log was cut short since, before anything is counted.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
    known = _find(connection, log)
    if (known[1] if known else 0) != start:
        connection.rollback()
        return None
    stored = _add(connection, fetches)
    fingerprint = log.fingerprints(until=end)[0]
    with connection.cursor() as cursor:
        if known:
            cursor.execute(MOVE_LOG, (fingerprint, end, known[0]))
        else:
            cursor.execute(ADD_LOG, (fingerprint, end))
    mark_stale(connection, stored.project_ids)
    try:
        log.check(end)
    except Exception:
        connection.rollback()
        raise
    connection.commit()
    return stored


def _find(connection: Connection, log: LogFile) -> tuple[int, int] | None:
    """Id and position of the log. The longest fingerprint that is known tells most."""
    candidates = log.fingerprints()
    rows = {row.fingerprint: row for row in fetch_all(connection, FIND_LOG, (candidates,))}
    best = next((rows[each] for each in candidates if each in rows), None)
    return (best.access_log_id, best.position) if best else None


def _add(connection: Connection, fetches: Mapping[FileFetch, int]) -> Stored:
    names = sorted({fetch.filename for fetch in fetches})
    rows = fetch_all(connection, FIND_WHEELS, (names,)) if names else []
    wheels = {(row.filename, row.sha256): row for row in rows}
    downloads: Counter[tuple[int, date, str, str, str]] = Counter()
    projects: Counter[tuple[int, date]] = Counter()
    for fetch, number in fetches.items():
        if wheel := wheels.get((fetch.filename, fetch.sha256)):
            client = fetch.client
            target = client.target(_platforms(fetch.filename))
            downloads[wheel.wheel_id, fetch.day, target, client.python, client.installer] += number
            projects[wheel.project_id, fetch.day] += number
    # In the order of the keys, so that whoever else writes here waits, and never in a ring.
    _insert(connection, ADD_DOWNLOADS, ((*key, number) for key, number in sorted(downloads.items())))
    _insert(connection, ADD_PROJECT_DOWNLOADS, ((*key, number) for key, number in sorted(projects.items())))
    return Stored(sum(downloads.values()), frozenset(project for project, _ in projects))


def _insert(connection: Connection, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
    if values := list(rows):
        with connection.cursor() as cursor:
            execute_values(cursor, statement, values, page_size=1000)


def _platforms(filename: str) -> set[str]:
    try:
        return {tag.platform for tag in parse_wheel_filename(filename)[3]}
    except InvalidWheelFilename:
        return set()


def known_distributions(connection: Connection) -> frozenset[str]:
    """The distributions of the shop's targets. Leaves no transaction open."""
    row = fetch_one(connection, "SELECT array_agg(DISTINCT distribution) AS names FROM target")
    connection.commit()
    return frozenset(row.names or ()) if row else frozenset()
