"""Which indexes there are: the two every shop has, and one for each target.

flavours = read_flavours(connection)
flavours.all, flavours.inactive
"""

from dataclasses import dataclass

import msgspec

from piwright.database.connection import Connection, fetch_all
from piwright.index.layout import FLAVOURS, Flavour, TargetTags, target_flavour

TARGETS = "SELECT name, distribution, tags, active FROM target ORDER BY rank, name"
"""A few rows."""


@dataclass(frozen=True)
class Flavours:
    """The indexes to publish; `inactive` are targets whose index must not be there any more."""

    targets: dict[str, Flavour]
    inactive: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[Flavour, ...]:
        """Every index; those that list the same files are next to each other."""
        return (*FLAVOURS, *self.targets.values())


def read_flavours(connection: Connection) -> Flavours:
    """The indexes of the targets the database has now."""
    rows = fetch_all(connection, TARGETS)
    return Flavours(
        {
            row.name: target_flavour(row.name, TargetTags(row.distribution, frozenset(row.tags)))
            for row in rows
            if row.active
        },
        tuple(row.name for row in rows if not row.active),
    )


def target_file(name: str) -> str:
    """The file that says for what the pages of a target's index were chosen."""
    return f"{name}/target.json"


def target_content(name: str, flavour: Flavour) -> bytes:
    """What it says; while it is another than the database's, all pages are looked at again."""
    assert flavour.target is not None
    said = {"name": name, "distribution": flavour.target.distribution, "tags": sorted(flavour.target.tags)}
    return msgspec.json.encode(said)
