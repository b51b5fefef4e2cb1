"""What is on the pages after a publication, and what a publication leaves alone."""

import gzip
import hashlib
import os
import shutil
import threading
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from published_shop import BUILT, INDEXES, Shop

from piwright.database.connection import Connection, connect, fetch_one
from piwright.database.provision import Access
from piwright.index.publish import LOCK, PublishReport
from piwright.index.storage import open_storage
from piwright.index.storage_directory import DirectoryGroup
from piwright.intake.wheel_name import WheelRejected, parse_file_name


@pytest.fixture
def shop(connection: Connection, tmp_path: Path) -> Shop:
    return Shop(connection, tmp_path)


def tree(root: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below with its inode: a file written again has another one."""
    return {str(p.relative_to(root)): (p.stat().st_ino, p.read_bytes()) for p in root.glob("**/*") if p.is_file()}


def test_a_built_wheel_is_on_both_indexes_with_all_that_clients_ask_for(shop: Shop) -> None:
    sdist = shop.upstream_file("spidev", "3.6", "spidev-3.6.tar.gz", size=12, requires_python=">=3.7")
    wheel = shop.wheel("spidev", "3.6")
    report = shop.publish()
    assert report == PublishReport(projects=1, pages_written=6, files_added=1)
    page = shop.page("spidev")
    assert page is not None
    assert page["meta"] == {"api-version": "1.4"}
    assert page["versions"] == ["3.6"]
    ours, theirs = page["files"]
    assert (theirs["filename"], theirs["url"], theirs["size"]) == ("spidev-3.6.tar.gz", sdist, 12)
    assert ours["filename"] == wheel
    assert ours["upload-time"] == "2026-03-04T05:06:07.000089Z"
    assert shop.filenames("spidev", "extra/simple") == [wheel]
    assert shop.check_tree() == 12  # four files of a page in each of three indexes
    assert shop.value("SELECT published_at IS NOT NULL FROM wheel")
    assert shop.stale() == []


def test_a_second_publication_writes_nothing(shop: Shop) -> None:
    shop.wheel("spidev", "3.6")
    shop.publish()
    before = tree(shop.index_root)
    assert shop.publish() == PublishReport()
    shop.project("spidev")  # due again, though nothing changed
    assert shop.publish() == PublishReport(projects=1)
    assert tree(shop.index_root) == before


def test_only_the_pages_of_a_changed_project_are_written(shop: Shop) -> None:
    shop.wheel("spidev", "3.6")
    shop.wheel("smbus2", "1.0")
    shop.publish()
    before = tree(shop.index_root)
    shop.wheel("spidev", "3.7")
    assert shop.publish().pages_written == 3
    changed = {path for path, state in tree(shop.index_root).items() if before.get(path) != state}
    assert {path.rpartition("/")[0] for path in changed if "simple" in path} == {f"{each}/spidev" for each in INDEXES}


def test_gzip_twins_say_the_same_and_do_not_depend_on_the_clock(shop: Shop) -> None:
    shop.wheel("spidev", "3.6")
    shop.publish()
    twins = list(shop.index_root.glob("**/*.gz"))
    assert len(twins) == 14  # of two pages in three indexes, of the target's description, of the metadata
    for twin in twins:
        assert gzip.decompress(twin.read_bytes()) == twin.with_suffix("").read_bytes()
        assert twin.read_bytes()[4:8] == bytes(4)


def test_metadata_is_the_member_of_the_wheel_byte_for_byte(shop: Shop) -> None:
    shop.wheel("spidev", "3.6", requires=["smbus2 >=0.4"])
    shop.publish()
    [wheel] = shop.index_root.glob("files/*/*/*.whl")
    with zipfile.ZipFile(wheel) as archive:
        member = archive.read("spidev-3.6.dist-info/METADATA")
    assert wheel.with_name(wheel.name + ".metadata").read_bytes() == member
    assert b"smbus2" in member


def test_a_wheel_is_shared_with_the_store_not_copied(shop: Shop) -> None:
    name = shop.wheel("spidev", "3.6")
    shop.publish()
    [served] = shop.index_root.glob("files/*/*/*.whl")
    sha256 = hashlib.sha256(served.read_bytes()).hexdigest()
    assert served.samefile(shop.store.wheel_path(sha256, name))


def test_a_store_on_another_file_system_is_copied_from(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def other_file_system(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", other_file_system)
    shop.wheel("spidev", "3.6")
    shop.publish()
    assert shop.check_tree() == 12


def test_a_yanked_release_stays_with_upstreams_reason(shop: Shop) -> None:
    shop.wheel("spidev", "3.6")
    shop.release("spidev", "3.6", yanked=True, yanked_reason="broken on armv6")
    shop.publish()
    page = shop.page("spidev")
    assert page is not None
    assert page["files"][0]["yanked"] == "broken on armv6"


def test_a_removed_wheel_leaves_the_page_and_the_tree(shop: Shop) -> None:
    shop.wheel("spidev", "3.6")
    old = shop.wheel("spidev", "3.5")
    shop.publish()
    shop.remove_wheel(old)
    report = shop.publish()
    assert (report.pages_written, report.files_removed) == (3, 1)
    assert shop.filenames("spidev") == ["spidev-3.6-py3-none-any.whl"]
    assert len(list(shop.index_root.glob("files/**/*.whl*"))) == 3
    assert not [d for d in shop.index_root.glob("files/**/") if not list(d.iterdir())]


def test_a_project_that_lost_its_last_wheel_is_upstreams_again(shop: Shop) -> None:
    shop.upstream_file("spidev", "3.6", "spidev-3.6.tar.gz")
    wheel = shop.wheel("spidev", "3.6")
    shop.wheel("smbus2", "1.0")
    shop.publish()
    shop.remove_wheel(wheel)
    assert shop.publish().pages_removed == 3
    assert shop.page("spidev") is None
    assert not any((shop.index_root / index / "spidev").exists() for index in INDEXES)
    assert b"spidev" in (shop.index_root / "simple/index.html").read_bytes()
    assert b"spidev" not in (shop.index_root / "extra/simple/index.html").read_bytes()
    shop.check_tree()


@pytest.mark.parametrize(
    ("column", "value"), [("status", "quarantined"), ("gone_at", datetime(2026, 1, 1, tzinfo=UTC))]
)
def test_nothing_of_a_closed_project_can_be_fetched_but_its_page_says_so(
    shop: Shop, column: str, value: object
) -> None:
    shop.upstream_file("spidev", "3.6", "spidev-3.6.tar.gz")
    shop.wheel("spidev", "3.6")
    shop.publish()
    shop.project("spidev", **{column: value})
    report = shop.publish()
    assert report.files_removed == 1
    for index in ("simple", "extra/simple"):
        page = shop.page("spidev", index)
        assert page is not None
        assert page["files"] == []
    assert not list(shop.index_root.glob("files/**/*.whl*"))


def test_a_project_out_of_quarantine_is_back_as_it_was(shop: Shop) -> None:
    shop.wheel("spidev", "3.6")
    shop.publish()
    before = {path: content for path, (_, content) in tree(shop.index_root).items()}
    shop.project("spidev", status="quarantined", status_reason="looked at")
    shop.publish()
    assert shop.page("spidev")["project-status"] == {"status": "quarantined", "reason": "looked at"}  # type: ignore[index]
    shop.project("spidev", status="active", status_reason=None)
    shop.publish()
    assert {path: content for path, (_, content) in tree(shop.index_root).items()} == before


def test_files_of_a_release_upstream_removed_go(shop: Shop) -> None:
    shop.upstream_file("spidev", "3.6", "spidev-3.6.tar.gz")
    shop.wheel("spidev", "3.6")
    shop.wheel("spidev", "3.7")
    shop.release("spidev", "3.6", gone_at=BUILT)
    shop.publish()
    assert shop.filenames("spidev") == ["spidev-3.7-py3-none-any.whl"]


def test_a_project_without_a_wheel_of_ours_has_no_page(shop: Shop) -> None:
    shop.upstream_file("numpy", "2.0", "numpy-2.0.tar.gz")
    assert shop.publish().projects == 1
    assert shop.page("numpy") is None
    assert shop.stale() == []


def test_a_wheel_that_upstream_serves_now_is_not_listed_but_its_address_holds(shop: Shop) -> None:
    name = shop.wheel("spidev", "3.6")
    shop.wheel("spidev", "3.5")
    shop.publish()
    url = shop.upstream_file("spidev", "3.6", name)
    shop.publish()
    page = shop.page("spidev")
    assert page is not None
    assert [file["url"] for file in page["files"] if file["filename"] == name] == [url]
    assert name not in shop.filenames("spidev", "extra/simple")
    assert list(shop.index_root.glob(f"files/*/*/{name}"))


def test_a_relative_address_of_upstream_is_made_whole_and_a_script_is_left_out(shop: Shop) -> None:
    shop.wheel("spidev", "3.6")
    shop.upstream_file("spidev", "3.6", "spidev-3.6.tar.gz", url="../../files/spidev-3.6.tar.gz")
    shop.upstream_file("spidev", "3.6", "spidev-3.6.zip", url="javascript:alert(1)")
    shop.publish()
    page = shop.page("spidev")
    assert page is not None
    assert [file["url"] for file in page["files"]][1:] == ["http://upstream.invalid/files/spidev-3.6.tar.gz"]


def test_a_wheel_missing_from_the_store_is_named_and_not_announced(shop: Shop) -> None:
    lost = shop.wheel("spidev", "3.6")
    shop.wheel("spidev", "3.5")
    [stored] = shop.store.root.glob(f"wheels/*/*/{lost}")
    stored.rename(stored.with_name("elsewhere"))
    report = shop.publish()
    assert len(report.problems) == 1
    assert lost in report.problems[0]
    assert shop.filenames("spidev") == ["spidev-3.5-py3-none-any.whl"]
    assert shop.stale() == ["spidev"]
    stored.with_name("elsewhere").rename(stored)
    assert shop.publish().problems == ()
    assert lost in shop.filenames("spidev")


@pytest.mark.parametrize("suffix", ["", ".metadata"])
def test_a_stored_file_with_other_content_is_not_published(shop: Shop, suffix: str) -> None:
    name = shop.wheel("spidev", "3.6")
    [stored] = shop.store.root.glob(f"wheels/*/*/{name}{suffix}")
    stored.write_bytes(stored.read_bytes() + b"x")
    assert len(shop.publish().problems) == 1
    assert shop.page("spidev") is None


def spoil(shop: Shop, name: str) -> None:
    """Another byte in a stored wheel, which keeps its size."""
    [stored] = shop.store.root.glob(f"wheels/*/*/{name}")
    content = bytearray(stored.read_bytes())
    content[40] ^= 1
    stored.unlink()  # not written to: it may be the published file
    stored.write_bytes(content)


@pytest.mark.parametrize("everything", [False, True])
def test_a_stored_wheel_with_other_bytes_is_not_published_and_nothing_else_is_lost(
    shop: Shop, everything: bool
) -> None:
    kept, spoilt = shop.wheel("spidev", "3.5"), shop.wheel("spidev", "3.6")
    other = shop.wheel("smbus2", "0.4")
    spoil(shop, spoilt)
    [problem] = shop.publish(everything=everything).problems
    assert problem.startswith(f"{spoilt} is not published: ")
    assert problem.endswith("has another hash; rebuild the wheel.")
    assert (shop.filenames("spidev"), shop.filenames("smbus2")) == ([kept], [other])
    assert list(shop.index_root.glob(f"files/*/*/{spoilt}*")) == []
    assert shop.stale() == ["spidev"]
    assert shop.value("SELECT count(*) FROM wheel WHERE published_at IS NOT NULL") == 2
    spoil(shop, spoilt)  # the same bit once more: as it was
    assert shop.publish().problems == ()
    assert shop.filenames("spidev") == [kept, spoilt]
    shop.check_tree()


def test_what_a_killed_publisher_left_is_not_believed_for_its_size(shop: Shop) -> None:
    name = shop.wheel("spidev", "3.6")
    shop.publish()
    shop.execute("UPDATE wheel SET published_at = NULL")
    shop.project("spidev")
    [published] = shop.index_root.glob(f"files/*/*/{name}")
    content = published.read_bytes()
    published.unlink()
    published.write_bytes(bytes(len(content)))
    assert shop.publish().problems == ()
    assert published.read_bytes() == content
    spoil(shop, name)
    shop.execute("UPDATE wheel SET published_at = NULL")
    shop.project("spidev")
    assert len(shop.publish().problems) == 1
    assert shop.page("spidev") is None


def test_a_wheel_that_is_published_is_not_read_again(shop: Shop) -> None:
    name = shop.wheel("spidev", "3.6")
    shop.publish()
    spoil(shop, name)
    assert shop.publish(everything=True).problems == ()
    assert shop.filenames("spidev") == [name]
    shop.check_tree()  # what is published is what was looked at


def test_everything_rebuilds_a_lost_tree_to_the_byte(shop: Shop) -> None:
    shop.upstream_file("spidev", "3.6", "spidev-3.6.tar.gz")
    shop.wheel("spidev", "3.6")
    shop.wheel("smbus2", "1.0")
    shop.project("smbus2", status="quarantined")
    shop.publish()
    before = {path: content for path, (_, content) in tree(shop.index_root).items()}
    shutil.rmtree(shop.index_root)
    report = shop.publish(everything=True)
    assert (report.files_added, report.pages_written) == (1, 9)
    assert {path: content for path, (_, content) in tree(shop.index_root).items()} == before


def test_everything_removes_what_no_row_stands_for(shop: Shop) -> None:
    shop.wheel("spidev", "3.6")
    shop.publish()
    stray = shop.index_root / "files/ab" / ("c" * 62) / "stray-1.0-py3-none-any.whl"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"?")
    shutil.copytree(shop.index_root / "simple/spidev", shop.index_root / "simple/nobody")
    report = shop.publish(everything=True)
    assert (report.files_removed, report.pages_removed) == (1, 1)
    assert not stray.parent.parent.exists()
    assert not (shop.index_root / "simple/nobody").exists()
    assert shop.check_tree() == 12


def test_everything_also_settles_what_was_due(shop: Shop) -> None:
    shop.wheel("spidev", "3.6")
    shop.publish(everything=True)
    assert shop.stale() == []


def test_a_wheel_with_the_longest_name_there_may_be_is_published_and_published_again(shop: Shop) -> None:
    name = "a" * (240 - len("-1.0-py3-none-any.whl"))
    filename = shop.wheel(name, "1.0")
    assert parse_file_name(filename)
    with pytest.raises(WheelRejected, match="is no wheel's file name"):
        parse_file_name(f"a{filename}")
    storage = open_storage(shop.index_root, ("gz", "zst"))
    assert shop.publish(storage=storage).problems == ()
    for each in shop.index_root.glob("files/*/*/*.metadata*"):
        each.unlink()
    assert shop.publish(storage=storage, everything=True).problems == ()
    assert len(list(shop.index_root.glob("files/*/*/*"))) == 4


def test_a_name_that_is_too_long_for_the_disk_keeps_no_other_project_from_being_published(
    shop: Shop, database: Access
) -> None:
    shop.wheel("spidev", "3.6")
    filename = shop.wheel("a" * (244 - len("-1.0-py3-none-any.whl") - 4), "1.0")
    sha256 = shop.value("SELECT sha256 FROM wheel WHERE filename = %s", filename)
    longer = "aaaa" + filename  # of a time when intake took such names
    for suffix in ("", ".metadata"):
        old = shop.store.wheel_path(sha256, filename)
        Path(f"{old}{suffix}").rename(old.with_name(longer + suffix))
    with connect(database.owner) as owner, owner.cursor() as cursor:
        cursor.execute("UPDATE wheel SET filename = %s WHERE filename = %s", (longer, filename))
    [problem] = shop.publish().problems
    assert "File name too long" in problem
    assert shop.page("spidev") is not None


def test_many_projects_are_read_in_batches_and_each_is_told(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("piwright.index.publish.BATCH", 3)
    names = [f"project-{n}" for n in range(7)]
    for name in names:
        shop.wheel(name, "1.0")
    # Rows of one transaction have one time, so the batches must part within it too.
    shop.execute("UPDATE project SET stale_since = now()")
    told: list[str] = []
    shop.publish(progress=lambda name, report: told.append(name))
    assert sorted(told) == names
    assert sorted(path.name for path in (shop.index_root / "simple").iterdir() if path.is_dir()) == names


def test_a_change_during_the_publication_is_not_lost(
    shop: Shop, database: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.wheel("spidev", "3.6")
    since = shop.value("SELECT stale_since FROM project")

    reveal = DirectoryGroup.reveal

    def meanwhile(*arguments: Any) -> set[str]:
        # The value stays the same, as with `coalesce(stale_since, now())`: only the row version tells.
        with connect(database.application) as other, other.cursor() as cursor:
            cursor.execute("UPDATE project SET stale_since = coalesce(stale_since, now())")
        return reveal(*arguments)

    monkeypatch.setattr(DirectoryGroup, "reveal", meanwhile)
    shop.publish()
    monkeypatch.undo()
    assert shop.stale() == ["spidev"]
    assert shop.value("SELECT stale_since FROM project") == since
    shop.publish()
    assert shop.stale() == []


def test_two_publishers_take_turns(shop: Shop, database: Access) -> None:
    shop.wheel("spidev", "3.6")
    waiting = threading.Event()
    reports: list[PublishReport] = []

    def publish_too() -> None:
        with connect(database.application) as own:
            own.commit()
            waiting.set()
            reports.append(Shop(own, shop.store.root.parent).publish())

    with connect(database.application) as holder:
        assert fetch_one(holder, "SELECT pg_advisory_lock(%s)", (LOCK,)) is not None
        thread = threading.Thread(target=publish_too)
        thread.start()
        waiting.wait(10)
        blocked = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database ="
        while not shop.value(f"{blocked} (SELECT oid FROM pg_database WHERE datname = current_database())"):
            assert thread.is_alive()
        assert not shop.index_root.exists()
    thread.join(30)
    assert [report.projects for report in reports] == [1]
    assert shop.publish() == PublishReport()


def test_the_lock_is_free_after_a_failure(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.wheel("spidev", "3.6")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        shop.publish()
    monkeypatch.undo()
    assert shop.value("SELECT pg_try_advisory_lock(%s)", LOCK)


def test_what_becomes_due_later_is_for_the_next_publication(shop: Shop) -> None:
    shop.wheel("spidev", "3.6")
    shop.publish()
    later = datetime.now(UTC) + timedelta(hours=1)
    shop.execute("UPDATE project SET stale_since = %s", (later,))
    assert shop.publish().projects == 0
