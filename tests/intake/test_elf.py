"""What is read of a real object is what readelf says; a hostile one costs little and is no surprise."""

import mmap
import re
import shutil
import struct
import subprocess
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intake.compiled import compile_c, extension, firmware, library
from piwright.intake.elf import ElfFile, read_elf
from piwright.intake.elf_arm import armv6_problem
from piwright.intake.elf_stream import Budget

READS = 200_000


def read(content: bytes, reads: int = READS) -> ElfFile:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return read_elf("x.so", data, Budget(reads))


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        ("armv6", ("EM_ARM", 32, True, "hard", "v6", "VFPv2", False)),
        ("armv6t2", ("EM_ARM", 32, True, "hard", "v6T2", "VFPv2", False)),
        ("armv6-vfpv3", ("EM_ARM", 32, True, "hard", "v6", "VFPv3", False)),
        ("armv7", ("EM_ARM", 32, True, "hard", "v7", "VFPv3-D16", False)),
        ("armv7-neon", ("EM_ARM", 32, True, "hard", "v7", "VFPv3", True)),
        ("armv7-soft", ("EM_ARM", 32, True, "soft", "v7", "none", False)),
        ("armeb", ("EM_ARM", 32, False, "hard", "v7", "VFPv3-D16", False)),
        ("aarch64", ("EM_AARCH64", 64, True, "", None, None, None)),
        ("x86_64", ("EM_X86_64", 64, True, "", None, None, None)),
    ],
)
def test_an_object_says_what_it_was_compiled_for(machine: str, expected: tuple[object, ...]) -> None:
    found = read(extension("spidev", machine))
    arm = (found.arm.cpu, found.arm.fp, found.arm.neon) if found.arm else (None, None, None)
    assert (found.machine, found.bits, found.little_endian, found.float_abi, *arm) == expected
    assert found.problem == ""
    assert found.dynamic is not None
    assert found.dynamic.modules == ("spidev",)
    assert found.dynamic.python_symbols == ("PyModule_Create2",)


@pytest.mark.parametrize(
    ("machine", "problem"),
    [
        ("armv6", ""),
        ("armv6t2", "needs ARMv6T2"),
        ("armv6-vfpv3", "needs VFPv3"),
        ("armv7", "needs ARMv7-A"),
        ("armv7-neon", "needs ARMv7-A"),
    ],
)
def test_a_pi_zero_runs_armv6_with_vfpv2_and_nothing_beyond(machine: str, problem: str) -> None:
    assert armv6_problem(read(library(machine)).arm) == problem


def test_an_object_without_attributes_is_not_known_to_run_on_armv6(tmp_path: Path) -> None:
    tool = "arm-linux-gnueabihf-objcopy"
    code = library("armv6")
    (tmp_path / "a").write_bytes(code)
    assert shutil.which(tool)
    subprocess.run([tool, "--remove-section=.ARM.attributes", "a", "b"], cwd=tmp_path, check=True)
    found = read((tmp_path / "b").read_bytes())
    assert (found.arm, found.problem, found.float_abi) == (None, "", "hard")
    assert "no build attributes" in armv6_problem(found.arm)


def test_what_the_loader_needs_is_read_without_sections() -> None:
    source = "double pow(double, double); double f(double x) { return pow(x, x); }"
    flags = ("-lm", "-Wl,-soname,libf.so.1", "-Wl,-rpath,$ORIGIN/libs")
    code = bytearray(compile_c(source, "armv7", *flags))
    with_sections = read(bytes(code))
    struct.pack_into("<L", code, 32, 0)  # e_shoff
    struct.pack_into("<HH", code, 48, 0, 0)  # e_shnum, e_shstrndx
    without = read(bytes(code))
    assert with_sections.dynamic is not None
    assert with_sections.dynamic == without.dynamic
    assert with_sections.dynamic.needed == ("libm.so.6",)
    assert with_sections.dynamic.versions == (("libm.so.6", "GLIBC_2.29"),)
    assert with_sections.dynamic.soname == "libf.so.1"
    assert with_sections.dynamic.runpath == "$ORIGIN/libs"


def test_an_object_that_exports_nothing_still_shows_what_it_wants_of_the_interpreter() -> None:
    # Its hash table is empty, so the number of its symbols has to be found otherwise.
    source = "extern void Py_IncRef(void *); __attribute__((constructor)) static void f(void) { Py_IncRef(0); }"
    found = read(compile_c(source, "armv7"))
    assert found.dynamic is not None
    assert found.dynamic.python_symbols == ("Py_IncRef",)
    assert found.bound_to_python


def test_firmware_is_known_by_its_profile() -> None:
    found = read(firmware())
    assert found.dynamic is None
    assert found.arm is not None
    assert found.arm.microcontroller


def test_what_is_read_of_this_machines_libraries_is_what_readelf_says() -> None:
    checked = 0
    for path in sorted(Path("/usr/lib").glob("*-linux-gnu*/*.so.*"))[:60]:
        content = path.read_bytes()
        if not content.startswith(b"\x7fELF"):
            continue
        said = subprocess.run(["readelf", "-W", "-d", "-V", path], capture_output=True, text=True, check=True).stdout
        found = read(content)
        assert found.problem == "", path
        assert found.dynamic is not None
        assert list(found.dynamic.needed) == re.findall(r"\(NEEDED\).*\[(.*)\]", said), path
        versions = set(re.findall(r"Name: (\S+) +Flags", said.partition("Version needs section")[2]))
        assert {version for _, version in found.dynamic.versions} == versions, path
        checked += 1
    assert checked > 10


