"""What the search knows of a project, as lines of text that a browser can read, and by which words it is found.

    entry = Entry("rpi-gpio", State.OURS, has_page=True, summary="Control the GPIO")
    entry.name_line           # "rpi-gpio\tB\tControl the GPIO"
    entry.word_lines()        # ["gpio rpi-gpio\tB", "control rpi-gpio\tB", ...]
    parse_name_line(line)

A project is found by the beginning of its name, of each part of its name and of each word of its summary; one this shop
deals with also by what is inside of the parts, so that "gpio" finds pigpio.
"""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from piwright.site.presentable import presentable

SUMMARY_LENGTH = 160
"""Characters of a summary that are kept for the list of results."""

WORDS = 24
"""Words of a summary that are found."""

SHORTEST = 2
"""Letters: a shorter word of a summary finds nothing, and the browser does not ask for it beside longer ones."""

SHORTEST_INSIDE = 3
"""Letters that are looked for inside of a part of a name."""

LONGEST = 40
"""Letters: a longer part of a name is found by its beginning alone, a longer word of a summary not at all."""

_COMMON = (
    "a an and are as at be by for from in into is it its library of on or package python that the this to using via was "
    "with you your"
)
COMMON = tuple(_COMMON.split())
"""Words of nearly every summary, which find nothing."""

_ACCENTS = re.compile("[\u0300-\u036f]")
_WORD = re.compile("[a-z0-9]+")


class State(StrEnum):
    """Is there a wheel? The letter in a line; a capital says that the project has a page here."""

    OURS = "b"
    WAITING = "w"
    FAILED = "f"
    HELD = "h"
    SKIPPED = "s"
    UPSTREAM = "u"
    UNKNOWN = "n"
    REMOVED = "r"


@dataclass(frozen=True)
class Entry:
    """A project in the search; `name` is normalised, `summary` one presentable line."""

    name: str
    state: State
    has_page: bool
    summary: str = ""

    @property
    def name_line(self) -> str:
        """The line of the project among the names."""
        return f"{self.name}\t{self._letter}\t{self.summary}"

    def word_lines(self) -> set[str]:
        """The lines of the project among the words."""
        return {f"{word} {self.name}\t{self._letter}" for word in words_of(self)}

    @property
    def _letter(self) -> str:
        return self.state.value.upper() if self.has_page else self.state.value


def make_entry(name: str, state: State, has_page: bool, summary: str | None) -> Entry:
    """An entry of what the database says."""
    return Entry(name, state, has_page, presentable(summary or "", SUMMARY_LENGTH))


def parse_name_line(line: str) -> Entry:
    """The entry of a line we wrote. Raises `ValueError` for any other."""
    name, letter, summary = line.split("\t")
    return Entry(name, State(letter.lower()), letter.isupper(), summary)


def words_of(entry: Entry) -> set[str]:
    """Lower-case words of [a-z0-9] by which an entry is found, apart from the beginning of its name."""
    parts = entry.name.split("-")
    words = set(parts[1:])
    if entry.has_page:
        for part in parts:
            if len(part) <= LONGEST:
                words.update(part[start:] for start in range(1, len(part) - SHORTEST_INSIDE + 1))
    summary = split_words(entry.summary)
    found = [word for word in summary if SHORTEST <= len(word) <= LONGEST and word not in COMMON]
    words.update(dict.fromkeys(found[:WORDS]))
    words.discard(parts[0])
    return words


def split_words(text: str) -> list[str]:
    """All words of [a-z0-9] in a text, small and without accents: what `wordsOf` in `static/words.js` makes of the same."""
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", text)).lower()
    return _WORD.findall(plain)
