"""Where the files of a wheel would land: over nothing, as nobody else, and nowhere outside."""

from pathlib import Path

import pytest

from intake.hostile_contents import LAYOUT
from intake.hostile_wheels import DIST_INFO, Hostile, make_wheel
from piwright.intake.limits import Limits
from piwright.intake.wheel_archive import ArchiveRejected, open_archive
from piwright.intake.wheel_layout import judge_entry_points, judge_layout, judge_places


@pytest.mark.parametrize("case", LAYOUT, ids=lambda case: case.name)
def test_a_file_that_would_land_elsewhere_is_named(case: Hostile, tmp_path: Path) -> None:
    try:
        with open_archive(case.make(tmp_path), Limits()) as archive:
            reasons = judge_layout(archive, DIST_INFO)
    except ArchiveRejected as rejected:
        reasons = list(rejected.reasons)
    assert any(case.reason in reason for reason in reasons), reasons


@pytest.mark.parametrize(
    "member",
    [
        "spidev.pth",
        "sitecustomize.py",
        "spidev-3.6.data/scripts/spidev",
        "spidev-3.6.data/scripts/tools/run",
        "spidev-3.6.data/data/etc/udev/rules.d/50-spi.rules",
        "spidev-3.6.data/headers/spidev.h",
        "spidev-3.6.data/purelib/other.py",
        "vendor/x-1.0.dist-info/METADATA",
        "vendor/x.egg-info/PKG-INFO",
        "spidev.egg-info/PKG-INFO",
    ],
)
def test_what_a_wheel_may_do_is_left_alone(member: str, tmp_path: Path) -> None:
    with open_archive(make_wheel(tmp_path, members={member: b"x"}), Limits()) as archive:
        assert judge_layout(archive, DIST_INFO) == []


def test_places_in_directories_that_differ_only_in_case_are_one() -> None:
    members = ["A/b.py", "spidev-3.6.data/platlib/a/B.py"]
    assert judge_places(members, DIST_INFO) == ["'spidev-3.6.data/platlib/a/B.py' would be installed over 'A/b.py'"]


@pytest.mark.parametrize(
    "text",
    [
        "[console_scripts]\nspi = spidev:open\nspi-2.x_y = spidev.sub : Class.method [extra, other]\n\n# x/y = z\n",
        "[other.group]\n../name = any thing/at all\n[console_scripts]\na=b:c\n",
        "",
    ],
)
def test_entry_points_that_installers_take_are_left_alone(text: str) -> None:
    assert judge_entry_points(text.encode()) == []
