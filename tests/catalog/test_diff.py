"""What a page changes in what is stored: as data, without a database."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from catalog.pages import MOMENT, entry, page
from piwright.catalog.diff import Changes, KnownFile, KnownRelease, compare
from piwright.catalog.page import ProjectPage


class Shelf:
    """The rows of one project, as the database would have them after every change was written."""

    def __init__(self) -> None:
        self.releases: dict[int, KnownRelease] = {}
        self.files: dict[int, KnownFile] = {}
        self._next = 0

    def take(self, read: ProjectPage | None) -> Changes:
        changes = compare(self.releases.values(), self.files.values(), read)
        for row in changes.new_releases:
            self._next += 1
            self.releases[self._next] = KnownRelease(self._next, row, gone=False)
        for key, row in changes.changed_releases:
            self.releases[key] = KnownRelease(key, row, gone=False)
        for key in changes.gone_releases:
            self.releases[key] = KnownRelease(key, self.releases[key].row, gone=True)
        for file_key in changes.vanished_files:
            del self.files[file_key]
        for version, file in changes.new_files:
            assert version in {each.row.version for each in self.releases.values()}
            self._next += 1
            self.files[self._next] = KnownFile(self._next, version, file)
        for file_key, file in changes.changed_files:
            self.files[file_key] = KnownFile(file_key, self.files[file_key].version, file)
        return changes

    def offered(self) -> set[str]:
        return {each.row.version for each in self.releases.values() if not each.gone}

    def yanked(self) -> dict[str, str | bool]:
        """Of the releases that are there: version to the reason, or whether it is yanked."""
        rows = [each.row for each in self.releases.values() if not each.gone]
        return {row.version: row.yanked_reason or row.yanked for row in rows}


@st.composite
def pages(draw: st.DrawFn) -> ProjectPage | None:
    if draw(st.integers(0, 9)) == 0:
        return None
    names = st.builds(
        "a-{}{}".format, st.sampled_from(["1.0", "1.0.0", "2.0", "3.0b1"]), st.sampled_from([".zip", ".tgz"])
    )
    files = [
        entry(
            name,
            yanked=draw(st.sampled_from([False, True, "bad"])),
            size=draw(st.sampled_from([None, 1, 2])),
            upload_time=draw(st.sampled_from([None, "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"])),
        )
        for name in draw(st.lists(names, unique=True))
    ]
    status: Any = draw(st.sampled_from(["active", "active", "active", "quarantined"]))
    return page(
        "a", *files, versions=draw(st.lists(st.sampled_from(["1.0", "4.0"]))), project_status={"status": status}
    )


@given(st.lists(pages(), max_size=5))
def test_after_any_history_the_rows_are_those_of_the_last_page_and_a_second_look_changes_nothing(
    history: list[ProjectPage | None],
) -> None:
    shelf = Shelf()
    for read in history:
        shelf.take(read)
        offered = read is not None and read.status != "quarantined"
        there = {Version(version) for version in shelf.offered()}
        with_files = {file.version for file in read.files} if read and offered else set()
        assert with_files <= there <= (set(read.versions) if read and offered else set())
        stored = sorted(each.row.filename for each in shelf.files.values())
        assert stored == (sorted(file.filename for file in read.files) if read and offered else [])
        assert not shelf.take(read).anything


@given(st.lists(pages(), min_size=1, max_size=5))
def test_a_release_keeps_its_row_and_spelling_for_ever(history: list[ProjectPage | None]) -> None:
    shelf = Shelf()
    first: dict[int, str] = {}
    for read in history:
        shelf.take(read)
        for key, release in shelf.releases.items():
            assert first.setdefault(key, release.row.version) == release.row.version


def test_a_release_is_yanked_when_all_its_files_are_and_gives_the_first_reason() -> None:
    shelf = Shelf()
    shelf.take(page("a", entry("a-1.zip", yanked=True), entry("a-1.tgz", yanked=False)))
    (release,) = shelf.releases.values()
    assert not release.row.yanked
    changes = shelf.take(page("a", entry("a-1.zip", yanked=True), entry("a-1.tgz", yanked="breaks"), entry("a-2.zip")))
    assert (changes.yanked, changes.unyanked) == (1, 0)
    assert shelf.releases[release.release_id].row.yanked_reason == "breaks"
    changes = shelf.take(page("a", entry("a-1.zip"), entry("a-1.tgz", yanked="breaks"), entry("a-2.zip")))
    assert (changes.yanked, changes.unyanked) == (0, 1)
    assert shelf.releases[release.release_id].row.yanked_reason is None


WINDOWS = "a-1-cp311-cp311-win_amd64.whl"
ANY = "a-1-py3-none-any.whl"


def test_the_sources_decide_on_the_yank_of_what_is_made_of_them() -> None:
    shelf = Shelf()
    shelf.take(page("a", entry("a-1.tgz", yanked="broken source"), entry(WINDOWS)))
    assert shelf.yanked() == {"1": "broken source"}
    shelf.take(page("a", entry("a-1.tgz"), entry(WINDOWS, yanked="no DLL")))
    assert shelf.yanked() == {"1": False}
    shelf.take(page("a", entry(WINDOWS, yanked="no DLL"), entry(ANY)))
    assert shelf.yanked() == {"1": False}
    shelf.take(page("a", entry(WINDOWS, yanked="no DLL"), entry(ANY, yanked=True)))
    assert shelf.yanked() == {"1": "no DLL"}


def test_a_yank_is_taken_back_by_somebody_and_not_by_deleting_what_was_yanked() -> None:
    shelf = Shelf()
    shelf.take(page("a", entry("a-1.tgz", yanked="malware"), entry(WINDOWS)))
    changes = shelf.take(page("a", entry(WINDOWS)))
    assert (shelf.yanked(), changes.unyanked) == ({"1": "malware"}, 0)
    assert not shelf.take(page("a", entry(WINDOWS))).anything
    shelf.take(page("a", entry(WINDOWS), entry(ANY)))
    assert shelf.yanked() == {"1": "malware"}  # another wheel says nothing about the source
    changes = shelf.take(page("a", entry(WINDOWS), entry("a-1.zip")))
    assert (shelf.yanked(), changes.unyanked) == ({"1": False}, 1)


def test_a_release_whose_files_were_deleted_is_gone_though_upstream_lists_it_until_it_has_files_again() -> None:
    shelf = Shelf()
    versions = ["1", "2"]
    shelf.take(page("a", entry("a-1.tgz", yanked="malware"), entry("a-2.tgz"), versions=versions))
    changes = shelf.take(page("a", entry("a-2.tgz"), versions=versions))
    assert (shelf.offered(), len(changes.gone_releases), changes.unyanked) == ({"2"}, 1, 0)
    assert not shelf.take(page("a", entry("a-2.tgz"), versions=versions)).anything
    shelf.take(page("a", versions=versions))
    assert shelf.offered() == set()
    shelf.take(None)
    assert not shelf.take(page("a", versions=versions)).anything
    changes = shelf.take(page("a", entry(WINDOWS), entry("a-2.tgz"), versions=versions))
    assert (changes.returned, shelf.yanked()) == (2, {"1": "malware", "2": False})


@pytest.mark.parametrize("dated", [True, False])
def test_a_release_that_never_had_files_is_there_while_it_is_listed(dated: bool) -> None:
    shelf = Shelf()
    moment = MOMENT if dated else None
    for _ in range(2):
        shelf.take(page("a", entry("a-1.tgz", upload_time=moment), versions=["1", "2"]))
        assert shelf.offered() == {"1", "2"}
    shelf.take(page("a", entry("a-2.tgz", upload_time=moment), versions=["1", "2"]))
    assert shelf.offered() == {"2"}
    assert not shelf.take(page("a", entry("a-2.tgz", upload_time=moment), versions=["1", "2"])).anything


UNREADABLE = {"url": "ftp://x.example/a"}


@pytest.mark.parametrize("versions", [["1", "2"], None])
def test_a_release_whose_files_cannot_be_read_is_not_gone_and_its_yank_counts(versions: Any) -> None:
    shelf = Shelf()
    shelf.take(page("a", entry("a-1.tgz"), entry("a-2.tgz"), versions=versions))
    for _ in range(2):
        changes = shelf.take(page("a", entry("a-1.tgz", **UNREADABLE), entry("a-2.tgz"), versions=versions))
        assert (shelf.offered(), changes.gone_releases) == ({"1", "2"}, [])
    shelf.take(page("a", entry("a-1.tgz", yanked="bad", **UNREADABLE), entry("a-2.tgz"), versions=versions))
    assert shelf.yanked() == {"1": "bad", "2": False}
    shelf.take(page("a", entry("a-1.tgz", yanked="bad"), entry("a-2.tgz"), versions=versions))
    assert shelf.yanked() == {"1": "bad", "2": False}
    shelf.take(page("a", entry("a-1.tgz"), entry("a-2.tgz"), versions=versions))
    assert shelf.yanked() == {"1": False, "2": False}


@pytest.mark.parametrize("strange", [5, {"url": "x"}, {"filename": 5}])
@pytest.mark.parametrize(
    ("versions", "left"),
    [(["1", "2"], {"1", "2"}), (["2"], {"2"}), (None, {"1", "2"})],
    ids=["listed", "gone", "old API"],
)
def test_an_entry_that_names_no_file_may_be_of_any_release_that_upstream_has(
    strange: Any, versions: Any, left: set[str]
) -> None:
    shelf = Shelf()
    shelf.take(page("a", entry("a-1.tgz", yanked=True), entry("a-2.tgz"), versions=versions and ["1", "2"]))
    for _ in range(2):
        shelf.take(page("a", strange, entry("a-2.tgz"), versions=versions))
        assert shelf.offered() == left
        assert shelf.yanked().get("1", True) is True
    shelf.take(page("a", entry("a-2.tgz"), versions=versions))
    assert shelf.offered() == {"2"}


def test_a_release_without_files_remembers_when_it_was_uploaded() -> None:
    shelf = Shelf()
    shelf.take(page("a", entry("a-1.zip", yanked=True), versions=["1"]))
    shelf.take(page("a", versions=["1"]))
    (release,) = shelf.releases.values()
    assert (release.gone, release.row.yanked) == (True, True)
    assert release.row.uploaded_at is not None
