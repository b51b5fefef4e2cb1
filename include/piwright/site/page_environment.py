"""Renders the site's pages: the one Jinja2 environment, with escaping on and no undefined names.

    render("search.html", depth=1, here="search")      # bytes; `depth`: folders between the tree's root and the page
    render("404.html", root="/wheels/")                # for a page that is served at any depth

Every template gets `root` (the tree's root, relative to the page, with a slash at its end), `style_url`, `icon_url`,
`policy` (the Content-Security-Policy) and the filters of `_FILTERS`. Pages depend on the values given alone.
"""

from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

import jinja2

from piwright.site.presentable import presentable
from piwright.site.static_files import icon_path, style_path

__all__ = ["POLICY", "date_only", "day", "duration", "filesize", "moment", "number", "presentable", "render"]

_TEMPLATES = Path(__file__).with_name("templates")

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)
"""Also in every page, for where no server of ours sends it, such as a bucket."""

NARROW_SPACE = "\u202f"


def render(template: str, *, depth: int = 0, root: str | None = None, **values: object) -> bytes:
    """A page of the folder `depth` levels below the tree's root, or anywhere if `root` is its absolute path."""
    root = root if root is not None else "../" * depth or "./"
    page = _environment().get_template(template)
    shared = {"root": root, "style_url": root + style_path(), "icon_url": root + icon_path(), "policy": POLICY}
    return page.render(shared | values).encode()


def number(value: int) -> str:
    """12 345, with narrow spaces."""
    return f"{value:,}".replace(",", NARROW_SPACE)


def filesize(size: float) -> str:
    """1.2 MB: decimal units, as PyPI shows them."""
    if size < 1000:
        return f"{int(size)} bytes" if size != 1 else "1 byte"
    for unit in ("kB", "MB", "GB", "TB"):
        size /= 1000
        if size < 999.5 or unit == "TB":
            break
    return f"{size:.0f} {unit}" if size >= 99.5 else f"{size:.1f} {unit}"


def duration(seconds: float) -> str:
    """3 min 12 s: the two largest units of a length of time."""
    left = round(seconds)
    if left < 1:
        return "under 1 s" if seconds > 0 else "0 s"
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        whole, left = divmod(left, size)
        if whole or parts:
            parts.append(f"{number(whole)} {unit}" if whole else "")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if part)


def day(value: datetime) -> str:
    """5 Mar 2026, 05:06 (UTC)."""
    return value.astimezone(UTC).strftime("%d %b %Y, %H:%M").lstrip("0")


def date_only(value: date) -> str:
    """5 Mar 2026; of a moment, its day in UTC."""
    value = value.astimezone(UTC) if isinstance(value, datetime) else value
    return value.strftime("%d %b %Y").lstrip("0")


def moment(value: datetime) -> str:
    """ISO 8601, to the second, in UTC: for attributes and data."""
    return value.astimezone(UTC).isoformat(timespec="seconds")


_FILTERS = {
    "number": number,
    "filesize": filesize,
    "duration": duration,
    "day": day,
    "date": date_only,
    "moment": moment,
    "presentable": presentable,
}


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    environment.filters |= _FILTERS
    return environment
