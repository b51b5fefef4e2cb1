"""Which tags a wheel may truthfully carry: each rule on wheels around real objects."""

import functools
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from intake.compiled import (
    PRIVATE,
    STABLE_SINCE_3_10,
    compile_c,
    extension,
    firmware,
    library,
    wheel_of,
)
from intake.hostile_wheels import DIST_INFO
from piwright.intake.elf_members import Objects
from piwright.intake.limits import Limits
from piwright.intake.platform_tags import judge_tags
from piwright.intake.tag_set import TagSet
from piwright.intake.tag_verdict import Claim, Site
from piwright.intake.wheel_check import CheckedWheel, Wanted, WheelRejected, check_wheel
from piwright.planning.targets import Target

ARMV7, ARMV6, AARCH64 = "linux_armv7l", "linux_armv6l", "linux_aarch64"
OURS = "cp311-cp311-linux_armv7l"
MODULE = "_spidev.cpython-311-arm-linux-gnueabihf.so"
LIMITS = Limits(ratio_free_bytes=64 << 20)

Objects_ = dict[str, Callable[[], bytes]]


def ext(machine: str, *uses: str) -> Callable[[], bytes]:
    return functools.partial(extension, "_spidev", machine, uses=uses or ("PyModule_Create2",))


def lib(machine: str, *flags: str) -> Callable[[], bytes]:
    return functools.partial(library, machine, *flags)


def needing(*sonames: str) -> Callable[[], bytes]:
    return functools.partial(library, "armv7", needs=sonames)


def text(content: bytes = b"x = 1\n") -> Callable[[], bytes]:
    return lambda: content


def wanted(architecture: str = "armv7l", glibc: tuple[int, int] = (2, 36)) -> Wanted:
    target = Target("bookworm", (3, 11), architecture, ("glibc", *glibc))
    return Wanted("spidev", "3.6", tuple(target.tags), architecture, target.libc)


def check(
    directory: Path,
    tags: str,
    code: Objects_,
    *,
    asked: Wanted | None = None,
    purelib: bool | None = None,
    correct: bool = True,
) -> CheckedWheel:
    path = wheel_of(directory / "received", tags, {name: make() for name, make in code.items()}, purelib=purelib)
    return check_wheel(path, asked or wanted(), LIMITS, directory / "corrected" if correct else None)


def tags_of(checked: CheckedWheel) -> str:
    return "-".join(checked.filename.removesuffix(".whl").split("-")[-3:])


