"""Tells what each object in a wheel is to the target: what it runs, what it never looks at, what should not be there.

    for each in assign_roles(objects.elf, "armv7l", (3, 11)):
        each.file, each.role, each.why

Pure. The roles:

    native      the target loads or runs it; its needs are the wheel's needs
    link_input  a compiler on the target may link it (`.o`, `.a`); nothing loads it
    data        nothing of the target's: firmware, code for GPUs, test samples, a library's twin for another machine
    refused     it pretends to be of use and is not; `why` is the reason
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from piwright.intake.elf import ElfFile
from piwright.intake.elf_machines import BOTH_WORLDS, COMPUTERS, Shape, extension_name, shape_of

_LINUX_ABIS = (0, 3)  # System V, GNU
_SAMPLES = frozenset({"test", "tests", "testing", "testdata", "test_data", "fixtures", "samples", "examples"})
_FIRMWARE_NAME = re.compile(r"\.(?:elf|axf|fw|bin|img|hex)\Z")
_PROGRAM_PLACE = re.compile(r"[^/]+\.data/scripts/")
_MACHINE_WORDS = re.compile(
    r"(?:x86[_-]64|x64|x86|amd64|i[3-6]86|armv?[5-9]?(?:hf|el|l)?|aarch64|arm64|riscv(?:32|64)|ppc64(?:le|el)?|s390x|"
    r"linux(?:32|64)?|gnueabi(?:hf)?|gnu|32|64)"
)


@dataclass(frozen=True)
class Assigned:
    """An object and its role; `why` is a sentence's end that follows the object's name."""

    file: ElfFile
    role: str
    why: str = ""


def assign_roles(files: Iterable[ElfFile], architecture: str, python: tuple[int, int] | None) -> list[Assigned]:
    """One role for each object, for a target of this architecture; everything is data when it is not known."""
    shape = shape_of(architecture)
    files = list(files)
    if shape is None:
        return [Assigned(file, "data", file.problem) for file in files]
    assigned = [_assign(file, shape, python) for file in files]
    native = [each.file.member for each in assigned if each.role == "native"]
    twins = Counter(_without_machine(member) for member in native)
    modules = {_module(member) for member in native}
    return [_forgive(each, twins, modules) if each.role == "refused" else each for each in assigned]


def _assign(file: ElfFile, shape: Shape, python: tuple[int, int] | None) -> Assigned:
    if file.machine and file.machine not in COMPUTERS:
        return Assigned(file, "data", f"is for {_machine(file)}, which runs no Linux")
    if file.kind in ("core", "?") or (file.problem and not file.machine):
        unreadable = f"cannot be read as an ELF file: {file.problem or 'it is of no known kind'}"
        return Assigned(file, "refused" if ".so" in file.member.rpartition("/")[2] else "data", unreadable)
    if file.kind in ("relocatable", "archive"):
        return _assign_link_input(file, shape)
    if file.dynamic is None and not file.problem and _is_firmware(file):
        return Assigned(file, "data", f"is a program for {_machine(file)} without an operating system")
    if why := _foreign(file, shape):
        return Assigned(file, "refused", why)
    if file.problem:
        return Assigned(file, "refused", f"cannot be read: {file.problem}")
    if why := _misnamed(file, shape, python):
        return Assigned(file, "refused", why)
    return Assigned(file, "native")


def _assign_link_input(file: ElfFile, shape: Shape) -> Assigned:
    """Of machines that are also microcontrollers only what says that it is for Linux counts: an archive does not say."""
    mine = not _foreign(file, shape)
    for_linux = file.machine not in BOTH_WORLDS or (
        file.arm is not None and not file.arm.microcontroller and file.arm.hard_float
    )
    if mine and for_linux:
        return Assigned(file, "link_input")
    return Assigned(
        file, "data", f"is input for a linker, for {_machine(file) if file.machine else 'an unknown machine'}"
    )


def _is_firmware(file: ElfFile) -> bool:
    """A program without a dynamic section, and without the marks of an operating system."""
    if file.arm is not None and file.arm.microcontroller:
        return True
    if _PROGRAM_PLACE.match(file.member):
        return False
    if file.machine in BOTH_WORLDS:
        return not file.static_program
    return not file.static_program and _FIRMWARE_NAME.search(file.member) is not None


def _foreign(file: ElfFile, shape: Shape) -> str:
    """What keeps the target's loader from taking it; "" when nothing does."""
    if (file.machine, file.bits, file.little_endian) != (shape.machine, shape.bits, shape.little_endian):
        wanted = _describe(shape.machine, shape.bits, shape.little_endian)
        return f"is for {_machine(file)}; the target is {wanted}"
    if file.kind in ("relocatable", "archive"):
        return ""
    if file.os_abi not in _LINUX_ABIS:
        return f"is for another operating system than Linux (EI_OSABI {file.os_abi})"
    if file.machine == "EM_ARM" and file.eabi != 5:
        return f"has version {file.eabi} of the ARM EABI; 5 is what the target has"
    if file.float_abi == "soft":
        return "passes numbers in integer registers (soft float); the target's libraries use VFP registers"
    return ""


def _misnamed(file: ElfFile, shape: Shape, python: tuple[int, int] | None) -> str:
    """An extension module whose name keeps the target's Python from importing it."""
    name = extension_name(file.member)
    if name is None:
        return ""
    if name.triplet and name.triplet not in (shape.triplet, shape.triplet.replace("-gnu", "-musl")):
        return f"is named for {name.triplet}; the target imports {shape.triplet} only"
    if python and name.python and name.python != f"cpython-{python[0]}{python[1]}":
        return f"is named for {name.python}; the target's Python is {python[0]}.{python[1]}"
    return ""


def _forgive(each: Assigned, twins: Counter[str], modules: set[str]) -> Assigned:
    """What should not be there but is never loaded: leftovers beside the real thing, a choice of libraries, samples."""
    file = each.file
    if extension_name(file.member) is not None or file.bound_to_python:
        # A stale build that its author packed into the sdist: the target imports the one beside it.
        if extension_name(file.member) is not None and _module(file.member) in modules:
            return Assigned(file, "data", f"{each.why}; the same module is there for the target")
        return each
    if _PROGRAM_PLACE.match(file.member):
        return each
    if twins[_without_machine(file.member)]:
        return Assigned(file, "data", f"{each.why}; the same file is there for the target")
    if _SAMPLES & set(file.member.lower().split("/")[:-1]):
        return Assigned(file, "data", f"{each.why}; it lies where tests keep samples")
    return each


def _module(member: str) -> str:
    name = extension_name(member)
    return name.stem if name else member.removesuffix(".so")


def _without_machine(member: str) -> str:
    """A file's own name without the words that name machines: libfoo-armhf.so and libfoo_x86_64.so are both libfoo."""
    base = member.rpartition("/")[2].lower()
    return re.sub(r"[-_.]+", "-", _MACHINE_WORDS.sub("", base))


def _machine(file: ElfFile) -> str:
    return _describe(file.machine, file.bits, file.little_endian)


def _describe(machine: str, bits: int, little_endian: bool) -> str:
    return f"{machine.removeprefix('EM_')} ({bits} bits, {'little' if little_endian else 'big'}-endian)"
