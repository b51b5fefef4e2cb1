"""Opens a wheel's zip as an attacker's: every byte of the file is accounted for before any of it is unpacked.

    with open_archive(path, limits) as archive:
        archive.members                        # name to Member, directories left out
        archive.read("spidev.py", max_bytes)   # the whole of a small member
        for chunk in archive.chunks("spidev.py"): ...

`zipfile` reads the central directory; installers such as uv go by the local headers in front of the data. A file for
which the two disagree, or that hides bytes between members, shows one content to one reader and another to the next,
so it is refused (`ArchiveRejected`), as upstream does at upload.
"""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from piwright.intake.limits import Limits
from piwright.intake.untrusted import FileRefused, clean_text, open_regular
from piwright.intake.wheel_members import ENCRYPTED, UNICODE_PATH, extra_fields, judge_member, judge_names

_CHUNK = 1 << 16
_MOST_REASONS = 20
_END = struct.Struct("<4s4H2LH")  # end of central directory
_LOCAL = struct.Struct("<4s5H3L2H")  # local file header
_SIZES_FOLLOW, _UTF8 = 0x8, 0x800  # bits of a member's flags
_ZIP64 = 0x0001
_WITHIN_32_BITS = 0xFFFFFFFF


class ArchiveRejected(ValueError):
    """A zip that is not taken; `reasons` has one sentence for each thing that is wrong."""

    def __init__(self, *reasons: str) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = tuple(clean_text(reason, 300) for reason in reasons[:_MOST_REASONS])


@dataclass(frozen=True)
class Member:
    """A file in the archive: where its data lies, packed and unpacked bytes, how it is packed, its CRC-32."""

    name: str
    start: int
    packed: int
    size: int
    method: int
    crc: int


class Archive:
    """An archive whose structure was found sound. Sizes are still claims: reading enforces them."""

    def __init__(self, stream: BinaryIO, zip_file: zipfile.ZipFile, members: dict[str, Member]) -> None:
        self._stream = stream
        self.zip_file = zip_file
        self.members = members

    def chunks(self, name: str) -> Iterator[bytes]:
        """A member's content in pieces of at most 64 KiB.

        Raises `ArchiveRejected` as soon as there is more than the archive declares, or at the end when there is less or
        the CRC differs. `zipfile` would stop at the declared size without a word about what follows.
        """
        member = self.members[name]
        size = crc = 0
        pieces = self._stored(member) if member.method == zipfile.ZIP_STORED else self._inflated(member)
        for piece in pieces:
            size += len(piece)
            crc = zlib.crc32(piece, crc)
            if size > member.size:
                raise ArchiveRejected(f"{name} is larger than the {member.size} bytes it declares")
            yield piece
        if size != member.size:
            raise ArchiveRejected(f"{name} has {size} bytes and declares {member.size}")
        if crc != member.crc:
            raise ArchiveRejected(f"{name} is damaged: its CRC is wrong")

    def read(self, name: str, max_bytes: int) -> bytes:
        """A small member as a whole; refused when it declares more than `max_bytes`."""
        if self.members[name].size > max_bytes:
            raise ArchiveRejected(f"{name} has {self.members[name].size} bytes; at most {max_bytes} are accepted")
        return b"".join(self.chunks(name))

    def _stored(self, member: Member) -> Iterator[bytes]:
        self._stream.seek(member.start)
        left = member.packed
        while left and (piece := self._stream.read(min(_CHUNK, left))):
            left -= len(piece)
            yield piece

    def _inflated(self, member: Member) -> Iterator[bytes]:
        self._stream.seek(member.start)
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        left = member.packed
        while not inflater.eof:
            raw = inflater.unconsumed_tail
            if not raw:
                raw = self._stream.read(min(_CHUNK, left))
                left -= len(raw)
            try:
                piece = inflater.decompress(raw, _CHUNK)
            except zlib.error:
                raise ArchiveRejected(f"{member.name} is damaged: it cannot be inflated") from None
            if piece:
                yield piece
            elif not raw:
                raise ArchiveRejected(f"{member.name} is damaged: it ends too early")
        if left or inflater.unused_data:
            raise ArchiveRejected(f"{member.name} has bytes after its end")


@contextmanager
def open_archive(path: Path, limits: Limits) -> Iterator[Archive]:
    """Open and survey a zip. Raises `ArchiveRejected` with every reason that was found."""
    try:
        stream = open_regular(path, limits.wheel_bytes)
    except FileRefused as error:
        raise ArchiveRejected(str(error)) from None
    with stream:
        directory_start = _read_end(stream, limits)
        try:
            zip_file = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError, UnicodeError, ValueError, struct.error):
            raise ArchiveRejected("its central directory is damaged") from None
        with zip_file:
            infos = zip_file.infolist()
            _refuse(_judge_sizes(infos, stream.seek(0, 2), limits))
            _refuse([reason for info in infos for reason in judge_member(info)])
            _refuse(judge_names(infos))
            yield Archive(stream, zip_file, _survey(stream, infos, directory_start))


def _refuse(reasons: list[str]) -> None:
    if reasons:
        raise ArchiveRejected(*reasons)


