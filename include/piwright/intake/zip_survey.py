"""Walks a zip from its first byte on and compares what lies there with what the central directory says.

    members = survey(stream, entries, directory_start)      # DirectoryDamaged

Each member starts where the one before ends, and the directory where the last one ends; no byte belongs to nothing. So
a reader that goes along the stream finds the same members as one that goes by the directory.
"""

import struct
from dataclasses import dataclass
from typing import BinaryIO

from piwright.intake.wheel_members import OTHERWISE
from piwright.intake.zip_directory import NEWEST, SIZES_FOLLOW, ZIP64, DirectoryDamaged, Entry, read_extra

_LOCAL = struct.Struct("<4s5H3L2H")
_WITHIN_32_BITS = 0xFFFFFFFF
_DEFLATE_OPTIONS = 0x6  # bits of a member's flags that no reader needs


@dataclass(frozen=True)
class Member:
    """A file in the archive: where its data lies, packed and unpacked bytes, how it is packed, its CRC-32."""

    name: str
    start: int
    packed: int
    size: int
    method: int
    crc: int


def survey(stream: BinaryIO, entries: list[Entry], directory_start: int) -> dict[str, Member]:
    """The files among `entries`, by name, once every byte before the directory is accounted for."""
    members: dict[str, Member] = {}
    position = 0
    in_place = sorted(entries, key=lambda each: each.start)
    starts = [*(each.start for each in in_place), directory_start]
    for entry, following in zip(in_place, starts[1:], strict=True):
        if entry.start != position:
            raise DirectoryDamaged(f"{entry.name!r} overlaps another member or follows bytes that belong to nothing")
        start, wide = _check_local_header(stream, entry)
        position = start + entry.packed
        if position > directory_start:
            raise DirectoryDamaged(f"{entry.name!r} reaches into the central directory")
        if entry.flags & SIZES_FOLLOW:
            position += _check_descriptor(stream, position, following, entry, wide)
        if not entry.is_directory:
            members[entry.name] = Member(entry.name, start, entry.packed, entry.size, entry.method, entry.crc)
    if position != directory_start:
        raise DirectoryDamaged("it has bytes between the last member and the central directory that belong to nothing")
    return members


def _check_local_header(stream: BinaryIO, entry: Entry) -> tuple[int, bool]:
    """Where the data of a member starts, and whether its sizes have 64 bits.

    Raises `DirectoryDamaged` unless its local header agrees with the directory.
    """
    stream.seek(entry.start)
    raw = stream.read(_LOCAL.size)
    if len(raw) < _LOCAL.size or not raw.startswith(b"PK\x03\x04"):
        raise DirectoryDamaged(f"{entry.name!r} has no local header where the directory says")
    _, version, flags, method, _, _, crc, packed, size, name_length, extra_length = _LOCAL.unpack(raw)
    name = stream.read(name_length)
    extra = read_extra(stream.read(extra_length), repr(entry.name))
    wide = extra.get(ZIP64)
    if wide is not None and len(wide) != 16:
        raise DirectoryDamaged(f"{entry.name!r} has a local header with half of its 64-bit sizes")
    told = {(crc, packed, size)}
    if wide is not None:
        # Whichever pair a reader goes by is the truth: the wide one, and the narrow one where it is not full.
        wide_size, wide_packed = struct.unpack("<2Q", wide)
        told = {(crc, wide_packed, wide_size)}
        if not packed == size == _WITHIN_32_BITS:
            told.add((crc, packed, size))
    truth = {(entry.crc, entry.packed, entry.size)}
    if entry.flags & SIZES_FOLLOW:
        truth.add((0, 0, 0))  # it was written before they were known
    agrees = (
        (flags ^ entry.flags) & ~_DEFLATE_OPTIONS == 0
        and method == entry.method
        and name == entry.raw_name
        and version <= NEWEST
        and not OTHERWISE.keys() & extra.keys()
    )
    if not agrees or not told <= truth:
        raise DirectoryDamaged(f"{entry.name!r} has a local header that says other than the central directory")
    return stream.tell(), wide is not None


def _check_descriptor(stream: BinaryIO, position: int, following: int, entry: Entry, wide: bool) -> int:
    """Bytes of the CRC and sizes behind the data of a member written as a stream, up to where the next one starts.

    The signature is optional by the standard; but a reader that goes along the stream needs it to know where it is.
    """
    layout = struct.Struct("<4sL2Q" if wide else "<4s3L")
    stream.seek(position)
    raw = stream.read(layout.size)
    told = layout.unpack(raw) if following - position == len(raw) == layout.size else None
    if told == (b"PK\x07\x08", entry.crc, entry.packed, entry.size):
        return layout.size
    raise DirectoryDamaged(f"{entry.name!r} is followed by other sizes than the central directory has")