@pytest.mark.parametrize(
    ("tags", "code", "becomes"),
    [
        # What is true stays.
        pytest.param(OURS, {MODULE: ext("armv7")}, OURS, id="an extension for ARMv7"),
        pytest.param("py3-none-any", {"spidev.py": text()}, "py3-none-any", id="pure"),
        pytest.param("cp311-abi3-manylinux_2_17_armv7l", {"_spidev.abi3.so": ext("armv7")}, "cp311-abi3-manylinux_2_17_armv7l",
                     id="an older glibc than the target's, truthfully"),
        # Pure, and it is not.
        pytest.param("py3-none-any", {MODULE: ext("armv7")}, OURS, id="pure with an extension"),
        pytest.param("py3-none-any", {"_spidev.so": ext("armv7")}, OURS, id="pure with an extension of a plain name"),
        pytest.param("py3-none-any", {"libspi.so.1": lib("armv7")}, "py3-none-manylinux_2_36_armv7l", id="pure with a library"),
        pytest.param("py2.py3-none-any", {"spi/data.bin": lib("armv7")}, "py2.py3-none-manylinux_2_36_armv7l",
                     id="pure with a library called otherwise"),
        pytest.param("py3-none-any", {"spidev-3.6.data/platlib/_s.so": ext("armv7")}, OURS, id="pure with an extension in .data"),
        pytest.param("py3-none-any", {MODULE: ext("armv6")}, "cp311-cp311-linux_armv6l.linux_armv7l", id="pure with ARMv6"),
        # A platform, and nothing compiled.
        pytest.param(OURS, {"spidev.py": text()}, "cp311-none-any", id="nothing compiled"),
        pytest.param("py3-none-linux_armv7l", {"spidev.py": text()}, "py3-none-any", id="nothing compiled, any Python"),
        pytest.param("cp37-abi3-linux_armv7l", {"spidev.py": text()}, "py37-none-any", id="nothing compiled, abi3"),
        # One file for ARMv6 and ARMv7.
        pytest.param(OURS, {MODULE: ext("armv6")}, "cp311-cp311-linux_armv6l.linux_armv7l", id="ARMv6"),
        pytest.param(OURS, {MODULE: ext("armv6"), "libspi.so": lib("armv7")}, OURS, id="ARMv6 with one library for ARMv7"),
        pytest.param(OURS, {MODULE: ext("armv6t2")}, OURS, id="Thumb-2"),
        pytest.param(OURS, {MODULE: ext("armv6-vfpv3")}, OURS, id="VFPv3"),
        pytest.param(OURS, {MODULE: ext("armv7-neon")}, OURS, id="NEON"),
        pytest.param("cp311-cp311-linux_armv6l.linux_armv7l", {MODULE: ext("armv7")}, OURS, id="ARMv6 claimed in vain"),
        pytest.param("cp311-abi3-linux_armv7l", {"_spidev.abi3.so": ext("armv6")},
                     "cp311-abi3-linux_armv6l.manylinux_2_36_armv7l", id="ARMv6 and abi3"),
        # Several Pythons: the glibc is part of the name.
        pytest.param("cp37-abi3-linux_armv7l", {"_spidev.abi3.so": ext("armv7")}, "cp37-abi3-manylinux_2_36_armv7l", id="abi3"),
        pytest.param("py3-none-linux_armv7l", {"libspi.so": lib("armv7")}, "py3-none-manylinux_2_36_armv7l", id="a library"),
        # abi3, and it is not.
        pytest.param("cp311-abi3-linux_armv7l", {"_spidev.abi3.so": ext("armv7", PRIVATE)}, OURS, id="abi3 with a private symbol"),
        pytest.param("cp37-abi3-linux_armv7l", {"_spidev.abi3.so": ext("armv7", STABLE_SINCE_3_10)},
                     "cp310-abi3-manylinux_2_36_armv7l", id="abi3 of a later Python"),
        pytest.param("cp37-abi3-linux_armv7l", {MODULE: ext("armv7")}, OURS, id="abi3 with a module of one Python"),
        pytest.param("py3-none-linux_armv7l", {"_spidev.so": ext("armv7")}, OURS, id="no ABI claimed, and one used"),
        pytest.param("py3-none-manylinux_2_17_armv7l", {"a.so": needing("libm.so.6", "libz.so.1", "ld-linux-armhf.so.3")},
                     "py3-none-manylinux_2_17_armv7l", id="manylinux with what it allows"),
        # What nothing loads says nothing.
        pytest.param("py3-none-any", {"boards/blink.elf": firmware}, "py3-none-any", id="firmware"),
        pytest.param("py3-none-any", {"pkg/tests/hello": lib("x86_64")}, "py3-none-any", id="a sample for tests"),
        pytest.param(OURS, {MODULE: ext("armv7"), "boards/blink.elf": firmware}, OURS, id="firmware beside an extension"),
        pytest.param(OURS, {MODULE: ext("armv7"), "_spidev.cpython-38-x86_64-linux-gnu.so": ext("x86_64")}, OURS,
                     id="a stale build beside the real one"),
        pytest.param("py3-none-linux_armv7l", {"lib/arm/libspi.so": lib("armv7"), "lib/x86_64/libspi.so": lib("x86_64")},
                     "py3-none-manylinux_2_36_armv7l", id="a choice of libraries"),
    ],
)  # fmt: skip
def test_a_wheel_gets_the_tags_it_deserves(tmp_path: Path, tags: str, code: Objects_, becomes: str) -> None:
    checked = check(tmp_path, tags, code)
    assert tags_of(checked) == becomes
    assert bool(checked.corrections) == (tags != becomes)
    assert checked.tags == TagSet.parse(becomes).each()
    # Said again of the corrected wheel, nothing is left to correct.
    again = check_wheel(checked.path, wanted(), LIMITS, tmp_path / "again")
    assert (again.filename, again.corrections) == (checked.filename, ())
    assert again.sha256 == checked.sha256


