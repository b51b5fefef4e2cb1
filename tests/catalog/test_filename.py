"""What the name of a file says."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version

from piwright.catalog.filename import FileNameError, read_filename


@pytest.mark.parametrize(
    ("filename", "project", "kind", "version"),
    [
        ("spidev-3.6.tar.gz", "spidev", "sdist", "3.6"),
        ("RPi.GPIO-0.7.1.tar.gz", "rpi-gpio", "sdist", "0.7.1"),
        ("rpi_gpio-0.7.1.tar.gz", "rpi-gpio", "sdist", "0.7.1"),
        ("rpi--gpio-0.7.1.zip", "rpi-gpio", "sdist", "0.7.1"),
        ("MySQL-python-1.2.5.zip", "mysql-python", "sdist", "1.2.5"),
        ("a-b-1.0-beta1.tar.bz2", "a-b", "sdist", "1.0b1"),
        ("a-2-1.0.tgz", "a-2", "sdist", "1.0"),
        ("a-1.0-1.tar.gz", "a", "sdist", "1.0.post1"),
        ("a-v1.0.tar.xz", "a", "sdist", "1.0"),
        ("a-1!2.0+local.3.tar.gz", "a", "sdist", "1!2.0+local.3"),
        ("my-linux-tool-1.0.tar.gz", "my-linux-tool", "sdist", "1.0"),
        ("linux-1.0.tar.gz", "linux", "sdist", "1.0"),
        ("a-1.0.TAR.GZ", "a", "sdist", "1.0"),
        ("a-1.0-py3-none-any.whl", "a", "wheel", "1.0"),
        ("RPi.GPIO-0.7.1-1build-cp39-cp39-linux_armv6l.whl", "rpi-gpio", "wheel", "0.7.1"),
        ("a-1.0.linux-x86_64.tar.gz", "a", "other", "1.0"),
        ("a-linux-1.0.linux-armv7l.tar.gz", "a-linux", "other", "1.0"),
        ("a-1.0.win32-py2.7.exe", "a", "other", "1.0"),
        ("a-1.0.win-amd64-py3.4.msi", "a", "other", "1.0"),
        ("a-1.0.win32.zip", "a", "other", "1.0"),
        ("a-1.0-py2.7.egg", "a", "other", "1.0"),
        ("a-1.0-py2.7-macosx-10.6-intel.egg", "a", "other", "1.0"),
        ("a-1.0_1-py2.7.egg", "a", "other", "1.0.post1"),
        ("a-1.0-1.noarch.rpm", "a", "other", "1.0"),
        ("a-1.0.tar.Z", "a", "other", "1.0"),
    ],
)
def test_kind_and_version_are_read(filename: str, project: str, kind: str, version: str) -> None:
    name = read_filename(filename, canonicalize_name(project))
    assert (name.kind, name.version) == (kind, Version(version))


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("b-1.0.tar.gz", "starts with a"),
        ("a_1.0.tar.gz", "starts with a"),
        ("a.tar.gz", "starts with a"),
        ("-1.0.tar.gz", "plain file name"),
        ("a-b-1.0.tar.gz", "version that the standard allows, not 'b-1.0'"),
        ("a-snapshot-r3.tar.gz", "version that the standard allows"),
        ("a-1.0.pdf", "name that ends"),
        ("a-1.0", "name that ends"),
        ("b-1.0-py3-none-any.whl", "a wheel of a, not of b"),
        ("a-1.0.whl", "NAME-VERSION"),
        ("a-x-py3-none-any.whl", "NAME-VERSION"),
        ("../a-1.0.tar.gz", "plain file name"),
        ("a-1.0.tar.gz/", "plain file name"),
        ("a-1.0\n.tar.gz", "plain file name"),
        ("a-1.0.tar.gz\n", "plain file name"),
        ("a-1.0\x00.tar.gz", "plain file name"),
        ("á-1.0.tar.gz", "plain file name"),
        ("a-" + "1" * 300 + ".tar.gz", "at most 255"),
        ("", "plain file name"),
        (".", "plain file name"),
        (".whl", "plain file name"),
    ],
)
def test_a_name_that_says_nothing_is_refused_with_what_was_expected(filename: str, expected: str) -> None:
    with pytest.raises(FileNameError, match=expected):
        read_filename(filename, canonicalize_name("a"))


VERSIONS = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(["", "1!"]),
    st.lists(st.integers(0, 9999).map(str), min_size=1, max_size=4).map(".".join),
    st.sampled_from(["", "a1", "b2", "rc3"]),
    st.sampled_from(["", ".post1"]),
    st.sampled_from(["", ".dev4"]),
)


@given(st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,12}[A-Za-z0-9])?", fullmatch=True), VERSIONS)
def test_every_name_and_version_an_sdist_can_have_comes_back(name: str, version: str) -> None:
    read = read_filename(f"{name}-{version}.tar.gz", canonicalize_name(name))
    assert (read.kind, read.version) == ("sdist", Version(version))


@given(st.text(max_size=40) | st.text(alphabet="a1.-_py", max_size=40).map(lambda text: f"a-{text}.tar.gz"))
def test_no_name_breaks_the_reading(filename: str) -> None:
    with contextlib.suppress(FileNameError):
        assert read_filename(filename, canonicalize_name("a")).kind in ("sdist", "wheel", "other")
