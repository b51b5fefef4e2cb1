"""Projects whose builds may use the network, because an operator wrote down why.

allow_network(connection, "some-project", reason="downloads its firmware blobs", by="alice")
forbid_network(connection, "some-project")
network_exceptions(connection)      # [NetworkException(...), ...]

A build that goes out for more cannot be repeated, and a secret that got into it gets out. So it is nobody's default, and
the project's page says it.
"""

from dataclasses import dataclass
from datetime import datetime

from packaging.utils import canonicalize_name

from piwright.database.connection import Connection, fetch_all, fetch_one
from piwright.database.stale_pages import mark_stale


class NoSuchProject(LookupError):
    """A name the catalog does not have; the message says what to do."""


@dataclass(frozen=True)
class NetworkException:
    """Who lets a project's builds use the network, since when and why."""

    project: str
    reason: str
    allowed_by: str
    allowed_at: datetime


def allow_network(connection: Connection, name: str, *, reason: str, by: str) -> None:
    """Let a project's builds use the network from now on. A new reason replaces the old one."""
    project_id = _find(connection, name)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO network_exception (project_id, reason, allowed_by) VALUES (%s, %s, %s)
            ON CONFLICT (project_id) DO UPDATE
            SET reason = excluded.reason, allowed_by = excluded.allowed_by, allowed_at = now()
            """,
            (project_id, reason, by),
        )
    mark_stale(connection, [project_id])  # its page tells of the exception


def forbid_network(connection: Connection, name: str) -> bool:
    """Build a project without the network again; False if it had no exception."""
    project_id = _find(connection, name)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM network_exception WHERE project_id = %s", (project_id,))
        existed = cursor.rowcount > 0
    if existed:
        mark_stale(connection, [project_id])
    return existed


def network_exceptions(connection: Connection) -> list[NetworkException]:
    """Every exception, by name."""
    rows = fetch_all(
        connection,
        "SELECT p.name, n.reason, n.allowed_by, n.allowed_at FROM network_exception n JOIN project p USING (project_id) "
        "ORDER BY p.name",
    )
    return [NetworkException(*row) for row in rows]


def _find(connection: Connection, name: str) -> int:
    normalised = canonicalize_name(name)
    row = fetch_one(connection, "SELECT project_id FROM project WHERE name = %s", (normalised,))
    if row is None:
        raise NoSuchProject(f"{normalised} is not in the catalog: `piwright add {normalised}` puts it there.")
    return int(row.project_id)
