"""Publishes project pages, build pages, badges, feeds and their JSON, beside the pages of the index.

    publish(connection, ..., sources=[ProjectSite(site_url, upstream_url, store_root)])

A project's page is written whenever the project is out of date; a build's page once. A publication that writes
everything again writes build pages in portions: what is beyond one is due for the next publication.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from os.path import isfile
from pathlib import Path

from msgspec.structs import replace

from piwright.database.connection import Connection, fetch_all
from piwright.index.page_sources import Rendered
from piwright.intake.store import FileStore
from piwright.site.badge import badge_for
from piwright.site.build_contents import due_builds, read_builds
from piwright.site.build_page import build_json, render_build
from piwright.site.log_excerpt import Excerpt, read_excerpt
from piwright.site.matrix import decide_matrix
from piwright.site.project_contents import ProjectRows, parse_project, read_project_rows
from piwright.site.project_facts import BuildFacts, ProjectFacts
from piwright.site.project_feed import project_feed
from piwright.site.project_json import project_json
from piwright.site.project_page import render_project, view
from piwright.site.project_queries import LEFT_OVER, NAMES, STALE_AGAIN, WRITTEN

PORTION = 100
"""Build pages of a project that one publication writes."""

MOST_AT_ONCE = 4000
"""Build pages of all projects that are read together: each may have tens of kilobytes to tell."""


_UNKNOWN_LOG = 1 << 26
"""Bytes that are looked at of a log of which nobody wrote down how many it has."""


@dataclass(frozen=True)
class ProjectPages:
    """What one project's files are made from. Without `rows` it has no page (any more).

    `left` are attempts whose build page comes with a later publication: nothing leads there yet.
    """

    name: str
    rows: ProjectRows | None
    builds: tuple[BuildFacts, ...] = ()
    left: tuple[int, ...] = ()


@dataclass
class ProjectSite:
    """Where the site is (`site_url`, without a slash at its end), what it is built from, and where logs are.

    `read` and `settle` are called on one and the same object, in the publisher's process; `render` anywhere.
    """

    site_url: str
    upstream_url: str
    store_root: Path
    _written: dict[int, list[int]] = field(default_factory=dict, repr=False)
    _left: dict[int, list[int]] = field(default_factory=dict, repr=False)

    def __getstate__(self) -> dict[str, object]:
        return {"site_url": self.site_url, "upstream_url": self.upstream_url, "store_root": self.store_root}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state, _written={}, _left={})

    def read(
        self, connection: Connection, project_ids: Sequence[int], *, everything: bool = False
    ) -> dict[int, ProjectPages]:
        """What is to be written for these projects."""
        rows = read_project_rows(connection, project_ids)
        due = due_builds(connection, list(rows), everything=everything)
        budget = MOST_AT_ONCE
        for project_id in rows:
            attempts = due.get(project_id, [])
            portion = min(PORTION, budget)
            self._written[project_id], self._left[project_id] = attempts[:portion], attempts[portion:]
            budget -= len(self._written[project_id])
        builds = read_builds(connection, [each for project_id in rows for each in self._written[project_id]])
        return {
            row.project_id: ProjectPages(
                row.name,
                rows.get(row.project_id),
                tuple(builds.get(row.project_id, ())),
                tuple(self._left.get(row.project_id, ())),
            )
            for row in fetch_all(connection, NAMES, {"projects": list(project_ids)})
            # One without a page can have lost it only if it is out of date; of most there never was one.
            if row.stale or row.project_id in rows
        }

    def render(self, project: ProjectPages) -> Rendered:
        """All files of a project: build pages first, for the project's page leads to them."""
        folder = f"project/{project.name}/"
        if project.rows is None:
            return Rendered(gone=(folder,))
        files: dict[str, bytes] = {}
        places: dict[str, Path] = {}
        store = FileStore(self.store_root)
        for build in project.builds:
            if build.previous_id in project.left:
                build = replace(build, previous_id=None, previous_outcome=None)
            below = f"{folder}build/{build.attempt_id}/"
            log = _log_of(store, build)
            excerpt = _read(log, build) if log else None
            if log:
                places[f"{below}log.txt.gz"] = log
            files[f"{below}json"] = build_json(build, excerpt, self.site_url, has_log=log is not None)
            files[f"{below}index.html"] = render_build(build, excerpt, has_log=log is not None)
        facts = _as_published(parse_project(project.rows), store)
        if project.left:
            left = set(project.left)
            facts = replace(
                facts,
                attempts=tuple(
                    replace(each, has_page=False) if each.attempt_id in left else each for each in facts.attempts
                ),
            )
        rows = decide_matrix(facts)
        shown = view(facts, rows, self.site_url, self.upstream_url)
        files[f"{folder}badge.svg"] = badge_for(facts, shown.answers)
        files[f"{folder}feed.atom"] = project_feed(shown)
        files[f"{folder}json"] = project_json(shown)
        files[f"{folder}index.html"] = render_project(shown)
        return Rendered(files=files, places=places)

    def settle(self, connection: Connection, project_ids: Sequence[int]) -> None:
        """Say which build pages there are; projects with more of them than a portion stay out of date."""
        written = [each for project_id in project_ids for each in self._written.pop(project_id, ())]
        left = {project_id: self._left.pop(project_id, []) for project_id in project_ids}
        with connection.cursor() as cursor:
            if written:
                cursor.execute(WRITTEN, {"attempts": written})
            if any(left.values()):
                cursor.execute(LEFT_OVER, {"attempts": [each for attempts in left.values() for each in attempts]})
                cursor.execute(STALE_AGAIN, {"projects": [each for each, attempts in left.items() if attempts]})


def _as_published(facts: ProjectFacts, store: FileStore) -> ProjectFacts:
    """The same, with wheels whose file is lost as removed: the index does not name them either."""
    if all(wheel.published for wheel in facts.wheels):
        return facts
    wheels = tuple(
        wheel
        if wheel.published
        or wheel.removed_reason is not None
        or isfile(store.wheel_place(wheel.sha256, wheel.filename))  # noqa: PTH113 - `Path` doubles what it costs
        else replace(wheel, removed_reason="its file is missing, so it cannot be published")
        for wheel in facts.wheels
    )
    return replace(facts, wheels=wheels)


def _log_of(store: FileStore, build: BuildFacts) -> Path | None:
    """The file of its log; None if none was kept, or it is not there any more."""
    if build.log_path is None:
        return None
    try:
        path = store.log_path(build.log_path)
    except ValueError:
        return None
    return path if path.is_file() else None


def _read(log: Path, build: BuildFacts) -> Excerpt:
    with log.open("rb") as packed:
        return read_excerpt(packed, evidence=build.evidence_line, most_bytes=build.log_bytes or _UNKNOWN_LOG)
