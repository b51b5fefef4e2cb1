"""Cuts sorted lines into files that a browser can fetch one by one: each has the lines of one range of keys.

    cut(lines)                                   # {Shard("p", "a".."h"): [...], ...}: none larger than LIMIT
    shards = Shards({shard: size, ...})
    shards.place("pyserial\tB\t...")             # where that line is, or would be
    shard.label, shard_path("names", shard)      # "am-p", "search/names/am-p.txt": keys from pa to pm

Ranges are halves of halves of the alphabet, at every letter anew. Which files there are follows from the lines alone, not
from the order in which they came: a range has a file of its own if its lines fit into one and those of the range it is
half of do not.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import NamedTuple

LIMIT = 64 << 10
"""Bytes of a file at most, before compression. A single line is far smaller."""

ALPHABET = " -0123456789abcdefghijklmnopqrstuvwxyz"
"""What keys are made of, in the order in which text is sorted."""

_LAST = len(ALPHABET) - 1


class Shard(NamedTuple):
    """The keys that begin with `prefix` and go on with a letter from `low` to `high`, as places in the alphabet."""

    prefix: str = ""
    low: int = 0
    high: int = _LAST

    @property
    def label(self) -> str:
        """Its name in lists and files: both letters, a dash, the prefix; a space is written as `_`."""
        return f"{ALPHABET[self.low]}{ALPHABET[self.high]}-{self.prefix}".replace(" ", "_")

    @classmethod
    def of_label(cls, label: str) -> "Shard":
        """The shard with that label."""
        low, high, prefix = label[0], label[1], label[3:]
        return cls(prefix.replace("_", " "), *(ALPHABET.index(each.replace("_", " ")) for each in (low, high)))

    @property
    def halves(self) -> tuple["Shard", "Shard"]:
        """What it is cut into; half of two letters is one letter, with all that may follow."""
        middle = (self.low + self.high) // 2
        return _range(self.prefix, self.low, middle), _range(self.prefix, middle + 1, self.high)

    @property
    def boundary(self) -> str:
        """The smallest key of its second half."""
        return self.prefix + ALPHABET[(self.low + self.high) // 2 + 1]

    def path_to(self, key: str) -> Iterator["Shard"]:
        """Itself, the half that has the key, the half of that, and so on, as long as the key goes on."""
        shard = self
        while len(shard.prefix) < len(key):
            yield shard
            shard = shard.halves[key >= shard.boundary]
        yield shard


def _range(prefix: str, low: int, high: int) -> Shard:
    return Shard(prefix + ALPHABET[low]) if low == high else Shard(prefix, low, high)


EVERYTHING = Shard()


def key_of(line: str) -> str:
    """What a line is sorted and found by; the space at its end makes no key the beginning of another."""
    return line.partition("\t")[0] + " "


def size_of(lines: Iterable[str]) -> int:
    """Bytes of a file of these lines."""
    return sum(len(line.encode()) + 1 for line in lines)


def cut(lines: Collection[str], within: Shard = EVERYTHING, limit: int = LIMIT) -> dict[Shard, list[str]]:
    """Files for lines that all belong `within`, sorted; none if there are no lines."""
    ordered = sorted(lines)  # by key too: a tabulator comes before all that keys are made of
    keys = [key_of(line) for line in ordered]
    sizes = [0, *accumulate(len(line.encode()) + 1 for line in ordered)]
    files: dict[Shard, list[str]] = {}
    todo = [(within, 0, len(ordered))]
    while todo:
        shard, start, stop = todo.pop()
        if sizes[stop] - sizes[start] > limit:
            middle = bisect_left(keys, shard.boundary, start, stop)
            first, second = shard.halves
            todo += [(second, middle, stop), (first, start, middle)]
        elif start < stop:
            files[shard] = ordered[start:stop]
    return files


class Shards:
    """The files there are, with their sizes, and what all ranges above them have together."""

    def __init__(self, sizes: Mapping[Shard, int]) -> None:
        self.sizes: dict[Shard, int] = {}
        self._together: dict[Shard, int] = {}
        for shard, size in sizes.items():
            self.set(shard, size)

    def set(self, shard: Shard, size: int | None) -> None:
        """Add a file, give it another size, or take it out (None)."""
        more = (size or 0) - self.sizes.pop(shard, 0)
        if size is not None:
            self.sizes[shard] = size
        for above in _above(shard):
            together = self._together.pop(above, 0) + more
            if together:
                self._together[above] = together

    def place(self, line: str) -> Shard:
        """The file a line is in, or the new one it would open."""
        for shard in EVERYTHING.path_to(key_of(line)):
            if shard in self.sizes or shard not in self._together:
                return shard
        raise AssertionError(f"{line!r} is at no place")  # no file is as deep as a whole key

    def fits(self, shard: Shard, limit: int = LIMIT) -> Shard | None:
        """The widest range above a file whose files together fit into one, if there is such."""
        for above in _above(shard):
            if self._together.get(above, limit + 1) <= limit:
                return above
        return None

    def within(self, shard: Shard) -> list[Shard]:
        """The files of a range."""
        return [each for each in self.sizes if each == shard or shard in _above(each)]


def _above(shard: Shard) -> list[Shard]:
    """The ranges it is part of, widest first."""
    found = []
    for each in EVERYTHING.path_to(shard.prefix + ALPHABET[shard.low]):
        if each == shard:
            break
        found.append(each)
    return found


def shard_path(family: str, shard: Shard) -> str:
    """Where a file is, from the root of the tree."""
    return f"search/{family}/{shard.label}.txt"


def shard_bytes(lines: Iterable[str]) -> bytes:
    """A file's content."""
    return "".join(line + "\n" for line in lines).encode()


def shard_lines(content: bytes) -> list[str]:
    """The lines of a file's content."""
    return content.decode().split("\n")[:-1]
