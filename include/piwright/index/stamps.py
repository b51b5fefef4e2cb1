# Asked for each file that is written, and `Path` would double what that costs.
# ruff: noqa: PTH116
"""Modification times that tell contents apart.

    stamps = Stamps(memory)              # for files that are written at the same time
    stamp = stamps.stamp(target)         # the time of what is about to be renamed to `target`
    remember(memory, removed_times)      # before files with these times are removed

nginx makes an ETag of a file's modification time in seconds and its size. A page that is written twice within a second and
keeps its size would keep its ETag too, and a client its old page. So no file gets a time again that it, or one that was
there before it, had; and the representations of a page, which share its address, have different times.
"""

import os
import time
from collections.abc import Iterable
from pathlib import Path

STEP = 6
"""Seconds between two times of a file; those in between are for its siblings."""

_BEHIND = 2
"""Steps that times are behind the clock, so that the next ones need not be in the future."""


class Stamps:
    """Times for files that are about to appear together; `memory` is a file whose own time tells of removed ones."""

    def __init__(self, memory: str) -> None:
        removed = _time_of(memory)
        now = int(time.time()) // STEP - _BEHIND
        self._tick = now if removed is None else max(now, removed // STEP + 1)

    def stamp(self, target: str) -> int:
        """The time, in seconds, of the new file `target`."""
        replaced = _time_of(target)
        tick = self._tick if replaced is None else max(self._tick, replaced // STEP + 1)
        return tick * STEP + _sibling(target)

    def first(self, target: str) -> int:
        """The same, of a file that nothing is in the place of."""
        return self._tick * STEP + _sibling(target)


def remember(memory: Path, times: Iterable[float]) -> None:
    """Keep the latest time of files that are about to be removed: whatever takes their place gets a later one."""
    latest = int(max(times, default=0))
    if latest > (_time_of(str(memory)) or 0):
        memory.parent.mkdir(parents=True, exist_ok=True)
        memory.touch()
        os.utime(memory, (latest, latest))


def _time_of(path: str) -> int | None:
    try:
        return int(os.stat(path).st_mtime)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _sibling(path: str) -> int:
    """A number of its own, below `STEP`, for each file that may be sent for a page's address."""
    encoding = 1 if path.endswith(".gz") else 2 if path.endswith(".zst") else 0
    representation = 0 if ".html" in path[-16:] else 3
    return representation + encoding
