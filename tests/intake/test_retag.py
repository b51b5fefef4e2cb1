"""What a wheel says of itself is rewritten, and nothing else changes."""

import contextlib
import hashlib
import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wheel.wheelfile import WheelFile

from intake.hostile_wheels import CODE, DIST_INFO, METADATA, TAG, make_wheel, wheel_info
from piwright.intake.limits import Limits
from piwright.intake.retag import RetagError, next_build_number, retag
from piwright.intake.tag_set import TagSet
from piwright.intake.wheel_check import Wanted, check_wheel

WANTED = Wanted("spidev", "3.6", (TAG, "py3-none-any"))
BOTH = TagSet.parse("cp311-cp311-linux_armv7l.linux_armv6l")
PURE = {"spidev.py": b"x = 1\n"}


def wheel_text(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        return archive.read(f"{DIST_INFO}/WHEEL").decode()


def test_a_retagged_wheel_passes_the_same_check(tmp_path: Path) -> None:
    path = make_wheel(tmp_path)
    before = path.read_bytes()
    made = retag(path, 2, tmp_path / "new")
    checked = check_wheel(made, WANTED)
    assert checked.filename == f"spidev-3.6-2-{TAG}.whl"
    assert (checked.build_tag, checked.metadata) == ("2", METADATA)
    assert path.read_bytes() == before
    assert list((tmp_path / "new").iterdir()) == [made]


def test_one_file_gets_both_tags_in_name_wheel_and_record(tmp_path: Path) -> None:
    made = retag(make_wheel(tmp_path, code=PURE), None, tmp_path / "new", tags=BOTH, purelib=False)
    assert made.name == "spidev-3.6-cp311-cp311-linux_armv6l.linux_armv7l.whl"
    lines = wheel_text(made).splitlines()
    assert lines[-3:] == ["Root-Is-Purelib: false", "Tag: cp311-cp311-linux_armv6l", "Tag: cp311-cp311-linux_armv7l"]
    with WheelFile(made) as wheel:  # the library backends use: it compares each member with RECORD
        assert all(wheel.read(name) for name in wheel.namelist())
    both = Wanted("spidev", "3.6", (*BOTH.each(), TAG))
    assert check_wheel(made, both, Limits()).tags == BOTH.each()


def test_other_lines_of_wheel_stay(tmp_path: Path) -> None:
    info = b"Wheel-Version: 1.0\r\nGenerator: odd\r\n (1.0)\r\nTAG: cp311-cp311-linux_armv7l\r\nX-More: yes\r\nBuild: 7\r\n"
    path = make_wheel(tmp_path, f"spidev-3.6-7-{TAG}.whl", code=PURE, info=info)
    made = retag(path, None, tmp_path / "new", tags=TagSet.parse("py3-none-any"), purelib=True)
    assert made.name == "spidev-3.6-7-py3-none-any.whl"
    expected = (
        "Wheel-Version: 1.0\nGenerator: odd\n (1.0)\nX-More: yes\nRoot-Is-Purelib: true\nBuild: 7\nTag: py3-none-any\n"
    )
    assert wheel_text(made) == expected


def test_members_keep_order_times_modes_and_packed_bytes(tmp_path: Path) -> None:
    def edit(entry: zipfile.ZipInfo) -> None:
        entry.date_time = (2021, 3, 4, 5, 6, 8)
        entry.external_attr = 0o100755 << 16
        entry.extra = b"UT\x05\0\x01\0\0\0\0"

    path = make_wheel(tmp_path, members={"Ünï.py": b"x", "empty.py": b""}, edit_info=edit)
    made = retag(path, 1, tmp_path / "new")
    with zipfile.ZipFile(path) as before, zipfile.ZipFile(made) as after:
        assert after.testzip() is None
        assert after.namelist() == before.namelist()
        for old, new in zip(before.infolist(), after.infolist(), strict=True):
            assert (new.date_time, new.external_attr, new.create_system) == (
                old.date_time,
                old.external_attr,
                old.create_system,
            )
            if not old.filename.endswith(("WHEEL", "RECORD")):
                assert (new.compress_type, new.compress_size, new.CRC) == (
                    old.compress_type,
                    old.compress_size,
                    old.CRC,
                )
    packed = zipfile.ZipFile(path).getinfo("spidev.py")
    start = packed.header_offset + 30 + len("spidev.py") + len(b"UT\x05\0\x01\0\0\0\0")
    assert path.read_bytes()[start : start + packed.compress_size] in made.read_bytes()


def test_retagging_gives_the_same_bytes_whenever_and_wherever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_wheel(tmp_path)
    first = retag(path, 1, tmp_path / "a", tags=BOTH)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    # Another zlib would deflate to other bytes: it is not asked to.
    monkeypatch.setattr("zlib.compressobj", None)
    second = retag(path, 1, tmp_path / "b", tags=BOTH)
    assert hashlib.sha256(first.read_bytes()).digest() == hashlib.sha256(second.read_bytes()).digest()


def test_there_and_back_is_where_it_began(tmp_path: Path) -> None:
    once = retag(make_wheel(tmp_path), None, tmp_path / "a", tags=BOTH)
    back = retag(once, None, tmp_path / "b", tags=TagSet.parse(TAG))
    again = retag(back, None, tmp_path / "c", tags=BOTH)
    assert again.name == once.name
    assert again.read_bytes() == once.read_bytes()


def test_a_wheel_written_as_a_stream_with_directories_can_be_rewritten(tmp_path: Path) -> None:
    path = make_wheel(tmp_path)
    output = io.BytesIO()
    output.seekable = lambda: False  # type: ignore[method-assign]
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as copy:
        copy.writestr("empty/", b"")
        for info in source.infolist():
            with copy.open(info.filename, "w", force_zip64=info.filename == "spidev.py") as member:
                member.write(source.read(info))
    path.write_bytes(output.getvalue())
    made = retag(path, 3, tmp_path / "new")
    assert check_wheel(made, WANTED).build_tag == "3"
    assert zipfile.ZipFile(made).namelist()[0] == "empty/"


def test_a_build_number_of_its_own_is_replaced(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, f"spidev-3.6-7-{TAG}.whl", info=wheel_info(build="7"))
    assert retag(path, 8, tmp_path / "new").name == f"spidev-3.6-8-{TAG}.whl"


def test_a_wheel_that_cannot_be_rewritten_is_said_so_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / f"spidev-3.6-{TAG}.whl"
    path.write_bytes(b"no wheel")
    with pytest.raises(RetagError, match="cannot be rewritten"):
        retag(path, 1, tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    path = make_wheel(tmp_path)
    before = path.read_bytes()
    with pytest.raises(RetagError, match="is there already"):
        retag(path, None, tmp_path)
    assert path.read_bytes() == before


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_wheel_is_rewritten_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    path = make_wheel(tmp_path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    target = tmp_path / "new"
    with contextlib.suppress(RetagError):
        retag(path, 1, target).unlink()
    assert list(target.iterdir()) == []


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        ([], 1),
        ([f"spidev-3.6-{TAG}.whl"], 1),
        ([f"spidev-3.6-{TAG}.whl", f"spidev-3.6-1-{TAG}.whl"], 2),
        ([f"spidev-3.6-9a-{TAG}.whl", f"spidev-3.6-10-{TAG}.whl"], 11),
        (["what is this"], 1),
    ],
)
def test_the_next_build_number_is_above_all_others(taken: list[str], expected: int) -> None:
    assert next_build_number(taken) == expected


def test_a_wheel_made_by_the_library_backends_use_passes(tmp_path: Path) -> None:
    path = tmp_path / f"spidev-3.6-{TAG}.whl"
    with WheelFile(path, "w") as wheel:
        for name, data in CODE.items():
            wheel.writestr(name, data)
        wheel.writestr(f"{DIST_INFO}/METADATA", METADATA)
        wheel.writestr(f"{DIST_INFO}/WHEEL", wheel_info())
    assert check_wheel(path, WANTED).filename == path.name
    assert check_wheel(retag(path, 1, tmp_path / "new"), WANTED).build_tag == "1"
