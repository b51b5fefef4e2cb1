"""Counts the downloads in access logs: each line once, whatever happens in between.

    report = count_downloads(connection, log_files(settings.access_log_file))

A log is read in batches. Counts and the position behind them are committed together, so that a run that is killed, run
twice or run twice at a time counts nothing twice and leaves nothing out.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from piwright.database.connection import Connection
from piwright.downloads.client import read_agent
from piwright.downloads.log_file import LogFile, LogReplaced, LogUnreadable, open_log
from piwright.downloads.log_line import UnreadableLine, fetched_wheel, parse_line
from piwright.downloads.tally import FileFetch, Stored, find_position, known_distributions, store_batch

BATCH_LINES = 50_000
"""Lines that are counted in one transaction, and what may be in memory at a time."""

_MOST_REPLACEMENTS = 5

Progress = Callable[[Path, float], None]
"""Told after each batch: the log, and how much of it was read, from 0 to 1."""


@dataclass
class CountReport:
    """What was read. `lines` = `downloads` + `strangers` (files the shop does not have) + `unreadable` + all else."""

    logs: int = 0
    lines: int = 0
    downloads: int = 0
    strangers: int = 0
    unreadable: int = 0
    projects: int = 0
    problems: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As data for programs."""
        return asdict(self)


def count_downloads(
    connection: Connection, logs: Sequence[Path], *, progress: Progress | None = None, batch_lines: int = BATCH_LINES
) -> CountReport:
    """Count what is new in these logs. Commits after each batch, so the connection must have nothing pending.

    What was not yet read of a log that logrotate copies and cuts short is counted next time, from its copy.
    A log that cannot be read, or not to its end, is named in the report's `problems`; the others are counted.
    """
    report = CountReport()
    distributions = known_distributions(connection)
    projects: set[int] = set()
    for path in logs:
        try:
            for _ in range(_MOST_REPLACEMENTS):
                with open_log(path) as log, suppress(LogReplaced):
                    _Counting(connection, log, distributions, report, projects, batch_lines, progress).run()
                    break
            report.logs += 1
        except FileNotFoundError:
            report.problems.append(f"{path}: is not there; give the path of an access log.")
        except LogUnreadable as error:
            report.problems.append(str(error))
        except OSError as error:
            report.problems.append(f"{path}: cannot be read: {error.strerror or error}.")
    report.projects = len(projects)
    return report


@dataclass(frozen=True)
class _Batch:
    """Some lines, and the position behind the last; `broken` says why no more can be read."""

    end: int
    lines: int
    unreadable: int
    fetches: Counter[FileFetch]
    broken: LogUnreadable | None


@dataclass
class _Counting:
    """One log on its way through."""

    connection: Connection
    log: LogFile
    distributions: frozenset[str]
    report: CountReport
    projects: set[int]
    batch_lines: int
    progress: Progress | None

    def run(self) -> None:
        while True:
            start = find_position(self.connection, self.log)
            if self.log.is_counted(start) or self._count_from(start):
                return

    def _count_from(self, start: int) -> bool:
        """Count to the end; False if somebody else did in between: then it goes on where they are."""
        lines = self.log.lines(start)
        while True:
            batch = self._read(lines, start)
            if batch.end > start:
                if not self.log.fingerprints(until=batch.end):
                    return True  # too short to be known again: it will grow
                stored = store_batch(self.connection, self.log, start=start, end=batch.end, fetches=batch.fetches)
                if stored is None:
                    return False
                self._report(batch, stored)
            if batch.broken:
                raise batch.broken
            if batch.lines < self.batch_lines:
                return True
            start = batch.end

    def _report(self, batch: _Batch, stored: Stored) -> None:
        self.report.lines += batch.lines
        self.report.unreadable += batch.unreadable
        self.report.downloads += stored.downloads
        self.report.strangers += batch.fetches.total() - stored.downloads
        self.projects |= stored.project_ids
        if self.progress:
            self.progress(self.log.path, self.log.part_read)

    def _read(self, lines: Iterator[tuple[bytes | None, int]], start: int) -> _Batch:
        end, count, unreadable = start, 0, 0
        broken: LogUnreadable | None = None
        fetches: Counter[FileFetch] = Counter()
        today = datetime.now(UTC).date()
        try:
            for line, position in islice(lines, self.batch_lines):
                end, count = position, count + 1
                try:
                    said = parse_line(line)
                except UnreadableLine:
                    unreadable += 1
                    continue
                if fetch := fetched_wheel(said, today):
                    client = read_agent(fetch.agent, self.distributions)
                    fetches[FileFetch(fetch.day, fetch.sha256, fetch.filename, client)] += 1
        except LogUnreadable as error:
            broken = error
        return _Batch(end, count, unreadable, fetches, broken)