def patch(offset: int, layout: str, value: int) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        changed = bytearray(content)
        struct.pack_into(layout, changed, offset, value)
        return bytes(changed)

    return change


def dynamic_entry(tag: int, value: int) -> Callable[[bytes], bytes]:
    """Another value for an entry of the dynamic table of a 32-bit object."""

    def change(content: bytes) -> bytes:
        changed = bytearray(content)
        start, size = _dynamic(content)
        for offset in range(start, start + size, 8):
            if struct.unpack_from("<L", changed, offset) == (tag,):
                struct.pack_into("<L", changed, offset + 4, value)
                return bytes(changed)
        raise AssertionError(f"no entry {tag}")

    return change


def _dynamic(content: bytes) -> tuple[int, int]:
    (table,) = struct.unpack_from("<L", content, 28)
    (count,) = struct.unpack_from("<H", content, 44)
    for number in range(count):
        kind, start, _, _, size = struct.unpack_from("<5L", content, table + 32 * number)
        if kind == 2:
            return start, size
    raise AssertionError("no dynamic segment")


def endless_dynamic(content: bytes) -> bytes:
    """No end mark, and libraries without end: 200 000 entries DT_NEEDED behind the file's end."""
    start, _ = _dynamic(content)
    return content[:start] + struct.pack("<LL", 1, 1) * 200_000


def gnu_hash_without_end(content: bytes) -> bytes:
    """A hash table of a billion buckets."""
    start, size = _dynamic(content)
    for offset in range(start, start + size, 8):
        if struct.unpack_from("<L", content, offset) == (0x6FFFFEF5,):
            changed = bytearray(content)
            struct.pack_into("<L", changed, offset + 4, len(content) & ~0xFFF)
            where = len(content) & ~0xFFF
            return (
                bytes(changed).ljust(where + 4096, b"\0")[:where] + struct.pack("<4L", 1 << 30, 1, 1, 1) + b"\1" * 4000
            )
    raise AssertionError("no hash table")


def nested_attributes(content: bytes) -> bytes:
    """Attributes inside attributes inside attributes."""
    start = content.index(b"A", content.index(b"aeabi\0") - 5)
    return content[: start + 16] + b"\x41" * (len(content) - start - 16)


HOSTILE = {
    "cut off in the header": lambda content: content[:40],
    "cut off in the middle": lambda content: content[: len(content) // 2],
    "no class": patch(4, "<B", 9),
    "no byte order": patch(5, "<B", 7),
    "65535 sections": patch(48, "<H", 0xFFFF),
    "sections beyond the end": patch(32, "<L", 0xFFFF_0000),
    "sections counted elsewhere": patch(48, "<H", 0),
    "65535 segments": patch(44, "<H", 0xFFFF),
    "thousands of segments": patch(44, "<H", 0x7FFF),
    "segments on themselves": patch(28, "<L", 0),
    "segments of no size": patch(42, "<H", 0),
    "strings far away": dynamic_entry(5, 0xFFFF_0000),
    "symbols far away": dynamic_entry(6, 0xFFFF_0000),
    "hash far away": dynamic_entry(0x6FFFFEF5, 0xFFFF_0000),
    "hash on the header": dynamic_entry(0x6FFFFEF5, 0),
    "four billion versions": dynamic_entry(0x6FFFFFFF, 0xFFFF_FFFF),
    "versions on the header": dynamic_entry(0x6FFFFFFE, 0),
    "endless dynamic table": endless_dynamic,
    "hash table without end": gnu_hash_without_end,
    "nested attributes": nested_attributes,
    "a string without end": lambda content: dynamic_entry(5, len(content) & ~3)(content) + b"x" * (8 << 20),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_object_is_read_in_bounded_time_and_memory(name: str) -> None:
    source = "double pow(double, double); void *PyInit_m(void) { static double x; x = pow(x, x); return 0; }"
    content = HOSTILE[name](compile_c(source, "armv7", "-lm"))
    tracemalloc.start()
    started = time.process_time()
    try:
        found = read(content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.problem == "" or found.problem.isprintable()
    assert len(found.problem) < 250
    assert time.process_time() - started < 20  # tracemalloc makes it several times slower
    assert peak < 64 << 20


def test_reads_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "without end" in read(extension("spidev", "armv7"), reads=20).problem


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_damaged_object_never_raises(data: st.DataObject) -> None:
    machine = data.draw(st.sampled_from(["armv6", "aarch64", "x86_64"]))
    content = bytearray(
        compile_c("double pow(double, double); double PyInit_m(double x) { return pow(x, x); }", machine, "-lm")
    )
    # Tables lie in the first kilobyte and in the last; flips elsewhere hit code.
    places = st.one_of(st.integers(0, 1200), st.integers(len(content) - 3000, len(content) - 1))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(places)] = data.draw(st.integers(0, 255))
    end = data.draw(st.one_of(st.just(len(content)), st.integers(1, len(content))))
    started = time.process_time()
    found = read(bytes(content[:end]))
    assert isinstance(found, ElfFile)
    assert time.process_time() - started < 20
