"""A wheel's zip and texts as an attacker's: one way to read them, or refused; and what honest tools write is taken."""

import dataclasses
import stat
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intake.fuzz.oracle import judge_wheel
from intake.fuzz.shapes import SHAPES, SOUND, as_whole, samples, wheel_from
from intake.hostile_contents import CONTENTS, LAYOUT
from intake.hostile_wheels import TAG, Hostile
from intake.hostile_zips import FOLDER, FULL, ZIPS, raw_member, wheel_members, write
from intake.raw_zip import STORED, RawMember, extra_field, write_zip
from piwright.intake.limits import Limits
from piwright.intake.wheel_archive import ArchiveRejected, open_archive
from piwright.intake.wheel_check import Wanted, WheelRejected, check_wheel

WANTED = Wanted("spidev", "3.6", (TAG, "py3-none-any"))
LIMITS = Limits(ratio_free_bytes=8 << 20)


@pytest.mark.parametrize("case", [*ZIPS, *CONTENTS, *LAYOUT], ids=lambda case: case.name)
def test_a_wheel_that_can_be_read_in_two_ways_is_refused_in_bounded_memory(case: Hostile, tmp_path: Path) -> None:
    path = case.make(tmp_path)
    tracemalloc.start()
    try:
        with pytest.raises(WheelRejected) as refused:
            check_wheel(path, WANTED, LIMITS)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert any(case.reason in reason for reason in refused.value.reasons), refused.value.reasons
    assert all(len(reason) <= 500 and reason.isprintable() for reason in refused.value.reasons)
    assert peak < 150 << 20


def _streamed(member: RawMember, layout: str = "<4s3L", extra: bytes = b"") -> RawMember:
    full = {"size": FULL, "packed": FULL} if extra else {"size": 0, "packed": 0}
    changed = dataclasses.replace(member, flags=member.flags | 8, local={"crc": 0, "extra": extra} | full)
    return dataclasses.replace(changed, behind=changed.descriptor(layout))


def _times_and_owner(member: RawMember) -> RawMember:
    return dataclasses.replace(
        member,
        local={"extra": extra_field(0x5455, b"\3" + bytes(8)) + extra_field(0x7875, bytes(11))},
        central={"extra": extra_field(0x5455, b"\3" + bytes(4)) + extra_field(0x7875, bytes(11)), "internal": 1},
    )


def _large(member: RawMember) -> RawMember:
    """As Rust's `zip` writes a file that may become large: wide in front, and wide again in the directory."""
    wide = extra_field(1, struct.pack("<2Q", len(member.data), len(member.content())))
    full = {"size": FULL, "packed": FULL, "extra": wide, "version": 45}
    return dataclasses.replace(member, local=full, central=full)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_streamed, id="written to a pipe"),
        pytest.param(lambda m: _streamed(m, "<4sL2Q", extra_field(1, bytes(16))), id="written to a pipe, wide"),
        pytest.param(_times_and_owner, id="by Info-ZIP"),
        pytest.param(_large, id="by a writer of large files"),
        pytest.param(lambda m: dataclasses.replace(m, method=STORED), id="stored"),
        pytest.param(lambda m: dataclasses.replace(m, attributes=0), id="without a mode"),
        pytest.param(lambda m: dataclasses.replace(m, attributes=0x20, central={"made_by": 20}), id="on Windows"),
        pytest.param(lambda m: dataclasses.replace(m, attributes=(stat.S_IFREG | 0o755) << 16), id="executable"),
        pytest.param(lambda m: dataclasses.replace(m, flags=0x800), id="marked as UTF-8 for nothing"),
        pytest.param(lambda m: dataclasses.replace(m, comment=b"PK\5\6"), id="with a comment"),
        pytest.param(lambda m: dataclasses.replace(m, local={"flags": 2}), id="with options of deflate"),
    ],
)
def test_what_honest_tools_write_is_accepted_by_us_and_by_installers(
    change: Callable[[RawMember], RawMember], tmp_path: Path
) -> None:
    # An empty file among them: of a wide descriptor of nothing, half looks like a whole one.
    members = wheel_members({wheel_members()[1].name.decode(): wheel_members()[1].data, "empty/__init__.py": b""})
    folder = RawMember(b"empty/", attributes=FOLDER, method=STORED)
    assert judge_wheel(write_zip([folder, *map(change, members)]), tmp_path)


