"""Something upstream or in the watch list that was skipped, in words for the person who can mend it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that was skipped while the rest went on.

    `name` says what it is about: a normalised project name, or `line 7` of the watch list. `text` is one sentence.
    """

    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.name}: {self.text}"
