"""What is judged about a wheel's tags, for whom, and what comes out: plain data between the rooms that judge."""

from dataclasses import dataclass

from piwright.intake.elf_roles import Assigned
from piwright.intake.tag_set import TagSet


@dataclass(frozen=True)
class Claim:
    """What the file name says, whether WHEEL says purelib, and whether there is bytecode without source."""

    tags: TagSet
    purelib: bool = False
    sourceless: bool = False


@dataclass(frozen=True)
class Site:
    """The target: "" or None for what is not known; then nothing is judged by it."""

    architecture: str = ""
    python: tuple[int, int] | None = None
    libc: tuple[str, int, int] | None = None


@dataclass(frozen=True)
class Verdict:
    """`tags` are the true ones. `corrections` say what differs from the claim, in words; `untrue` whether the claim must
    not stand; `reasons` why there is no true tag at all. `needed` are sonames from outside the wheel."""

    tags: TagSet
    purelib: bool
    reasons: tuple[str, ...] = ()
    corrections: tuple[str, ...] = ()
    untrue: bool = False
    widened: bool = False
    needs_distribution: bool = False
    needed: tuple[str, ...] = ()
    glibc: tuple[int, int] | None = None
    armv6: bool = False
    roles: tuple[Assigned, ...] = ()
