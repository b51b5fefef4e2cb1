"""Where things are in the served tree; the one place that knows.

    <index root>/index.html                           the home page
    <index root>/simple/<name>/index.html             a project's page, everything that can be installed
    <index root>/extra/simple/<name>/index.html       the same, our files only
    <index root>/files/<2 of sha256>/<62>/<filename>  a wheel, beside it <filename>.metadata

Every page has the representations of `REPRESENTATIONS`, each with a `.gz` twin. Links are relative, so that the tree
may be served from anywhere.
"""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

HTML = "index.html"
JSON = "index.v1_json"
REPRESENTATIONS = (JSON, HTML)
"""File names of a page's representations. HTML is the last to appear and the first to go: where it is, the page is."""


@dataclass(frozen=True)
class Flavour:
    """One of the indexes in the tree: `path` from the root, `up` from a project's page back to it.

    `redirects`: a project without a page is looked for upstream.
    """

    path: str
    up: str
    redirects: bool


SIMPLE = Flavour("simple", "../../", redirects=True)
"""Ours and upstream's: the one index to configure."""

EXTRA = Flavour("extra/simple", "../../../", redirects=False)
"""Ours only, beside another index."""

FLAVOURS = (SIMPLE, EXTRA)


def page_directory(index_root: Path, flavour: Flavour, name: str) -> Path:
    """Where the representations of the page of the project with the normalised `name` are."""
    return index_root / flavour.path / name


def served_wheel(index_root: Path, sha256: str, filename: str) -> Path:
    """Where a wheel with that content is: no other content will ever be there."""
    return index_root / "files" / sha256[:2] / sha256[2:] / filename


def file_url(flavour: Flavour, sha256: str, filename: str) -> str:
    """A wheel's address relative to a project's page."""
    return f"{flavour.up}files/{sha256[:2]}/{sha256[2:]}/{quote(filename, safe='')}"


def metadata_beside(wheel: Path) -> Path:
    """The core metadata of a served wheel, byte for byte its member."""
    return wheel.with_name(wheel.name + ".metadata")
