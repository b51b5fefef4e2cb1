"""Compares the file name of a wheel with what was asked for.

    name = parse_file_name("spidev-3.6-cp311-cp311-linux_armv7l.whl")
    judge_file_name(name, Wanted(project="spidev", version="3.6", tags=target_tags))       # []: nothing is wrong

Pure. What is inside is for `wheel_check`.
"""

import re
from dataclasses import dataclass

from packaging.tags import Tag
from packaging.utils import (
    InvalidName,
    InvalidWheelFilename,
    NormalizedName,
    canonicalize_name,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from piwright.intake.untrusted import clean_text

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,235}\.whl")
"""At most 240 characters: a file system takes 255, and the longest name beside it ends in `.metadata.zst`."""

_OWN_ABI = re.compile(r"cp3([0-9]{1,3})-cp3\1-")
_MOST_TAGS = 500


class WheelRejected(ValueError):
    """A wheel that is not published; `reasons` has one sentence for each thing that is wrong."""

    def __init__(self, reasons: tuple[str, ...]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


@dataclass(frozen=True)
class Wanted:
    """What was asked for: normalised project name, version, and the tags the target can install, best first.

    `architecture` is the target's, such as "armv7l", and `libc` such as ("glibc", 2, 36). Where they are not known,
    objects are only compared with what the wheel itself claims.
    """

    project: str
    version: str
    tags: tuple[str, ...]
    architecture: str = ""
    libc: tuple[str, int, int] | None = None

    @property
    def python(self) -> tuple[int, int] | None:
        """The target's Python, by the ABI that only one Python has."""
        match = next(filter(None, map(_OWN_ABI.match, self.tags)), None)
        return (3, int(match[1])) if match else None


@dataclass(frozen=True)
class FileName:
    """The parts of a wheel's file name; `build` is "" or a number with an optional suffix."""

    project: NormalizedName
    version: Version
    build: str
    tags: frozenset[Tag]


def parse_file_name(filename: str) -> FileName:
    """Read a file name. Raises `WheelRejected`."""
    shown = clean_text(filename, 250)
    if not _PLAIN_NAME.fullmatch(filename):
        raise WheelRejected((f"{shown!r} is no wheel's file name",))
    try:
        project, version, build, tags = parse_wheel_filename(filename)
    except (InvalidWheelFilename, InvalidVersion, InvalidName, ValueError) as error:
        raise WheelRejected((clean_text(str(error), 300),)) from None
    if len(tags) > _MOST_TAGS:
        raise WheelRejected((f"{shown!r} stands for {len(tags)} tags; at most {_MOST_TAGS} are accepted",))
    return FileName(project, version, "".join(map(str, build)), tags)


def judge_file_name(name: FileName, wanted: Wanted) -> list[str]:
    """What keeps it from being what was asked for."""
    reasons = []
    if name.project != canonicalize_name(wanted.project):
        reasons.append(f"it is a wheel of {name.project}; {wanted.project} was asked for")
    # `==` on purpose: 1.0 and 1.0.0 are one version to every installer; a local part makes another.
    if name.version != Version(wanted.version):
        reasons.append(f"it has version {name.version}; {wanted.version} was asked for")
    tags = sorted(map(str, name.tags))
    if not set(tags) & set(wanted.tags):
        reasons.append(f"the target can install none of its tags: {', '.join(tags[:10])}")
        return reasons
    # One tag the target knows must not carry others along: a Pi cannot vouch for a wheel of another system.
    # ARMv6 beside ARMv7 is judged by the objects.
    platforms = {tag.rpartition("-")[2] for tag in wanted.tags} | {"any"}
    if platforms & {"linux_armv6l", "linux_armv7l"}:
        platforms |= {"linux_armv6l", "linux_armv7l"}
    if foreign := sorted({tag.platform for tag in name.tags} - platforms):
        reasons.append(f"it claims platforms the target does not have: {', '.join(foreign[:10])}")
    return reasons
