"""Style sheet, scripts and icon, at addresses that name their content, so that browsers may keep them for ever.

    static_files()                # {"static/3f9a.../style.css": b"...", ...}: what has to be in the served tree
    style_path()                  # "static/3f9a.../style.css", from the tree's root
    script_path("search.js")

The style sheet is `templates/style.css` and, in order of their names, the other style sheets there. Scripts share one
hash, so that they can import each other by relative addresses.
"""

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

_STATIC = Path(__file__).with_name("static")
_TEMPLATES = Path(__file__).with_name("templates")
_MAIN = "style.css"


def style_path() -> str:
    """The style sheet's place in the tree."""
    return _places()[_MAIN]


def icon_path() -> str:
    """The site's icon's place in the tree."""
    return _places()["icon.svg"]


def script_path(name: str) -> str:
    """The place in the tree of a script in `static/`."""
    return _places()[name]


def static_files() -> dict[str, bytes]:
    """Place in the tree to content, of all that pages refer to."""
    places = _places()
    return {places[name]: content for name, content in _contents().items()}


@cache
def _contents() -> dict[str, bytes]:
    contents = {_MAIN: b"".join(path.read_bytes() for path in _style_sheets())}
    contents |= {path.name: path.read_bytes() for path in sorted(_STATIC.iterdir()) if path.suffix in (".js", ".svg")}
    return contents


def _style_sheets() -> list[Path]:
    return sorted(_TEMPLATES.glob("*.css"), key=lambda path: (path.name != _MAIN, path.name))


@cache
def _places() -> dict[str, str]:
    contents = _contents()
    scripts = _digest(content for name, content in contents.items() if name.endswith(".js"))
    return {
        name: f"static/{scripts if name.endswith('.js') else _digest([content])}/{name}"
        for name, content in contents.items()
    }


def _digest(contents: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for content in contents:
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:16]
