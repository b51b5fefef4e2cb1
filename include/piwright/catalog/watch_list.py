"""The watch list: which projects, and which of their releases, the shop looks at.

    watch_list = read_watch_list(Path("config/watch.txt"))
    watch_list.specifiers["spidev"]                     # (SpecifierSet('>=3.5'), SpecifierSet('==3.2'))
    append_line(Path("config/watch.txt"), "evdev>=1.9") # True: it was not there yet

The file has one requirement specifier a line, comments from `#` on, and blank lines. Several lines of one project add
up: a release is wanted when any of them admits it. A line that cannot be used is a problem, and the rest goes on.
"""

import fcntl
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from piwright.catalog.problem import Problem

_COMMENT = re.compile(r"(^|\s)#.*$")
_LONGEST = 500


class WatchListError(ValueError):
    """A watch list that cannot be read, or a line that cannot be added to it; the message says what to do."""


@dataclass(frozen=True)
class WatchEntry:
    """One line: `name` normalised, `display_name` as written, `specifier` in canonical spelling ("" admits all)."""

    line: int
    name: NormalizedName
    display_name: str
    specifier: str


@dataclass(frozen=True)
class WatchList:
    """What the file says. `entries` are in the order of the file and have no duplicates."""

    entries: tuple[WatchEntry, ...]
    problems: tuple[Problem, ...] = ()

    @cached_property
    def specifiers(self) -> dict[NormalizedName, tuple[SpecifierSet, ...]]:
        """Of every project watched, the specifiers that add up."""
        gathered: dict[NormalizedName, list[SpecifierSet]] = {}
        for entry in self.entries:
            gathered.setdefault(entry.name, []).append(SpecifierSet(entry.specifier))
        return {name: tuple(specifiers) for name, specifiers in gathered.items()}


def read_watch_list(path: Path) -> WatchList:
    """Read a watch list. Raises `WatchListError` when the file cannot be read at all."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WatchListError(
            f"The watch list {path} cannot be read ({error.strerror}): create it, or name another with"
            " PIWRIGHT_WATCH_FILE."
        ) from error
    return parse_watch_list(content)


def parse_watch_list(content: bytes) -> WatchList:
    """The watch list in the bytes of its file."""
    entries: dict[tuple[str, str], WatchEntry] = {}
    problems: list[Problem] = []
    for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        try:
            entry = _parse_line(number, _without_comment(_decoded(raw)))
        except WatchListError as error:
            problems.append(Problem(f"line {number}", str(error)))
            continue
        if entry is not None:
            entries.setdefault((entry.name, entry.specifier), entry)
    return WatchList(tuple(entries.values()), tuple(problems))


def admits(specifiers: Iterable[SpecifierSet], version: Version) -> bool:
    """Whether any specifier admits a version, judged by itself: a pre-release only where a specifier asks for one.

    With all versions of a project at hand use `admitted`, which knows the other half of the rule.
    """
    return any(
        specifier.contains(version, prereleases=bool(specifier.prereleases) or not version.is_prerelease)
        for specifier in specifiers
    )


def admitted(specifiers: Iterable[SpecifierSet], versions: Iterable[Version]) -> set[Version]:
    """The versions of a project that any specifier admits.

    The standard's rule for pre-releases: a specifier admits them when it asks for one, or when nothing else matches.
    """
    known = list(versions)
    return {version for specifier in specifiers for version in specifier.filter(known)}


def newest_admitted(specifier: SpecifierSet, versions: Iterable[Version]) -> Version | None:
    """The newest version that one specifier admits, by the same rule; None when it admits none."""
    return max(specifier.filter(list(versions)), default=None)


def append_line(path: Path, requirement: str) -> bool:
    """Add a requirement to the end of a watch list, whose lines and comments stay; False when it says so already.

    The file is replaced in one step, so that a reader sees the old list or the new one; a missing file is created.
    Raises `WatchListError` when the requirement cannot be watched.
    """
    line = requirement.strip()
    if "\n" in line or "\r" in line:
        raise WatchListError(f"{line!r} has more than one line: add one requirement at a time.")
    added = _parse_line(0, _without_comment(line))
    if added is None:
        raise WatchListError("there is nothing to add: give a requirement, such as spidev or spidev>=3.5.")
    path = path.resolve()  # a link to the list stays a link
    with _locked(path.parent):
        content = path.read_bytes() if path.exists() else b""
        present = {(entry.name, entry.specifier) for entry in parse_watch_list(content).entries}
        if (added.name, added.specifier) in present:
            return False
        ending = b"\r\n" if b"\r\n" in content else b"\n"
        if content and not content.endswith(b"\n"):
            content += ending
        _replace(path, content + line.encode() + ending)
        return True


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise WatchListError(f"{raw[:60]!r} is not UTF-8: save the file in that encoding.") from error


def _without_comment(line: str) -> str:
    return _COMMENT.sub("", line).strip()


def _parse_line(number: int, text: str) -> WatchEntry | None:
    if not text:
        return None
    if len(text) > _LONGEST:
        raise WatchListError(f"the line has {len(text)} characters, more than {_LONGEST}: write one project a line.")
    if text.startswith("-"):
        raise WatchListError(f"{text!r} is an option of pip: write the names of projects, one a line.")
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        raise WatchListError(
            f"{text!r} is no requirement specifier ({reason}): write a project name and, if you like, versions, such as"
            " spidev>=3.5."
        ) from error
    bare = f"{requirement.name}{requirement.specifier}"
    if requirement.url is not None:
        raise WatchListError(
            f"{text!r} names an address, and the shop builds what upstream's index has: write {requirement.name} alone."
        )
    if requirement.extras:
        raise WatchListError(
            f"{text!r} has extras, which change what is installed and not what is built: write {bare}, and a line for"
            " each project that the extra needs."
        )
    if requirement.marker is not None:
        raise WatchListError(
            f"{text!r} has an environment marker, and what a target needs is decided from the files: write {bare}."
        )
    return WatchEntry(number, canonicalize_name(requirement.name), requirement.name, str(requirement.specifier))


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    # The directory, not the file: the file is replaced, and a lock on the old one would keep nobody out.
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise WatchListError(f"The directory {directory} of the watch list: {error.strerror}.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(path: Path, content: bytes) -> None:
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".new")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
