"""Writes the search index: files of lines (`search_shards`) and the list of those there are, `search/json`.

    due = SearchDue(storage)                      # one of the publisher's page sources: notes what is published
    publish(connection, ..., sources=[..., due])
    update_search(connection, storage)            # after it: brings the index up to date with what was noted

Only files that change are written. What is noted is forgotten only after it is done, so a publisher that is killed leaves
no project out. `update_search` makes the whole index where there is none, and when everything was published.
"""

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from piwright.database.connection import Connection
from piwright.index.page_sources import Rendered
from piwright.index.storage import Storage
from piwright.site.search_entries import COMMON, Entry, parse_name_line
from piwright.site.search_rows import all_entries, entries_of
from piwright.site.search_shards import (
    ALPHABET,
    EVERYTHING,
    LIMIT,
    Shard,
    Shards,
    cut,
    shard_bytes,
    shard_lines,
    shard_path,
    size_of,
)

VERSION = 2
"""Of the format and of what counts as a word: an index of another version is written anew."""

NAMES, WORDS = "names", "words"
LIST = "search/json"
DUE = "search/due.txt"
ALL = "everything"

MOST_DUE = 5000
"""Projects that are brought up to date one by one; with more, writing all anew is quicker."""

_GROUP = 64
"""Files that are written together."""


@dataclass(frozen=True)
class SearchDue:
    """Notes which projects are published, before they are settled; it has no pages of its own."""

    storage: Storage

    def read(self, connection: Connection, project_ids: Sequence[int], *, everything: bool) -> dict[int, Any]:
        """Remember the projects, for good; there is nothing to render."""
        note_due(self.storage, None if everything else project_ids)
        return {}

    def render(self, project: Any) -> Rendered:
        """Nothing: `read` returns no project."""
        return Rendered()

    def settle(self, connection: Connection, project_ids: Sequence[int]) -> None:
        """Nothing: `update_search` does it."""


def note_due(storage: Storage, project_ids: Iterable[int] | None) -> None:
    """Remember that the search may say something else of projects, or of any."""
    known = read_due(storage)
    if known is None:
        return
    due = None if project_ids is None else known | set(project_ids)
    if due is None or len(due) > MOST_DUE:
        storage.write({DUE: f"{ALL}\n".encode()})
    elif due != known:
        storage.write({DUE: "".join(f"{each}\n" for each in sorted(due)).encode()})


def read_due(storage: Storage) -> set[int] | None:
    """Ids of projects that are due; None for all of them."""
    content = storage.read(DUE)
    lines = content.decode().split() if content else []
    return None if ALL in lines else {int(line) for line in lines}


@dataclass
class Report:
    """What came of it: files written and removed, and whether the list of names with pages is another one."""

    written: int = 0
    removed: int = 0
    names_changed: bool = False


@dataclass
class _Family:
    """The files of one kind as they are to be, and contents that were looked at."""

    name: str
    shards: Shards
    contents: dict[Shard, list[str]] = field(default_factory=dict)
    changed: set[Shard] = field(default_factory=set)
    gone: set[Shard] = field(default_factory=set)


def update_search(connection: Connection, storage: Storage, *, everything: bool = False, limit: int = LIMIT) -> Report:
    """Bring the index up to date with what was noted. The same projects are the same bytes, whatever came before."""
    due = read_due(storage)
    families = None if everything or due is None else _read_list(storage, limit)
    if families is None:
        report = write_all(all_entries(connection), storage, limit)
    else:
        report = apply_changes(families, entries_of(connection, due or ()), storage, limit)
    if due is None or due:
        storage.remove([DUE])
    return report


