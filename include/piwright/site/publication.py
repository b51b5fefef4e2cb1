"""Publishes what is out of date: files and pages of the index, pages of projects, and then those of the whole shop.

    publish_projects(connection, settings, upstream_url)     # -> PublishReport
    write_shop(connection, settings)

The one place where settings become a publication: tasks, `make up` and commands call it.
"""

import hashlib
from functools import cache
from pathlib import Path

from piwright.database.connection import Connection
from piwright.index.publish import PublishReport, publish
from piwright.index.storage import Storage, open_storage
from piwright.settings import Settings
from piwright.site.project_source import ProjectSite
from piwright.site.search_index import SearchDue
from piwright.site.shop_pages import ShopReport, write_shop_pages
from piwright.site.static_files import static_files

MAKERS = ".made-by"
"""A file in the tree, which no server hands out: what its pages were made with."""

_PACKAGES = [Path(__file__).parents[1] / room for room in ("index", "site")]


def publish_projects(
    connection: Connection, settings: Settings, upstream_url: str, *, everything: bool = False
) -> PublishReport:
    """Publish the files and pages of projects that changed; with `everything`, of all. See `index.publish`.

    Everything is looked at too when piwright or a setting that pages show is not what they were made with.
    """
    storage = _storage(settings)
    made_by = f"{_code()} {settings.site_url} {upstream_url} {','.join(settings.encodings)}\n".encode()
    everything = everything or storage.read(MAKERS) != made_by
    # Project pages refer to the style sheet, the search and the feed: these come first.
    storage.write(static_files())
    if storage.read("search/index.html") is None:
        write_shop(connection, settings)
    report = publish(
        connection,
        storage=storage,
        store_root=settings.store_directory,
        upstream_url=upstream_url,
        sources=[ProjectSite(settings.site_url, upstream_url, settings.store_directory), SearchDue(storage)],
        everything=everything,
        processes=settings.publishers,
    )
    storage.write({MAKERS: made_by})
    return report


def write_shop(connection: Connection, settings: Settings) -> ShopReport:
    """Bring the home page, search, status and feeds up to date with what is published."""
    return write_shop_pages(connection, _storage(settings), site_url=settings.site_url)


def _storage(settings: Settings) -> Storage:
    return open_storage(settings.storage_address, settings.encodings)


@cache
def _code() -> str:
    """A digest of all that makes pages."""
    digest = hashlib.sha256()
    for path in sorted(path for room in _PACKAGES for path in room.rglob("*") if path.is_file()):
        if "__pycache__" not in path.parts:
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
