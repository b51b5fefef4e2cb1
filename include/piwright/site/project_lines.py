"""The lines of a project page's tables, as the strings that its template puts in place. Pure.

    lines, versions = matrix_lines(rows, 50)
    version, yanked, reason, prerelease, day, alike, cells, folded, more = lines[0]

A page has hundreds of values; a template that only unpacks and escapes is several times as quick as one that looks each
of them up. Nothing here is markup: the template escapes all of it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import groupby

from msgspec import Struct

from piwright.site.matrix import Cell, Row
from piwright.site.page_environment import date_only, day, duration, filesize, moment, number
from piwright.site.presentable import presentable
from piwright.site.project_answers import Answer
from piwright.site.project_facts import AttemptFacts, WheelFacts

SMOKE = {
    "imported": "it imports",
    "needs_package": "it imports once another package is installed",
    "needs_hardware": "it wants hardware that a worker does not have",
    "broken": "it does not import",
    "untested": "its import could not be tried",
}


class FileShown(Struct, frozen=True):
    """A wheel of ours in the list of files."""

    wheel: WheelFacts
    version: str
    attempt: AttemptFacts | None
    url: str
    state: str
    word: str

    @property
    def remarks(self) -> list[tuple[str, str]]:
        """What else a person should know of it, under a word each."""
        wheel = self.wheel
        said = [
            ("Held", wheel.held_reason),
            ("Removed", wheel.removed_reason),
            ("Released", wheel.released_reason),
            ("Import", (self.attempt.smoke_detail or None) if self.attempt else None),
            ("Note", wheel.note),
            *(("Corrected", each) for each in wheel.corrections[:10]),
        ]
        return [(words, text) for words, text in said if text]


class AttemptShown(Struct, frozen=True):
    """A line of the history."""

    attempt: AttemptFacts
    version: str
    target: str


CellLine = tuple[str, str, int | None, str]
"""State, word, the build its mark leads to, and the reason that is shown below it."""

MatrixLine = tuple[str, bool, str, bool, str, CellLine | None, list[CellLine], list[str], int]
"""Version, yanked and why, pre-release, day; the one cell that stands for all where they are alike; the cells; the versions
that the line stands for where they are several, and how many of them are not named."""

MOST_FOLDED = 500
"""Of those that share a line, so many are named."""

FOLDED = 4
"""Versions in a row that nobody considered share a line if they are at least so many."""

_WITH_REASON = ("skipped", "held", "removed", "waiting", "unknown")


TargetCard = tuple[str, str, str, str, CellLine | None, str, bool, str, CellLine | None]
"""State, title, Python and architecture, version, its cell, a remark and whether a phone leaves it out, the newer version
that does not install, its cell."""


def target_card(answer: Answer, title: str) -> TargetCard:
    """The answer for one target."""
    target, cell = answer.target, answer.cell
    remark, minor = "", False
    if cell and cell.wheel and answer.installable:
        minor = not cell.wheel.apt_packages
        remark = filesize(cell.wheel.size) + ("" if minor else ", needs apt packages")
    elif cell and cell.detail:
        remark = presentable(cell.detail)
    return (
        cell.state if cell else "unknown",
        title,
        f"Python {target.python} · {target.architecture}",
        answer.row.release.version if answer.row else "",
        cell_line(cell) if cell else None,
        remark,
        minor,
        answer.newer_version or "",
        cell_line(answer.newer) if answer.newer else None,
    )


def matrix_lines(rows: Sequence[Row], most: int) -> tuple[list[MatrixLine], int]:
    """The first lines of the table, and how many versions they stand for."""
    lines: list[MatrixLine] = []
    versions = 0
    for _, run in groupby(rows, _considered):
        same = list(run)
        if len(same) >= FOLDED and _considered(same[0]) is not None:
            if len(lines) < most:
                lines.append(_folded_line(same))
                versions += len(same)
        else:
            shown = [_matrix_line(row) for row in same[: most - len(lines)]]
            lines += shown
            versions += len(shown)
        if len(lines) == most:
            break
    return lines, versions


def _considered(row: Row) -> str | None:
    """Why nobody considered the version, on every target alike; None if somebody did."""
    first = row.cells[0] if row.cells else None
    if first is None or first.state != "unknown" or row.touched or not row.alike:
        return None
    return first.detail or ""


def _folded_line(rows: Sequence[Row]) -> MatrixLine:
    newest, oldest, cell = rows[0].release, rows[-1].release, rows[0].cells[0]
    alike = (cell.state, cell.word, None, presentable(cell.detail or ""))
    folded = [row.release.version for row in rows[:MOST_FOLDED]]
    versions = f"{oldest.version} to {newest.version}"
    return versions, False, "", False, f"{number(len(rows))} versions", alike, [], folded, len(rows) - len(folded)


def _matrix_line(row: Row) -> MatrixLine:
    """A version in the table."""
    release = row.release
    alike = row.cells[0] if len(row.cells) > 1 and row.alike else None
    return (
        release.version,
        release.yanked,
        "" if alike else presentable(release.yanked_reason or ""),  # a cell that stands for all says it too
        row.version.is_prerelease,
        _date(release.uploaded_at) if release.uploaded_at else "",
        (alike.state, alike.word, None, presentable(alike.detail or "")) if alike else None,
        [] if alike else [cell_line(cell) for cell in row.cells],
        [],
        0,
    )


def cell_line(cell: Cell) -> CellLine:
    """A cell of the table."""
    reason = presentable(cell.detail) if cell.detail and cell.state in _WITH_REASON else ""
    return cell.state, cell.word, cell.attempt.attempt_id if cell.attempt and cell.attempt.has_page else None, reason


FileCard = tuple[
    str, str, str, str, str, str, str, int, bool, tuple[str, ...], tuple[str, ...], str, str, list[tuple[str, str]]
]
"""Name, address (empty if it is not offered), state, word, size, when it was built (for machines, for people), by which
build, whether that has a page, tags, packages it needs, digest, its beginning, and what else is to be said under a word each."""


def file_card(shown: FileShown) -> FileCard:
    """A wheel in the list of files. The size says for which target it was built and how its import went, too."""
    wheel = shown.wheel
    smoke = SMOKE.get(shown.attempt.smoke or "") if shown.attempt else None
    built_iso, built_day = times(wheel.built_at)
    return (
        wheel.filename,
        shown.url if shown.state in ("built", "yanked") else "",
        shown.state,
        shown.word,
        f"{filesize(wheel.size)} ({number(wheel.size)} bytes), for {wheel.target}" + (f", {smoke}" if smoke else ""),
        built_iso,
        built_day,
        wheel.attempt_id,
        shown.attempt is not None and shown.attempt.has_page,
        wheel.tags,
        wheel.apt_packages,
        wheel.sha256,
        f"{wheel.sha256[:12]}…",
        [(words, presentable(said, 1000)) for words, said in shown.remarks],
    )


HistoryLine = tuple[int, bool, str, str, str, str, str, str, str, str]
"""Number, whether it has a page, version, target, the word for a failure (empty where it was built), evidence, worker, how
long, when (for machines, for people)."""


def history_line(shown: AttemptShown) -> HistoryLine:
    """An attempt."""
    each = shown.attempt
    failed = each.outcome != "built"
    return (
        each.attempt_id,
        each.has_page,
        shown.version,
        shown.target,
        (each.failure_class or "failed").replace("_", " ") if failed else "",
        presentable(each.evidence) if failed and each.evidence else "",
        each.worker or "",
        duration(each.seconds),
        *times(each.finished_at),
    )


@lru_cache(maxsize=20_000)
def times(value: datetime) -> tuple[str, str]:
    """A moment for machines and for people."""
    return moment(value), day(value)


@lru_cache(maxsize=20_000)
def _date(value: datetime) -> str:
    return date_only(value.astimezone(UTC))
