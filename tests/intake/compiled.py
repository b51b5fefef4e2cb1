"""Compiles real objects for tests: for ARMv6, ARMv7, 64-bit ARM and this machine; and packs wheels around them.

    code = extension(tmp_path, "spidev", "armv6")          # the bytes of a shared object that exports PyInit_spidev
    path = wheel_of(tmp_path, "cp311-cp311-linux_armv7l", {"spidev.so": code})

Needs Debian's gcc-arm-linux-gnueabihf, libc6-dev-armhf-cross, gcc-aarch64-linux-gnu and libc6-dev-arm64-cross; a test
that needs a compiler which is not there is skipped. Debian's start files are ARMv7, so they stay out of ARMv6 objects.
"""

import functools
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from intake.hostile_wheels import make_wheel
from piwright.intake.tag_set import TagSet

_ARM = ("arm-linux-gnueabihf-gcc", "-nostartfiles")
_COMPILERS: dict[str, tuple[str, ...]] = {
    "armv6": (*_ARM, "-march=armv6", "-mfpu=vfp", "-mfloat-abi=hard", "-marm"),
    "armv6-thumb": (*_ARM, "-march=armv6", "-mfloat-abi=soft", "-mthumb"),
    "armv6t2": (*_ARM, "-march=armv6t2", "-mfpu=vfp", "-mfloat-abi=hard", "-mthumb"),
    "armv6-vfpv3": (*_ARM, "-march=armv6", "-mfpu=vfpv3", "-mfloat-abi=hard", "-marm"),
    "armv7": (*_ARM, "-march=armv7-a", "-mfpu=vfpv3-d16", "-mfloat-abi=hard"),
    "armv7-neon": (*_ARM, "-march=armv7-a", "-mfpu=neon", "-mfloat-abi=hard", "-O2", "-ftree-vectorize"),
    "armv7-soft": (*_ARM, "-march=armv7-a", "-mfloat-abi=soft"),
    "cortex-m": ("arm-linux-gnueabihf-gcc", "-nostdlib", "-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=soft"),
    "armeb": (*_ARM, "-march=armv7-a", "-mfpu=vfpv3-d16", "-mfloat-abi=hard", "-mbig-endian", "-nostdlib"),
    "aarch64": ("aarch64-linux-gnu-gcc", "-nostartfiles"),
    "x86_64": ("gcc", "-m64", "-nostartfiles"),
}

# Limited API, an older and a newer part of it; and what was never part of it.
STABLE = "PyModule_Create2"
STABLE_SINCE_3_10 = "PyUnicode_AsUTF8AndSize"
PRIVATE = "_PyLong_AsByteArray"


@functools.cache
def compile_c(source: str, machine: str, *flags: str, needs: tuple[str, ...] = ()) -> bytes:
    """The bytes of a shared object (or what other flags make) from C without any header.

    It is linked with an empty library for each soname in `needs`.
    """
    compiler, *options = _COMPILERS[machine]
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    kind = () if {"-c", "-static", "-pie", "-no-pie"} & set(flags) else ("-shared", "-fPIC")
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        (place / "a.c").write_text(source)
        for soname in needs:
            (place / soname).write_bytes(compile_c("", machine, "-nostdlib", f"-Wl,-soname,{soname}"))
        linked = ["-Wl,--no-as-needed", "-L.", *(f"-l:{soname}" for soname in needs)] if needs else []
        command = [compiler, *options, *kind, "-O1", "-o", "a.out", "a.c", *flags, *linked]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return (place / "a.out").read_bytes()


def extension(name: str, machine: str, *flags: str, uses: tuple[str, ...] = (STABLE,)) -> bytes:
    """An extension module that takes functions from the interpreter."""
    declared = "".join(f"extern void *{each}(void);\n" for each in uses)
    called = " ".join(f"{each}();" for each in uses)
    return compile_c(f"{declared}void *PyInit_{name}(void) {{ {called} return 0; }}\n", machine, *flags)


def library(machine: str, *flags: str, needs: tuple[str, ...] = ()) -> bytes:
    """A shared library for ctypes: it has nothing to do with Python. It needs libraries of exactly these names."""
    return compile_c("double half(double x) { return x / 2; }\n", machine, "-nostdlib", *flags, needs=needs)


def firmware(machine: str = "cortex-m") -> bytes:
    """A program without an operating system."""
    return compile_c("void _start(void) { for (;;) {} }\n", machine, "-static", "-nostdlib", "-z", "noexecstack")


def wheel_of(
    directory: Path, tags: str, code: Mapping[str, bytes], *, purelib: bool | None = None, build: str | None = None
) -> Path:
    """A sound wheel of spidev 3.6 with these members; its WHEEL says what its name says."""
    tag_set = TagSet.parse(tags)
    root = tag_set.pure if purelib is None else purelib
    lines = ["Wheel-Version: 1.0", "Generator: tests", f"Root-Is-Purelib: {str(root).lower()}"]
    lines += [f"Build: {build}"] if build else []
    info = "\n".join([*lines, *(f"Tag: {tag}" for tag in tag_set.each()), ""]).encode()
    middle = f"{build}-" if build else ""
    directory.mkdir(parents=True, exist_ok=True)
    return make_wheel(directory, f"spidev-3.6-{middle}{tags}.whl", code=code, info=info)
