"""What every storage does, on a directory, and on a bucket of a real S3 server."""

import gzip
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from s3_server import S3Server

from piwright.index.compression import zstd
from piwright.index.storage import Storage, open_storage
from piwright.index.storage_objects import ObjectStorage
from piwright.intake.store import FileStore

ENCODINGS = ("gz", "zst")


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture(params=["directory", "bucket"])
def storage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    if request.param == "directory":
        return open_storage(tmp_path / "index", ENCODINGS)
    server: S3Server = request.getfixturevalue("s3")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return open_storage(server.new_bucket(), ENCODINGS)


def unpacked(storage: Storage, path: str) -> list[bytes | None]:
    """The file as it is, and as its twins say it is."""
    gz, zst = storage.read(f"{path}.gz"), storage.read(f"{path}.zst")
    return [storage.read(path), gz and gzip.decompress(gz), zst and zstd.decompress(zst)]


def test_what_was_written_is_there_with_its_twins(storage: Storage) -> None:
    files = {"simple/a/index.v1_json": b"{}" * 100, "simple/a/index.html": b"<p>" * 100, "project/a/json": b"[]"}
    assert storage.write(files) == set(files)
    for path, content in files.items():
        assert unpacked(storage, path) == [content] * 3
    assert storage.write(files) == set()
    assert storage.write(files | {"project/a/json": b"[1]"}) == {"project/a/json"}
    assert unpacked(storage, "project/a/json") == [b"[1]"] * 3


def test_a_lost_twin_is_made_again(storage: Storage) -> None:
    storage.write({"a/index.html": b"a", "b/index.html": b"b"})
    storage.remove(["a/index.html.gz", "b/index.html.zst"])
    assert storage.write({"a/index.html": b"a", "b/index.html": b"b"}) == {"a/index.html", "b/index.html"}
    assert unpacked(storage, "a/index.html") == [b"a"] * 3
    assert unpacked(storage, "b/index.html") == [b"b"] * 3


def test_a_twin_of_what_a_killed_publisher_was_about_to_write_is_made_again(storage: Storage, tmp_path: Path) -> None:
    """Twins appear first. What the next publisher writes may be what is there already, and they are of another time."""
    storage.write({"a/index.html": b"as it was"})
    for name, pack in (("gz", gzip.compress), ("zst", zstd.compress)):
        (tmp_path / name).write_bytes(pack(b"as it never was"))
        storage.place(tmp_path / name, f"a/index.html.{name}", (tmp_path / name).stat().st_size)
    assert unpacked(storage, "a/index.html") == [b"as it was", b"as it never was", b"as it never was"]
    assert storage.write({"a/index.html": b"as it was"}) == {"a/index.html"}
    assert unpacked(storage, "a/index.html") == [b"as it was"] * 3
    assert storage.write({"a/index.html": b"as it was"}) == set()


def test_what_is_packed_already_has_no_twins(storage: Storage) -> None:
    storage.write({"project/a/build/1/log.txt.gz": b"x", "static/ab/logo.png": b"x"})
    assert sorted(storage.files("")) == ["project/a/build/1/log.txt.gz", "static/ab/logo.png"]


def test_a_file_is_placed_once(storage: Storage, tmp_path: Path) -> None:
    wheel = tmp_path / "a.whl"
    wheel.write_bytes(bytes(1000))
    assert storage.place(wheel, "files/ab/cd/a.whl", 1000)
    assert not storage.place(wheel, "files/ab/cd/a.whl", 1000)
    assert storage.read("files/ab/cd/a.whl") == bytes(1000)
    assert storage.sizes(["files/ab/cd/a.whl", "files/ab/cd/b.whl", "files/ab"]) == [
        1000,
        None,
        storage.size("files/ab"),
    ]
    assert list(storage.files("files/")) == ["files/ab/cd/a.whl"]


