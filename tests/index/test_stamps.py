"""No two contents that could be taken for each other have one size and one time, so no two have one ETag at nginx."""

import random
from pathlib import Path

from piwright.index.storage_directory import DirectoryStorage


def tag(path: Path) -> tuple[int, int]:
    """What nginx makes an ETag of."""
    status = path.stat()
    return int(status.st_mtime), status.st_size


def test_a_page_that_is_written_again_at_once_has_another_tag(tmp_path: Path) -> None:
    storage = DirectoryStorage(tmp_path, ("gz", "zst"))
    seen: dict[tuple[int, int], bytes] = {}
    for number in range(10):
        content = b"<p>%d</p>" % number
        storage.write({"simple/a/index.html": content})
        for suffix in ("", ".gz", ".zst"):
            path = tmp_path / f"simple/a/index.html{suffix}"
            assert seen.setdefault(tag(path), path.read_bytes()) == path.read_bytes()


def test_a_page_that_was_removed_and_comes_back_with_other_content_has_another_tag(tmp_path: Path) -> None:
    storage = DirectoryStorage(tmp_path)
    storage.write({"simple/a/index.html": b"old"})
    old = tag(tmp_path / "simple/a/index.html")
    storage.remove(["simple/a/index.html"])
    storage.write({"simple/a/index.html": b"new"})
    assert tag(tmp_path / "simple/a/index.html") != old


def test_what_may_be_sent_for_one_address_never_has_one_tag(tmp_path: Path) -> None:
    storage = DirectoryStorage(tmp_path, ("gz", "zst"))
    chance = random.Random(1)
    for number in range(30):
        content = chance.randbytes(number)
        storage.write({"simple/a/index.html": content, "simple/a/index.v1_json": content})
    times = [tag(path)[0] for path in (tmp_path / "simple/a").iterdir()]
    assert len(set(times)) == len(times) == 6


def test_no_time_is_in_the_future_unless_a_page_is_written_again_and_again(tmp_path: Path) -> None:
    storage = DirectoryStorage(tmp_path, ("gz", "zst"))
    for content in (b"first", b"other"):
        storage.write({"simple/a/index.html": content, "simple/a/index.v1_json": content})
        marker = tmp_path / "now"
        marker.touch()
        assert all(path.stat().st_mtime <= marker.stat().st_mtime for path in (tmp_path / "simple/a").iterdir())
