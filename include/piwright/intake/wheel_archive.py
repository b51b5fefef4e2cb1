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
from pathlib import Path
from typing import BinaryIO

from piwright.intake.limits import Limits
from piwright.intake.untrusted import FileRefused, clean_text, open_regular
from piwright.intake.wheel_members import judge_member, judge_names
from piwright.intake.zip_directory import DirectoryDamaged, Entry, read_directory
from piwright.intake.zip_survey import Member, survey

_CHUNK = 1 << 16
_MOST_REASONS = 20
_END = struct.Struct("<4s4H2LH")  # end of central directory


class ArchiveRejected(ValueError):
    """A zip that is not taken; `reasons` has one sentence for each thing that is wrong."""

    def __init__(self, *reasons: str) -> None:
        self.reasons = tuple(clean_text(reason, 300) for reason in reasons[:_MOST_REASONS])
        super().__init__("; ".join(self.reasons))


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
        try:
            directory_start, entries = _read_directory(stream, limits)
            _refuse(_judge_sizes(entries, stream.seek(0, 2), limits))
            _refuse([reason for entry in entries for reason in judge_member(entry)])
            _refuse(judge_names(entries))
            members = survey(stream, entries, directory_start)
        except DirectoryDamaged as error:
            raise ArchiveRejected(str(error)) from None
        with _open_zip_file(path, entries) as zip_file:
            yield Archive(stream, zip_file, members)


def _open_zip_file(path: Path, entries: list[Entry]) -> zipfile.ZipFile:
    """The archive as `zipfile` and those built on it see it: the same members, or it is refused."""
    try:
        zip_file = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, UnicodeError, ValueError, struct.error):
        raise ArchiveRejected("its central directory is damaged") from None
    seen = [
        (info.filename, info.header_offset, info.compress_size, info.file_size, info.CRC)
        for info in zip_file.infolist()
    ]
    if seen != [(entry.name, entry.start, entry.packed, entry.size, entry.crc) for entry in entries]:
        zip_file.close()
        raise ArchiveRejected("its central directory can be read in two ways")
    return zip_file


def _refuse(reasons: list[str]) -> None:
    if reasons:
        raise ArchiveRejected(*reasons)


def _read_directory(stream: BinaryIO, limits: Limits) -> tuple[int, list[Entry]]:
    """Where the central directory starts and what is in it, if there is one way to read the end of the file."""
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
    if length > limits.directory_bytes or length < 46 * entries:
        raise ArchiveRejected(f"its central directory has {length} bytes for {entries} members")
    stream.seek(start)
    return start, read_directory(stream.read(length), entries)


def _judge_sizes(entries: list[Entry], size: int, limits: Limits) -> list[str]:
    unpacked = sum(entry.size for entry in entries)
    if unpacked > limits.unpacked_bytes:
        return [f"it unpacks to {unpacked} bytes; at most {limits.unpacked_bytes} are accepted"]
    if unpacked > max(limits.ratio_free_bytes, limits.ratio * size):
        return [f"it is a bomb: {size} bytes unpack to {unpacked}"]
    return []
