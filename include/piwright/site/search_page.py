"""The search page, and the page for addresses that lead nowhere; their scripts look things up in the search index.

render_search(settings.site_url)
render_missing(settings.site_url)       # links by absolute path: it is served at any depth
"""

from urllib.parse import urlsplit

from piwright.site.page_environment import render
from piwright.site.static_files import script_path


def render_search(site_url: str) -> bytes:
    """The page at /search/."""
    return render("search.html", depth=1, script=script_path("search.js"), site_url=site_url.rstrip("/"))


def render_missing(site_url: str) -> bytes:
    """404.html. The site may be served below a path, which is part of its address."""
    root = urlsplit(site_url).path.rstrip("/") + "/"
    return render("404.html", root=root, script=script_path("missing.js"))
