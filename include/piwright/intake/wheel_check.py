"""Decides whether a wheel that a worker sent back may be published.

    wanted = Wanted(project="spidev", version="3.6", tags=target_tags)
    checked = check_wheel(path, wanted, Limits(), corrected_in=scratch)
    checked.sha256, checked.tags, checked.requires_python
    checked.corrections         # what its tags said wrongly, or could have said; `path` is the corrected file then

The file comes from a stranger's build on a machine that is not believed. Everything the index will say about it is
recomputed from its bytes, and everything an installer relies on is checked first; the rest of what may be inside is
for the installer's own eyes. `WheelRejected` carries every reason found.
"""

import hashlib
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from piwright.intake.elf_members import ElfLimits, Objects, read_objects
from piwright.intake.elf_summary import summarise
from piwright.intake.limits import Limits
from piwright.intake.platform_tags import judge_tags
from piwright.intake.retag import RetagError, retag
from piwright.intake.tag_set import TagSet
from piwright.intake.tag_verdict import Claim, Site, Verdict
from piwright.intake.untrusted import clean_text, open_regular
from piwright.intake.wheel_archive import Archive, ArchiveRejected, open_archive
from piwright.intake.wheel_layout import judge_layout
from piwright.intake.wheel_metadata import WheelTextError, parse_metadata, parse_wheel_info
from piwright.intake.wheel_name import FileName, Wanted, WheelRejected, judge_file_name, parse_file_name
from piwright.intake.wheel_record import check_record

__all__ = ["CheckedWheel", "Wanted", "WheelRejected", "check_wheel"]

_BUILD = re.compile(r"([0-9]{1,9})([A-Za-z0-9_.]*)")
_PURELIB = re.compile(rb"^root-is-purelib[ \t]*:[ \t]*true[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_MOST_REASONS = 20


@dataclass(frozen=True)
class CheckedWheel:
    """A wheel that may be published, as its bytes say it is.

    `tags` are written out one by one and sorted; `build_tag` is "" or a number with an optional suffix; `metadata` is
    the METADATA member, byte for byte. `received_sha256` and `received_size` are of the file as it came; `corrections`
    say why `path` is another one. `elf` is a summary of its objects, ready for JSON; `needed` are the sonames it wants
    from the system. `needs_distribution`: several Pythons and distributions could install it by its name, and not all
    would have what it needs: it belongs into this target's index only. `widened`: the project itself promised it for one
    platform only, so it must not keep other targets from building theirs.
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
    received_sha256: str
    received_size: int
    corrections: tuple[str, ...] = ()
    elf: dict[str, Any] = field(default_factory=dict)
    needed: tuple[str, ...] = ()
    needs_distribution: bool = False
    widened: bool = False
    summary: str = ""


def check_wheel(
    path: Path, wanted: Wanted, limits: Limits | None = None, corrected_in: Path | None = None
) -> CheckedWheel:
    """Check the wheel at `path`, whose last part is the name it would be published under.

    Tags that are wrong, and tags that could say more, are corrected in a copy in the directory `corrected_in`. Without
    one a wheel whose tags are untrue is refused, and one that only could say more is taken as it is. Time and memory
    are bounded by `limits`, whatever the file is. Raises `WheelRejected`.
    """
    limits = limits or Limits()
    checked, verdict = _check(path, wanted, limits)
    if checked.tags == verdict.tags.each():
        return checked
    if corrected_in is None:
        if verdict.untrue:
            raise WheelRejected(_cleaned(verdict.corrections))
        return checked
    try:
        corrected = retag(path, None, corrected_in, tags=verdict.tags, purelib=verdict.purelib)
    except RetagError as error:
        raise WheelRejected(_cleaned((*verdict.corrections, str(error)))) from None
    again, settled = _check(corrected, wanted, limits)
    if settled.untrue:
        raise WheelRejected(_cleaned((*verdict.corrections, *settled.corrections)))
    return replace(
        again,
        received_sha256=checked.sha256,
        received_size=checked.size,
        corrections=_cleaned(verdict.corrections),
        widened=verdict.widened,
    )


def _check(path: Path, wanted: Wanted, limits: Limits) -> tuple[CheckedWheel, Verdict]:
    name = parse_file_name(path.name)
    reasons = judge_file_name(name, wanted)
    if reasons:
        raise WheelRejected(tuple(reasons))
    try:
        with open_archive(path, limits) as archive:
            checked, purelib = _check_content(path, name, archive, limits)
            objects = read_objects(archive, ElfLimits())
            sourceless = _has_sourceless(archive)
    except (ArchiveRejected, WheelTextError) as error:
        raise WheelRejected(getattr(error, "reasons", None) or (clean_text(str(error), 500),)) from None
    claim = Claim(TagSet.parse("-".join(path.stem.split("-")[-3:])), purelib, sourceless)
    return _with_verdict(checked, claim, objects, wanted)


def _with_verdict(
    checked: CheckedWheel, claim: Claim, objects: Objects, wanted: Wanted
) -> tuple[CheckedWheel, Verdict]:
    verdict = judge_tags(claim, objects, Site(wanted.architecture, wanted.python, wanted.libc))
    if verdict.reasons:
        raise WheelRejected(_cleaned(verdict.reasons))
    if not set(verdict.tags.each()) & set(wanted.tags):
        lost = f"it would have to be tagged {verdict.tags}, which the target cannot install"
        raise WheelRejected(_cleaned((*verdict.corrections, lost)))
    checked = replace(
        checked,
        elf=summarise(verdict),
        needed=verdict.needed,
        needs_distribution=verdict.needs_distribution,
    )
    return checked, verdict


def _cleaned(reasons: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(clean_text(reason, 500) for reason in reasons[:_MOST_REASONS])


def _has_sourceless(archive: Archive) -> bool:
    """Bytecode that stands for a module by itself; in __pycache__ it is a copy."""
    return any(name.endswith(".pyc") and "/__pycache__/" not in f"/{name}" for name in archive.members)


def _check_content(path: Path, name: FileName, archive: Archive, limits: Limits) -> tuple[CheckedWheel, bool]:
    """What its members say, and whether WHEEL says purelib."""
    dist_info = _find_dist_info(archive, name)
    metadata = _read_needed(archive, f"{dist_info}/METADATA", limits.metadata_bytes)
    wheel_info = _read_needed(archive, f"{dist_info}/WHEEL", limits.wheel_info_bytes)
    info = parse_wheel_info(wheel_info)
    parsed = parse_metadata(metadata)
    reasons = judge_layout(archive, dist_info)
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
    checked = CheckedWheel(
        path=path,
        filename=path.name,
        sha256=sha256,
        size=size,
        tags=tuple(sorted(map(str, name.tags))),
        build_tag=name.build,
        requires_python=parsed.requires_python,
        summary=parsed.summary,
        metadata=metadata,
        metadata_sha256=hashlib.sha256(metadata).hexdigest(),
        received_sha256=sha256,
        received_size=size,
    )
    return checked, _PURELIB.search(wheel_info) is not None


def _find_dist_info(archive: Archive, name: FileName) -> str:
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