@pytest.mark.parametrize(
    ("tags", "code", "reason"),
    [
        pytest.param(OURS, {MODULE: ext("x86_64")}, "is for X86_64 (64 bits, little-endian); the target is ARM (32", id="x86"),
        pytest.param(OURS, {MODULE: ext("aarch64")}, "is for AARCH64 (64 bits", id="64-bit ARM"),
        pytest.param(OURS, {MODULE: ext("armv7"), "libspi.so.1": lib("aarch64")}, "libspi.so.1 is for AARCH64", id="one library"),
        pytest.param(OURS, {MODULE: ext("armv7"), "data.bin": lib("x86_64")}, "data.bin is for X86_64", id="whatever its name"),
        pytest.param(OURS, {MODULE: ext("armeb")}, "ARM (32 bits, big-endian)", id="endianness"),
        pytest.param(OURS, {MODULE: ext("armv7-soft")}, "soft float", id="soft float"),
        pytest.param(OURS, {"_spidev.cpython-39-arm-linux-gnueabihf.so": ext("armv7")}, "named for cpython-39",
                     id="another Python"),
        pytest.param(OURS, {"_spidev.cpython-311-x86_64-linux-gnu.so": ext("armv7")}, "named for x86_64-linux-gnu",
                     id="named for x86"),
        pytest.param(OURS, {MODULE: text()}, "is named as a shared object and is none", id="text as an extension"),
        pytest.param(OURS, {"libspi.so": text(b"")}, "is named as a shared object and is none", id="nothing as a library"),
        pytest.param(OURS, {MODULE: lambda: ext("armv7")()[:300]}, "cannot be read", id="cut off"),
        pytest.param(OURS, {MODULE: text(b"\x7fELF" + bytes(900))}, "cannot be read as an ELF file", id="only the magic"),
        pytest.param("py3-none-any", {MODULE: ext("x86_64")}, "is for X86_64", id="pure with an extension for x86"),
        pytest.param("py3-none-any", {"tests/_x.cpython-311-x86_64-linux-gnu.so": ext("x86_64")}, "is for X86_64",
                     id="an extension for x86 among tests"),
        pytest.param("py3-none-any", {"libspi.so": lib("x86_64")}, "is for X86_64", id="pure with a library for x86"),
        pytest.param("py3-none-any", {"spidev-3.6.data/scripts/spi": lib("x86_64")}, "is for X86_64", id="a command for x86"),
        pytest.param("py3-none-any", {"_spidev.cpython-39-arm-linux-gnueabihf.so": ext("armv7")}, "named for cpython-39",
                     id="pure with another Python's extension"),
        pytest.param(OURS, {"spidev.pyc": text(b"\xa7\r\r\n")}, "bytecode without source", id="only bytecode"),
        pytest.param(OURS, {"spi.pyd": text(b"MZ" + bytes(58) + b"\x40\0\0\0" + b"PE\0\0")}, "another operating system",
                     id="Windows"),
        pytest.param("cp37-abi3-linux_armv7l", {"_spidev.abi3.so": ext("armv7", PRIVATE)}, PRIVATE, id="abi3 of an older Python"),
        pytest.param(OURS, {MODULE: lambda: ext("armv7")()[:2048]}, "cannot be read", id="cut off in its tables"),
    ],
)  # fmt: skip
def test_a_wheel_that_no_tag_makes_true_is_refused_with_its_reason(
    tmp_path: Path, tags: str, code: Objects_, reason: str
) -> None:
    with pytest.raises(WheelRejected) as refused:
        check(tmp_path, tags, code)
    assert any(reason in each for each in refused.value.reasons), refused.value.reasons
    assert not list((tmp_path / "corrected").glob("*")) or not (tmp_path / "corrected").exists()


def test_newer_symbols_than_the_targets_glibc_has_are_named(tmp_path: Path) -> None:
    code = {MODULE: lambda: compile_c(POWER, "armv7", "-lm")}
    assert check(tmp_path / "new", OURS, code).elf["glibc"] == "2.29"
    with pytest.raises(WheelRejected, match=r"needs glibc 2\.29; the target has 2\.28"):
        check(tmp_path / "old", OURS, code, asked=wanted(glibc=(2, 28)))


