"""Reads how builds went over time: by day, and by worker and day, from the rollup that is kept as attempts arrive.

    history = read_history(connection)
    history.days[-1].built, history.workers[0].name

The history ends with the last day that had builds, not with today, so that it changes only when something is built.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from piwright.database.connection import Connection, fetch_all, fetch_one

DAYS = 90
"""Days the history goes back."""

SHORTEST = 14
"""Days it shows at least, so that the first day of a shop is no bar as wide as the page."""

WORKERS = 12
"""Workers that are listed by name, those with the most builds; the others are one line."""

OTHERS = "others"

TOTALS = """
SELECT coalesce(sum(seconds), 0)::float AS seconds, coalesce(sum(attempts), 0)::bigint AS attempts, max(day) AS last
FROM build_day
"""
"""Reads the rollup, which has some dozens of rows for a day, however much was built on it."""

BY_DAY = """
SELECT day, coalesce(sum(attempts) FILTER (WHERE failure_class = ''), 0)::bigint AS built,
       coalesce(sum(attempts) FILTER (WHERE failure_class <> ''), 0)::bigint AS failed
FROM build_day
WHERE day > %(after)s
GROUP BY day
ORDER BY day
"""
"""By the unique index of `build_day`, which begins with the day."""

BY_WORKER = """
SELECT coalesce(w.name, 'unknown') AS name, b.day, sum(b.attempts)::bigint AS attempts,
       coalesce(sum(b.attempts) FILTER (WHERE b.failure_class = ''), 0)::bigint AS built, sum(b.seconds)::float AS seconds
FROM build_day b LEFT JOIN worker w USING (worker_id)
WHERE b.day > %(after)s
GROUP BY w.name, b.day
ORDER BY b.day
"""
"""By the unique index of `build_day`, which begins with the day."""


@dataclass(frozen=True)
class BuildDay:
    """Attempts of one day (UTC)."""

    day: date
    built: int
    failed: int


@dataclass(frozen=True)
class WorkerHistory:
    """Attempts of one worker: `days` has a number for each day of the history, oldest first."""

    name: str
    attempts: int
    built: int
    seconds: float
    days: tuple[int, ...]


@dataclass(frozen=True)
class History:
    """`seconds` and `attempts` are of all time; `days` has every day up to the last with builds, gaps filled with zero."""

    seconds: float
    attempts: int
    days: tuple[BuildDay, ...]
    workers: tuple[WorkerHistory, ...]

    @property
    def last(self) -> BuildDay | None:
        """The last day with builds."""
        return self.days[-1] if self.days else None


def read_history(connection: Connection, days: int = DAYS) -> History:
    """The last `days` days up to the last one with builds."""
    totals = fetch_one(connection, TOTALS)
    assert totals is not None
    if totals.last is None:
        return History(seconds=0.0, attempts=0, days=(), workers=())
    after = totals.last - timedelta(days=days)
    known = {row.day: BuildDay(*row) for row in fetch_all(connection, BY_DAY, {"after": after})}
    shown = min(days, max(SHORTEST, (totals.last - min(known)).days + 1))
    span = [totals.last - timedelta(days=back) for back in reversed(range(shown))]
    return History(
        seconds=totals.seconds,
        attempts=totals.attempts,
        days=tuple(known.get(each, BuildDay(each, 0, 0)) for each in span),
        workers=_by_worker(fetch_all(connection, BY_WORKER, {"after": after}), span),
    )


def _by_worker(rows: Iterable[tuple[str, date, int, int, float]], span: list[date]) -> tuple[WorkerHistory, ...]:
    """One history for each worker, the busiest first, ties by name."""
    places = {day: place for place, day in enumerate(span)}
    found: dict[str, WorkerHistory] = {}
    for name, day, attempts, built, seconds in rows:
        days = [0] * len(span)
        days[places[day]] = attempts
        _add(found, WorkerHistory(name, attempts, built, seconds, tuple(days)))
    ranked = sorted(found.values(), key=lambda each: (-each.attempts, each.name))
    if len(ranked) <= WORKERS:
        return tuple(ranked)
    rest: dict[str, WorkerHistory] = {}
    for each in ranked[WORKERS - 1 :]:
        _add(rest, WorkerHistory(OTHERS, each.attempts, each.built, each.seconds, each.days))
    return (*ranked[: WORKERS - 1], *rest.values())


def _add(found: dict[str, WorkerHistory], more: WorkerHistory) -> None:
    known = found.get(more.name)
    if known is not None:
        days = tuple(a + b for a, b in zip(known.days, more.days, strict=True))
        more = WorkerHistory(
            more.name, known.attempts + more.attempts, known.built + more.built, known.seconds + more.seconds, days
        )
    found[more.name] = more
