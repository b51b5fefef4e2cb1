"""Every object of a wheel is found, by its bytes; what is too much to read refuses the wheel."""

import time
from pathlib import Path

import pytest

from intake.compiled import compile_c, extension, library, wheel_of
from intake.test_elf import HOSTILE
from piwright.intake.elf_members import ElfLimits, Objects, read_objects
from piwright.intake.limits import Limits
from piwright.intake.wheel_archive import ArchiveRejected, open_archive

TAG = "cp311-cp311-linux_armv7l"


def find(directory: Path, code: dict[str, bytes], limits: ElfLimits | None = None) -> Objects:
    path = wheel_of(directory, TAG, code)
    with open_archive(path, Limits(ratio_free_bytes=1 << 30)) as archive:
        return read_objects(archive, limits)


def ar(*members: tuple[str, bytes]) -> bytes:
    content = b"!<arch>\n"
    for name, data in members:
        content += f"{name}/".encode().ljust(16) + b"0".ljust(32) + str(len(data)).encode().ljust(10) + b"`\n"
        content += data + b"\n" * (len(data) % 2)
    return content


def test_objects_are_found_whatever_they_are_called(tmp_path: Path) -> None:
    code = library("armv7")
    names = ["a.so", "data.bin", "spidev-3.6.data/scripts/tool", "spidev-3.6.data/platlib/x/y.py", "README"]
    found = find(tmp_path, {name: code for name in names} | {"notes.so.txt": b"no object"})
    assert sorted(each.member for each in found.elf) == sorted(names)
    assert {each.machine for each in found.elf} == {"EM_ARM"}
    assert (found.alien, found.disguised) == ((), ())


def test_a_static_library_is_known_by_its_first_object(tmp_path: Path) -> None:
    code = compile_c("int f(void) { return 1; }", "aarch64", "-c")
    found = find(
        tmp_path, {"a.a": ar(("", b"\0" * 8), ("x.txt", b"odd"), ("f.o", code)), "b.a": b"!<arch>\n", "c.a": ar()}
    )
    assert [(each.kind, each.machine) for each in found.elf] == [
        ("archive", "EM_AARCH64"),
        ("archive", ""),
        ("archive", ""),
    ]


def test_code_for_other_systems_and_what_only_claims_to_be_code_is_told_apart(tmp_path: Path) -> None:
    windows = b"MZ" + bytes(58) + b"\x80\0\0\0" + bytes(64) + b"PE\0\0"
    mac = b"\xcf\xfa\xed\xfe" + bytes(60)
    script = b"/* GNU ld script */ INPUT(libx.so.1)"
    code = {"a.pyd": windows, "b.dylib": mac, "c.so": b"text", "libd.so": script, "e.abi3.so": script, "f.so.1.2": b""}
    found = find(tmp_path, code)
    assert found.alien == ("a.pyd", "b.dylib")
    assert found.disguised == ("c.so", "e.abi3.so", "f.so.1.2")


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (ElfLimits(files=3), "more than 3 object files"),
        (ElfLimits(file_bytes=100), "at most 100"),
        (ElfLimits(reads=50), "too large or lead nowhere"),
    ],
)
def test_too_much_to_read_refuses_the_wheel(tmp_path: Path, limits: ElfLimits, reason: str) -> None:
    code = {f"{number}.so": library("armv7") for number in range(5)}
    with pytest.raises(ArchiveRejected, match=reason):
        find(tmp_path, code, limits)


def test_a_wheel_full_of_hostile_objects_ends_in_bounded_time(tmp_path: Path) -> None:
    sound = compile_c("double pow(double, double); double PyInit_m(double x) { return pow(x, x); }", "armv7", "-lm")
    endless = HOSTILE["endless dynamic table"](sound)
    started = time.process_time()
    with pytest.raises(ArchiveRejected, match="lead nowhere"):
        find(tmp_path, {f"{number}.so": endless for number in range(50)})
    assert time.process_time() - started < 60


def test_one_hostile_object_leaves_the_others_readable(tmp_path: Path) -> None:
    sound = extension("m", "armv7")
    found = find(tmp_path, {"bad.so": sound[:200], "good.so": sound})
    by_name = {each.member: each for each in found.elf}
    assert by_name["bad.so"].problem
    assert by_name["good.so"].dynamic is not None
    assert by_name["good.so"].dynamic.modules == ("m",)
