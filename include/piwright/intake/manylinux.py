"""What any Linux with glibc has (PEP 600), and what is a distribution's own.

distribution_libraries({"libc.so.6", "libopenblas.so.0"})      # ("libopenblas.so.0",)
glibc_of([("libc.so.6", "GLIBC_2.34")])                        # (2, 34)
floor_of("manylinux_2_17_armv7l")                              # (2, 17)
"""

import re
from collections.abc import Iterable

# The libraries of auditwheel's policies manylinux_2_24 and later, which are the same for all architectures.
_EVERYWHERE = frozenset(
    {
        *("libatomic.so.1", "libgcc_s.so.1", "libstdc++.so.6", "libm.so.6", "libmvec.so.1", "libanl.so.1"),
        *("libdl.so.2", "librt.so.1", "libc.so.6", "libnsl.so.1", "libutil.so.1", "libpthread.so.0"),
        *("libX11.so.6", "libXext.so.6", "libXrender.so.1", "libICE.so.6", "libSM.so.6", "libGL.so.1"),
        *("libgobject-2.0.so.0", "libgthread-2.0.so.0", "libglib-2.0.so.0"),
        *("libresolv.so.2", "libexpat.so.1", "libz.so.1"),
    }
)
_LOADER = re.compile(r"ld-linux[a-z0-9_-]*\.so\.[0-9]+|ld64\.so\.[0-9]|linux-vdso\.so\.1")
_MUSL = re.compile(r"libc\.musl-[a-z0-9_]+\.so\.1|ld-musl-[a-z0-9_-]+\.so\.1")
_FLOOR = re.compile(r"manylinux_([0-9]{1,3})_([0-9]{1,3})_[a-z0-9_]+")
_LEGACY = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}
_GLIBC = re.compile(r"GLIBC_([0-9]{1,3})\.([0-9]{1,3})(?:\.[0-9]{1,3})?")
_SCALED = re.compile(r"(GLIBCXX|CXXABI|GCC)_([0-9]{1,3}(?:\.[0-9]{1,3}){1,3})")
# The versions of libstdc++ and libgcc rise on scales of their own: what each glibc may be paired with at most, the
# lowest of the architectures in auditwheel's policies.
_COMPANIONS = tuple(
    (since, (("GLIBCXX", glibcxx), ("CXXABI", cxxabi), ("GCC", gcc)))
    for since, glibcxx, cxxabi, gcc in (
        ((2, 17), (3, 4, 19), (1, 3, 7), (4, 7, 0)),
        ((2, 24), (3, 4, 22), (1, 3, 10), (4, 7, 0)),
        ((2, 27), (3, 4, 24), (1, 3, 11), (7, 0, 0)),
        ((2, 31), (3, 4, 28), (1, 3, 12), (7, 0, 0)),
        ((2, 34), (3, 4, 29), (1, 3, 13), (7, 0, 0)),
        ((2, 35), (3, 4, 30), (1, 3, 13), (7, 0, 0)),
        ((2, 39), (3, 4, 33), (1, 3, 15), (14, 0, 0)),
    )
)
# A mark without a number: the loader understands compact relocations since 2.36.
_ABI_MARKS = {"GLIBC_ABI_DT_RELR": (2, 36)}


def distribution_libraries(needed: Iterable[str]) -> tuple[str, ...]:
    """Those that another distribution may not have under this name."""
    return tuple(sorted({name for name in needed if name not in _EVERYWHERE and not is_loader(name)}))


def is_loader(name: str) -> bool:
    """The dynamic loader or the kernel's own object, which every object of a machine may name."""
    return _LOADER.fullmatch(name) is not None


def musl_libraries(needed: Iterable[str]) -> tuple[str, ...]:
    """Those of the other C library."""
    return tuple(sorted({name for name in needed if _MUSL.fullmatch(name)}))


def glibc_of(versions: Iterable[tuple[str, str]]) -> tuple[int, int] | None:
    """The glibc that is needed at least; None when none is asked for."""
    found = []
    for _, version in versions:
        if match := _GLIBC.fullmatch(version):
            found.append((int(match[1]), int(match[2])))
        elif version in _ABI_MARKS:
            found.append(_ABI_MARKS[version])
    return max(found, default=None)


def versions_fit(versions: Iterable[tuple[str, str]], floor: tuple[int, int]) -> bool:
    """Whether every system with this glibc has these symbol versions."""
    versions = tuple(versions)
    allowed = dict(next((scales for since, scales in reversed(_COMPANIONS) if since <= floor), ()))
    for _, version in versions:
        match = _SCALED.fullmatch(version)
        if match and _numbers(match[2]) > allowed.get(match[1], ()):
            return False
    return (glibc_of(versions) or (0, 0)) <= floor


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def floor_of(platform: str) -> tuple[int, int] | None:
    """The glibc a platform tag promises to be enough; None for one that is no manylinux tag."""
    if match := _FLOOR.fullmatch(platform):
        return int(match[1]), int(match[2])
    return _LEGACY.get(platform.partition("_")[0])
