"""What a build asks to have installed: lists of strings of a stranger, checked before any installer sees them."""

from __future__ import annotations

import re
from typing import Sequence

from .failure import BuildFailure
from .strict import quote

MAX_REQUIREMENTS = 500
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_REQUIREMENT = re.compile(
    rf"\s*(?P<name>{_NAME})\s*(\[[A-Za-z0-9._,\s-]*\])?\s*"
    r"(\(?\s*[<>=!~](?:[A-Za-z0-9.*+!<>=~,_]|\s(?!-)|(?<!\s)-)*\)?)?\s*(;(?!.*\s-)[^\\]*)?\s*"
)
"""PEP 508 as far as it names a project of the index; the installer judges the rest."""


def check_requirements(value: object, source: str, kind: str) -> list[str]:
    """A list of requirement strings out of JSON. Raises `BuildFailure` of this kind naming `source`."""
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise BuildFailure(kind, f"{source} must be a list of requirements, not {quote(value)}.")
    if len(value) > MAX_REQUIREMENTS or any(len(each) > 1000 or "\0" in each for each in value):
        raise BuildFailure(kind, f"{source} must be at most {MAX_REQUIREMENTS} requirements of 1000 characters.")
    return list(value)


def _match(requirement: str) -> re.Match[str] | None:
    # Of many spaces in a row the pattern would try each way to share them out.
    return _REQUIREMENT.fullmatch(" ".join(requirement.split()))


def require_index(requirements: Sequence[str]) -> None:
    """Raises `BuildFailure` (requirements) for what would be fetched from anywhere but the index.

    A path, an address or a repository in place of a version would have a worker fetch, and perhaps run, whatever its
    network can reach.
    """
    for each in requirements:
        # Installers end a line at more characters than the usual one, and a line may be an option.
        if not _match(each) or not each.strip().replace("\t", " ").isprintable():
            raise BuildFailure(
                "requirements",
                f"The build requirement {quote(each)} cannot be used: it must be a project of the index with an "
                "optional version, and no address or path.",
            )


def project_of(requirement: str) -> str:
    """The normalised project name of a requirement that `require_index` let through."""
    found = _match(requirement)
    return normalise(found["name"]) if found else ""


def normalise(name: str) -> str:
    """A project's name as the index spells it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
