"""Writes the pages that are about the whole shop: home, search, status, 404, feed, sitemap, and what they need.

    report = write_shop_pages(connection, storage, site_url=settings.site_url)

To be called after a publication, so that everything they link to is there. Only files whose content changed are written.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from piwright.database.connection import Connection
from piwright.index.publish import LOCK
from piwright.index.storage import Storage
from piwright.site.build_history import read_history
from piwright.site.farm import read_farm
from piwright.site.home import home_json, render_home
from piwright.site.overview import read_overview
from piwright.site.search_index import names_with_pages, update_search
from piwright.site.search_page import render_missing, render_search
from piwright.site.shop_feed import shop_feed
from piwright.site.sitemap import FOLDER, SITEMAP, is_of, robots_txt, sitemap_files
from piwright.site.static_files import static_files
from piwright.site.status_page import render_status, status_json


@dataclass(frozen=True)
class ShopReport:
    """How many files were written, and how many of the search index were removed."""

    written: int
    removed: int


def write_shop_pages(
    connection: Connection, storage: Storage, *, site_url: str, everything: bool = False
) -> ShopReport:
    """Bring the pages up to date with the database; a publication that runs at the same time is waited for.

    `site_url` is where readers reach the tree. `everything` makes the search index anew, whatever was noted as due.
    Only reads the database; the connection must have nothing pending. Raises `OSError` when the tree cannot be written.
    """
    with _alone(connection):
        written = len(storage.write(static_files()))  # before the pages that refer to them
        search = update_search(connection, storage, everything=everything)
        if search.names_changed or not is_of(storage.read(SITEMAP), site_url):
            written += _write_sitemap(storage, site_url)
        overview, history, farm = read_overview(connection), read_history(connection), read_farm(connection)
        connection.commit()
        pages = {
            "status/json": status_json(farm),
            "status/index.html": render_status(farm),
            "search/index.html": render_search(site_url),
            "404.html": render_missing(site_url),
            "robots.txt": robots_txt(site_url),
            "feed.atom": shop_feed(overview.newest, site_url),
            "json": home_json(overview, history),
            "index.html": render_home(overview, history, site_url),
        }
        written += len(storage.write(pages))
    return ShopReport(written=written + search.written, removed=search.removed)


def _write_sitemap(storage: Storage, site_url: str) -> int:
    written, kept = 0, set()
    for path, content in sitemap_files(names_with_pages(storage), site_url):
        written += len(storage.write({path: content}))
        kept.add(path)
    gone = sorted({f"{FOLDER}/{name}" for name in storage.names(FOLDER) if name.endswith(".xml")} - kept)
    if gone:
        storage.remove(gone)
    return written


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """The publisher's lock: what it notes for the search must not be forgotten while it is noted."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = 0")  # a publication may take long
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
