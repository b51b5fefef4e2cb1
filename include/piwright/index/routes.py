"""Says what the path of a request means.

    parse_path("/simple/spidev/")                       # ProjectPage("simple", "spidev")
    parse_path("/bookworm-cp311-armv7l/simple/")        # RootPage("bookworm-cp311-armv7l/simple")
    parse_path("/simple/RPi.GPIO")                      # Redirect("rpi-gpio/", index="simple")
    parse_path("/project/spidev/")                      # SiteFile("project/spidev/index.html")
    parse_path("/simple/..%2fsecret")                   # None: 404

A path is taken apart and recognised, never joined to a directory: what comes out has only parts that were looked at.
`deploy/nginx.conf` has the same expressions.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

from packaging.utils import canonicalize_name

from piwright.index.layout import HTML, JSON

_PROJECT = re.compile(r"[A-Z0-9](?:[A-Z0-9._-]{0,198}[A-Z0-9])?", re.IGNORECASE | re.ASCII)
"""A valid project name; longer ones than 200 characters exist nowhere."""

_FOLDER_OF_INDEX = re.compile(r"[A-Z0-9][A-Z0-9._-]{0,99}", re.IGNORECASE | re.ASCII)
_NO_INDEX = {"files", "project", "search", "simple", "sitemap", "static", "status"}
"""Folders of the root that have no `simple/` of theirs, whatever is in them."""

_FILENAME = re.compile(r"[A-Z0-9_][A-Z0-9._+!-]{0,240}\.whl(?:\.metadata)?", re.IGNORECASE | re.ASCII)
_SITE_NAME = re.compile(r"[A-Z0-9_][A-Z0-9._+!~-]{0,254}", re.IGNORECASE | re.ASCII)
_BUILD = re.compile(r"[A-Z0-9_-]{1,40}", re.IGNORECASE | re.ASCII)

LOST = "404.html"
"""What the site says where nothing is. Nobody asks for it by name."""


@dataclass(frozen=True)
class Health:
    """The page for a supervisor."""


@dataclass(frozen=True)
class RootPage:
    """The list of projects of the index in that folder; the index need not exist."""

    index: str


@dataclass(frozen=True)
class ProjectPage:
    """The page of one project, by its normalised name; neither the index nor the page need exist."""

    index: str
    name: str


@dataclass(frozen=True)
class WheelFile:
    """A wheel, by its hash; it need not exist."""

    path: str
    sha256: str


@dataclass(frozen=True)
class MetadataFile:
    """The metadata beside a wheel; it need not exist."""

    path: str


@dataclass(frozen=True)
class StaticFile:
    """A file of the site that never changes; it need not exist."""

    path: str


@dataclass(frozen=True)
class LogFile:
    """A build's log, which lies in the tree as `path` with `.gz` at its end; it need not exist."""

    path: str


@dataclass(frozen=True)
class SiteFile:
    """A file of the site, its home page among them. If it does not exist, `folder` may have one that does."""

    path: str
    folder: str | None = None


@dataclass(frozen=True)
class Redirect:
    """The right address for what was meant, relative to the one asked for; below an index only if that exists."""

    location: str
    index: str | None = None


Route = Health | RootPage | ProjectPage | WheelFile | MetadataFile | StaticFile | LogFile | SiteFile | Redirect


def parse_path(raw_path: str) -> Route | None:
    """What the path of a request, still percent-encoded and without its query, leads to; None if to nothing."""
    return _remembered(raw_path) if len(raw_path) < 300 else _parse(raw_path)


def _parse(raw_path: str) -> Route | None:
    if not raw_path.startswith("/"):
        return None
    try:
        parts = tuple(unquote(part, errors="strict") for part in raw_path[1:].split("/"))
    except UnicodeDecodeError:
        return None
    match parts:
        case ("healthz",):
            return Health()
        case ("files", first, rest, filename) if _FILENAME.fullmatch(filename):
            return _file(first, rest, filename)
        case ("simple", *rest) if len(rest) < 3:
            return _index("simple", rest) or _site(parts)
        case (folder, "simple", *rest) if folder not in _NO_INDEX and _FOLDER_OF_INDEX.fullmatch(folder):
            return _index(f"{folder}/simple", rest) or _site(parts)
        case ("project", name, *rest) if _PROJECT.fullmatch(name):
            return _project(name, rest)
    return _site(parts)


_remembered = lru_cache(maxsize=4096)(_parse)


def _file(first: str, rest: str, filename: str) -> Route | None:
    if not (re.fullmatch(r"[0-9a-f]{2}", first) and re.fullmatch(r"[0-9a-f]{62}", rest)):
        return None
    path = f"files/{first}/{rest}/{filename}"
    return MetadataFile(path) if filename.endswith(".metadata") else WheelFile(path, first + rest)


def _index(index: str, parts: list[str]) -> Route | None:
    match parts:
        case []:
            return Redirect("simple/", index)
        case [""]:
            return RootPage(index)
        case [name] | [name, ""] if _PROJECT.fullmatch(name):
            normalised = canonicalize_name(name)
            if len(parts) == 1:
                return Redirect(f"{normalised}/", index)
            return ProjectPage(index, normalised) if name == normalised else Redirect(f"../{normalised}/", index)
    return None


def _project(name: str, rest: list[str]) -> Route | None:
    found = _site(("project", name, *rest))
    normalised = canonicalize_name(name)
    if found is None or name == normalised:
        match rest:
            case ["build", number, "log.txt"] if _BUILD.fullmatch(number):
                return LogFile(f"project/{name}/build/{number}/log.txt")
        return found
    return Redirect("../" * min(len(rest), 4) + "/".join((normalised, *rest)) + "/" * (not rest))


def _site(parts: tuple[str, ...]) -> Route | None:
    """A file of the site; in the tree a folder's page has a name, which nobody asks for, nor for a compressed twin."""
    *folders, name = parts
    if not all(_SITE_NAME.fullmatch(part) for part in (*folders, name or HTML)):
        return None
    if name in (HTML, JSON, LOST) or name.endswith((".gz", ".zst")):
        return None
    path = "/".join(parts)
    if not name:
        return SiteFile(path + HTML)
    if folders and folders[0] == "static":
        return StaticFile(path)
    return SiteFile(path, folder=path)
