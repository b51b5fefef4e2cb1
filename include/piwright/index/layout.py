"""Where things are in the served tree; the one place that knows.

    simple/<name>/index.html             a project's page, everything that can be installed
    extra/simple/<name>/index.html       the same, our files only
    <target>/simple/<name>/index.html    everything, and of our files those made for that target
    <target>/target.json                 the target: its distribution and tags
    files/<2 of sha256>/<62>/<filename>  a wheel, beside it <filename>.metadata

Every page has the representations of `REPRESENTATIONS`, each with its compressed twins. Links are relative, so that the
tree may be served from anywhere. A path is relative to the root of the tree, with slashes.
"""

import re
from dataclasses import dataclass
from urllib.parse import quote

HTML = "index.html"
JSON = "index.v1_json"
REPRESENTATIONS = (JSON, HTML)
"""File names of a page's representations. HTML is the last to appear and the first to go: where it is, the page is."""


_PLAIN = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class TargetTags:
    """What a target can install, and the distribution whose libraries are there."""

    distribution: str
    tags: frozenset[str]


@dataclass(frozen=True)
class Flavour:
    """One of the indexes in the tree: `path` from the root, `up` from a project's page back to it.

    `redirects`: a project without a page is looked for upstream. `target`: only for machines of that kind.
    """

    path: str
    up: str
    redirects: bool
    target: TargetTags | None = None


SIMPLE = Flavour("simple", "../../", redirects=True)
"""Ours and upstream's: the one index to configure."""

EXTRA = Flavour("extra/simple", "../../../", redirects=False)
"""Ours only, beside another index."""

FLAVOURS = (SIMPLE, EXTRA)
"""Those every shop has, whatever its targets are."""


def target_flavour(name: str, target: TargetTags) -> Flavour:
    """The complete index for one target."""
    return Flavour(f"{name}/simple", "../../../", redirects=True, target=target)


def page_paths(flavour: Flavour, name: str) -> list[str]:
    """The representations of a project's page, in the order in which they appear."""
    return [f"{flavour.path}/{name}/{each}" for each in REPRESENTATIONS]


def wheel_path(sha256: str, filename: str) -> str:
    """Where a wheel with that content is: no other content will ever be there."""
    return f"files/{sha256[:2]}/{sha256[2:]}/{filename}"


def metadata_path(wheel: str) -> str:
    """The core metadata of a served wheel, byte for byte its member."""
    return f"{wheel}.metadata"


def file_url(up: str, sha256: str, filename: str) -> str:
    """A wheel's address on a page from which the root is `up`."""
    return f"{up}files/{sha256[:2]}/{sha256[2:]}/{filename if _PLAIN.fullmatch(filename) else quote(filename, safe='')}"
