"""What a page changes in what is stored: as data, without a database."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from catalog.pages import entry, page
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
        assert len(shelf.offered()) == (len(read.versions) if read and offered else 0)
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


def test_a_release_without_files_is_not_yanked_and_remembers_when_it_was_uploaded() -> None:
    shelf = Shelf()
    shelf.take(page("a", entry("a-1.zip", yanked=True), versions=["1"]))
    shelf.take(page("a", versions=["1"]))
    (release,) = shelf.releases.values()
    assert (release.gone, release.row.yanked) == (False, False)
    assert release.row.uploaded_at is not None
