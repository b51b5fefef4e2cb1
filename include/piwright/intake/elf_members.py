"""Finds every object file in a wheel, whatever it is called, and reads it.

    with open_archive(path, limits) as archive:
        objects = read_objects(archive)
    objects.elf, objects.alien, objects.disguised

A member is known by its first bytes. ELF files are unpacked one at a time into an unnamed temporary file; bytes,
number and reads are bounded by `ElfLimits`, and going beyond refuses the wheel (`ArchiveRejected`).
"""

import mmap
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

from piwright.intake.elf import ELF_MAGIC, ElfFile, read_elf, read_header
from piwright.intake.elf_machines import extension_name
from piwright.intake.elf_stream import Budget
from piwright.intake.wheel_archive import Archive, ArchiveRejected

_AR_MAGICS = (b"!<arch>\n", b"!<thin>\n")
_MACH_O = (b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe")
_SHARED_NAME = re.compile(r"\.so(?:\.[0-9]{1,9}){0,9}\Z")
_LINKER_SCRIPT = re.compile(rb"\s*(?:/\*|INPUT\s*\(|GROUP\s*\(|OUTPUT_FORMAT\s*\()")


@dataclass(frozen=True)
class ElfLimits:
    """How much of a wheel's objects is looked at."""

    files: int = 3000
    file_bytes: int = 1 << 30
    reads: int = 1_000_000
    """For all files together: seconds of a slow machine. A usual extension takes some hundreds, OpenBLAS 11 000."""
    reads_of_one: int = 200_000


@dataclass(frozen=True)
class Objects:
    """What was found. `alien` are members for other systems (PE, Mach-O); `disguised` are named as shared objects and
    are none."""

    elf: tuple[ElfFile, ...] = ()
    alien: tuple[str, ...] = ()
    disguised: tuple[str, ...] = ()


def read_objects(archive: Archive, limits: ElfLimits | None = None) -> Objects:
    """Look at every member. Raises `ArchiveRejected` for a damaged member, or when there is too much to read."""
    limits = limits or ElfLimits()
    left = Budget(limits.reads)
    elf: list[ElfFile] = []
    alien: list[str] = []
    disguised: list[str] = []
    for name in archive.members:
        pieces = archive.chunks(name)
        head = next(pieces, b"")
        if head.startswith(ELF_MAGIC):
            elf.append(_read(name, archive, limits, left))
        elif head.startswith(_AR_MAGICS):
            elf.append(_read_archive(name, head))
        elif _is_alien(head):
            alien.append(name)
        elif _is_disguised(name, head):
            disguised.append(name)
        if len(elf) > limits.files:
            raise ArchiveRejected(f"it has more than {limits.files} object files")
    return Objects(tuple(elf), tuple(alien), tuple(disguised))


def _read(name: str, archive: Archive, limits: ElfLimits, left: Budget) -> ElfFile:
    size = archive.members[name].size
    if size > limits.file_bytes:
        raise ArchiveRejected(f"{name} has {size} bytes; of an object file at most {limits.file_bytes} are accepted")
    budget = Budget(min(limits.reads_of_one, left.reads))
    granted = budget.reads
    with tempfile.TemporaryFile(prefix="piwright-elf-") as file:
        for piece in archive.chunks(name):
            file.write(piece)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            found = read_elf(name, data, budget)
    left.reads -= granted - budget.reads
    if left.reads <= 0:
        raise ArchiveRejected("the tables in its object files are too large or lead nowhere")
    return found


def _read_archive(name: str, head: bytes) -> ElfFile:
    """A static library by the first object in it, as far as that lies in the first bytes: all are for one machine."""
    for member in _ar_members(head):
        if member.startswith(ELF_MAGIC):
            found = read_header(name, member[:64])
            return ElfFile(name, "archive", found.bits, found.little_endian, found.machine, found.os_abi, found.flags)
    return ElfFile(name, "archive")


def _ar_members(head: bytes) -> Iterator[bytes]:
    position = 8
    while position + 60 <= len(head):
        size = head[position + 48 : position + 58].strip()
        if not size.isdigit():
            return
        yield head[position + 60 :]
        position += 60 + int(size) + int(size) % 2


def _is_alien(head: bytes) -> bool:
    if head.startswith(_MACH_O):
        return True
    if not head.startswith(b"MZ") or len(head) < 64:
        return False
    start = int.from_bytes(head[60:64], "little")
    return head[start : start + 4] == b"PE\0\0"


def _is_disguised(name: str, head: bytes) -> bool:
    """Python would try to load it, or a linker, and neither could. A linker script is a text a linker reads."""
    if extension_name(name):
        return True
    return _SHARED_NAME.search(name) is not None and not _LINKER_SCRIPT.match(head)
