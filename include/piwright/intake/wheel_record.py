"""Checks a wheel's RECORD against every byte of the wheel.

`installer` judges the form of RECORD and which members it names; hashes are computed here, from the same bounded
reading that enforces the declared sizes, so that a bomb is never unpacked by anybody else. Beyond what installers ask
for, an entry without a member, two entries for one member and a weak hash are refused: a RECORD is a promise.
"""

import base64
import csv
import hashlib
import re
from collections.abc import Mapping

from installer.exceptions import InstallerError
from installer.records import InvalidRecordEntry, RecordEntry, parse_record_file
from installer.sources import WheelFile

from piwright.intake.limits import Limits
from piwright.intake.wheel_archive import Archive

_STRONG = ("sha256", "sha384", "sha512")
# Where `str.splitlines` and with it installers see the end of a row, and a reader of CSV does not.
_OTHER_LINE_BREAKS = rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xc2\x85|\xe2\x80[\xa8\xa9]"
_SIGNATURES = ("RECORD.jws", "RECORD.p7s")


def check_record(archive: Archive, dist_info: str, limits: Limits) -> list[str]:
    """What is wrong with RECORD; empty when every member is as it says. Reads the whole archive once.

    Raises `ArchiveRejected` when a member is not as the archive itself declares it.
    """
    name = f"{dist_info}/RECORD"
    if name not in archive.members:
        return ["RECORD is missing"]
    content = archive.read(name, limits.record_bytes)
    # Each row names one member. Counted before millions of them are objects in memory.
    if content.count(b"\n") + content.count(b"\r") > 2 * len(archive.members):
        return [f"RECORD has more rows than the wheel's {len(archive.members)} members"]
    if re.search(_OTHER_LINE_BREAKS, content):
        return ["RECORD has a control character or an odd line break in it"]
    try:
        rows = list(parse_record_file(content.decode("utf-8").splitlines()))
    except (UnicodeDecodeError, InvalidRecordEntry, csv.Error) as error:
        return [f"RECORD cannot be read: {error}"]
    return _judge_form(archive) + _judge_entries(archive, dist_info, rows)


def _judge_form(archive: Archive) -> list[str]:
    try:
        WheelFile(archive.zip_file).validate_record(validate_contents=False)
    except (InstallerError, ValueError) as error:
        issues = getattr(error, "issues", None) or [getattr(error, "reason", str(error))]
        where = f"In {archive.zip_file.filename}, "
        return [f"RECORD: {issue.replace(where, '')}" for issue in issues]
    return []


def _judge_entries(archive: Archive, dist_info: str, rows: list[tuple[str, str, str]]) -> list[str]:
    reasons: list[str] = []
    entries: dict[str, RecordEntry] = {}
    for path, hash_, size in rows:
        if path in entries:
            reasons.append(f"RECORD names {path!r} twice")
        if path not in archive.members:
            reasons.append(f"RECORD names {path!r}, which is not in the wheel")
        try:
            entries[path] = RecordEntry.from_elements(path, hash_, size)
        except InvalidRecordEntry:
            continue  # `installer` has named it
    return reasons + _judge_contents(archive, dist_info, entries)


def _judge_contents(archive: Archive, dist_info: str, entries: Mapping[str, RecordEntry]) -> list[str]:
    reasons: list[str] = []
    unhashed = {f"{dist_info}/{name}" for name in ("RECORD", *_SIGNATURES)}
    for name, member in archive.members.items():
        entry = entries.get(name)
        hash_ = entry.hash_ if entry and name not in unhashed else None
        if hash_ is not None and hash_.name not in _STRONG:
            reasons.append(f"RECORD has a {hash_.name} for {name!r}; sha256 or stronger was expected")
            hash_ = None
        digest = hashlib.new(hash_.name if hash_ else "sha256")
        for chunk in archive.chunks(name):  # also where there is nothing to compare: reading enforces the sizes
            digest.update(chunk)
        if hash_ and hash_.value.rstrip("=") != base64.urlsafe_b64encode(digest.digest()).decode().rstrip("="):
            reasons.append(f"RECORD has another hash for {name!r} than its content")
        if hash_ and entry and entry.size is not None and entry.size != member.size:
            reasons.append(f"RECORD has {entry.size} bytes for {name!r}, which has {member.size}")
    return reasons
