"""One publication: makes projects ready, lets their pages appear, removes what has to go, and says so in the database.

    run = Publication(connection, preparation, crew, group, flavours, progress)
    run.bring_up_to_date([17, 18])      # for each batch of projects
    run.finish()
    run.report

`publish.py` decides which projects, and sees to it that there is one publication at a time.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from piwright.database.connection import Connection, fetch_all
from piwright.index.contents import ProjectRows, read_rows
from piwright.index.crew import Crew
from piwright.index.flavours import Flavours
from piwright.index.layout import EXTRA
from piwright.index.prepare import Preparation, Prepared, Task
from piwright.index.roots import LISTED, LISTED_EXTRA, listed_names, root_files, root_paths
from piwright.index.settle import FOLD_COUNTS, settle
from piwright.index.storage import Group

TASK = 8
"""Projects a worker process is given at once; fewer are not worth a process."""

ROOTS_DUE = ".roots-due"
"""A file in the tree that says that the lists of projects have to be written, whatever the projects say."""


@dataclass(frozen=True)
class PublishReport:
    """What a publication did. A page is one project (or the list of projects) in one of the indexes.

    `problems` has a sentence for each wheel or page that could not be published; its project stays due.
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
    """What was done so far (`report`), and what waits for the lists of projects."""

    def __init__(
        self,
        connection: Connection,
        preparation: Preparation,
        crew: "Crew[Task, list[Prepared]]",
        group: Group,
        flavours: Flavours,
        progress: Progress | None,
    ) -> None:
        self.connection = connection
        self.preparation = preparation
        self.storage = preparation.storage
        self.crew = crew
        self.group = group
        self.flavours = flavours
        self.progress = progress
        self.report = PublishReport()
        self._under_way: Callable[[], list[Prepared]] = list
        self._leaving: list[Prepared] = []
        self._counts_changed = False
        self._marked = self.storage.has(ROOTS_DUE)
        roots = [path for flavour in flavours.all for path in root_paths(flavour)]
        self._roots_due = preparation.everything or self._marked or not all(map(self.storage.has, roots))

    def bring_up_to_date(self, batch: Sequence[int]) -> None:
        """Begin with these projects, and complete those before them meanwhile."""
        rows, values = self._read(batch)
        slow = [each for each in rows if each.wheels or values[each.project_id]]
        tasks = [
            [(each, values[each.project_id]) for each in slow[begin : begin + TASK]]
            for begin in range(0, len(slow), TASK)
        ]
        results = self.crew.start(tasks)
        quick = [self.preparation.prepare(each, {}) for each in rows if not each.wheels and not values[each.project_id]]
        self._complete()
        self._under_way = lambda: sorted(
            [*quick, *(each for result in results() for each in result)], key=lambda each: each.project_id
        )

    def finish(self) -> None:
        """Complete the last projects, write the lists, and then remove what they had named."""
        self._complete()
        if self._roots_due or self._leaving:
            self._mark_roots()
            self._write_roots()
            self._remove([path for each in self._leaving for path in each.pages_gone + each.listed_pages_gone])
            self._settle(self._leaving)
            self._leaving = []
            self.storage.remove([ROOTS_DUE])
        if self._counts_changed:
            fetch_all(self.connection, FOLD_COUNTS)
            self.connection.commit()

    def remove_pages(self, paths: Iterable[str]) -> None:
        """Remove pages that belong to no project; the lists do not name them any more."""
        self._remove(list(paths))

    def remove_files(self, paths: Iterable[str]) -> None:
        """Remove files that belong to no wheel."""
        self._remove_files(list(paths))

    def _read(self, batch: Sequence[int]) -> tuple[list[ProjectRows], dict[int, dict[int, object]]]:
        with self.connection.cursor() as cursor:
            # One snapshot for all queries: a page must not mix two states of the catalog.
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        rows = read_rows(self.connection, batch)
        values: dict[int, dict[int, object]] = {project_id: {} for project_id in batch}
        for number, source in enumerate(self.preparation.sources):
            found = source.read(self.connection, batch, everything=self.preparation.everything)
            for project_id, value in found.items():
                values[project_id][number] = value
        self.connection.commit()
        return rows, values

    def _complete(self) -> None:
        """Let the pages of the projects under way appear, and remove what they no longer name."""
        done, self._under_way = self._under_way(), list
        if not done:
            return
        staged = [each for project in done for each in project.staged]
        if staged:
            self.group.reveal(staged)
        elif any(project.published for project in done):
            self.storage.sync()
        leaving = [each for each in done if _leaves(each)]
        self._leaving += leaving
        stays = [each for each in done if not _leaves(each)]
        self._remove([path for each in stays for path in each.pages_gone])
        if any(each.listed != each.was_listed for each in stays):
            # Marked before the database says so: from here on the lists are written, by this publication or the next.
            self._mark_roots()
        self._settle(stays)

    def _settle(self, projects: Sequence[Prepared]) -> None:
        """Remove the files that no page names now, and say in the database what is published."""
        if not projects:
            return
        self.storage.remove([path for each in projects for path in each.others_gone])  # they may name the files
        self._remove_files([path for each in projects for path in each.files_gone])
        self._counts_changed |= settle(self.connection, projects, self.preparation.sources)
        for each in projects:
            self.report = replace(
                self.report,
                projects=self.report.projects + 1,
                pages_written=self.report.pages_written + each.pages_written,
                files_added=self.report.files_added + each.files_added,
                problems=(*self.report.problems, *each.problems) if each.problems else self.report.problems,
            )
            if self.progress:
                self.progress(each.name, self.report)

    def _mark_roots(self) -> None:
        if not self._marked:
            self.storage.write({ROOTS_DUE: b""})
        self._marked = self._roots_due = True

    def _write_roots(self) -> None:
        complete = [flavour for flavour in self.flavours.all if flavour.redirects]
        for query, number, flavours in ((LISTED, 0, complete), (LISTED_EXTRA, 1, [EXTRA])):
            leaving = [each.name for each in self._leaving if each.was_listed[number] and not each.listed[number]]
            written = self.storage.write(root_files(flavours, listed_names(self.connection, query, leaving)))
            self.connection.commit()
            self._count(pages_written=len({path.rpartition("/")[0] for path in written}))

    def _remove(self, pages: Sequence[str]) -> None:
        removed = self.storage.remove(pages) if pages else set()
        self._count(pages_removed=len({path.rpartition("/")[0] for path in removed}))

    def _remove_files(self, files: Sequence[str]) -> None:
        removed = self.storage.remove(files) if files else set()
        self._count(files_removed=sum(path.endswith(".whl") for path in removed))

    def _count(self, **more: int) -> None:
        if any(more.values()):
            self.report = replace(self.report, **{name: getattr(self.report, name) + n for name, n in more.items()})


def _leaves(project: Prepared) -> bool:
    """True if a list names the project that must not any more."""
    return any(was and not now for was, now in zip(project.was_listed, project.listed, strict=True))