POWER = "double pow(double, double); double f(double x) { return pow(x, x); }"


def test_a_promise_of_an_older_glibc_is_corrected_to_the_targets(tmp_path: Path) -> None:
    checked = check(tmp_path, "py3-none-manylinux_2_17_armv7l", {"l.so": lambda: compile_c(POWER, "armv7", "-lm")})
    assert tags_of(checked) == "py3-none-manylinux_2_36_armv7l"
    assert "it claimed manylinux_2_17_armv7l" in checked.corrections[0]
    assert not checked.needs_distribution


def test_what_needs_a_distributions_library_stays_with_it(tmp_path: Path) -> None:
    checked = check(tmp_path, "py3-none-linux_armv7l", {"libspi.so": needing("libx.so.7", "libc.so.6")})
    assert tags_of(checked) == "py3-none-linux_armv7l"
    assert checked.needs_distribution
    assert checked.needed == ("libc.so.6", "libx.so.7")
    assert checked.elf["needed"] == ["libc.so.6", "libx.so.7"]


def test_a_library_that_comes_with_the_wheel_is_not_needed_from_outside(tmp_path: Path) -> None:
    code = {"libspi.so": needing("libx.so.7", "libc.so.6"), "spi.libs/libx.so.7": lib("armv7")}
    checked = check(tmp_path, "py3-none-linux_armv7l", code)
    assert (tags_of(checked), checked.needed) == ("py3-none-manylinux_2_36_armv7l", ("libc.so.6",))
    assert not checked.needs_distribution


def test_a_wheel_of_one_python_is_told_apart_by_it(tmp_path: Path) -> None:
    assert not check(
        tmp_path, OURS, {MODULE: ext("armv7"), "l.so": needing("libx.so.7", "libc.so.6")}
    ).needs_distribution


@pytest.mark.parametrize("soname", ["libc.musl-armv7.so.1", "ld-musl-armhf.so.1"])
def test_what_was_linked_with_musl_does_not_run_with_glibc(tmp_path: Path, soname: str) -> None:
    with pytest.raises(WheelRejected, match=f"it needs {soname}; the target has glibc"):
        check(tmp_path, OURS, {"l.so": needing(soname)})


def test_what_needs_glibc_does_not_run_with_musl(tmp_path: Path) -> None:
    target = Target("alpine", (3, 11), "armv7l", ("musl", 1, 2))
    asked = Wanted("spidev", "3.6", tuple(target.tags), "armv7l", target.libc)
    assert tags_of(check(tmp_path / "a", OURS, {"l.so": needing("libc.musl-armv7.so.1")}, asked=asked)) == OURS
    with pytest.raises(WheelRejected, match="the target has musl"):
        check(tmp_path / "b", OURS, {"l.so": lambda: compile_c(POWER, "armv7", "-lm")}, asked=asked)


def test_an_armv6_target_is_never_given_armv7(tmp_path: Path) -> None:
    asked = wanted("armv6l")
    assert tags_of(check(tmp_path / "a", "cp311-cp311-linux_armv6l", {MODULE: ext("armv6")}, asked=asked)) == (
        "cp311-cp311-linux_armv6l.linux_armv7l"
    )
    with pytest.raises(WheelRejected, match="needs ARMv7-A; the target is ARMv6"):
        check(tmp_path / "b", "cp311-cp311-linux_armv6l", {MODULE: ext("armv7")}, asked=asked)


def test_a_64_bit_target_has_no_armv6(tmp_path: Path) -> None:
    name = "_spidev.cpython-311-aarch64-linux-gnu.so"
    checked = check(tmp_path, "cp311-cp311-linux_aarch64", {name: ext("aarch64")}, asked=wanted("aarch64"))
    assert tags_of(checked) == "cp311-cp311-linux_aarch64"
    abi3 = check(tmp_path / "abi3", "cp38-abi3-linux_aarch64", {"_s.abi3.so": ext("aarch64")}, asked=wanted("aarch64"))
    assert tags_of(abi3) == "cp38-abi3-manylinux_2_36_aarch64"


