"""What search engines are told: which pages there are, and that they may read them.

for path, content in sitemap_files(names, settings.site_url): ...      # sitemap/1.xml, ..., sitemap.xml
robots_txt(settings.site_url)
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

SITEMAP = "sitemap.xml"
FOLDER = "sitemap"

MOST_URLS = 50_000
"""Addresses of one file, as the protocol bounds them (sitemaps.org); at 200 letters of a name 14 of its 50 MB."""

_NAMESPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
_PAGES = ("", "search/", "status/")
"""Pages besides those of projects."""


def sitemap_files(names: Iterable[str], site_url: str, most: int = MOST_URLS) -> Iterator[tuple[str, bytes]]:
    """Path and content of each file; `names` are of projects with a page. The list of the files comes last."""
    base = site_url.rstrip("/") + "/"
    count = 0
    for count, part in enumerate(_parts(chain(_PAGES, (f"project/{name}/" for name in names)), most), 1):
        lines = "".join(f"<url><loc>{escape(base + path)}</loc></url>\n" for path in part)
        yield f"{FOLDER}/{count}.xml", _document("urlset", lines)
    listed = (f"<sitemap><loc>{escape(base)}{FOLDER}/{each}.xml</loc></sitemap>\n" for each in range(1, count + 1))
    yield SITEMAP, _document("sitemapindex", "".join(listed))


def _parts(paths: Iterable[str], most: int) -> Iterator[list[str]]:
    part: list[str] = []
    for path in paths:
        part.append(path)
        if len(part) == most:
            yield part
            part = []
    if part:
        yield part


def _document(element: str, lines: str) -> bytes:
    return f'<?xml version="1.0" encoding="utf-8"?>\n<{element} {_NAMESPACE}>\n{lines}</{element}>\n'.encode()


def is_of(sitemap: bytes | None, site_url: str) -> bool:
    """Whether that is the list of the files of a site at this address."""
    return sitemap is not None and f"<loc>{escape(site_url.rstrip('/'))}/{FOLDER}/1.xml<".encode() in sitemap


def robots_txt(site_url: str) -> bytes:
    """robots.txt: pages for people may be indexed; the indexes and files are for installers."""
    root = urlsplit(site_url).path.rstrip("/")
    closed = "".join(f"Disallow: {root}/{each}\n" for each in ("files/", "simple/", "extra/", "*/simple/"))
    return f"User-agent: *\n{closed}\nSitemap: {site_url.rstrip('/')}/{SITEMAP}\n".encode()
