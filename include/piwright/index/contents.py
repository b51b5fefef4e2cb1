"""Reads from the database what the pages of some projects say.

    for contents in read_contents(connection, [17, 18]):
        page = compose_page(contents, SIMPLE)

`compose.py` decides what of it is shown.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urljoin, urlsplit

from piwright.database.connection import Connection, fetch_all
from piwright.index.page import NetworkException, PageFile

PROJECTS = """
SELECT p.project_id, p.name, p.status, p.status_reason, p.gone_at IS NOT NULL AS gone,
       p.stale_since IS NOT NULL AS stale, p.xmin::text AS row_version,
       n.reason AS network_reason, n.allowed_at AS network_since
FROM project p
LEFT JOIN network_exception n USING (project_id)
WHERE p.project_id = ANY(%(projects)s)
ORDER BY p.project_id
"""
"""By primary keys. `xmin` tells whether anybody wrote the row since, even if the values are the same."""

WHEELS = """
SELECT r.project_id, r.version, r.yanked, r.yanked_reason, r.gone_at IS NOT NULL AS release_gone,
       w.wheel_id, w.filename, w.sha256, w.size, w.requires_python, w.metadata_sha256, w.built_at,
       w.published_at IS NOT NULL AS published, w.removed_at IS NOT NULL AS removed, w.held_reason IS NOT NULL AS held
FROM release r
JOIN wheel w USING (release_id)
WHERE r.project_id = ANY(%(projects)s)
ORDER BY w.wheel_id
"""
"""By `release_project_id_version_key`, then `wheel_release`."""

UPSTREAM_FILES = """
SELECT r.project_id, r.version, f.filename, f.url, f.hashes, f.size, f.uploaded_at, f.requires_python,
       f.yanked, f.yanked_reason, f.core_metadata, f.provenance
FROM release r
JOIN upstream_file f USING (release_id)
WHERE r.project_id = ANY(%(projects)s) AND r.gone_at IS NULL
"""
"""By `release_project_id_version_key`, then `upstream_file_release_id_filename_key`."""


@dataclass(frozen=True)
class OurWheel:
    """A file of ours. `withdrawn`: it was removed, or upstream removed its release; `held`: it is not offered for now."""

    wheel_id: int
    version: str
    filename: str
    sha256: str
    size: int
    metadata_sha256: str
    built_at: datetime
    requires_python: str | None = None
    yanked: bool = False
    yanked_reason: str | None = None
    published: bool = False
    withdrawn: bool = False
    held: bool = False


@dataclass(frozen=True)
class ProjectContents:
    """All that is known about a project and may show on its pages.

    `row_version` identifies the state of the project's row that this was read with.
    """

    project_id: int
    name: str
    row_version: str
    stale: bool = False
    status: str = "active"
    status_reason: str | None = None
    gone: bool = False
    wheels: tuple[OurWheel, ...] = ()
    upstream: tuple[PageFile, ...] = ()
    network: NetworkException | None = None


def read_contents(connection: Connection, project_ids: Iterable[int], upstream_url: str) -> list[ProjectContents]:
    """The contents of the projects with these ids, in the order of the ids; what is not in the database is left out.

    `upstream_url` (with a slash at its end) is what relative file addresses of upstream are relative to.
    Upstream's files are read only where there is a wheel of ours, now or once: the others have no page.
    """
    ids = list(project_ids)
    wheels: dict[int, list[OurWheel]] = defaultdict(list)
    for row in fetch_all(connection, WHEELS, {"projects": ids}):
        wheels[row.project_id].append(
            OurWheel(
                wheel_id=row.wheel_id,
                version=row.version,
                filename=row.filename,
                sha256=row.sha256,
                size=row.size,
                metadata_sha256=row.metadata_sha256,
                built_at=row.built_at,
                requires_python=row.requires_python,
                yanked=row.yanked,
                yanked_reason=row.yanked_reason,
                published=row.published,
                withdrawn=row.removed or row.release_gone,
                held=row.held,
            )
        )
    projects = fetch_all(connection, PROJECTS, {"projects": ids})
    names = {row.project_id: row.name for row in projects}
    upstream: dict[int, list[PageFile]] = defaultdict(list)
    for row in fetch_all(connection, UPSTREAM_FILES, {"projects": list(wheels)}):
        url = urljoin(f"{upstream_url}{names[row.project_id]}/", row.url)
        if urlsplit(url).scheme not in ("http", "https"):
            continue  # a page is opened by people too: no javascript:, no data:
        upstream[row.project_id].append(
            PageFile(
                filename=row.filename,
                version=row.version,
                url=url,
                hashes=row.hashes,
                size=row.size,
                uploaded_at=row.uploaded_at,
                requires_python=row.requires_python,
                yanked=row.yanked,
                yanked_reason=row.yanked_reason,
                core_metadata=row.core_metadata or None,
                provenance=row.provenance,
            )
        )
    return [
        ProjectContents(
            project_id=row.project_id,
            name=row.name,
            row_version=row.row_version,
            stale=row.stale,
            status=row.status,
            status_reason=row.status_reason,
            gone=row.gone,
            wheels=tuple(wheels[row.project_id]),
            upstream=tuple(upstream[row.project_id]),
            network=NetworkException(row.network_reason, row.network_since) if row.network_since else None,
        )
        for row in projects
    ]
