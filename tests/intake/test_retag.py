"""A rebuild gets a build number, and nothing else changes."""

import hashlib
from pathlib import Path

import pytest
from wheel.wheelfile import WheelFile

from intake.hostile_wheels import CODE, DIST_INFO, METADATA, TAG, make_wheel, wheel_info
from piwright.intake.retag import RetagError, next_build_number, retag
from piwright.intake.wheel_check import Wanted, check_wheel

WANTED = Wanted("spidev", "3.6", (TAG,))


def test_a_retagged_wheel_passes_the_same_check(tmp_path: Path) -> None:
    path = make_wheel(tmp_path)
    before = path.read_bytes()
    made = retag(path, 2, tmp_path / "new")
    checked = check_wheel(made, WANTED)
    assert checked.filename == f"spidev-3.6-2-{TAG}.whl"
    assert (checked.build_tag, checked.metadata) == ("2", METADATA)
    assert path.read_bytes() == before
    assert list((tmp_path / "new").iterdir()) == [made]


def test_retagging_twice_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_wheel(tmp_path)
    first = retag(path, 1, tmp_path / "a")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    second = retag(path, 1, tmp_path / "b")
    assert hashlib.sha256(first.read_bytes()).digest() == hashlib.sha256(second.read_bytes()).digest()


def test_a_build_number_of_its_own_is_replaced(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, f"spidev-3.6-7-{TAG}.whl", info=wheel_info(build="7"))
    assert retag(path, 8, tmp_path / "new").name == f"spidev-3.6-8-{TAG}.whl"


def test_a_wheel_that_cannot_be_rewritten_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / f"spidev-3.6-{TAG}.whl"
    path.write_bytes(b"no wheel")
    with pytest.raises(RetagError, match="wheel tags failed"):
        retag(path, 1, tmp_path / "new")


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
