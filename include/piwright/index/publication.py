"""One publication: places wheels, writes and removes pages, and says in the database what is published.

    publication = Publication(connection, store_root, index_root, progress)
    publication.bring_up_to_date(contents)     # for each batch of projects
    publication.write_roots()
    publication.report

`publish.py` decides which projects, and sees to it that there is one publication at a time.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from piwright.database.connection import Connection
from piwright.index.compose import compose_page, served_wheels, withheld_wheels
from piwright.index.contents import OurWheel, ProjectContents
from piwright.index.layout import FLAVOURS, Flavour, metadata_beside, page_directory, served_wheel
from piwright.index.pages_on_disk import existing_pages, project_directories, remove_page, write_page, write_root
from piwright.index.tree import place_file, remove_directory_if_empty, remove_file, write_file
from piwright.intake.store import FileStore, sync_directory

SETTLE = """
UPDATE project SET stale_since = NULL
WHERE project_id = %(project)s AND stale_since IS NOT NULL AND xmin::text = %(row_version)s
"""
"""Only if nobody wrote the row since it was read: what came later is not on the pages yet."""

MARK_PUBLISHED = "UPDATE wheel SET published_at = now() WHERE wheel_id = ANY(%(wheels)s) AND published_at IS NULL"


@dataclass(frozen=True)
class PublishReport:
    """What a publication did. A page is one project (or the list of projects) in one of the two indexes.

    `problems` has a sentence for each wheel that could not be published; its project stays due.
    """

    projects: int = 0
    pages_written: int = 0
    pages_removed: int = 0
    files_added: int = 0
    files_removed: int = 0
    problems: tuple[str, ...] = ()


Progress = Callable[[str, PublishReport], None]
"""Called after each project with its name and the totals so far."""


class Publication:
    """The names that have a page, and what was done so far (`report`)."""

    def __init__(self, connection: Connection, store_root: Path, index_root: Path, progress: Progress | None) -> None:
        self.connection = connection
        self.store = FileStore(store_root)
        self.index_root = index_root
        self.progress = progress
        self.report = PublishReport()
        self.names = {flavour: existing_pages(index_root, flavour) for flavour in FLAVOURS}

    def bring_up_to_date(self, batch: Iterable[ProjectContents]) -> None:
        """Make the pages and files of these projects what the database says."""
        leaving: dict[Flavour, set[str]] = {flavour: set() for flavour in FLAVOURS}
        unfinished = []
        for contents in batch:
            missing = self._place_wheels(contents)
            leaves = False
            for flavour in FLAVOURS:
                page = compose_page(contents, flavour, missing)
                if page is not None:
                    self._count(pages_written=int(write_page(self.index_root, flavour, page)))
                    self.names[flavour].add(contents.name)
                elif page_directory(self.index_root, flavour, contents.name).is_dir():
                    leaving[flavour].add(contents.name)
                    leaves = True
            if leaves:
                unfinished.append((contents, missing))
            else:
                self._finish(contents, missing)
        # The lists lose the names of the whole batch at once: they are the largest pages there are.
        for flavour, names in leaving.items():
            self._remove_pages(flavour, names)
        for contents, missing in unfinished:
            self._finish(contents, missing)

    def remove_strangers(self, known: set[str], kept: set[Path]) -> None:
        """Remove pages of projects outside `known` and files outside `kept`: no row of the database stands for them."""
        for flavour in FLAVOURS:
            self._remove_pages(flavour, project_directories(self.index_root, flavour) - known)
        strangers = set((self.index_root / "files").glob("[0-9a-f][0-9a-f]/*/*"))
        for path in sorted(strangers - kept - {metadata_beside(wheel) for wheel in kept}, reverse=True):
            self._remove_file(path)  # in reverse: `.metadata` before its wheel

    def write_roots(self) -> None:
        """Bring the lists of projects up to date."""
        for flavour, names in self.names.items():
            self._count(pages_written=int(write_root(self.index_root, flavour, names)))

    def _place_wheels(self, contents: ProjectContents) -> frozenset[int]:
        """Put the project's wheels and their metadata in place; the ids of those that could not be."""
        missing = set()
        for wheel in served_wheels(contents):
            served = served_wheel(self.index_root, wheel.sha256, wheel.filename)
            in_place = _problem(wheel, served, metadata_beside(served)) is None
            if in_place and wheel.published:
                continue
            if not in_place:
                stored = self.store.wheel_path(wheel.sha256, wheel.filename)
                metadata = self.store.metadata_path(wheel.sha256, wheel.filename)
                if problem := _problem(wheel, stored, metadata):
                    missing.add(wheel.wheel_id)
                    self.report = replace(self.report, problems=(*self.report.problems, problem))
                    continue
                self._count(files_added=int(place_file(stored, served, wheel.size)))
                write_file(metadata_beside(served), metadata.read_bytes())
            sync_directory(served.parent)
        return frozenset(missing)

    def _remove_pages(self, flavour: Flavour, names: set[str]) -> None:
        if not names:
            return
        self.names[flavour] -= names
        self._count(pages_written=int(write_root(self.index_root, flavour, self.names[flavour])))
        for name in sorted(names):
            remove_page(self.index_root, flavour, name)
            self._count(pages_removed=1)

    def _finish(self, contents: ProjectContents, missing: frozenset[int]) -> None:
        """Once the pages are true: remove the files they no longer name, and say in the database what is published."""
        for wheel in withheld_wheels(contents):
            served = served_wheel(self.index_root, wheel.sha256, wheel.filename)
            remove_file(metadata_beside(served))
            self._remove_file(served)
        fresh = [w.wheel_id for w in served_wheels(contents) if not w.published and w.wheel_id not in missing]
        if fresh or (contents.stale and not missing):
            with self.connection.cursor() as cursor:
                cursor.execute(MARK_PUBLISHED, {"wheels": fresh})
                if not missing:
                    cursor.execute(SETTLE, {"project": contents.project_id, "row_version": contents.row_version})
            self.connection.commit()
        self._count(projects=1)
        if self.progress:
            self.progress(contents.name, self.report)

    def _remove_file(self, path: Path) -> None:
        if remove_file(path):
            self._count(files_removed=int(path.suffix == ".whl"))
        if remove_directory_if_empty(path.parent):
            remove_directory_if_empty(path.parent.parent)

    def _count(self, **more: int) -> None:
        self.report = replace(self.report, **{name: getattr(self.report, name) + n for name, n in more.items()})


def _problem(wheel: OurWheel, path: Path, metadata: Path) -> str | None:
    """Why the files at `path` and `metadata` are not what the database says of the wheel; None if they are."""
    try:
        size = path.stat().st_size
        digest = hashlib.sha256(metadata.read_bytes()).hexdigest()
    except (FileNotFoundError, NotADirectoryError) as error:
        return f"{wheel.filename} is not published: {error.filename} is missing; rebuild the wheel or remove it."
    if size != wheel.size:
        return f"{wheel.filename} is not published: {path} has {size} bytes instead of {wheel.size}; rebuild the wheel."
    if digest != wheel.metadata_sha256:
        return f"{wheel.filename} is not published: {metadata} has another hash; rebuild the wheel."
    return None
