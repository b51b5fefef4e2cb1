"""Machines: what the architectures of targets look like in an ELF header, and what runs no Linux at all.

machine_name(40)                        # "EM_ARM"
shape_of("armv7l")                      # Shape("EM_ARM", 32, True)
architecture_of_platforms(("linux_armv6l", "linux_armv7l"))     # "armv7l"
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from elftools.elf.enums import ENUM_E_MACHINE

_NAMES = {number: name for name, number in ENUM_E_MACHINE.items() if isinstance(number, int)}


@dataclass(frozen=True)
class Shape:
    """What the header of an object for an architecture says, and the suffix of its extension modules."""

    machine: str
    bits: int
    little_endian: bool
    triplet: str


_SHAPES = {
    "armv6l": Shape("EM_ARM", 32, True, "arm-linux-gnueabihf"),
    "armv7l": Shape("EM_ARM", 32, True, "arm-linux-gnueabihf"),
    "aarch64": Shape("EM_AARCH64", 64, True, "aarch64-linux-gnu"),
    "x86_64": Shape("EM_X86_64", 64, True, "x86_64-linux-gnu"),
    "i686": Shape("EM_386", 32, True, "i386-linux-gnu"),
    "riscv64": Shape("EM_RISCV", 64, True, "riscv64-linux-gnu"),
    "ppc64le": Shape("EM_PPC64", 64, True, "powerpc64le-linux-gnu"),
    "s390x": Shape("EM_S390", 64, False, "s390x-linux-gnu"),
    "loongarch64": Shape("EM_LOONGARCH", 64, True, "loongarch64-linux-gnu"),
}

COMPUTERS = frozenset(
    {shape.machine for shape in _SHAPES.values()}
    | {"EM_PPC", "EM_MIPS", "EM_SPARC", "EM_SPARCV9", "EM_IA_64", "EM_PARISC", "EM_ALPHA", "EM_68K", "EM_SH"}
)
"""What runs an operating system with a Python. Objects for all others (EM_AVR, EM_XTENSA, EM_BPF, GPUs) are data."""

BOTH_WORLDS = frozenset({"EM_ARM", "EM_RISCV", "EM_MIPS", "EM_68K", "EM_SH", "EM_PPC"})
"""Machines of microcontrollers as well as of computers."""


def machine_name(number: int) -> str:
    """Such as "EM_ARM"; "EM_4711" for what nobody knows."""
    return _NAMES.get(number, f"EM_{number}")


def shape_of(architecture: str) -> Shape | None:
    """None for an architecture that is not known here: then nothing can be said about objects."""
    return _SHAPES.get(architecture)


def architecture_of_platforms(platforms: Iterable[str]) -> str:
    """The one architecture that platform tags are for; "" when they are for none or for several.

    ARMv6 and ARMv7 stand together in one file; such a file is judged as ARMv7's.
    """
    found = {name for name in _SHAPES for platform in platforms if platform.endswith("_" + name)}
    if found == {"armv6l", "armv7l"}:
        return "armv7l"
    return found.pop() if len(found) == 1 else ""


_EXTENSION = re.compile(
    r"\.(?:(?P<abi>abi3t?)|(?P<python>cpython-3[0-9]{1,2}[a-z]*|pypy[0-9]+-pp[0-9]+|graalpy[0-9-]+)"
    r"(?:-(?P<triplet>[A-Za-z0-9_-]{1,60}))?)\.so"
)


@dataclass(frozen=True)
class ExtensionName:
    """What the file name of an extension module says: "abi3" or "" ; "cpython-311" or ""; the multiarch triplet or ""."""

    stem: str
    abi: str = ""
    python: str = ""
    triplet: str = ""


def extension_name(member: str) -> ExtensionName | None:
    """The parts of an extension module's name. None for any other name, a plain `.so` among them."""
    base = member.rpartition("/")[2]
    match = _EXTENSION.search(base)
    if match is None or match.end() != len(base):
        return None
    stem = member[: len(member) - len(base) + match.start()]
    return ExtensionName(stem, match["abi"] or "", match["python"] or "", match["triplet"] or "")