def test_static_libraries_are_noticed_and_keep_a_wheel_from_armv6(tmp_path: Path) -> None:
    archive = b"!<arch>\n" + b"spi.o/".ljust(16) + b"0".ljust(32)
    content = compile_c("int f(void) { return 1; }", "armv6", "-c")
    archive += str(len(content)).encode().ljust(10) + b"`\n" + content
    checked = check(tmp_path, OURS, {MODULE: ext("armv6"), "spi.a": lambda: archive})
    assert tags_of(checked) == OURS
    assert {each["kind"] for each in checked.elf["objects"]} == {"shared", "archive"}


def test_without_a_place_for_it_a_needed_correction_is_a_reason(tmp_path: Path) -> None:
    with pytest.raises(WheelRejected, match="it claimed any platform"):
        check(tmp_path / "a", "py3-none-any", {MODULE: ext("armv7")}, correct=False)
    with pytest.raises(WheelRejected, match="nothing in it is compiled"):
        check(tmp_path / "b", OURS, {"spidev.py": text()}, correct=False)


def test_without_a_place_for_it_what_is_true_but_could_say_more_is_taken(tmp_path: Path) -> None:
    checked = check(tmp_path, OURS, {MODULE: ext("armv6")}, correct=False)
    assert (tags_of(checked), checked.corrections) == (OURS, ())


def test_without_an_architecture_a_wheel_is_compared_with_its_own_claim(tmp_path: Path) -> None:
    blind = Wanted("spidev", "3.6", (OURS, "py3-none-any"))
    assert tags_of(check(tmp_path / "a", "py3-none-any", {MODULE: ext("x86_64")}, asked=blind)) == "py3-none-any"
    with pytest.raises(WheelRejected, match="is for X86_64"):
        check(tmp_path / "b", OURS, {MODULE: ext("x86_64")}, asked=blind)


def test_a_corrected_wheel_remembers_what_was_received(tmp_path: Path) -> None:
    path = wheel_of(tmp_path, "py3-none-any", {MODULE: ext("armv7")()})
    checked = check_wheel(path, wanted(), LIMITS, tmp_path / "corrected")
    assert checked.received_size == path.stat().st_size
    assert checked.received_sha256 != checked.sha256
    assert checked.path.parent == tmp_path / "corrected"
    with zipfile.ZipFile(checked.path) as archive:
        assert b"Root-Is-Purelib: false\n" in archive.read(f"{DIST_INFO}/WHEEL")


def test_a_project_that_promised_less_is_marked(tmp_path: Path) -> None:
    assert check(tmp_path / "a", OURS, {"spidev.py": text()}).widened
    assert not check(tmp_path / "b", OURS, {"spidev.py": text()}, purelib=True).widened


@pytest.mark.parametrize(
    ("machine", "finds"),
    [("armv6", {"linux_armv6l": True, "linux_armv7l": True}), ("armv7", {"linux_armv6l": False, "linux_armv7l": True})],
)
def test_pip_offers_a_pi_zero_what_it_can_run(tmp_path: Path, machine: str, finds: dict[str, bool]) -> None:
    checked = check(tmp_path, OURS, {MODULE: ext(machine)})
    for platform, expected in finds.items():
        target = tmp_path / platform
        command = [sys.executable, "-I", "-m", "pip", "install", "--no-index", "--find-links", checked.path.parent]
        command += ["--platform", platform, "--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"]
        command += ["--only-binary", ":all:", "--no-deps", "--target", target, "spidev"]
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == expected, done.stderr
        assert (target / MODULE).exists() == expected


def test_nothing_known_nothing_judged() -> None:
    verdict = judge_tags(Claim(TagSet.parse("py3-none-any")), Objects(), Site())
    assert (verdict.tags, verdict.reasons, verdict.corrections) == (TagSet.parse("py3-none-any"), (), ())


def test_reasons_are_few_and_name_the_object(tmp_path: Path) -> None:
    code = {f"lib{number}.so": lib("x86_64") for number in range(40)}
    with pytest.raises(WheelRejected) as refused:
        check(tmp_path, OURS, code)
    assert len(refused.value.reasons) == 6
    assert re.fullmatch("and 35 more of this kind", refused.value.reasons[-1])
