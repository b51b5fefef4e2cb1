"""Which apt packages a wheel needs."""

import pytest

from piwright.intake.runtime_packages import RuntimePackages, runtime_packages

LIBRARIES = {
    "libc.so.6": "libc6:armhf",
    "libstdc++.so.6": "libstdc++6",
    "libopenblas.so.0": "libopenblas0-pthread",
    "libxml2.so.2": "libxml2:armhf",
    "libevil.so.1": "x; rm -rf /",
}


@pytest.mark.parametrize(
    ("needed", "preinstalled", "packages", "unknown"),
    [
        ([], [], (), ()),
        (["libc.so.6", "libm.so.6", "ld-linux-armhf.so.3"], [], (), ()),
        (["libopenblas.so.0", "libxml2.so.2"], [], ("libopenblas0-pthread", "libxml2"), ()),
        (["libopenblas.so.0", "libstdc++.so.6"], ["libstdc++6"], ("libopenblas0-pthread",), ()),
        (["libnowhere.so.3"], [], (), ("libnowhere.so.3",)),
        (["libevil.so.1"], [], (), ("libevil.so.1",)),
    ],
)
def test_packages_are_what_is_needed_and_not_shipped(
    needed: list[str], preinstalled: list[str], packages: tuple[str, ...], unknown: tuple[str, ...]
) -> None:
    assert runtime_packages(needed, LIBRARIES, preinstalled) == RuntimePackages(packages, unknown)
