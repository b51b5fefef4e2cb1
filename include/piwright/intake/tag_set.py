"""The three parts of a wheel's tags, as its file name writes them.

tags = TagSet.parse("cp311-cp311-linux_armv6l.linux_armv7l")
str(tags)           # the same, each part sorted
tags.each()         # every combination: what the WHEEL file lists, one a line
"""

import itertools
from dataclasses import dataclass


@dataclass(frozen=True)
class TagSet:
    """Interpreters x ABIs x platforms, each sorted: a file name cannot say more than such a product."""

    interpreters: tuple[str, ...]
    abis: tuple[str, ...]
    platforms: tuple[str, ...]

    @classmethod
    def of(cls, interpreters: set[str], abis: set[str], platforms: set[str]) -> "TagSet":
        """The product of three sets."""
        return cls(tuple(sorted(interpreters)), tuple(sorted(abis)), tuple(sorted(platforms)))

    @classmethod
    def parse(cls, text: str) -> "TagSet":
        """Read `<python>-<abi>-<platform>`, each perhaps several with dots. ValueError for anything else."""
        parts = [set(part.split(".")) for part in text.lower().split("-")]
        if len(parts) != 3 or any("" in part for part in parts):
            raise ValueError(f"{text!r} is no set of tags: <python>-<abi>-<platform> was expected")
        return cls.of(*parts)

    @property
    def pure(self) -> bool:
        """Says that any platform will do, and no other."""
        return self.platforms == ("any",)

    def each(self) -> tuple[str, ...]:
        """Every combination, sorted."""
        return tuple(sorted(map("-".join, itertools.product(self.interpreters, self.abis, self.platforms))))

    def __str__(self) -> str:
        return "-".join(map(".".join, (self.interpreters, self.abis, self.platforms)))