def test_a_wheel_of_many_files_with_odd_names_is_accepted(tmp_path: Path) -> None:
    names = [
        "spidev.pth",
        "sitecustomize.py",
        "a b/ü.py",
        "con.py",
        "xx:y",
        "-rf",
        "~",
    ]
    code = {wheel_members()[1].name.decode(): wheel_members()[1].data} | dict.fromkeys(names, b"x")
    assert judge_wheel(write_zip(wheel_members(code)), tmp_path)


def test_a_member_is_read_as_far_as_it_declares_and_no_further(tmp_path: Path) -> None:
    path = write(tmp_path, write_zip([raw_member("a", b"x" * 100, local={"size": 10}, central={"size": 10})]))
    with open_archive(path, LIMITS) as archive, pytest.raises(ArchiveRejected, match="a is larger than the 10 bytes"):
        archive.read("a", 10)


def test_reasons_do_not_grow_with_the_number_of_members(tmp_path: Path) -> None:
    path = write(tmp_path, write_zip(RawMember(b"%d/../x" % number) for number in range(1000)))
    with pytest.raises(ArchiveRejected) as refused, open_archive(path, LIMITS):
        pass
    assert len(str(refused.value)) < 5000


# What fuzzers do for minutes, for a moment. `fuzz/` has the rest.

_quick = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def test_the_shapes_make_what_is_accepted_and_what_is_refused(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    judged = [judge_wheel(wheel_from(each), tmp_path_factory.mktemp("wheel")) for each in (as_whole(SOUND), *samples())]
    assert judged[:6] == [True] * 6
    assert False in judged


@_quick
@given(shape=st.integers(1, len(SHAPES) - 1), data=st.binary(max_size=60))
def test_a_wheel_changed_in_its_fields_is_refused_or_the_same_to_every_reader(
    shape: int, data: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    judge_wheel(wheel_from(bytes([shape]) + data), tmp_path_factory.mktemp("wheel"))


@_quick
@given(
    patches=st.lists(st.tuples(st.integers(0, len(SOUND) - 1), st.binary(min_size=1, max_size=4)), max_size=4),
    cut=st.slices(len(SOUND)) | st.none(),
)
def test_a_wheel_changed_in_its_bytes_is_refused_or_the_same_to_every_reader(
    patches: list[tuple[int, bytes]], cut: slice | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(SOUND)
    for position, data in patches:
        content[position : position + len(data)] = data
    if cut is not None and cut.step in (None, 1):
        del content[cut]
    judge_wheel(bytes(content), tmp_path_factory.mktemp("wheel"))


NAMES = st.lists(
    st.text(st.sampled_from("aA./\\é\N{COMBINING ACUTE ACCENT}eßs \n\0:-"), max_size=8)
    | st.sampled_from(["spidev-3.6.data/", "x.dist-info/", "..", "purelib/", "scripts/"]).flatmap(
        lambda start: st.text("ab/.", max_size=4).map(lambda end: start + end)
    ),
    max_size=4,
)


@_quick
@given(names=NAMES)
def test_members_with_any_names_are_refused_or_land_where_they_say(
    names: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = bytes([3]) + "\n".join(names).encode("utf-8", "surrogatepass")
    judge_wheel(wheel_from(data), tmp_path_factory.mktemp("wheel"))


HEADERS = st.lists(
    st.sampled_from([b"Name: spidev", b"Version: 3.6", b"Metadata-Version: 2.4", b"Requires-Dist: a", b"", b" b", b":"])
    | st.binary(max_size=20),
    max_size=8,
)


@_quick
@given(headers=HEADERS, separator=st.sampled_from([b"\n", b"\r\n", b"\r", b"\n\n"]))
def test_metadata_of_any_headers_is_refused_or_says_the_same_to_every_reader(
    headers: list[bytes], separator: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    judge_wheel(wheel_from(bytes([4]) + separator.join(headers)), tmp_path_factory.mktemp("wheel"))