@pytest.mark.parametrize("kept_twin", [True, False])
@pytest.mark.parametrize("left", ["nothing", "the folder", "the wheel", "an empty twin"])
def test_a_wheel_is_placed_with_its_metadata_whatever_was_left(
    storage: Storage, tmp_path: Path, left: str, kept_twin: bool
) -> None:
    wheel, path = tmp_path / "a.whl", "files/ab/cd/a.whl"
    wheel.write_bytes(bytes(1000))
    Path(f"{wheel}.metadata").write_bytes(b"Name: a\n" * 50)
    if kept_twin:
        Path(f"{wheel}.metadata.gz").write_bytes(gzip.compress(b"Name: a\n" * 50))
    before = {"the folder": {"files/ab/cd/other": b""}, "the wheel": {path: bytes(1000)}}
    before["an empty twin"] = {path: bytes(1000), f"{path}.metadata": b"Name: a\n" * 50}
    storage.write(before.get(left, {}))
    if left == "an empty twin":
        storage.remove([f"{path}.metadata.gz"])
        storage.write({f"{path}.metadata.gz": b""})

    def place() -> bool:
        return storage.place_wheel(str(wheel), path, 1000, f"{wheel}.metadata", b"Name: a\n" * 50)

    assert place() is (left in ("nothing", "the folder"))
    assert storage.read(path) == bytes(1000)
    if not (left == "an empty twin" and isinstance(storage, ObjectStorage)):  # a bucket has objects whole or not at all
        assert unpacked(storage, f"{path}.metadata") == [b"Name: a\n" * 50] * 3
    assert not place()
    assert {name for name in storage.names("files/ab/cd/") if name != "other"} == {
        f"a.whl{each}" for each in ("", ".metadata", ".metadata.gz", ".metadata.zst")
    }
    assert list(tmp_path.glob("index/files/ab/cd/.*")) == []


def test_a_new_wheel_replaces_what_has_its_size(storage: Storage, tmp_path: Path) -> None:
    wheel, path = tmp_path / "a.whl", "files/ab/cd/a.whl"
    wheel.write_bytes(bytes(1000))
    Path(f"{wheel}.metadata").write_bytes(b"Name: a\n")
    storage.write({path: b"x" * 1000})
    assert not storage.place_wheel(str(wheel), path, 1000, f"{wheel}.metadata", b"Name: a\n")
    assert storage.read(path) == b"x" * 1000
    assert storage.place_wheel(str(wheel), path, 1000, f"{wheel}.metadata", b"Name: a\n", new=True)
    assert storage.read(path) == bytes(1000)


def test_representations_that_are_copied_have_times_of_their_own(tmp_path: Path) -> None:
    """nginx tells them apart by time and size; a store on another disk, or of another user, is copied."""
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("/dev/shm is no disk of its own here")
    with TemporaryDirectory(dir=other) as home:
        wheel = FileStore(Path(home)).wheel_path("ab" * 32, "a-1-py3-none-any.whl")
        wheel.parent.mkdir(parents=True)
        for suffix in ("", ".metadata", ".metadata.gz"):
            Path(f"{wheel}{suffix}").write_bytes(b"x")
        os.utime(f"{wheel}.metadata.gz", (1, 1))
        storage = open_storage(tmp_path / "index", ENCODINGS)
        storage.place_wheel(str(wheel), "files/ab/cd/a.whl", 1, f"{wheel}.metadata", b"x")
        made = [(tmp_path / f"index/files/ab/cd/a.whl.metadata{each}").stat() for each in ("", ".gz", ".zst")]
        assert len({int(each.st_mtime) for each in made}) == 3


def test_a_file_that_was_cut_short_is_placed_again(storage: Storage, tmp_path: Path) -> None:
    wheel = tmp_path / "a.whl"
    wheel.write_bytes(bytes(1000))
    storage.write({"files/ab/cd/a.whl": b"half"})
    assert storage.place(wheel, "files/ab/cd/a.whl", 1000)
    assert storage.size("files/ab/cd/a.whl") == 1000


