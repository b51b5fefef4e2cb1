"""Reads from the database what the pages of some projects say.

    for rows in read_rows(connection, [17, 18]):           # in the publisher: plain tuples, cheap to send elsewhere
        contents = parse_rows(rows, upstream_url)          # in a worker process
        pages = compose_pages(contents, flavours)

`compose.py` decides what of it is shown.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

import msgspec
from msgspec import Struct
from psycopg2.extensions import cursor as PlainCursor

from piwright.database.connection import Connection
from piwright.index.page import CoreMetadata, NetworkException, PageFile

PROJECTS = """
SELECT p.project_id, p.name, p.xmin::text AS row_version, p.stale_since IS NOT NULL AS stale, p.listed, p.listed_extra,
       p.status, p.status_reason, p.gone_at IS NOT NULL AS gone, p.changed_at IS NOT NULL OR p.skip_reason IS NULL AS known,
       n.reason AS network_reason, n.allowed_at AS network_since,
       p.offered_wheels, p.offered_releases, p.offered_bytes
FROM project p
LEFT JOIN network_exception n USING (project_id)
WHERE p.project_id = ANY(%(projects)s)
ORDER BY p.project_id
"""
"""By primary keys. `xmin` tells whether anybody wrote the row since, even if the values are the same."""

WHEELS = """
SELECT r.project_id, w.wheel_id, r.version, w.filename, w.sha256, w.size, w.metadata_sha256, w.built_at,
       w.requires_python, r.yanked, r.yanked_reason, w.published_at IS NOT NULL AS published,
       w.removed_at IS NOT NULL OR r.gone_at IS NOT NULL AS withdrawn, w.held_reason IS NOT NULL AS held, w.tags,
       coalesce((w.facts ->> 'needs_distribution')::boolean, false) AS needs_distribution, t.distribution, w.apt_packages
FROM release r
JOIN wheel w USING (release_id)
JOIN attempt a USING (attempt_id)
JOIN job j USING (job_id)
JOIN target t USING (target_id)
WHERE r.project_id = ANY(%(projects)s)
ORDER BY w.wheel_id
"""
"""By `release_project_id_version_key`, then `wheel_release`, then primary keys."""

UPSTREAM_FILES = """
SELECT r.project_id, f.filename, r.version, f.url, f.hashes::text, f.size, f.uploaded_at, f.requires_python,
       f.yanked, f.yanked_reason, f.core_metadata::text, f.provenance
FROM release r
JOIN upstream_file f USING (release_id)
WHERE r.project_id = ANY(%(projects)s) AND r.gone_at IS NULL
"""
"""By `release_project_id_version_key`, then `upstream_file_release_id_filename_key`."""

_PLAIN_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?/[A-Za-z0-9/._%+~@!=&?,-]*")
"""What needs no closer look; nearly every address of a file."""


class OurWheel(Struct, frozen=True, array_like=True):
    """A file of ours. `withdrawn`: it was removed, or upstream removed its release; `held`: it is not offered for now.

    `tags` are single ones; `distribution` is that of the target it was built for. `needs_distribution`: its name would
    let it be installed on others, where it does not work.
    """

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
    tags: tuple[str, ...] = ()
    needs_distribution: bool = False
    distribution: str = ""
    apt_packages: tuple[str, ...] = ()


class ProjectContents(Struct, frozen=True):
    """All that is known about a project and may show on its pages.

    `row_version` identifies the state of the project's row that this was read with. `known`: upstream has it, or had.
    `listed` and `listed_extra`: the published lists may name it.
    """

    project_id: int
    name: str
    row_version: str
    stale: bool = False
    listed: bool = False
    listed_extra: bool = False
    status: str = "active"
    status_reason: str | None = None
    gone: bool = False
    known: bool = True
    network: NetworkException | None = None
    wheels: tuple[OurWheel, ...] = ()
    upstream: tuple[PageFile, ...] = ()


class ProjectRows(NamedTuple):
    """A project's rows, of the queries above and in their columns' order.

    Those of `wheels` and `upstream` are packed, without the project's id in front; empty if there are none. `pickle` takes
    four times as long for them.
    """

    project: tuple[Any, ...]
    wheels: bytes
    upstream: bytes

    @property
    def project_id(self) -> int:
        """The project's id."""
        return int(self.project[0])

    @property
    def offered(self) -> tuple[int, int, int]:
        """Wheels, releases and bytes that its published pages offer."""
        wheels, releases, size = self.project[-3:]
        return wheels, releases, size


def read_rows(connection: Connection, project_ids: Iterable[int]) -> list[ProjectRows]:
    """The rows of the projects with these ids, in the order of the ids; what is not in the database is left out.

    Upstream's files are read only where there is a wheel of ours, now or once: the others have no page.
    """
    ids = list(project_ids)
    wheels = _by_project(_fetch(connection, WHEELS, ids))
    upstream = _by_project(_fetch(connection, UPSTREAM_FILES, list(wheels))) if wheels else {}
    return [
        ProjectRows(project, wheels.get(project[0], b""), upstream.get(project[0], b""))
        for project in _fetch(connection, PROJECTS, ids)
    ]


def parse_rows(rows: ProjectRows, upstream_url: str) -> ProjectContents:
    """The contents of a project. `upstream_url` (with a slash at its end) is what relative addresses of files are
    relative to; files whose address a browser might do something else with than fetch it are left out."""
    *columns, network_reason, network_since, _, _, _ = rows.project
    name = columns[1]
    files = []
    for filename, version, address, hashes, *plain, metadata, provenance in _FILES.decode(rows.upstream or _NONE):
        url = _whole_url(f"{upstream_url}{name}/", address)
        if url is not None:
            beside = _METADATA.decode(metadata) or None if metadata is not None else None
            files.append(PageFile(*(filename, version, url, _HASHES.decode(hashes), *plain, beside, provenance)))
    wheels = _WHEELS.decode(rows.wheels or _NONE)
    network = NetworkException(network_reason, network_since) if network_since else None
    # Once for all pages: a list that is in order is sorted in no time.
    upstream = tuple(sorted(files, key=lambda file: file.order))
    return ProjectContents(*(*columns, network, wheels, upstream))


_NONE = msgspec.msgpack.encode(())
_WHEELS = msgspec.msgpack.Decoder(tuple[OurWheel, ...])
_FILES = msgspec.msgpack.Decoder(list[tuple[Any, ...]])
_HASHES = msgspec.json.Decoder(dict[str, str])
_METADATA: msgspec.json.Decoder[CoreMetadata | bool] = msgspec.json.Decoder(bool | dict[str, str] | None)


def _fetch(connection: Connection, statement: str, ids: list[int]) -> list[tuple[Any, ...]]:
    with connection.cursor(cursor_factory=PlainCursor) as cursor:  # rows with names cannot be sent to other processes
        cursor.execute(statement, {"projects": ids})
        return cursor.fetchall()


def _by_project(rows: list[tuple[Any, ...]]) -> dict[int, bytes]:
    """The rows of each project, packed."""
    grouped: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for row in rows:
        grouped[row[0]].append(row[1:])
    return {project_id: msgspec.msgpack.encode(each) for project_id, each in grouped.items()}


def _whole_url(page: str, address: str) -> str | None:
    """An absolute http address; None for what is none: a page is opened by people too, so no javascript:, no data:."""
    if _PLAIN_URL.fullmatch(address):
        return address
    try:
        url = urljoin(page, address)
        return url if urlsplit(url).scheme in ("http", "https") else None
    except ValueError:
        return None
