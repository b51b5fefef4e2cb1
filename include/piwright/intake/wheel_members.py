"""Judges the members of a wheel's zip by what the central directory says of them: paths, kinds, names that collide.

    judge_member(entry)      # ["'../x' leads out of its directory"]
    judge_names(entries)     # ["'a.py' is there twice"]

Pure: nothing is read from the archive. `wheel_archive` compares what is said here with what is there.
"""

import bisect
import re
import stat
import unicodedata
import zipfile
from collections.abc import Iterable

from piwright.intake.untrusted import clean_text
from piwright.intake.zip_directory import ENCRYPTED, MASKED, PATCHED, SIZES_FOLLOW, STRONG, UNICODE_PATH, Entry

_DIRECTORY, _REPARSE_POINT = 0x10, 0x400
"""What MS-DOS and Windows write among the attributes of what is no file."""
OTHERWISE = {
    0x000D: "another kind or target in a Unix field",
    0x0017: "encryption in an extra field",
    0x756E: "another kind or target in a Unix field",
    UNICODE_PATH: "a second name in a Unicode path field",
    0x9901: "encryption in an extra field",
}
"""Extra fields by which some reader finds another member than the rest."""


def judge_member(entry: Entry) -> list[str]:
    """What is wrong with one member by itself."""
    shown = repr(clean_text(entry.name, 120))
    reasons = [f"{shown} {reason}" for reason in _judge_path(entry.name)]
    kind = stat.S_IFMT(entry.mode)
    if kind not in (0, stat.S_IFDIR if entry.is_directory else stat.S_IFREG):
        what = "a symbolic link" if kind == stat.S_IFLNK else f"no regular file (mode {entry.mode:o})"
        reasons.append(f"{shown} is {what}")
    elif entry.mode & 0o7000 and not entry.is_directory:
        reasons.append(f"{shown} has the special mode {entry.mode & 0o7777:o}")
    elif entry.attributes & (_REPARSE_POINT if entry.is_directory else _REPARSE_POINT | _DIRECTORY):
        reasons.append(f"{shown} is no regular file (attributes {entry.attributes & 0xFFFF:#x})")
    if entry.is_directory and (entry.size or entry.packed > 2):
        reasons.append(f"{shown} is a directory with content")
    if entry.flags & (ENCRYPTED | STRONG | MASKED):
        reasons.append(f"{shown} is encrypted")
    if entry.flags & PATCHED:
        reasons.append(f"{shown} is a patch for another file")
    if entry.method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        reasons.append(f"{shown} is packed with method {entry.method}; wheels are stored or deflated")
    if entry.method == zipfile.ZIP_STORED and entry.size != entry.packed:
        reasons.append(f"{shown} is stored as it is, yet {entry.packed} bytes are to be {entry.size}")
    if entry.method == zipfile.ZIP_STORED and entry.flags & SIZES_FOLLOW and entry.packed:
        reasons.append(f"{shown} is stored as it is, and how long it is stands behind it")
    reasons += [f"{shown} has {what}" for kind, what in OTHERWISE.items() if kind in entry.extra]
    return reasons


def _judge_path(name: str) -> list[str]:
    """What is wrong with a member's path, for any reader that joins it to a directory."""
    parts = name.removesuffix("/").split("/")
    reasons = []
    if name.startswith("/"):
        reasons.append("is an absolute path")
    elif re.match(r"[A-Za-z]:", name):
        reasons.append("starts with a drive")
    elif ".." in parts:
        reasons.append("leads out of its directory")
    elif "" in parts or "." in parts:
        reasons.append("has an empty part in its path")
    if "\\" in name:
        reasons.append("has a backslash in its path")
    # ASCII is by far the most frequent; a name in it has no others than these.
    if name.isascii():
        if not name.isprintable():
            reasons.append("has a control character in its path")
    elif any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in name):
        reasons.append("has a control character in its path")
    encoded = parts if name.isascii() else [part.encode("utf-8", "replace") for part in parts]
    if len(name) > 1000 or len(parts) > 100 or max(map(len, encoded)) > 255:
        reasons.append("has a path that is too long or too deep")
    return reasons


def judge_names(entries: Iterable[Entry]) -> list[str]:
    """Members that would overwrite each other when unpacked, on some file system."""
    reasons: list[str] = []
    seen: dict[str, str] = {}
    for entry in entries:
        folded = fold(entry.name)
        if folded not in seen:
            seen[folded] = entry.name
        elif seen[folded] == entry.name:
            reasons.append(f"{entry.name!r} is there twice")
        else:
            reasons.append(f"{entry.name!r} and {seen[folded]!r} differ only in case or spelling")
    # In order, whatever lies below a file comes after its name with a slash. (A set of all parents would take gigabytes
    # for names that are nothing but directories.)
    in_order = sorted(seen)
    for folded, name in seen.items():
        if name.endswith("/"):
            continue
        below = bisect.bisect_left(in_order, f"{folded}/")
        if below < len(in_order) and in_order[below].startswith(f"{folded}/"):
            reasons.append(f"{name!r} is both a file and the directory of {seen[in_order[below]]!r}")
    return reasons


def fold(path: str) -> str:
    """A path as the most forgiving file system compares it: neither case nor the way accents are written matter."""
    path = path.removesuffix("/")
    return (
        path.lower() if path.isascii() else unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())
    )
