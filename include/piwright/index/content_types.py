"""Content types of the site's files, by their names; deploy/nginx.conf has the same list.

content_type("project/spidev/json")      # "application/json"
content_type("static/ab12/style.css")    # "text/css; charset=utf-8"
"""

TEXT = "text/plain; charset=utf-8"

_BY_ENDING = {
    "html": "text/html; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
    "atom": "application/atom+xml",
    "xml": "application/xml",
    "txt": TEXT,
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "png": "image/png",
    "ico": "image/x-icon",
    "webmanifest": "application/manifest+json",
    "woff2": "font/woff2",
}


def content_type(path: str) -> str:
    """The type of a file; `json` is also a whole name."""
    name = path.rpartition("/")[2]
    if name == "json":
        return _BY_ENDING["json"]
    _, dot, ending = name.rpartition(".")
    return _BY_ENDING.get(ending if dot else "", "application/octet-stream")