def test_removing_takes_twins_and_empty_folders_along_and_nothing_else(storage: Storage) -> None:
    storage.write({"simple/a/index.html": b"a", "simple/b/index.html": b"b", "simple/index.html": b"root"})
    assert storage.remove(["simple/a/index.html", "simple/a/index.v1_json"]) == {"simple/a/index.html"}
    assert storage.names("simple/") == {"b/", "index.html", "index.html.gz", "index.html.zst"}
    assert storage.has("simple/b/")
    assert not storage.has("simple/a/")
    assert storage.remove(["simple/b/", "simple/c/"]) == {"simple/b/"}
    assert storage.names("simple/") == {"index.html", "index.html.gz", "index.html.zst"}
    assert storage.remove(["simple/b/"]) == set()


def test_what_is_not_there_is_neither_read_nor_listed(storage: Storage) -> None:
    assert storage.read("simple/a/index.html") is None
    assert storage.size("simple/a/index.html") is None
    assert storage.names("simple/") == set()
    assert list(storage.files("simple/")) == []
    assert storage.remove(["simple/a/index.html"]) == set()


def test_names_that_mean_something_elsewhere_are_just_names(storage: Storage) -> None:
    files = {"project/a/a+b %2F&?#=é.txt": b"odd", "project/a/[x]*.txt": b"glob", "project/a/x.txt": b"plain"}
    storage.write(files)
    assert {path: storage.read(path) for path in files} == files
    assert storage.remove(["project/a/[x]*.txt"]) == {"project/a/[x]*.txt"}
    assert storage.read("project/a/x.txt") == b"plain"


def test_another_process_can_write_too(storage: Storage) -> None:
    with storage.group() as group:
        copy = pickle.loads(pickle.dumps(group))
        assert group.reveal(copy.stage({"a/index.html": b"a"})) == {"a/index.html"}
    assert pickle.loads(pickle.dumps(storage)).read("a/index.html") == b"a"


def test_objects_say_what_they_are(s3: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    address = s3.new_bucket()
    storage = open_storage(address, ENCODINGS)
    page = "simple/a/index.v1_json"
    storage.write({page: b"{}", "project/a/badge.svg": b"<svg/>", "files/ab/c/a.whl.metadata": b"Name: a"})
    (tmp_path / "wheel").write_bytes(b"wheel")
    storage.place(tmp_path / "wheel", "files/ab/c/a.whl", 5)
    (tmp_path / "log").write_bytes(b"log")
    storage.place(tmp_path / "log", "project/a/build/1/log.txt.gz", 3)
    json = "application/vnd.pypi.simple.v1+json"
    for_ever, for_a_while = "public, max-age=31536000, immutable", "public, max-age=600"
    assert {path: s3.described(address, path) for path in sorted(storage.files(""))} == {
        "files/ab/c/a.whl": ("application/octet-stream", "", for_ever),
        "files/ab/c/a.whl.metadata": ("text/plain; charset=utf-8", "", for_ever),
        "files/ab/c/a.whl.metadata.gz": ("text/plain; charset=utf-8", "gzip", for_ever),
        "files/ab/c/a.whl.metadata.zst": ("text/plain; charset=utf-8", "zstd", for_ever),
        "project/a/badge.svg": ("image/svg+xml", "", for_a_while),
        "project/a/badge.svg.gz": ("image/svg+xml", "gzip", for_a_while),
        "project/a/badge.svg.zst": ("image/svg+xml", "zstd", for_a_while),
        "project/a/build/1/log.txt.gz": ("text/plain; charset=utf-8", "gzip", for_a_while),
        page: (json, "", for_a_while),
        f"{page}.gz": (json, "gzip", for_a_while),
        f"{page}.zst": (json, "zstd", for_a_while),
    }


def test_a_store_that_does_not_answer_is_an_error_of_the_operating_system(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in S3Server.credentials("http://127.0.0.1:1").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(OSError, match=r"s3://bucket/nowhere|127\.0\.0\.1"):
        open_storage("s3://bucket/nowhere").read("a")
