"""What has to be built, and what not: decision 6 as a table."""

from dataclasses import dataclass, field

import pytest

from piwright.planning.needs import admits_python, judge
from support.shop import BOOKWORM, TRIXIE


@dataclass(frozen=True)
class File:
    filename: str
    requires_python: str | None = None
    hashes: dict[str, str] = field(default_factory=lambda: {"sha256": "0" * 64})

    @property
    def kind(self) -> str:
        return "wheel" if self.filename.endswith(".whl") else "sdist"


SDIST = File("a-1.0.tar.gz")

CASES = {
    "only a source distribution": ([SDIST], [], "build"),
    "a wheel for every Python upstream": ([SDIST, File("a-1.0-py3-none-any.whl")], [], "upstream_has_wheel"),
    "a wheel for another architecture": ([SDIST, File("a-1.0-cp311-cp311-manylinux_2_17_x86_64.whl")], [], "build"),
    "a wheel for this architecture": (
        [SDIST, File("a-1.0-cp311-cp311-manylinux_2_31_armv7l.whl")],
        [],
        "upstream_has_wheel",
    ),
    "a wheel that wants a newer glibc": ([SDIST, File("a-1.0-cp311-cp311-manylinux_2_39_armv7l.whl")], [], "build"),
    "a stable-ABI wheel of an older Python": (
        [SDIST, File("a-1.0-cp38-abi3-linux_armv7l.whl")],
        [],
        "upstream_has_wheel",
    ),
    "a wheel that refuses this Python": ([SDIST, File("a-1.0-py3-none-any.whl", ">=3.12")], [], "build"),
    "a wheel whose name is nonsense": ([SDIST, File("nonsense.whl")], [], "build"),
    "a wheel of ours": ([SDIST], [["cp311-cp311-linux_armv7l"]], "have_wheel"),
    "a wheel of ours for another target": ([SDIST], [["cp313-cp313-linux_armv7l"]], "build"),
    "a pure wheel of ours": ([SDIST], [["py3-none-any"]], "have_wheel"),
    "nothing": ([], [], "no_sdist"),
    "wheels for others and no source": ([File("a-1.0-cp311-cp311-win_amd64.whl")], [], "no_sdist"),
    "a source that refuses this Python": ([File("a-1.0.tar.gz", "<3")], [], "python"),
    "a source without a hash to check": ([File("a-1.0.tar.gz", None, {"md5": "0"})], [], "no_hash"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_release_is_built_when_and_only_when_it_is_missing(case: str) -> None:
    files, ours, kind = CASES[case]
    verdict = judge(files, ours, BOOKWORM.tags, BOOKWORM.python_version)
    assert verdict.kind == kind
    assert (verdict.sdist is None) == (kind != "build") == (verdict.reason is not None)


def test_a_tarball_is_preferred_to_a_zip() -> None:
    assert judge([File("a-1.0.zip"), SDIST], [], TRIXIE.tags, "3.13").sdist == SDIST


@pytest.mark.parametrize(
    ("requires", "python", "admitted"),
    [
        (None, "3.11", True),
        (">=3.11.4", "3.11", True),
        ("<3.11", "3.11", False),
        ("!=3.11.*", "3.11", False),
        (">=3.6,<4", "3.13", True),
        ("nonsense", "3.11", True),
    ],
)
def test_requires_python_is_read_as_pip_does(requires: str | None, python: str, admitted: bool) -> None:
    assert admits_python(requires, python) is admitted