def write_all(chunks: Iterable[Iterable[Entry]], storage: Storage, limit: int = LIMIT) -> Report:
    """Write the whole index. Memory: the lines of one first letter at a time, the others are in temporary files."""
    report = Report(names_changed=True)
    sizes: dict[str, dict[Shard, int]] = {NAMES: {}, WORDS: {}}
    with tempfile.TemporaryDirectory(prefix="piwright-search-") as directory, ExitStack() as opened:
        heaps = _Heaps(Path(directory), opened)
        for chunk in chunks:
            for entry in chunk:
                heaps.put(NAMES, entry.name_line)
                for line in entry.word_lines():
                    heaps.put(WORDS, line)
        for family in (NAMES, WORDS):
            for within, lines in heaps.take(family, limit):
                files = cut(lines, within, limit)
                sizes[family] |= {shard: size_of(inside) for shard, inside in files.items()}
                report.written += _write(storage, _files(family, files))
    report.written += _write(storage, _list(sizes, limit))
    report.removed = _remove_strangers(storage, sizes)
    return report


class _Heaps:
    """Lines of each family in a temporary file for each first letter."""

    def __init__(self, directory: Path, opened: ExitStack) -> None:
        self._directory = directory
        self._opened = opened
        self._files: dict[tuple[str, str], TextIO] = {}
        self._sizes: dict[tuple[str, str], int] = {}

    def put(self, family: str, line: str) -> None:
        """Keep a line."""
        place = (family, line[0])
        if place not in self._files:
            path = self._directory / f"{family}-{line[0]}"
            self._files[place] = self._opened.enter_context(path.open("w+", encoding="utf-8", newline="\n"))
        self._files[place].write(line + "\n")
        self._sizes[place] = self._sizes.get(place, 0) + len(line.encode()) + 1

    def take(self, family: str, limit: int) -> Iterator[tuple[Shard, list[str]]]:
        """The lines of each range that is cut further or is a file, and not of more than one letter unless it is one."""
        todo = [EVERYTHING]
        while todo:
            shard = todo.pop()
            letters = [shard.prefix] if shard.prefix else ALPHABET[shard.low : shard.high + 1]
            places = [(family, letter) for letter in letters if (family, letter) in self._files]
            if not shard.prefix and sum(self._sizes[place] for place in places) > limit:
                todo += reversed(shard.halves)
            elif places:
                yield shard, [line for place in places for line in self._read(place)]

    def _read(self, place: tuple[str, str]) -> list[str]:
        file = self._files[place]
        file.seek(0)
        return file.read().split("\n")[:-1]


def apply_changes(
    families: Mapping[str, _Family], entries: Mapping[str, Entry | None], storage: Storage, limit: int = LIMIT
) -> Report:
    """Replace what the index says of some projects; None removes one."""
    report = Report()
    names, words = families[NAMES], families[WORDS]
    known = _known(names, storage, entries)
    removed: dict[str, set[str]] = {NAMES: set(), WORDS: set()}
    added: dict[str, set[str]] = {NAMES: set(), WORDS: set()}
    for name, entry in entries.items():
        before = known.get(name)
        report.names_changed |= (before is not None and before.has_page) != (entry is not None and entry.has_page)
        for each, lines in ((before, removed), (entry, added)):
            if each is not None:
                lines[NAMES].add(each.name_line)
                if before != entry:
                    lines[WORDS] |= each.word_lines()
    # Names come after all words: who is stopped in between finds the old names, and does the same again.
    sizes = {each.name: dict(each.shards.sizes) for each in (words, names)}
    for family in (words, names):
        _change(family, storage, removed[family.name] - added[family.name], added[family.name], limit)
        sizes[family.name] = family.shards.sizes
        files = _files(family.name, {shard: family.contents[shard] for shard in family.changed})
        report.written += _write(storage, files | _list(sizes, limit))
    # At last, when no list names them any more; who still has the old one finds out and asks for the new one.
    gone = [shard_path(each.name, shard) for each in (names, words) for shard in each.gone - each.shards.sizes.keys()]
    report.removed = len(storage.remove(sorted(gone))) if gone else 0
    return report


def _known(names: _Family, storage: Storage, wanted: Iterable[str]) -> dict[str, Entry]:
    """What the index says of projects now."""
    known: dict[str, Entry] = {}
    places: dict[Shard, set[str]] = {}
    for name in wanted:
        places.setdefault(names.shards.place(name), set()).add(name)
    for shard, inside in places.items():
        for line in _lines(names, storage, shard):
            if line.partition("\t")[0] in inside:
                entry = parse_name_line(line)
                known[entry.name] = entry
    return known


