"""Judges the members of a wheel's zip by what the central directory says of them: paths, kinds, names that collide.

    judge_member(info)      # ["'../x' leads out of its directory"]
    judge_names(infos)      # ["'a.py' is there twice"]

Pure: nothing is read from the archive. `wheel_archive` compares what is said here with what is there.
"""

import re
import stat
import struct
import unicodedata
import zipfile
from collections.abc import Iterator

from piwright.intake.untrusted import clean_text

ENCRYPTED = 0x1
"""The bit of a member's flags that says so."""
UNICODE_PATH = 0x7075
"""The extra field with a second name for a member."""


def judge_member(info: zipfile.ZipInfo) -> list[str]:
    """What is wrong with one member by itself."""
    shown = repr(clean_text(info.orig_filename, 120))
    if reasons := [f"{shown} {reason}" for reason in _judge_path(info.orig_filename)]:
        return reasons  # an empty or cut-off name makes `zipfile` itself stumble below
    mode = info.external_attr >> 16
    kind = stat.S_IFMT(mode)
    if kind not in (0, stat.S_IFDIR if info.is_dir() else stat.S_IFREG):
        what = "a symbolic link" if kind == stat.S_IFLNK else f"no regular file (mode {mode:o})"
        reasons.append(f"{shown} is {what}")
    elif mode & 0o7000 and not info.is_dir():
        reasons.append(f"{shown} has the special mode {mode & 0o7777:o}")
    if info.is_dir() and (info.file_size or info.compress_size > 2):
        reasons.append(f"{shown} is a directory with content")
    if info.flag_bits & ENCRYPTED:
        reasons.append(f"{shown} is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        reasons.append(f"{shown} is packed with method {info.compress_type}; wheels are stored or deflated")
    if any(kind == UNICODE_PATH for kind, _ in extra_fields(info.extra)):
        reasons.append(f"{shown} has a second name in a Unicode path field")
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
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name):
        reasons.append("has a control character in its path")
    if len(name) > 1000 or len(parts) > 100 or any(len(part.encode("utf-8", "replace")) > 255 for part in parts):
        reasons.append("has a path that is too long or too deep")
    return reasons


def judge_names(infos: list[zipfile.ZipInfo]) -> list[str]:
    """Members that would overwrite each other when unpacked, on some file system."""
    reasons: list[str] = []
    seen: dict[str, str] = {}
    for info in infos:
        name = info.filename.removesuffix("/")
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded not in seen:
            seen[folded] = info.filename
        elif seen[folded] == info.filename:
            reasons.append(f"{name!r} is there twice")
        else:
            reasons.append(f"{name!r} and {seen[folded]!r} differ only in case or spelling")
    files = {folded for folded, name in seen.items() if not name.endswith("/")}
    for folded, name in seen.items():
        parent = folded.rpartition("/")[0]
        while parent:
            if parent in files:
                reasons.append(f"{seen[parent]!r} is both a file and the directory of {name!r}")
                break
            parent = parent.rpartition("/")[0]
    return reasons


def extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    """(identifier, content) of each extra field; what is too short for one ends the list."""
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, position)
        yield kind, extra[position + 4 : position + 4 + length]
        position += 4 + length
