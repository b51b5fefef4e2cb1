"""Reads a zip's central directory strictly: every byte belongs to an entry, and there is one way to read each.

    for entry in read_directory(content, count=3): entry.name, entry.start, entry.size      # DirectoryDamaged

`zipfile` reads entries until the bytes run out, whatever number of them the archive announces; takes a name or field
that is cut off for a short one; decodes a name that is not marked as UTF-8 in a code page of 1981; and takes 64-bit
sizes only where a size has no room. Other readers decide otherwise, and would unpack other files.
"""

import struct
from dataclasses import dataclass

from piwright.intake.untrusted import clean_text

ENCRYPTED, SIZES_FOLLOW, PATCHED, STRONG, UTF8, MASKED = 0x1, 0x8, 0x20, 0x40, 0x800, 0x2000
"""Bits of a member's flags."""
ZIP64, UNICODE_PATH = 0x0001, 0x7075
"""Extra fields: sizes in 64 bits, and a second name for a member."""

NEWEST = 63
"""Version of the format, in tenths, that `zipfile` and its like know."""

_ENTRY = struct.Struct("<4s4B4HL2L5H2L")
_WITHIN_32_BITS = 0xFFFFFFFF


class DirectoryDamaged(ValueError):
    """A central directory that two readers could read in two ways; the message says where."""


@dataclass(frozen=True)
class Entry:
    """What the directory says of a member. `start` is where its local header lies, `mode` its Unix mode, 0 if none."""

    name: str
    raw_name: bytes
    start: int
    packed: int
    size: int
    crc: int
    method: int
    flags: int
    attributes: int
    extra: dict[int, bytes]

    @property
    def is_directory(self) -> bool:
        return self.name.endswith("/")

    @property
    def mode(self) -> int:
        return self.attributes >> 16


def read_directory(content: bytes, count: int) -> list[Entry]:
    """The entries of a central directory that announces `count` of them. Raises `DirectoryDamaged`."""
    entries: list[Entry] = []
    position = 0
    while position < len(content):
        if len(entries) == count:
            raise DirectoryDamaged(f"its central directory has more than the {count} members it announces")
        entry, position = _read_entry(content, position)
        entries.append(entry)
    if len(entries) != count:
        raise DirectoryDamaged(f"its central directory has {len(entries)} members and announces {count}")
    return entries


def _read_entry(content: bytes, position: int) -> tuple[Entry, int]:
    if len(content) - position < _ENTRY.size or content[position : position + 4] != b"PK\x01\x02":
        raise DirectoryDamaged("its central directory is damaged")
    (_, _, _, version, _, flags, method, _, _, crc, packed, size, name_length, extra_length, comment_length, disk, _,
     attributes, start) = _ENTRY.unpack_from(content, position)  # fmt: skip
    name_end = position + _ENTRY.size + name_length
    end = name_end + extra_length + comment_length
    if end > len(content):
        raise DirectoryDamaged("its central directory is damaged: an entry is cut off")
    raw_name = content[name_end - name_length : name_end]
    name = _decode(raw_name, flags)
    shown = repr(clean_text(name, 120))
    if disk or version > NEWEST:
        raise DirectoryDamaged(f"{shown} is on another disk, or needs a later format than wheels have")
    extra = read_extra(content[name_end : name_end + extra_length], shown)
    size, packed, start = _widen(extra.get(ZIP64), (size, packed, start), shown)
    return Entry(name, raw_name, start, packed, size, crc, method, flags, attributes, extra), end


def _decode(raw_name: bytes, flags: int) -> str:
    try:
        return raw_name.decode("utf-8" if flags & UTF8 else "ascii")
    except UnicodeDecodeError:
        shown = repr(clean_text(raw_name.decode("utf-8", "replace"), 120))
        raise DirectoryDamaged(f"{shown} has a name that is neither ASCII nor UTF-8 and marked as such") from None


def read_extra(content: bytes, shown: str) -> dict[int, bytes]:
    """Content of each extra field by its number. Raises `DirectoryDamaged` if one is cut off or there twice."""
    fields: dict[int, bytes] = {}
    position = 0
    while position < len(content):
        if position + 4 > len(content):
            raise DirectoryDamaged(f"{shown} has extra fields that are cut off")
        kind, length = struct.unpack_from("<HH", content, position)
        position += 4 + length
        if position > len(content):
            raise DirectoryDamaged(f"{shown} has extra fields that are cut off")
        if kind in fields:
            raise DirectoryDamaged(f"{shown} has the extra field {kind:#06x} twice")
        fields[kind] = content[position - length : position]
    return fields


def _widen(wide: bytes | None, narrow: tuple[int, ...], shown: str) -> tuple[int, ...]:
    """The sizes and offset with those from the 64-bit field that have no room in 32 bits: exactly those are there."""
    missing = narrow.count(_WITHIN_32_BITS)
    if len(wide or b"") != 8 * missing:
        raise DirectoryDamaged(f"{shown} has 64-bit sizes beside ordinary ones, or lacks them")
    found = iter(struct.unpack(f"<{missing}Q", wide or b""))
    return tuple(next(found) if value == _WITHIN_32_BITS else value for value in narrow)
