"""What a build page shows of a log: its beginning, what surrounds the evidence, its end. The log is a stranger's.

    with open(store.log_path(path), "rb") as packed:
        excerpt = read_excerpt(packed, evidence=1234, most_bytes=attempt.log_bytes)
    excerpt.parts[0].lines          # [Line(number=1, text="..."), ...]

It is read once, as a stream, in pieces: memory does not grow with the log, with a line or with what a few packed bytes
unfold to, and time grows with the bytes alone, however many lines they are.
"""

import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from piwright.intake.untrusted import without_colours
from piwright.site.presentable import without_controls

MOST_LINES = 300
"""Of a page; a shorter log is shown as a whole."""
HEAD, BEFORE, AFTER, TAIL = 40, 60, 40, 120
LINE_LENGTH = 2000
"""Characters of a line that are shown."""

_PIECE = 1 << 18
_TAIL_BYTES = 1 << 19
_LINE_BYTES = 4 * LINE_LENGTH + 400


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it may be shown, by its number from 1."""

    number: int
    text: str

    @property
    def ours(self) -> bool:
        """The worker's own remark, or what looks like one."""
        return self.text.startswith("=== piwright: ")


@dataclass(frozen=True, slots=True)
class Part:
    """Lines without a gap; `skipped` are not shown before them."""

    skipped: int
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """What is shown of a log of `total` lines. `problem`: why it could not be read to its end."""

    parts: tuple[Part, ...]
    total: int
    problem: str | None = None

    @property
    def whole(self) -> bool:
        """Nothing is left out."""
        return self.problem is None and sum(len(part.lines) for part in self.parts) == self.total


def read_excerpt(packed: BinaryIO, *, evidence: int | None = None, most_bytes: int | None = None) -> Excerpt:
    """Read a log packed with gzip; `most_bytes` is what it has, unpacked, as far as is recorded."""
    wanted = [range(1, MOST_LINES + 1)]
    if evidence is not None:
        wanted.append(range(max(1, evidence - BEFORE), evidence + AFTER + 1))
    reading = _Reading(wanted)
    problem = None
    try:
        for piece in _unpack(packed, most_bytes):
            reading.take(piece)
    except (zlib.error, EOFError) as error:
        problem = f"The log cannot be read to its end: {error}."
    except _TooLong:
        problem = "The log has more in it than was recorded; the rest is not shown."
    total = reading.end()
    shown = _choose(reading.lines, reading.tail(), total, evidence)
    return Excerpt(tuple(_parts(shown)), total, problem)


class _TooLong(Exception):
    """It unfolds to more than it may."""


def _unpack(packed: BinaryIO, most_bytes: int | None) -> Iterator[bytes]:
    """The log in pieces of a bounded size."""
    unpacker = zlib.decompressobj(wbits=31)
    left = most_bytes
    while not unpacker.eof:
        source = unpacker.unconsumed_tail or packed.read(1 << 16)
        if not source:
            raise EOFError("it ends too early")
        piece = unpacker.decompress(source, _PIECE)
        if left is not None and len(piece) > left:
            yield piece[:left]
            raise _TooLong
        left = None if left is None else left - len(piece)
        if piece:
            yield piece


class _Reading:
    """The lines that are wanted by number, and the last bytes."""

    def __init__(self, wanted: list[range]) -> None:
        self.wanted = wanted
        self.lines: dict[int, bytes] = {}
        self._number = 1
        """Of the line the next byte belongs to."""
        self._within = False
        """Some of that line was there already."""
        self._tail: deque[tuple[int, bool, bytes]] = deque()
        self._tail_bytes = 0

    def take(self, piece: bytes) -> None:
        count = piece.count(b"\n")
        # By their ends: a piece can have as many lines as bytes.
        if any(self._number < each.stop and self._number + count >= each.start for each in self.wanted):
            self._pick(piece)
        self._tail.append((self._number, self._within, piece))
        self._tail_bytes += len(piece)
        while self._tail_bytes - len(self._tail[0][2]) >= _TAIL_BYTES:
            self._tail_bytes -= len(self._tail.popleft()[2])
        self._number += count
        self._within = not piece.endswith(b"\n")

    def _pick(self, piece: bytes) -> None:
        start, number = 0, self._number
        while start < len(piece):
            end = piece.find(b"\n", start)
            stop = end if end >= 0 else len(piece)
            if any(number in each for each in self.wanted):
                known = self.lines.get(number, b"")
                self.lines[number] = known + piece[start : min(stop, start + max(0, _LINE_BYTES - len(known)))]
            start, number = stop + 1, number + 1

    def end(self) -> int:
        """How many lines there are."""
        return self._number if self._within else self._number - 1

    def tail(self) -> dict[int, bytes]:
        """The last lines, those whose beginning is among the last bytes."""
        if not self._tail:
            return {}
        first, within, _ = self._tail[0]
        lines = b"".join(piece for _, _, piece in self._tail).split(
            b"\n",
        )
        if not lines[-1]:
            lines.pop()
        numbered = {
            first + position: line[:_LINE_BYTES]
            for position, line in enumerate(lines[-TAIL:], max(0, len(lines) - TAIL))
        }
        if within:
            numbered.pop(first, None)
        return numbered


def _choose(lines: dict[int, bytes], tail: dict[int, bytes], total: int, evidence: int | None) -> dict[int, bytes]:
    known = tail | lines
    if total <= MOST_LINES:
        return known
    numbers = set(range(1, HEAD + 1)) | set(range(total - TAIL + 1, total + 1))
    if evidence is not None:
        numbers |= set(range(evidence - BEFORE, evidence + AFTER + 1))
    return {number: line for number, line in known.items() if number in numbers}


def _parts(shown: dict[int, bytes]) -> Iterator[Part]:
    lines: list[Line] = []
    before = skipped = 0
    for number in sorted(shown):
        if number != before + 1:
            if lines:
                yield Part(skipped, tuple(lines))
            skipped, lines = number - before - 1, []
        lines.append(Line(number, show_line(shown[number])))
        before = number
    if lines:
        yield Part(skipped, tuple(lines))


def show_line(line: bytes) -> str:
    """A line of a log as it may stand on a page: without colours, nothing in it that hides, moves or turns other text."""
    text = line.decode("utf-8", "replace").removesuffix("\r")
    # A carriage return would have hidden what stands before it on a terminal; here everything is seen.
    text = without_controls(without_colours(text).replace("\r", "␍").replace("\x0b", "\ufffd"))
    return text if len(text) <= LINE_LENGTH else text[: LINE_LENGTH - 1] + "…"
