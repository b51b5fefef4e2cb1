"""Reads one ELF file: what it is for, what it needs. Facts only; `platform_tags` decides what follows.

    found = read_elf("spidev.so", data, Budget(reads=100_000))
    found.machine, found.float_abi, found.dynamic.needed, found.problem

The file is a stranger's. Its header is read here; `pyelftools` reads the rest through a metered file. Whatever goes
wrong then ends in `problem`, never in an exception, and what was found before stays.
"""

import mmap
import struct
from dataclasses import dataclass, replace
from typing import Any

from elftools.elf.elffile import ELFFile

from piwright.intake.elf_arm import ArmAttributes, read_arm_attributes
from piwright.intake.elf_dynamic import AsLoaded, Dynamic, read_dynamic
from piwright.intake.elf_machines import machine_name
from piwright.intake.elf_stream import Budget, MeteredFile
from piwright.intake.untrusted import clean_text

ELF_MAGIC = b"\x7fELF"
_KINDS = {1: "relocatable", 2: "executable", 3: "shared", 4: "core"}
_EABI_MASK, _SOFT_FLOAT, _HARD_FLOAT = 0xFF000000, 0x200, 0x400  # e_flags of EM_ARM
# What only a program for an operating system has among its segments: thread-local storage, notes, the stack's rights.
_OF_AN_OS = frozenset({"PT_TLS", "PT_NOTE", "PT_GNU_STACK", "PT_GNU_RELRO", "PT_GNU_EH_FRAME", "PT_INTERP"})


@dataclass(frozen=True)
class ElfFile:
    """What one ELF file says of itself.

    `kind` is "relocatable", "executable", "shared", "core", "archive" (of objects) or "?". `flags` are e_flags.
    `dynamic` is None for what the dynamic loader never sees; `static_program` is a program that an operating system
    starts without it. `problem` says what could not be read, and is "" when all was.
    """

    member: str
    kind: str = "?"
    bits: int = 0
    little_endian: bool = True
    machine: str = ""
    os_abi: int = 0
    flags: int = 0
    arm: ArmAttributes | None = None
    dynamic: Dynamic | None = None
    static_program: bool = False
    problem: str = ""

    @property
    def eabi(self) -> int:
        """The version of ARM's EABI; 5 since 2006."""
        return (self.flags & _EABI_MASK) >> 24

    @property
    def float_abi(self) -> str:
        """How an ARM object passes numbers: "hard", "soft", or "" where it does not say."""
        if self.machine != "EM_ARM":
            return ""
        if self.flags & _SOFT_FLOAT:
            return "soft"
        if self.flags & _HARD_FLOAT or (self.arm and self.arm.hard_float):
            return "hard"
        return ""

    @property
    def bound_to_python(self) -> bool:
        """Can be imported as a module, or calls the interpreter."""
        return self.dynamic is not None and bool(self.dynamic.modules or self.dynamic.python_symbols)


def read_header(member: str, head: bytes) -> ElfFile:
    """What the first 64 bytes say."""
    bits, order = {1: 32, 2: 64}.get(head[4] if len(head) > 4 else 0, 0), head[5] if len(head) > 5 else 0
    if not bits or order not in (1, 2) or len(head) < (52 if bits == 32 else 64):
        return ElfFile(member, problem="its header is cut off or of no known class")
    layout = struct.Struct(("<" if order == 1 else ">") + ("16x2H16xL" if bits == 32 else "16x2H28xL"))
    kind, machine, flags = layout.unpack_from(head)
    return ElfFile(member, _KINDS.get(kind, "?"), bits, order == 1, machine_name(machine), head[7], flags)


def read_elf(member: str, data: mmap.mmap, budget: Budget) -> ElfFile:
    """Read all facts. Never raises for what the file contains."""
    found = read_header(member, data[:64])
    if found.problem or found.kind in ("core", "?"):
        return found
    stream = MeteredFile(data, budget)
    try:
        if found.machine == "EM_ARM":
            found = replace(found, arm=_tolerant(read_arm_attributes, ELFFile(stream)))  # type: ignore[arg-type]
        if found.kind != "relocatable":
            elf = AsLoaded(stream)  # type: ignore[arg-type]
            found = replace(found, dynamic=read_dynamic(elf, data))
            if found.dynamic is None:
                found = replace(found, static_program=_is_of_an_os(elf, found))
    except Exception as error:  # `pyelftools` and `construct` raise whatever a damaged file makes them stumble over
        said = clean_text(str(error), 150) or "no word about it"
        return replace(found, problem=f"{said} ({type(error).__name__})")
    finally:
        stream.close()
    return found


def _tolerant(read: Any, elf: ELFFile) -> ArmAttributes | None:
    """Sections are for people and linkers: one that cannot be read leaves the object loadable, and us without facts."""
    try:
        found: ArmAttributes | None = read(elf)
    except Exception:
        return None
    return found


def _is_of_an_os(elf: ELFFile, found: ElfFile) -> bool:
    return found.os_abi != 0 or any(segment["p_type"] in _OF_AN_OS for segment in elf.iter_segments())
