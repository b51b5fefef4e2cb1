"""Decides whether a release has to be built for a target. Pure: rows in, a verdict out.

verdict = judge(files, our_wheels, target_tags, target_python)
verdict.sdist      # what to build from, or None
verdict.reason     # why not, for people
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, Protocol, TypeVar

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

STRONG_HASHES = ("sha256", "sha512", "sha384")
"""What a worker can check a source distribution by."""


class UpstreamFile(Protocol):
    """The columns of `upstream_file` that matter here."""

    filename: str
    kind: str
    hashes: dict[str, str]
    requires_python: str | None


F = TypeVar("F", bound=UpstreamFile)


@dataclass(frozen=True)
class Verdict(Generic[F]):
    """`sdist` to build from and no reason, or no sdist and the reason. `kind` is its machine-readable form."""

    sdist: F | None
    kind: str
    reason: str | None


def judge(
    files: Sequence[F], our_wheel_tags: Iterable[Collection[str]], tags: Collection[str], python: str
) -> Verdict[F]:
    """Whether the release with these upstream files needs a wheel for a target.

    `our_wheel_tags` has the tags of each wheel we already have of it; `tags` and `python` (`"3.11"`) are the target's.
    """
    accepted = set(tags)
    for each in files:
        if each.kind == "wheel" and admits_python(each.requires_python, python) and accepted & _tags_of(each.filename):
            return Verdict(None, "upstream_has_wheel", f"upstream serves {each.filename}")
    if any(accepted & set(wheel) for wheel in our_wheel_tags):
        return Verdict(None, "have_wheel", "we have a wheel")
    sdists = sorted((each for each in files if each.kind == "sdist"), key=_preference)
    if not sdists:
        return Verdict(None, "no_sdist", "upstream has no source distribution")
    fitting = [each for each in sdists if admits_python(each.requires_python, python)]
    if not fitting:
        return Verdict(None, "python", f"needs Python {sdists[0].requires_python}, the target has {python}")
    checkable = [each for each in fitting if any(name in each.hashes for name in STRONG_HASHES)]
    if not checkable:
        return Verdict(None, "no_hash", f"upstream gives no {' or '.join(STRONG_HASHES)} for {fitting[0].filename}")
    return Verdict(checkable[0], "build", None)


@lru_cache(maxsize=4096)
def admits_python(requires_python: str | None, python: str) -> bool:
    """Whether a requires-python lets a minor version in. What cannot be parsed restricts nothing, as pip has it."""
    if not requires_python:
        return True
    try:
        # A target's Python is the newest patch of its minor version, whatever that number is.
        return SpecifierSet(requires_python).contains(f"{python}.99", prereleases=True)
    except InvalidSpecifier:
        return True


def _tags_of(filename: str) -> set[str]:
    try:
        return {str(tag) for tag in parse_wheel_filename(filename)[3]}
    except InvalidWheelFilename:
        return set()


def _preference(each: UpstreamFile) -> tuple[int, str]:
    """A .tar.gz before others: it is what build backends make and keeps file modes."""
    return (0 if each.filename.endswith(".tar.gz") else 1, each.filename)
