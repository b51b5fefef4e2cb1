"""Rows a test needs in the shop's tables, made in one line each."""

from datetime import UTC, datetime
from typing import Any

from piwright.database.connection import Connection, Json, fetch_one
from piwright.planning.targets import Target, store_targets
from piwright.planning.workers import WorkerEntry, register_workers

BOOKWORM = Target("bookworm", (3, 11), "armv7l", ("glibc", 2, 36))
TRIXIE = Target("trixie", (3, 13), "armv7l", ("glibc", 2, 41))

UPLOADED = datetime(2026, 11, 20, 12, tzinfo=UTC)


def _insert(connection: Connection, statement: str, parameters: tuple[Any, ...]) -> int:
    row = fetch_one(connection, statement, parameters)
    assert row is not None
    return int(row[0])


def add_project(connection: Connection, name: str, watch: str | None = "") -> int:
    """A project, on the watch list with a specifier unless `watch` is None."""
    project = _insert(
        connection,
        "INSERT INTO project (name, display_name) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET name = excluded.name "
        "RETURNING project_id",
        (name, name),
    )
    if watch is not None:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO watch (project_id, specifier) VALUES (%s, %s) ON CONFLICT DO NOTHING", (project, watch)
            )
    return project


def add_release(connection: Connection, project: int, version: str, *, yanked: str | None = None) -> int:
    """A release without files; `yanked` is the reason."""
    return _insert(
        connection,
        "INSERT INTO release (project_id, version, original_version, uploaded_at, yanked, yanked_reason) "
        "VALUES (%s, %s, %s, %s, %s, %s) RETURNING release_id",
        (project, version, version, UPLOADED, yanked is not None, yanked),
    )


def add_file(
    connection: Connection,
    release: int,
    filename: str,
    *,
    uploaded: datetime = UPLOADED,
    requires_python: str | None = None,
    hashes: dict[str, str] | None = None,
    size: int | None = 10_000,
) -> int:
    """An upstream file; its kind follows from its name."""
    kind = "wheel" if filename.endswith(".whl") else "sdist"
    return _insert(
        connection,
        "INSERT INTO upstream_file (release_id, filename, kind, url, hashes, size, uploaded_at, requires_python) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s) RETURNING upstream_file_id",
        (
            release,
            filename,
            kind,
            f"http://127.0.0.1:1/{filename}",
            Json({"sha256": "0" * 64} if hashes is None else hashes),
            size,
            uploaded,
            requires_python,
        ),
    )


def add_sdist(connection: Connection, name: str, version: str, **more: Any) -> int:
    """A watched project's release with one source distribution; answers the release's id."""
    yanked = more.pop("yanked", None)
    release = add_release(connection, add_project(connection, name, more.pop("watch", "")), version, yanked=yanked)
    add_file(connection, release, f"{name}-{version}.tar.gz", **more)
    return release


def add_worker(connection: Connection, name: str = "pi-1", target: Target = BOOKWORM, slots: int = 1) -> int:
    """A live worker for an active target; answers its id."""
    ids = store_targets(connection, [target])
    entry = WorkerEntry(name, f"connection_{name}", ids[target.name], "/usr/bin/python3", "/srv/piwright", slots)
    register_workers(connection, [entry])
    return _insert(connection, "SELECT worker_id FROM worker WHERE name = %s", (name,))
