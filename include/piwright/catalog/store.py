"""Writes what upstream said about one project, in the caller's transaction, and only what changed.

    with connection:
        stored = store_page(connection, page, etag='"a1"')
    stored.changed, stored.new_releases

Nothing here commits. The project's row is locked first, so two writers of one project take turns, and the ETag is
written with the data it stands for: whoever finds an ETag finds that page stored completely.
"""

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from typing import Any

from packaging.utils import NormalizedName

from piwright.catalog.diff import Changes, FileRow, KnownFile, KnownRelease, ReleaseRow, compare
from piwright.catalog.page import ProjectPage
from piwright.catalog.store_sql import (
    CONFIRM_PROJECT,
    DELETE_FILES,
    END_RELEASES,
    EXPLAIN_PROJECT,
    HAS_ANY,
    INSERT_FILE_TEMPLATE,
    INSERT_FILES,
    INSERT_PROJECT,
    INSERT_RELEASES,
    KNOWN_ETAGS,
    KNOWN_FILES,
    KNOWN_RELEASES,
    LOCK_PROJECT,
    RELEASE_TEMPLATE,
    UPDATE_FILE_TEMPLATE,
    UPDATE_FILES,
    UPDATE_PROJECT,
    UPDATE_RELEASES,
)
from piwright.database.connection import Connection, Json, execute_values, fetch_all, fetch_one

_PAGE_SIZE = 2000
"""Rows a statement carries."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What storing did. `changed` when our pages of the project are out of date now; the rest are ids and counts.

    `undated_releases` are new ones whose files have no upload time (an API before 1.1): no date interval finds them.
    """

    project_id: int
    changed: bool = False
    new_releases: tuple[int, ...] = ()
    undated_releases: tuple[int, ...] = ()
    gone_releases: int = 0
    returned_releases: int = 0
    yanked: int = 0
    unyanked: int = 0
    new_files: int = 0
    changed_files: int = 0
    vanished_files: int = 0


def known_etags(connection: Connection, names: Iterable[NormalizedName]) -> dict[str, str]:
    """ETags of pages that are stored completely; projects without one have to be read anew."""
    return {row.name: row.etag for row in fetch_all(connection, KNOWN_ETAGS, {"names": list(names)})}


def has_any(connection: Connection, names: Iterable[NormalizedName]) -> bool:
    """Whether upstream had any of these projects when it was last asked."""
    row = fetch_one(connection, HAS_ANY, {"names": list(names)})
    return row is not None and bool(row.found)


def store_page(connection: Connection, page: ProjectPage, *, etag: str | None) -> Stored:
    """Make the stored project equal to its page.

    A page in quarantine keeps no files and its releases are gone. The ETag is kept only for a page that is wholly
    good: one with problems is read again next time, so that they are named again.
    """
    project = _lock_project(connection, page.name, page.display_name)
    skip_reason = _why_nothing(page)
    # Upstream's own spelling is mostly the normalised one; then the one that a person wrote stays.
    display_name = page.display_name if page.display_name != page.name else project.display_name
    before = (project.display_name, project.status, project.status_reason, project.known, project.gone)
    changes = _compare(connection, project.project_id, page)
    changed = changes.anything or before != (display_name, page.status, page.status_reason, True, False)
    _update_project(
        connection,
        project_id=project.project_id,
        display_name=display_name,
        status=page.status,
        status_reason=page.status_reason,
        skip_reason=skip_reason,
        serial=page.serial,
        etag=None if skip_reason or page.problems else etag,
        gone=False,
        changed=changed,
    )
    return _write(connection, project.project_id, changes, changed)


def store_missing(connection: Connection, name: NormalizedName) -> Stored:
    """Upstream does not have this project: what it once had is gone, and its built wheels are planning's to judge.

    One that it never had gets a row that says so.
    """
    project = _lock_project(connection, name, name)
    changes = _compare(connection, project.project_id, None)
    changed = changes.anything or (project.known and not project.gone)
    _update_project(
        connection,
        project_id=project.project_id,
        display_name=project.display_name,
        status=project.status,
        status_reason=project.status_reason,
        skip_reason="upstream no longer has this project" if project.known else "upstream has no project of this name",
        serial=None,
        etag=None,
        gone=project.known,
        changed=changed,
    )
    return _write(connection, project.project_id, changes, changed)