def _change(family: _Family, storage: Storage, removed: set[str], added: set[str], limit: int) -> None:
    """Take lines out and put lines in, then cut and join files to what `cut` would have made of all lines."""
    touched: dict[Shard, tuple[set[str], set[str]]] = {}
    for lines, place in ((removed, 0), (added, 1)):
        for line in lines:
            touched.setdefault(family.shards.place(line), (set(), set()))[place].add(line)
    for shard, (out, into) in touched.items():
        after = (set(_lines(family, storage, shard)) - out) | into
        # Also where nothing differs: one that was stopped may have written the file, and not its size.
        _replace(family, [shard], cut(after, shard, limit))
    for shard in sorted(each for each, (out, _) in touched.items() if out):
        wider = family.shards.fits(shard, limit)
        if wider is not None:
            parts = family.shards.within(wider)
            together = [line for each in parts for line in _lines(family, storage, each)]
            _replace(family, parts, cut(together, wider, limit))


def _replace(family: _Family, old: Iterable[Shard], new: Mapping[Shard, list[str]]) -> None:
    for shard in old:
        family.shards.set(shard, None)
        family.gone.add(shard)
        family.changed.discard(shard)
        family.contents.pop(shard, None)
    for shard, lines in new.items():
        family.shards.set(shard, size_of(lines))
        family.contents[shard] = lines
        family.changed.add(shard)


def _lines(family: _Family, storage: Storage, shard: Shard) -> list[str]:
    if shard not in family.contents:
        content = storage.read(shard_path(family.name, shard)) if shard in family.shards.sizes else None
        family.contents[shard] = shard_lines(content) if content else []
    return family.contents[shard]


def _read_list(storage: Storage, limit: int) -> dict[str, _Family] | None:
    """The files there are; None if there is no list, or one of another format."""
    content = storage.read(LIST)
    found = json.loads(content) if content else {}
    if found.get("version") != VERSION or found.get("limit") != limit:
        return None
    return {
        name: _Family(name, Shards({Shard.of_label(label): size for label, size in found[name].items()}))
        for name in (NAMES, WORDS)
    }


def _list(sizes: Mapping[str, Mapping[Shard, int]], limit: int) -> dict[str, bytes]:
    """The file that says which files there are."""
    listed = {name: {shard.label: size for shard, size in sorted(sizes[name].items())} for name in (NAMES, WORDS)}
    content = json.dumps({"version": VERSION, "limit": limit, "common": COMMON, **listed}, separators=(",", ":"))
    return {LIST: content.encode() + b"\n"}


def _files(family: str, contents: Mapping[Shard, list[str]]) -> dict[str, bytes]:
    return {shard_path(family, shard): shard_bytes(contents[shard]) for shard in sorted(contents)}


def _write(storage: Storage, files: Mapping[str, bytes]) -> int:
    """Write files in their order, some at a time."""
    return sum(len(storage.write(dict(group))) for group in _groups(files.items()))


def _groups(files: Iterable[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    iterator = iter(files)
    while group := list(islice(iterator, _GROUP)):
        yield group


def _remove_strangers(storage: Storage, sizes: Mapping[str, Mapping[Shard, int]]) -> int:
    """Remove files of an older index that the list does not name."""
    gone = []
    for family, known in sizes.items():
        kept = {shard_path(family, shard) for shard in known}
        there = {f"search/{family}/{name}" for name in storage.names(f"search/{family}") if name.endswith(".txt")}
        gone += sorted(there - kept)
    return len(storage.remove(gone)) if gone else 0


def names_with_pages(storage: Storage, limit: int = LIMIT) -> Iterator[str]:
    """Names of the projects in the index that have a page here, in order: one file in memory at a time."""
    families = _read_list(storage, limit)
    shards = families[NAMES].shards.sizes if families else ()
    for shard in sorted(shards, key=lambda each: each.prefix + ALPHABET[each.low]):
        for line in shard_lines(storage.read(shard_path(NAMES, shard)) or b""):
            entry = parse_name_line(line)
            if entry.has_page:
                yield entry.name
