"""What a wheel must be to be published, and what may be odd about it."""

import hashlib
import json
import tempfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intake.compiled import extension, library, wheel_of
from intake.hostile_wheels import CORPUS, DIST_INFO, METADATA, TAG, Hostile, make_wheel, wheel_info
from intake.tiny_elf import shared_object
from piwright.intake.limits import Limits
from piwright.intake.wheel_check import CheckedWheel, Wanted, WheelRejected, check_wheel

WANTED = Wanted("spidev", "3.6", (TAG, "cp311-abi3-linux_armv7l", "cp37-abi3-linux_armv7l", "py3-none-any"))
LIMITS = Limits(ratio_free_bytes=8 << 20)


def check(path: Path, project: str = "spidev", version: str = "3.6") -> CheckedWheel:
    return check_wheel(path, Wanted(project, version, WANTED.tags), LIMITS)


def test_a_sound_wheel_is_described_by_its_bytes(tmp_path: Path) -> None:
    path = make_wheel(tmp_path)
    checked = check(path)
    assert checked.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert checked.size == path.stat().st_size
    assert checked.filename == f"spidev-3.6-{TAG}.whl"
    assert checked.tags == (TAG,)
    assert checked.build_tag == ""
    assert checked.requires_python == ">=3.7"
    assert checked.metadata == METADATA
    assert checked.metadata_sha256 == hashlib.sha256(METADATA).hexdigest()


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case.name)
def test_a_hostile_wheel_is_refused_with_its_reason_in_bounded_memory(case: Hostile, tmp_path: Path) -> None:
    path = case.make(tmp_path)
    tracemalloc.start()
    try:
        with pytest.raises(WheelRejected) as refused:
            check(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert any(case.reason in reason for reason in refused.value.reasons), refused.value.reasons
    assert all(len(reason) <= 500 and reason.isprintable() for reason in refused.value.reasons)
    assert str(tmp_path) not in str(refused.value)
    assert peak < 100 << 20


def test_every_reason_is_told_at_once(tmp_path: Path) -> None:
    path = make_wheel(
        tmp_path,
        metadata=METADATA.replace(b"3.6", b"1.0"),
        info=wheel_info(["py3-none-any"]),
        edit_record=lambda rows: rows[0].__setitem__(2, "7"),
    )
    with pytest.raises(WheelRejected) as refused:
        check(path)
    assert len(refused.value.reasons) == 3


def pure(directory: Path, filename: str, dist_info: str, name: str, version: str) -> Path:
    tag = filename.removesuffix(".whl").split("-", 2)[2]
    tags = [f"{python}-none-any" for python in tag.removesuffix("-none-any").split(".")]
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    return make_wheel(
        directory, filename, code={"m.py": b""}, metadata=metadata, info=wheel_info(tags), dist_info=dist_info
    )


@pytest.mark.parametrize(
    ("filename", "dist_info", "name", "version", "project", "asked"),
    [
        ("zope.interface-5.0-py3-none-any.whl", "zope.interface-5.0.dist-info", "zope.interface", "5.0", "zope-interface", "5.0"),
        ("zope_interface-5.0-py3-none-any.whl", "zope_interface-5.0.dist-info", "zope.interface", "5.0", "zope-interface", "5.0"),
        ("Foo_Bar-1.0-py2.py3-none-any.whl", "Foo_Bar-1.0.dist-info", "Foo-Bar", "1.0", "foo-bar", "1.0"),
        ("foo_bar-1.0-py3-none-any.whl", "Foo.Bar-1.0.dist-info", "Foo.Bar", "1.0", "foo-bar", "1.0"),
        ("foo-1.0-py3-none-any.whl", "foo-1.0.dist-info", "foo", "1.0", "foo", "1.0.0"),
        ("foo-1.0rc1-py3-none-any.whl", "foo-1.0rc1.dist-info", "foo", "1.0.rc1", "foo", "1.0rc1"),
        ("foo-1!2.0+local.1-py3-none-any.whl", "foo-1!2.0+local.1.dist-info", "foo", "1!2.0+local.1", "foo", "1!2.0+local-1"),
    ],
)  # fmt: skip
def test_names_and_versions_are_compared_as_installers_compare_them(
    tmp_path: Path, filename: str, dist_info: str, name: str, version: str, project: str, asked: str
) -> None:
    path = pure(tmp_path, filename, dist_info, name, version)
    assert check(path, project, asked).filename == filename


@pytest.mark.parametrize(
    "extra",
    [
        b"Summary: two\n lines\n",
        b"Classifier: No :: Such :: Thing\n",
        b"X-Unknown: 1\n",
        b"License-Expression: nobody knows\n",
        b"Description-Content-Type: text/whatever\n",
        b"Keywords: a\nKeywords: b\n",
        b"Project-URL: a, https://a.example\nProject-URL: a, https://b.example\n",
        b"Provides-Extra: not valid!\n",
        b"Requires-Dist: numpy (>=1.0) ; python_version < '4'\n",
    ],
)
def test_what_pip_would_install_all_the_same_is_accepted(tmp_path: Path, extra: bytes) -> None:
    headers, _, body = METADATA.partition(b"\n\n")
    check(make_wheel(tmp_path, metadata=headers + b"\n" + extra + b"\n" + body))


def test_metadata_of_the_old_formats_without_a_version_of_their_own_is_accepted(tmp_path: Path) -> None:
    assert check(make_wheel(tmp_path, metadata=b"Name: spidev\nVersion: 3.6\n")).requires_python is None


def test_a_compressed_set_of_tags_is_written_out(tmp_path: Path) -> None:
    tags = ["cp37-abi3-linux_armv7l", "cp38-abi3-linux_armv7l"]
    code = {"_spidev.abi3.so": shared_object("PyInit__spidev")}
    path = make_wheel(tmp_path, "spidev-3.6-cp37.cp38-abi3-linux_armv7l.whl", code=code, info=wheel_info(tags))
    assert check(path).tags == tuple(tags)


def test_a_build_number_is_part_of_the_name(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, f"spidev-3.6-2post-{TAG}.whl", info=wheel_info(build="2post"))
    assert check(path).build_tag == "2post"


@pytest.mark.parametrize("member", ["vendor/x-1.0.dist-info/METADATA", "spidev-3.6.data/scripts/run", "a/Ünïcode.py"])
def test_members_that_only_look_suspicious_are_accepted(tmp_path: Path, member: str) -> None:
    check(make_wheel(tmp_path, members={member: b"x"}))


def test_a_wheel_written_as_a_stream_is_accepted(tmp_path: Path) -> None:
    # Backends that write to a pipe put sizes behind the data; a re-written archive may also list directories.
    path = make_wheel(tmp_path)

    class Pipe:
        def __init__(self) -> None:
            self.written = bytearray()

        def write(self, data: bytes) -> int:
            self.written += data
            return len(data)

        def flush(self) -> None: ...

    pipe = Pipe()
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as copy:  # type: ignore[call-overload]
        copy.writestr("empty/", b"")
        for info in source.infolist():
            with copy.open(info.filename, "w", force_zip64=info.filename == "spidev.py") as member:
                member.write(source.read(info))
    path.write_bytes(pipe.written)
    check(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_wheel_is_refused_or_still_tells_the_truth(tmp_path: Path, data: st.DataObject) -> None:
    path = make_wheel(tmp_path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        checked = check(path)
    except WheelRejected:
        return
    # A changed time or needed version of zip is no lie about content.
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.read(f"{DIST_INFO}/METADATA") == checked.metadata


BOOKWORM = Wanted("spidev", "3.6", (*WANTED.tags, "linux_armv6l", "cp311-none-any", "py3-none-linux_armv7l",
                                    "py3-none-manylinux_2_36_armv7l"), "armv7l", ("glibc", 2, 36))  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_wheel_with_damaged_objects_ends_in_a_verdict(tmp_path: Path, data: st.DataObject) -> None:
    tags, name, sound = data.draw(
        st.sampled_from(
            [
                (TAG, "_spidev.cpython-311-arm-linux-gnueabihf.so", extension("_spidev", "armv6")),
                ("py3-none-any", "_spidev.so", extension("_spidev", "armv7")),
                ("cp37-abi3-linux_armv7l", "_spidev.abi3.so", extension("_spidev", "armv7")),
                ("py3-none-linux_armv7l", "libspi.so", library("armv7", needs=("libc.so.6",))),
            ]
        )
    )
    content = bytearray(sound)
    places = st.one_of(st.integers(0, 1000), st.integers(len(content) - 2000, len(content) - 1))
    for _ in range(data.draw(st.integers(0, 6))):
        content[data.draw(places)] = data.draw(st.integers(0, 255))
    path = wheel_of(tmp_path / "received", tags, {name: bytes(content)})
    with tempfile.TemporaryDirectory(dir=tmp_path) as scratch:
        try:
            checked = check_wheel(path, BOOKWORM, LIMITS, Path(scratch))
        except WheelRejected as refused:
            reasons: tuple[str, ...] = refused.reasons
        else:
            reasons = checked.corrections
            json.dumps(checked.elf, allow_nan=False)
            again = check_wheel(checked.path, BOOKWORM, LIMITS, Path(scratch) / "again")
            assert (again.filename, again.sha256, again.corrections) == (checked.filename, checked.sha256, ())
            # A wheel with an object in it never ends up as one for any platform, unless the object is none of the target's.
            if checked.filename.endswith("-any.whl"):
                assert {each["role"] for each in checked.elf.get("objects", [])} <= {"data"}
    assert all(reason.isprintable() and len(reason) <= 500 for reason in reasons)


def test_the_same_wheel_is_corrected_to_the_same_bytes(tmp_path: Path) -> None:
    path = wheel_of(tmp_path, TAG, {"_spidev.so": extension("_spidev", "armv6")})
    made = [check_wheel(path, BOOKWORM, LIMITS, tmp_path / name) for name in "ab"]
    assert made[0].sha256 == made[1].sha256 == hashlib.sha256(made[1].path.read_bytes()).hexdigest()
    assert made[0].tags == ("cp311-cp311-linux_armv6l", "cp311-cp311-linux_armv7l")
