"""What else is published with a project, besides its pages in the index: project pages, build pages, badges, feeds.

    publish(connection, storage=storage, ..., sources=[ProjectPages(...), BuildPages(...)])

For each batch of projects the publisher calls `read` once, `render` for each project in worker processes, writes what it
returned after the project's own index pages, and calls `settle` in the transaction in which the projects are settled.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from piwright.database.connection import Connection


@dataclass(frozen=True)
class Rendered:
    """Files of a project, by path from the root of the tree.

    They come in this order: `places` (files of the store, put there as they are), `files` in their order, each after its
    compressed twins; at last `gone` is removed: paths that must not be there, those of whole folders end in a slash.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    places: Mapping[str, Path] = field(default_factory=dict)
    gone: tuple[str, ...] = ()


class PageSource(Protocol):
    """Something that has pages for projects. It is pickled: worker processes call `render`."""

    def read(self, connection: Connection, project_ids: Sequence[int], *, everything: bool) -> dict[int, Any]:
        """What `render` needs, by project; picklable. Runs within the publisher's snapshot and must not write.

        `everything`: also what is written once and never changes has to be rendered again. A project without an entry is
        left as it is.
        """
        ...

    def render(self, project: Any) -> Rendered:
        """The files of a project, from what `read` returned for it. Pure, but for reading the store."""
        ...

    def settle(self, connection: Connection, project_ids: Sequence[int]) -> None:
        """Say in the database that what `read` returned for these projects is published. The publisher commits.

        Called once all of it is in place and durable; what changed since `read` must stay due.
        """
        ...
