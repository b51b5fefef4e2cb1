"""Charts as inline SVG: shapes with classes, coloured by the style sheet, because no page has a style of its own.

    stacked_bars(labels, [Series("built", [3, 4]), Series("failed", [0, 1])])      # -> Chart, for charts.html
    spark([0, 3, 1], 5)                                                            # -> the `d` of a path

All is geometry of whole numbers: the same data are the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 640, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 2, 12, 28
SPARK_WIDTH, SPARK_HEIGHT = 240, 28


@dataclass(frozen=True)
class Series:
    """Numbers of one kind, one for each label; `name` is also the class of its shapes."""

    name: str
    values: Sequence[int]


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where, and what it says."""

    at: float
    text: str
    anchor: str = "middle"


@dataclass(frozen=True)
class Chart:
    """What a template draws: `paths` has a name and an SVG path for each series, from the ground up."""

    paths: tuple[tuple[str, str], ...]
    heights: tuple[Tick, ...]
    labels: tuple[Tick, ...]
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    ground: int = HEIGHT - _BOTTOM
    width: int = WIDTH
    height: int = HEIGHT


def stacked_bars(labels: Sequence[str], series: Sequence[Series]) -> Chart:
    """A bar for each label, the series on top of each other in their order."""
    totals = [sum(column) for column in zip(*(each.values for each in series), strict=True)]
    most = nice_maximum(max(totals, default=0))
    ground, room = HEIGHT - _BOTTOM, HEIGHT - _BOTTOM - _TOP
    step = (WIDTH - _LEFT - _RIGHT) / max(len(labels), 1)
    gap = min(step * 0.25, 6)
    below = [0] * len(labels)
    paths = []
    for each in series:
        parts = []
        for place, value in enumerate(each.values):
            if value:
                low = ground - room * below[place] / most
                high = ground - room * (below[place] + value) / most
                x = _LEFT + place * step + gap / 2
                parts.append(f"M{_short(x)} {_short(low)}V{_short(high)}h{_short(step - gap)}V{_short(low)}z")
            below[place] += value
        paths.append((each.name, "".join(parts)))
    heights = tuple(Tick(ground - room * part / 2, _compact(most * part / 2)) for part in range(3))
    return Chart(paths=tuple(paths), heights=heights, labels=_labels(labels, step))


def _labels(labels: Sequence[str], step: float) -> tuple[Tick, ...]:
    """The first, the middle and the last: what fits a phone."""
    if not labels:
        return ()
    first, middle, last = 0, len(labels) // 2, len(labels) - 1
    ticks = [Tick(_LEFT, labels[first], "start")]
    if last >= 6:
        ticks.append(Tick(_LEFT + (middle + 0.5) * step, labels[middle]))
    if last:
        ticks.append(Tick(WIDTH - _RIGHT, labels[last], "end"))
    return tuple(ticks)


def spark(values: Sequence[int], most: int) -> str:
    """The path of small bars, `SPARK_WIDTH` x `SPARK_HEIGHT`, of which `most` reaches the top."""
    step = SPARK_WIDTH / max(len(values), 1)
    gap = min(step * 0.25, 3)
    parts = []
    for place, value in enumerate(values):
        if value:
            high = SPARK_HEIGHT - max(SPARK_HEIGHT * value / max(most, 1), 1.5)
            x = place * step + gap / 2
            parts.append(f"M{_short(x)} {SPARK_HEIGHT}V{_short(high)}h{_short(step - gap)}V{SPARK_HEIGHT}z")
    return "".join(parts)


def nice_maximum(value: int) -> int:
    """The smallest of 2, 4, 10, 20, 40, 100, ... that is not below `value`: halves are whole."""
    power = 1
    while True:
        for factor in (2, 4, 6, 8, 10):
            if factor * power >= value:
                return factor * power
        power *= 10


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _compact(value: float) -> str:
    """1200 as 1.2k: labels of an axis have little room."""
    for size, unit in ((1_000_000, "M"), (1000, "k")):
        if value >= size:
            return _short(value / size) + unit
    return _short(value)