def store_unchanged(connection: Connection, name: NormalizedName) -> None:
    """Upstream said that the stored page is still true."""
    _execute(connection, CONFIRM_PROJECT, {"name": name})


def store_failure(connection: Connection, name: NormalizedName, reason: str, *, answered: bool) -> None:
    """The page could not be had (`answered` False) or not be used; what is stored stays, and the reason with it."""
    _execute(connection, INSERT_PROJECT, {"name": name, "display_name": name})
    _execute(connection, EXPLAIN_PROJECT, {"name": name, "reason": reason, "answered": answered})


def _why_nothing(page: ProjectPage) -> str | None:
    if page.status == "quarantined":
        return "upstream has put it in quarantine" + (f": {page.status_reason}" if page.status_reason else "")
    return None if page.files else "upstream lists no files of it"


def _lock_project(connection: Connection, name: NormalizedName, display_name: str) -> Any:
    _execute(connection, INSERT_PROJECT, {"name": name, "display_name": display_name})
    return fetch_one(connection, LOCK_PROJECT, {"name": name})


def _compare(connection: Connection, project_id: int, page: ProjectPage | None) -> Changes:
    releases = [
        KnownRelease(row[0], ReleaseRow(*row[2:]), row.gone)
        for row in fetch_all(connection, KNOWN_RELEASES, {"project_id": project_id})
    ]
    files = [
        KnownFile(row[0], row.version, FileRow(*row[2:]))
        for row in fetch_all(connection, KNOWN_FILES, {"project_id": project_id})
    ]
    return compare(releases, files, page)


def _update_project(connection: Connection, **values: Any) -> None:
    _execute(connection, UPDATE_PROJECT, values)


def _write(connection: Connection, project_id: int, changes: Changes, changed: bool) -> Stored:
    fresh = [(project_id, *astuple(row)) for row in changes.new_releases]
    new = {row.version: row.release_id for row in _many(connection, INSERT_RELEASES, fresh, RELEASE_TEMPLATE)}
    updated = [(release_id, *astuple(row)) for release_id, row in changes.changed_releases]
    _many(connection, UPDATE_RELEASES, updated, RELEASE_TEMPLATE)
    if changes.gone_releases:
        _execute(connection, END_RELEASES, {"ids": changes.gone_releases})
    if changes.vanished_files:
        _execute(connection, DELETE_FILES, {"ids": changes.vanished_files})
    inserted = [(project_id, version, *_file_values(row)) for version, row in changes.new_files]
    _many(connection, INSERT_FILES, inserted, INSERT_FILE_TEMPLATE)
    rewritten = [(file_id, *_file_values(row)) for file_id, row in changes.changed_files]
    _many(connection, UPDATE_FILES, rewritten, UPDATE_FILE_TEMPLATE)
    dated = {row.version for row in changes.new_releases if row.uploaded_at is not None}
    undated = {new[version]: None for version, _ in changes.new_files if version in new and version not in dated}
    return Stored(
        project_id=project_id,
        changed=changed,
        new_releases=tuple(new.values()),
        undated_releases=tuple(undated),
        gone_releases=len(changes.gone_releases),
        returned_releases=changes.returned,
        yanked=changes.yanked,
        unyanked=changes.unyanked,
        new_files=len(changes.new_files),
        changed_files=len(changes.changed_files),
        vanished_files=len(changes.vanished_files),
    )


def _file_values(row: FileRow) -> tuple[Any, ...]:
    return (
        row.filename,
        row.kind,
        row.url,
        Json(row.hashes),
        row.size,
        row.uploaded_at,
        row.requires_python,
        row.yanked,
        row.yanked_reason,
        None if row.core_metadata is None else Json(row.core_metadata),
        row.provenance,
    )


def _execute(connection: Connection, statement: str, values: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def _many(connection: Connection, statement: str, rows: list[tuple[Any, ...]], template: str) -> list[Any]:
    if not rows:
        return []
    fetch = "RETURNING" in statement
    with connection.cursor() as cursor:
        return execute_values(cursor, statement, rows, template, page_size=_PAGE_SIZE, fetch=fetch) or []
