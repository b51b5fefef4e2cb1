"""Brings the catalog up to date with upstream.

    report = update_catalog(connection, upstream_url=settings.upstream_url, watch_list=read_watch_list(path))
    report.changed, report.first_sight
    for problem in report.problems: print(problem)

Commits after every project, so that nothing that was read is lost, whatever happens to the next.
"""

import asyncio
import collections
from collections.abc import Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass

import psycopg2
from packaging.utils import InvalidName, NormalizedName, canonicalize_name

from piwright.catalog.fetch import Answer, Outcome, Patience, Wanted, fetch_pages
from piwright.catalog.page import PageError, parse_page
from piwright.catalog.problem import Problem
from piwright.catalog.store import (
    Stored,
    has_any,
    known_etags,
    store_failure,
    store_missing,
    store_page,
    store_unchanged,
)
from piwright.catalog.watch_list import WatchList
from piwright.catalog.watch_store import FirstSight, store_watch
from piwright.database.connection import Connection

_WHERE_TO_LOOK = "Check the network, or the address in PIWRIGHT_UPSTREAM_URL or the connection `pypi`."
_PROBLEMS_SHOWN = 5
"""Problems of one project that a report names; old projects can have hundreds of files with names of another age."""


class UpstreamUnreachable(RuntimeError):
    """Upstream does not answer, or is not the index it was; nothing of what is stored was given up for it."""


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` projects have been looked at; `name` was the last, and `outcome` is what came of it."""

    done: int
    total: int
    name: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class CatalogReport:
    """What an update did, in numbers of projects, releases and files.

    `first_sight` are watch lines that were new; `undated_releases` are ids of new releases whose upload time upstream
    does not say. `problems` has what was skipped, also from the watch list.
    """

    projects: int = 0
    changed: int = 0
    not_modified: int = 0
    missing: int = 0
    unreachable: int = 0
    new_releases: int = 0
    new_files: int = 0
    vanished_files: int = 0
    undated_releases: tuple[int, ...] = ()
    first_sight: tuple[FirstSight, ...] = ()
    problems: tuple[Problem, ...] = ()


ProgressListener = Callable[[Progress], None]


def update_catalog(
    connection: Connection,
    *,
    upstream_url: str,
    watch_list: WatchList,
    progress: ProgressListener | None = None,
    patience: Patience | None = None,
) -> CatalogReport:
    """Store the watch list, then look at every project on it.

    One project's failure is a problem in the report. Raises `UpstreamUnreachable` when no project could be asked for
    or all are gone at once, and what psycopg2 raises when the database is lost.
    """
    first_sight = store_watch(connection, watch_list)
    connection.commit()
    return _update(
        connection, list(watch_list.specifiers), upstream_url, progress, patience, first_sight, watch_list.problems
    )


def update_projects(
    connection: Connection,
    names: Iterable[str],
    *,
    upstream_url: str,
    progress: ProgressListener | None = None,
    patience: Patience | None = None,
) -> CatalogReport:
    """Look at some projects now, on the watch list or not, as when a person asks for one. Errors as above."""
    wanted: dict[NormalizedName, None] = {}
    problems = []
    for name in names:
        try:
            wanted[canonicalize_name(name, validate=True)] = None
        except InvalidName:
            problems.append(Problem(name, "this is no name of a project: letters, digits, and . _ - between them"))
    return _update(connection, list(wanted), upstream_url, progress, patience, (), tuple(problems))


def _update(
    connection: Connection,
    names: list[NormalizedName],
    upstream_url: str,
    progress: ProgressListener | None,
    patience: Patience | None,
    first_sight: tuple[FirstSight, ...],
    problems: tuple[Problem, ...],
) -> CatalogReport:
    etags = known_etags(connection, names)
    connection.commit()
    wanted = [Wanted(name, etags.get(name)) for name in names]
    gathered = _Gathered(problems=list(problems))
    missing = asyncio.run(_look(connection, wanted, upstream_url, progress, patience, gathered))
    if len(missing) == len(names) > 1 and has_any(connection, names):
        # One project goes away, or two; all at once means that the address is wrong or the index was emptied.
        _explain(connection, names, "upstream has none of the projects any more, which is not believed")
        raise UpstreamUnreachable(
            f"{upstream_url} has none of {len(names)} projects, and it had some before: nothing is taken for gone."
            f" {_WHERE_TO_LOOK}"
        )
    for answer in missing:
        gathered.add(answer.outcome, *_settle(connection, answer))
    if names and gathered.outcomes[Outcome.UNREACHABLE] == len(names):
        raise UpstreamUnreachable(
            f"None of {len(names)} projects could be read from {upstream_url}: {gathered.problems[-1].text}."
            f" {_WHERE_TO_LOOK}"
        )
    return gathered.report(len(names), first_sight)


async def _look(
    connection: Connection,
    wanted: list[Wanted],
    upstream_url: str,
    progress: ProgressListener | None,
    patience: Patience | None,
    gathered: "_Gathered",
) -> list[Answer]:
    """Store every answer as it arrives, but for the projects that are missing: those come back, to be judged together."""
    missing: list[Answer] = []
    done = 0
    async with aclosing(fetch_pages(upstream_url, wanted, patience)) as answers:
        async for answer in answers:
            if answer.outcome is Outcome.MISSING:
                missing.append(answer)
            else:
                # In a thread: the database must not keep the other answers waiting until they time out.
                stored, problems = await asyncio.to_thread(_settle, connection, answer)
                gathered.add(answer.outcome, stored, problems)
            done += 1
            if progress is not None:
                progress(Progress(done, len(wanted), answer.name, answer.outcome))
    return missing


def _explain(connection: Connection, names: list[NormalizedName], reason: str) -> None:
    for name in names:
        store_failure(connection, name, reason, answered=True)
    connection.commit()


def _settle(connection: Connection, answer: Answer) -> tuple[Stored | None, list[Problem]]:
    """Store what one answer says and commit; what is wrong with it alone becomes a problem."""
    try:
        settled = _store(connection, answer)
        connection.commit()
        return settled
    except (psycopg2.OperationalError, psycopg2.InterfaceError):
        raise  # the database itself, not this project
    except psycopg2.Error as error:
        connection.rollback()
        reason = f"the database refused it ({str(error).splitlines()[0]})"
        _explain(connection, [answer.name], reason)
        return None, [Problem(answer.name, reason)]


def _store(connection: Connection, answer: Answer) -> tuple[Stored | None, list[Problem]]:
    if answer.outcome is Outcome.NOT_MODIFIED:
        store_unchanged(connection, answer.name)
        return None, []
    if answer.outcome is Outcome.MISSING:
        return store_missing(connection, answer.name), [Problem(answer.name, f"{answer.text}: no such project there")]
    text = answer.text
    if answer.outcome is Outcome.PAGE:
        try:
            page = parse_page(answer.body, project=answer.name, url=answer.url, serial=answer.serial)
        except PageError as error:
            text = f"upstream's page cannot be used: {error}"
        else:
            return store_page(connection, page, etag=answer.etag), _shortened(page.problems)
    store_failure(connection, answer.name, text, answered=answer.outcome is not Outcome.UNREACHABLE)
    return None, [Problem(answer.name, text)]


def _shortened(problems: tuple[Problem, ...]) -> list[Problem]:
    shown = list(problems[:_PROBLEMS_SHOWN])
    more = len(problems) - len(shown)
    return [*shown, Problem(shown[-1].name, f"and {more} more like these")] if more else shown


class _Gathered:
    """Adds up what came of each project."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        self.outcomes: collections.Counter[Outcome] = collections.Counter()
        self.stored: list[Stored] = []

    def add(self, outcome: Outcome, stored: Stored | None, problems: list[Problem]) -> None:
        self.outcomes[outcome] += 1
        self.problems += problems
        if stored is not None:
            self.stored.append(stored)

    def report(self, projects: int, first_sight: tuple[FirstSight, ...]) -> CatalogReport:
        return CatalogReport(
            projects=projects,
            changed=sum(each.changed for each in self.stored),
            not_modified=self.outcomes[Outcome.NOT_MODIFIED],
            missing=self.outcomes[Outcome.MISSING],
            unreachable=self.outcomes[Outcome.UNREACHABLE],
            new_releases=sum(len(each.new_releases) for each in self.stored),
            new_files=sum(each.new_files for each in self.stored),
            vanished_files=sum(each.vanished_files for each in self.stored),
            undated_releases=tuple(release for each in self.stored for release in each.undated_releases),
            first_sight=first_sight,
            problems=tuple(self.problems),
        )
