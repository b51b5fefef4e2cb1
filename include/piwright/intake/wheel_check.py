"""Decides whether a wheel that a worker sent back may be published.

    wanted = Wanted(project="spidev", version="3.6", tags=target_tags)
    checked = check_wheel(path, wanted, Limits())
    checked.sha256, checked.tags, checked.requires_python

The file comes from a stranger's build on a machine that is not believed. Everything the index will say about it is
recomputed from its bytes, and everything an installer relies on is checked first; the rest of what may be inside is
for the installer's own eyes. `WheelRejected` carries every reason found.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from packaging.tags import Tag
from packaging.utils import (
    InvalidName,
    InvalidWheelFilename,
    NormalizedName,
    canonicalize_name,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from piwright.intake.limits import Limits
from piwright.intake.untrusted import clean_text, open_regular
from piwright.intake.wheel_archive import Archive, ArchiveRejected, open_archive
from piwright.intake.wheel_metadata import WheelTextError, parse_metadata, parse_wheel_info
from piwright.intake.wheel_record import check_record

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,239}\.whl")
_BUILD = re.compile(r"([0-9]{1,9})([A-Za-z0-9_.]*)")
_SCHEMES = frozenset({"purelib", "platlib", "headers", "scripts", "data"})
_MOST_REASONS = 20
_MOST_TAGS = 500


class WheelRejected(ValueError):
    """A wheel that is not published; `reasons` has one sentence for each thing that is wrong."""

    def __init__(self, reasons: tuple[str, ...]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


@dataclass(frozen=True)
class Wanted:
    """What was asked for: normalised project name, version, and the tags the target can install, best first."""

    project: str
    version: str
    tags: tuple[str, ...]


@dataclass(frozen=True)
class CheckedWheel:
    """A wheel that may be published, as its bytes say it is.

    `tags` are written out one by one and sorted; `build_tag` is "" or a number with an optional suffix; `metadata` is
    the METADATA member, byte for byte.
    """

    path: Path
    filename: str
    sha256: str
    size: int
    tags: tuple[str, ...]
    build_tag: str
    requires_python: str | None
    metadata: bytes
    metadata_sha256: str


@dataclass(frozen=True)
class _FileName:
    project: NormalizedName
    version: Version
    build: str
    tags: frozenset[Tag]


def check_wheel(path: Path, wanted: Wanted, limits: Limits | None = None) -> CheckedWheel:
    """Check the wheel at `path`, whose last part is the name it would be published under.

    Time and memory are bounded by `limits`, whatever the file is. Raises `WheelRejected`.
    """
    limits = limits or Limits()
    name = _parse_file_name(path.name)
    reasons = _judge_file_name(name, wanted)
    if reasons:
        raise WheelRejected(tuple(reasons))
    try:
        with open_archive(path, limits) as archive:
            checked = _check_content(path, name, archive, limits)
    except (ArchiveRejected, WheelTextError) as error:
        raise WheelRejected(getattr(error, "reasons", None) or (clean_text(str(error), 500),)) from None
    return checked


def _parse_file_name(filename: str) -> _FileName:
    shown = clean_text(filename, 250)
    if not _PLAIN_NAME.fullmatch(filename):
        raise WheelRejected((f"{shown!r} is no wheel's file name",))
    try:
        project, version, build, tags = parse_wheel_filename(filename)
    except (InvalidWheelFilename, InvalidVersion, InvalidName, ValueError) as error:
        raise WheelRejected((clean_text(str(error), 300),)) from None
    if len(tags) > _MOST_TAGS:
        raise WheelRejected((f"{shown!r} stands for {len(tags)} tags; at most {_MOST_TAGS} are accepted",))
    return _FileName(project, version, "".join(map(str, build)), tags)


def _judge_file_name(name: _FileName, wanted: Wanted) -> list[str]:
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
    platforms = {tag.rpartition("-")[2] for tag in wanted.tags} | {"any"}
    if foreign := sorted({tag.platform for tag in name.tags} - platforms):
        reasons.append(f"it claims platforms the target does not have: {', '.join(foreign[:10])}")
    return reasons


def _check_content(path: Path, name: _FileName, archive: Archive, limits: Limits) -> CheckedWheel:
    dist_info = _find_dist_info(archive, name)
    metadata = _read_needed(archive, f"{dist_info}/METADATA", limits.metadata_bytes)
    info = parse_wheel_info(_read_needed(archive, f"{dist_info}/WHEEL", limits.wheel_info_bytes))
    parsed = parse_metadata(metadata)
    reasons = _judge_layout(archive, dist_info)
    if parsed.name != name.project:
        reasons.append(f"METADATA says the name is {parsed.name}, the file name says {name.project}")
    if parsed.version != name.version:
        reasons.append(f"METADATA says the version is {parsed.version}, the file name says {name.version}")
    if info.tags != name.tags:
        differing = sorted(map(str, info.tags ^ name.tags))
        reasons.append(f"WHEEL and the file name differ in tags: {', '.join(differing[:10])}")
    if _build_number(info.build) != _build_number(name.build):
        reasons.append(f"WHEEL says the build is {info.build or 'none'}, the file name says {name.build or 'none'}")
    reasons += check_record(archive, dist_info, limits)
    if reasons:
        raise WheelRejected(tuple(clean_text(reason, 500) for reason in reasons[:_MOST_REASONS]))
    sha256, size = _digest(path, limits)
    return CheckedWheel(
        path=path,
        filename=path.name,
        sha256=sha256,
        size=size,
        tags=tuple(sorted(map(str, name.tags))),
        build_tag=name.build,
        requires_python=parsed.requires_python,
        metadata=metadata,
        metadata_sha256=hashlib.sha256(metadata).hexdigest(),
    )


def _find_dist_info(archive: Archive, name: _FileName) -> str:
    """The one `<name>-<version>.dist-info` at the top. Old tools spell it other than the file name."""
    tops = {member.split("/", 1)[0] for member in archive.members}
    found = sorted(top for top in tops if top.lower().endswith(".dist-info"))
    if len(found) != 1:
        raise ArchiveRejected(f"it has {len(found)} .dist-info directories; one was expected")
    project, _, version = found[0][: -len(".dist-info")].rpartition("-")
    try:
        same = canonicalize_name(project) == name.project and Version(version) == name.version
    except InvalidVersion:
        same = False
    if not same or not found[0].endswith(".dist-info"):
        raise ArchiveRejected(f"{found[0]!r} does not belong to the file name")
    return found[0]


def _read_needed(archive: Archive, member: str, max_bytes: int) -> bytes:
    if member not in archive.members:
        raise ArchiveRejected(f"{member} is missing")
    return archive.read(member, max_bytes)


def _judge_layout(archive: Archive, dist_info: str) -> list[str]:
    """What `.data` may hold: the install schemes, and no second .dist-info that would land in site-packages."""
    reasons = []
    data = dist_info.removesuffix(".dist-info") + ".data"
    for member in archive.members:
        top, _, rest = member.partition("/")
        if not top.endswith(".data") or not rest:
            continue
        scheme, _, inner = rest.partition("/")
        if top != data:
            reasons.append(f"{member!r} is data of another distribution")
        elif scheme not in _SCHEMES or not inner:
            reasons.append(f"{member!r} is for no install scheme")
        elif scheme in ("purelib", "platlib") and inner.split("/", 1)[0].lower().endswith(".dist-info"):
            reasons.append(f"{member!r} would install another .dist-info")
    return reasons


def _build_number(text: str | None) -> tuple[int, str] | None:
    """The build number as installers order it; None where there is none. What is no number equals no number."""
    if not text:
        return None
    match = _BUILD.fullmatch(text)
    return (int(match[1]), match[2]) if match else (-1, text)


def _digest(path: Path, limits: Limits) -> tuple[str, int]:
    with open_regular(path, limits.wheel_bytes) as stream:
        digest = hashlib.sha256()
        while chunk := stream.read(1 << 18):
            digest.update(chunk)
        return digest.hexdigest(), stream.tell()
