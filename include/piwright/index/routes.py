"""Says what the path of a request means.

    parse_path("/simple/spidev/")       # ProjectPage(SIMPLE, "spidev")
    parse_path("/simple/RPi.GPIO")      # Redirect("rpi-gpio/")
    parse_path("/simple/..%2fsecret")   # None: 404

A path is taken apart and recognised, never joined to a directory: what comes out has only parts that were looked at.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from packaging.utils import canonicalize_name

from piwright.index.layout import EXTRA, SIMPLE, Flavour

_PROJECT = re.compile(r"[A-Z0-9](?:[A-Z0-9._-]{0,198}[A-Z0-9])?", re.IGNORECASE | re.ASCII)
"""A valid project name; longer ones than 200 characters exist nowhere."""

_FILENAME = re.compile(r"[A-Z0-9_][A-Z0-9._+!-]{0,240}\.whl(?:\.metadata)?", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Home:
    """The page for people."""


@dataclass(frozen=True)
class Health:
    """The page for a supervisor."""


@dataclass(frozen=True)
class RootPage:
    """The list of projects."""

    flavour: Flavour


@dataclass(frozen=True)
class ProjectPage:
    """The page of one project, by its normalised name; it need not exist."""

    flavour: Flavour
    name: str


@dataclass(frozen=True)
class WheelFile:
    """A wheel or its metadata, by the wheel's hash; it need not exist."""

    sha256: str
    filename: str


@dataclass(frozen=True)
class Redirect:
    """The right address for what was meant, relative to the one asked for."""

    location: str


Route = Home | Health | RootPage | ProjectPage | WheelFile | Redirect


def parse_path(raw_path: str) -> Route | None:
    """What the path of a request, still percent-encoded and without its query, leads to; None if to nothing."""
    if not raw_path.startswith("/"):
        return None
    try:
        parts = tuple(unquote(part, errors="strict") for part in raw_path[1:].split("/"))
    except UnicodeDecodeError:
        return None
    match parts:
        case ("",):
            return Home()
        case ("healthz",):
            return Health()
        case ("files", first, rest, filename):
            sha256 = first + rest
            if len(first) == 2 and re.fullmatch(r"[0-9a-f]{64}", sha256) and _FILENAME.fullmatch(filename):
                return WheelFile(sha256, filename)
            return None
    for flavour in (EXTRA, SIMPLE):
        prefix = tuple(flavour.path.split("/"))
        if parts[: len(prefix)] == prefix:
            return _page(flavour, parts[len(prefix) :])
    return None


def _page(flavour: Flavour, parts: tuple[str, ...]) -> Route | None:
    match parts:
        case ():
            return Redirect(flavour.path.rpartition("/")[2] + "/")
        case ("",):
            return RootPage(flavour)
        case (name,) | (name, "") if _PROJECT.fullmatch(name):
            normalised = canonicalize_name(name)
            if len(parts) == 1:
                return Redirect(normalised + "/")
            return ProjectPage(flavour, normalised) if name == normalised else Redirect(f"../{normalised}/")
    return None
