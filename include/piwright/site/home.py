"""The home page: what this is, how to use it, what is built.

    write_home(connection, settings.index_directory, settings.index_url)

To be called after a publication, so that everything it links to is there.
"""

import base64
import hashlib
from datetime import datetime
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import jinja2
from markupsafe import Markup

from piwright.database.connection import Connection
from piwright.index.layout import HTML
from piwright.index.pages_on_disk import write_with_twin
from piwright.index.tree import make_directory, sync_directory
from piwright.site.overview import Overview, read_overview

_TEMPLATES = Path(__file__).with_name("templates")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
EXAMPLE = "PACKAGE"
"""Stands in the install lines while nothing is built."""


def write_home(connection: Connection, index_root: Path, index_url: str) -> bool:
    """Write the home page into the served tree if it changed; True if it did. Only reads the database.

    `index_url` is where the tree is served, such as `http://127.0.0.1:8000`.
    """
    content = render_home(read_overview(connection), index_url)
    make_directory(index_root)
    changed = write_with_twin(index_root / HTML, content)
    sync_directory(index_root)
    return changed


def render_home(overview: Overview, index_url: str) -> bytes:
    """The home page. It depends on its arguments alone: times are given as such, not as time passed."""
    simple_url = index_url.rstrip("/") + "/simple/"
    style, policy = _style()
    page = (
        _environment()
        .get_template("home.html")
        .render(
            overview=overview,
            simple_url=simple_url,
            extra_url=index_url.rstrip("/") + "/extra/simple/",
            trusted_host=_host_pip_must_trust(simple_url),
            example=next((wheel.project for wheel in overview.newest if not wheel.yanked), EXAMPLE),
            style=style,
            policy=policy,
        )
    )
    return page.encode()


def _host_pip_must_trust(url: str) -> str | None:
    """The host that pip refuses unless told to trust it: one that is reached without TLS from another machine."""
    parts = urlsplit(url)
    return parts.netloc if parts.scheme == "http" and parts.hostname not in _LOOPBACK else None


@cache
def _style() -> tuple[Markup, str]:
    """The style sheet, and the policy that allows it and nothing else, wherever the page is served from."""
    text = (_TEMPLATES / "home.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    return Markup(text), policy


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"day": _day, "moment": _moment, "number": _number}
    return environment


def _number(value: int) -> str:
    return f"{value:,}".replace(",", "\u202f")


def _day(moment: datetime) -> str:
    return moment.strftime("%d %b %Y, %H:%M").lstrip("0")


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