def _read_end(stream: BinaryIO, limits: Limits) -> int:
    """Where the central directory starts, once it is certain that there is one way to read the end of the file."""
    size = stream.seek(0, 2)
    stream.seek(max(0, size - _END.size - 20))
    tail = stream.read()
    if len(tail) < _END.size or tail[-_END.size :][:4] != b"PK\x05\x06":
        raise ArchiveRejected("it is no complete zip: it does not end with an end-of-central-directory record")
    _, disk, first_disk, here, entries, length, start, comment = _END.unpack(tail[-_END.size :])
    if tail.startswith(b"PK\x06\x07"):
        raise ArchiveRejected("it has a 64-bit end-of-central-directory record beside the ordinary one")
    if disk or first_disk or here != entries or comment:
        raise ArchiveRejected("its end-of-central-directory record is ambiguous")
    if start + length + _END.size != size:
        raise ArchiveRejected("it has bytes before, after or inside the archive that belong to nothing")
    if entries > limits.members:
        raise ArchiveRejected(f"it has {entries} members; at most {limits.members} are accepted")
    # Each entry takes 46 bytes and its name; a directory with more entries than it admits is caught here too.
    if length > limits.directory_bytes or length < 46 * entries:
        raise ArchiveRejected(f"its central directory has {length} bytes for {entries} members")
    return int(start)


def _judge_sizes(infos: list[zipfile.ZipInfo], size: int, limits: Limits) -> list[str]:
    if len(infos) > limits.members:
        return [f"it has {len(infos)} members; at most {limits.members} are accepted"]
    unpacked = sum(info.file_size for info in infos)
    if unpacked > limits.unpacked_bytes:
        return [f"it unpacks to {unpacked} bytes; at most {limits.unpacked_bytes} are accepted"]
    if unpacked > max(limits.ratio_free_bytes, limits.ratio * size):
        return [f"it is a bomb: {size} bytes unpack to {unpacked}"]
    return []


def _survey(stream: BinaryIO, infos: list[zipfile.ZipInfo], directory_start: int) -> dict[str, Member]:
    """Walk the members from the first byte on: each starts where the last one ends and says what the directory says."""
    members: dict[str, Member] = {}
    position = 0
    for info in sorted(infos, key=lambda each: each.header_offset):
        if info.header_offset != position:
            raise ArchiveRejected(f"{info.filename!r} overlaps another member or follows bytes that belong to nothing")
        start = _check_local_header(stream, info)
        position = start + info.compress_size
        if position > directory_start:
            raise ArchiveRejected(f"{info.filename!r} reaches into the central directory")
        if info.flag_bits & _SIZES_FOLLOW:
            position += _data_descriptor_length(stream, position, info)
        if not info.is_dir():
            members[info.filename] = Member(
                info.filename, start, info.compress_size, info.file_size, info.compress_type, info.CRC
            )
    if position != directory_start:
        raise ArchiveRejected("it has bytes between the last member and the central directory that belong to nothing")
    return members


def _check_local_header(stream: BinaryIO, info: zipfile.ZipInfo) -> int:
    """Where the data of a member starts. Raises `ArchiveRejected` unless its local header agrees with the directory."""
    stream.seek(info.header_offset)
    raw = stream.read(_LOCAL.size)
    if len(raw) < _LOCAL.size or not raw.startswith(b"PK\x03\x04"):
        raise ArchiveRejected(f"{info.filename!r} has no local header where the directory says")
    _, _, flags, method, _, _, crc, packed, size, name_length, extra_length = _LOCAL.unpack(raw)
    name = stream.read(name_length)
    extra = stream.read(extra_length)
    encoding = "utf-8" if info.flag_bits & _UTF8 else "cp437"
    agrees = (
        (flags ^ info.flag_bits) & (ENCRYPTED | _SIZES_FOLLOW | _UTF8) == 0
        and method == info.compress_type
        and name == info.orig_filename.encode(encoding, "replace")
    )
    if not flags & _SIZES_FOLLOW:
        wide = next((field for kind, field in extra_fields(extra) if kind == _ZIP64 and len(field) >= 16), None)
        if wide is not None and _WITHIN_32_BITS in (packed, size):
            size, packed = struct.unpack_from("<2Q", wide)
        agrees = agrees and (crc, packed, size) == (info.CRC, info.compress_size, info.file_size)
    if not agrees or any(kind == UNICODE_PATH for kind, _ in extra_fields(extra)):
        raise ArchiveRejected(f"{info.filename!r} has a local header that says other than the central directory")
    return stream.tell()


def _data_descriptor_length(stream: BinaryIO, position: int, info: zipfile.ZipInfo) -> int:
    """Bytes of the CRC and sizes that follow the data of a member written as a stream; four forms are in use."""
    stream.seek(position)
    raw = stream.read(24)
    for layout in ("<4x3L", "<4xL2Q", "<3L", "<L2Q"):
        length = struct.calcsize(layout)
        signed = "4x" in layout
        if len(raw) < length or (signed and not raw.startswith(b"PK\x07\x08")):
            continue
        if struct.unpack_from(layout, raw) == (info.CRC, info.compress_size, info.file_size):
            return length
    raise ArchiveRejected(f"{info.filename!r} is followed by other sizes than the central directory has")
