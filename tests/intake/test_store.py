"""The file store: whole files, named by content, that never change."""

import gzip
import hashlib
from pathlib import Path

import pytest

from intake.hostile_wheels import METADATA, make_wheel
from piwright.intake.store import FileStore
from piwright.intake.untrusted import FileRefused


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "store")


def files(store: FileStore) -> dict[str, bytes]:
    return {str(path.relative_to(store.root)): path.read_bytes() for path in store.root.rglob("*") if path.is_file()}


def test_a_wheel_lies_under_its_hash_with_its_metadata_beside_it(store: FileStore, tmp_path: Path) -> None:
    path = make_wheel(tmp_path)
    stored = store.put_wheel(path, path.name)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert (stored.sha256, stored.size) == (digest, path.stat().st_size)
    place = f"wheels/{digest[:2]}/{digest[2:]}/{path.name}"
    found = files(store)
    assert gzip.decompress(found.pop(f"{place}.metadata.gz")) == METADATA
    assert found == {place: path.read_bytes(), f"{place}.metadata": METADATA}
    assert store.wheel_path(digest, path.name).read_bytes() == path.read_bytes()
    assert store.metadata_path(digest, path.name).read_bytes() == METADATA


def test_putting_again_changes_nothing(store: FileStore, tmp_path: Path) -> None:
    path, log = make_wheel(tmp_path), tmp_path / "log.txt"
    log.write_text("one\n")

    def put() -> list[tuple[str, int]]:
        store.put_wheel(path, path.name)
        store.put_log(log)
        return sorted((str(each), each.stat().st_mtime_ns) for each in store.root.rglob("*") if each.is_file())

    assert put() == put()


def test_a_wheel_that_lost_its_metadata_gets_it_back(store: FileStore, tmp_path: Path) -> None:
    path = make_wheel(tmp_path)
    stored = store.put_wheel(path, path.name)
    store.metadata_path(stored.sha256, path.name).unlink()
    store.put_wheel(path, path.name)
    assert store.metadata_path(stored.sha256, path.name).read_bytes() == METADATA


def test_a_file_that_is_no_wheel_leaves_nothing_behind(store: FileStore, tmp_path: Path) -> None:
    path = tmp_path / "a-1-py3-none-any.whl"
    path.write_bytes(b"no zip")
    with pytest.raises(Exception, match="not a zip"):
        store.put_wheel(path, path.name)
    assert files(store) == {}


def test_a_log_is_compressed_and_read_back_line_by_line(store: FileStore, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_bytes(b"one\ntw\xff\rtwo\n")
    stored = store.put_log(log)
    digest = hashlib.sha256(log.read_bytes()).hexdigest()
    assert (stored.path, stored.sha256, stored.bytes) == (f"logs/{digest[:2]}/{digest[2:]}.log.gz", digest, 12)
    with store.open_log(stored.path) as lines:
        assert list(lines) == ["one\n", "tw\N{REPLACEMENT CHARACTER}\rtwo\n"]


def test_equal_logs_have_equal_bytes_whatever_the_time_and_the_name(tmp_path: Path) -> None:
    packed = []
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("same\n")
        store = FileStore(tmp_path / f"store-{name}")
        packed.append((store.root / store.put_log(tmp_path / name).path).read_bytes())
    assert packed[0] == packed[1]
    assert gzip.decompress(packed[0]) == b"same\n"


@pytest.mark.parametrize(
    "relative",
    [
        "../secrets/key",
        "/etc/passwd",
        "logs/../../x.log.gz",
        "logs/aa/b.log.gz",
        "",
        "logs/aa/" + "b" * 62 + ".log.gz\n",
    ],
)
def test_a_path_the_store_did_not_give_out_is_refused(store: FileStore, relative: str) -> None:
    with pytest.raises(ValueError, match="no path of a stored log"):
        store.open_log(relative)


@pytest.mark.parametrize("filename", ["../a.whl", "a/b.whl", "a.txt", ".whl", "a\n.whl", "a" * 300 + ".whl", "a.whl\n"])
def test_a_file_name_that_leads_elsewhere_is_refused(store: FileStore, filename: str) -> None:
    with pytest.raises(ValueError, match="no wheel's file name"):
        store.wheel_path("0" * 64, filename)


@pytest.mark.parametrize("sha256", ["..", "A" * 64, "0" * 63, "0" * 64 + "\n"])
def test_a_digest_that_is_none_is_refused(store: FileStore, sha256: str) -> None:
    with pytest.raises(ValueError, match="no SHA-256"):
        store.wheel_path(sha256, "a-1-py3-none-any.whl")


def test_a_link_is_not_followed_into_the_store(store: FileStore, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "log.txt").symlink_to(tmp_path / "secret")
    with pytest.raises(FileRefused, match="not a regular file"):
        store.put_log(tmp_path / "log.txt")
