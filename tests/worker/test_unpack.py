"""An sdist is an attacker's archive until shown otherwise."""

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piwright.worker.program.failure import BuildFailure
from piwright.worker.program.unpack import Budget, unpack

Member = tuple[str, bytes | str, bytes]
"""A name, the content or (as a string) where a link leads, and the type of the member."""
FILE, FOLDER, SYMLINK, HARDLINK = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
SETUP: Member = ("p-1/setup.py", b"pass", FILE)


def tar(*members: Member) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content, kind in members:
            member = tarfile.TarInfo(name)
            member.type = kind
            member.mode = 0o6777
            member.mtime = 1_600_000_000
            if isinstance(content, str):
                member.linkname = content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def archived(directory: Path, content: bytes, name: str = "p-1.tar") -> tuple[Path, str, Path]:
    (directory / "archive").write_bytes(content)
    target = directory / "unpacked"
    target.mkdir()
    return directory / "archive", name, target


def refusal(directory: Path, content: bytes, name: str = "p-1.tar") -> str:
    with pytest.raises(BuildFailure) as caught:
        unpack(*archived(directory, content, name))
    assert caught.value.kind == "bad_sdist"
    return caught.value.message


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("p-1.tar.gz", gzip.compress),
        ("p-1.tgz", gzip.compress),
        ("p-1.tar.bz2", bz2.compress),
        ("p-1.tar.xz", lzma.compress),
        ("P-1.TAR.GZ", gzip.compress),
    ],
)
def test_every_kind_of_tar_is_unpacked(tmp_path: Path, name: str, pack: Callable[[bytes], bytes]) -> None:
    members: list[Member] = [("p-1", b"", FOLDER), SETUP, ("p-1/src/a.c", b"int a;", FILE)]
    source = unpack(*archived(tmp_path, pack(tar(*members)), name))
    assert source.name == "p-1"
    assert (source / "src" / "a.c").read_bytes() == b"int a;"
    found = (source / "setup.py").stat()
    assert stat.S_IMODE(found.st_mode) == 0o755  # executable stays, setuid and world-writable do not
    assert found.st_mtime == 1_600_000_000


def test_a_zip_is_unpacked(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("p-1/setup.py", "pass")
        bundle.writestr("p-1/src/a.c", "int a;")
    source = unpack(*archived(tmp_path, packed.getvalue(), "p-1.zip"))
    assert (source / "src" / "a.c").read_text() == "int a;"


def test_links_inside_the_tree_work_and_hard_links_become_copies(tmp_path: Path) -> None:
    members: list[Member] = [
        SETUP,
        ("p-1/docs/README", "../README", SYMLINK),
        ("p-1/README", b"hello", FILE),
        ("p-1/COPY", "p-1/README", HARDLINK),
        ("p-1/here", ".", SYMLINK),
        ("p-1/dangling", "nowhere", SYMLINK),
    ]
    source = unpack(*archived(tmp_path, tar(*members)))
    assert (source / "docs" / "README").read_text() == "hello"
    assert (source / "COPY").read_text() == "hello"
    assert (source / "COPY").stat().st_nlink == 1


def test_what_macos_adds_is_no_second_folder(tmp_path: Path) -> None:
    source = unpack(*archived(tmp_path, tar(("._p-1", b"junk", FILE), SETUP, ("p-1/._setup.py", b"junk", FILE))))
    assert source.name == "p-1"


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([("/p-1/setup.py", b"", FILE)], "leads out"),
        ([("p-1/../../x", b"", FILE)], "leads out"),
        ([("../x", b"", FILE)], "leads out"),
        ([("p-1/" + "d/" * 120 + "x", b"", FILE)], "leads out"),
        ([SETUP, ("p-1/x", "/etc/passwd", SYMLINK)], "leads to '/etc/passwd'"),
        ([SETUP, ("p-1/x", "../../y", SYMLINK)], "leads out"),
        ([SETUP, ("p-1/x", "..", SYMLINK)], "leads out"),
        ([SETUP, ("p-1/a/up", "..", SYMLINK), ("p-1/b", "a/up/..", SYMLINK)], "leads out"),
        ([SETUP, ("p-1/x", "../../../etc/passwd", HARDLINK)], "leads out"),
        ([SETUP, ("p-1/x", "p-1/absent", HARDLINK)], "not in the archive before it"),
        ([SETUP, ("p-1/x", "p-1/y", SYMLINK), ("p-1/x/deep", b"", FILE)], "twice"),
        ([SETUP, ("p-1/x", b"", tarfile.CHRTYPE)], "neither a file"),
        ([SETUP, ("p-1/x", b"", tarfile.FIFOTYPE)], "neither a file"),
        ([SETUP, ("p-1/setup.py/x", b"", FILE)], "both a file and a folder"),
        ([SETUP, ("p-1", b"", FILE)], "both a file and a folder"),
        ([SETUP, ("q-1/setup.py", b"", FILE)], "exactly one top folder"),
        ([("setup.py", b"", FILE)], "exactly one top folder"),
        ([], "exactly one top folder"),
        ([("p-1", "/etc", SYMLINK)], "leads to '/etc'"),
        ([("p-1/README", b"", FILE)], "neither pyproject.toml nor setup.py"),
        ([SETUP, ("p-1/" + "n" * 300, b"", FILE)], "cannot be unpacked"),
    ],
)
def test_tricks_are_refused_and_nothing_is_written_outside(tmp_path: Path, members: list[Member], words: str) -> None:
    assert words in refusal(tmp_path, tar(*members))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "unpacked"]


def test_of_two_members_with_one_name_the_later_counts(tmp_path: Path) -> None:
    source = unpack(*archived(tmp_path, tar(SETUP, ("p-1/setup.py", b"later", FILE))))
    assert (source / "setup.py").read_bytes() == b"later"


@pytest.mark.parametrize("limited", ["members", "bytes"])
def test_bombs_are_refused_by_count_and_by_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limited: str) -> None:
    budget = Budget(**{limited: 3})
    monkeypatch.setattr("piwright.worker.program.unpack.Budget", lambda: budget)
    members = [SETUP, *((f"p-1/{number}", b"xxxx", FILE) for number in range(5))]
    assert "more than" in refusal(tmp_path, tar(*members))


def zipped(*members: tuple[zipfile.ZipInfo, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as bundle:
        for info, data in members:
            bundle.writestr(info, data)
    return packed.getvalue()


def test_a_zip_with_a_link_or_a_way_out_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("p-1/x")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    for number, (info, words) in enumerate([(link, "neither a file"), (zipfile.ZipInfo("../x"), "leads out")]):
        directory = tmp_path / str(number)
        directory.mkdir()
        assert words in refusal(directory, zipped((info, b"/etc/passwd")), "p-1.zip")


@pytest.mark.parametrize("name", ["p-1.tar.gz", "p-1.tar.bz2", "p-1.tar.xz", "p-1.zip", "p-1.tar", "p-1.egg"])
@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", os.urandom(2000)], ids=["empty", "html", "noise"])
def test_what_is_no_archive_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    assert refusal(tmp_path, content, name)


@given(st.data())
def test_damage_anywhere_is_refused_or_harmless(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    directory = tmp_path_factory.mktemp("damage")
    content = bytearray(gzip.compress(tar(SETUP, ("p-1/a", b"x" * 3000, FILE)), mtime=0))
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    kind = "bad_sdist"
    try:
        unpack(*archived(directory, bytes(content), "p-1.tar.gz"))
    except BuildFailure as failure:
        kind = failure.kind
    assert kind == "bad_sdist"
    assert {path.name for path in directory.iterdir()} == {"archive", "unpacked"}
