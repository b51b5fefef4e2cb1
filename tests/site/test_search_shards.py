"""The files of the search index are bounded, follow from their lines alone, and change only where a line does."""

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from piwright.index.storage import Storage, open_storage
from piwright.index.storage_directory import DirectoryStorage
from piwright.site.search_entries import Entry, State
from piwright.site.search_index import LIST, _read_list, apply_changes, names_with_pages, write_all
from piwright.site.search_shards import EVERYTHING, Shard, Shards, cut, key_of, shard_path, size_of

LIMIT = 120
"""Bytes, so that a dozen projects need several files."""

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where being durable costs nothing: the tests write some ten thousand files."""

NAMES = st.lists(st.sampled_from(["a", "ab", "abc", "b", "py", "pyt", "x1"]), min_size=1, max_size=3).map("-".join)
SUMMARIES = st.sampled_from(["", "ab py", "serial port", "a thing of ünïcode"])
ENTRIES = st.builds(Entry, NAMES, st.sampled_from(State), st.booleans(), SUMMARIES)
SHOPS = st.dictionaries(NAMES, ENTRIES, max_size=25).map(
    lambda found: {name: Entry(name, each.state, each.has_page, each.summary) for name, each in found.items()}
)


def tree_of(storage: DirectoryStorage) -> dict[str, bytes]:
    return {
        str(path.relative_to(storage.root)): path.read_bytes()
        for path in sorted(storage.root.rglob("*"))
        if path.is_file() and ".new" not in path.parts
    }


def fresh(directory: str, name: str) -> DirectoryStorage:
    storage = open_storage(Path(directory) / name)
    assert isinstance(storage, DirectoryStorage)
    return storage


def change(storage: Storage, before: Mapping[str, Entry], after: Mapping[str, Entry]) -> None:
    families = _read_list(storage, LIMIT)
    assert families is not None
    wanted = {name: after.get(name) for name in {*before, *after}}
    apply_changes(families, wanted, storage, LIMIT)


LINES = st.sets(ENTRIES.map(lambda entry: entry.name_line), max_size=60).map(
    lambda lines: sorted({key_of(line): line for line in sorted(lines)}.values())
)


@given(LINES)
def test_every_line_is_in_exactly_the_file_its_key_leads_to(lines: list[str]) -> None:
    files = cut(lines, limit=LIMIT)
    assert sorted(line for inside in files.values() for line in inside) == lines
    shards = Shards({shard: size_of(inside) for shard, inside in files.items()})
    assert all(size <= LIMIT for size in shards.sizes.values())
    for shard, inside in files.items():
        assert inside == sorted(inside)
        assert all(shards.place(line) == shard for line in inside)
        assert Shard.of_label(shard.label) == shard


@given(LINES)
def test_no_file_is_smaller_than_it_has_to_be(lines: list[str]) -> None:
    for shard, inside in cut(lines, limit=LIMIT).items():
        path = list(EVERYTHING.path_to(key_of(inside[0])))
        above = path[path.index(shard) - 1] if shard != EVERYTHING else None
        if above is not None:
            together = [line for line in lines if above in list(EVERYTHING.path_to(key_of(line)))]
            assert size_of(together) > LIMIT


@settings(max_examples=60, deadline=None)
@given(SHOPS, SHOPS)
def test_changing_an_index_makes_the_same_bytes_as_making_it_anew(
    before: dict[str, Entry], after: dict[str, Entry]
) -> None:
    with TemporaryDirectory(dir=MEMORY) as directory:
        changed, anew = fresh(directory, "changed"), fresh(directory, "anew")
        write_all([before.values()], changed, LIMIT)
        change(changed, before, after)
        write_all([after.values()], anew, LIMIT)
        assert tree_of(changed) == tree_of(anew)
        assert list(names_with_pages(changed, LIMIT)) == sorted(name for name in after if after[name].has_page)


class Stops(Exception):
    """A publisher that is killed."""


class Killed(DirectoryStorage):
    """Stops before its `after`th write."""

    after = 0

    def write(self, files: Mapping[str, bytes]) -> set[str]:
        if Killed.after == 0:
            raise Stops
        Killed.after -= 1
        return super().write(files)


@settings(max_examples=60, deadline=None)
@given(SHOPS, SHOPS, st.integers(0, 5))
def test_what_is_stopped_anywhere_is_made_whole_by_the_next_run(
    before: dict[str, Entry], after: dict[str, Entry], writes: int
) -> None:
    with TemporaryDirectory(dir=MEMORY) as directory:
        changed, anew = fresh(directory, "changed"), fresh(directory, "anew")
        write_all([before.values()], changed, LIMIT)
        Killed.after = writes
        try:
            change(Killed(changed.root, changed.encodings), before, after)
        except Stops:
            assert_listed_files_are_there(changed)
        change(changed, before, after)
        write_all([after.values()], anew, LIMIT)
        ours, theirs = tree_of(changed), tree_of(anew)
        listed = {path for path in ours if path not in theirs}
        assert {path: ours[path] for path in theirs} == theirs
        # Files that were cut before the list was written belong to nobody; a new index removes them.
        write_all([after.values()], changed, LIMIT)
        assert tree_of(changed) == theirs, listed


def assert_listed_files_are_there(storage: Storage) -> None:
    found = json.loads(storage.read(LIST) or b"{}")
    for family in ("names", "words"):
        for label in found.get(family, ()):
            assert storage.size(shard_path(family, Shard.of_label(label))) is not None


def test_the_longest_name_and_the_commonest_word_fit() -> None:
    entries = [Entry(f"{'x' * 190}-{n}", State.OURS, True, "sensor " * 20) for n in range(400)]
    lines = [line for entry in entries for line in entry.word_lines()]
    files = cut(lines)
    assert max(size_of(inside) for inside in files.values()) <= 64 << 10
    assert sum(len(inside) for inside in files.values()) == len(lines)
    assert max(len(shard_path("words", shard)) for shard in files) < 255
