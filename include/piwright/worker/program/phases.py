"""The phases of a build: one after the other, each with what it took.

phases = Phases(batch, build, containment, log)
phases.enter("fetch")
phases.add_fetched(size)
phases.enter("build")           # ends the one before
phases.end()
phases.all
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Callable

from . import clock
from .connections import Counts, add
from .containment import Containment, Usage
from .log import BuildLog


@dataclass(frozen=True)
class Phase:
    """A phase as it was.

    Seconds it took, and of CPU; bytes of memory at its peak (the whole tree), of files it wrote, of files it fetched; the
    bytes of the log where it starts and ends.
    """

    name: str
    started: str
    seconds: float
    cpu_seconds: float
    peak_memory_bytes: int
    scratch_bytes: int
    fetched_bytes: int
    log_start: int
    log_end: int


class Phases:
    """Measures phases. `tell(name)` is called as one begins."""

    def __init__(self, containment: Containment, log: BuildLog, tell: Callable[[str], None]) -> None:
        self.all: list[Phase] = []
        self.connections: Counts | None = None
        self._containment = containment
        self._log = log
        self._tell = tell
        self._name = ""

    def enter(self, name: str, note: str = "") -> None:
        """Begin a phase; the one before is over."""
        self.end()
        self._name = name
        self._tell(name)
        self._containment.usage = Usage()
        self._started, self._clock, self._log_start = clock.now(), time.monotonic(), self._log.bytes
        self._fetched = 0
        self._log.mark(f"phase {name}" + (f": {note}" if note else ""))

    def add_fetched(self, size: int) -> None:
        """Count bytes that the present phase brought from the network."""
        self._fetched += size

    @property
    def log_start(self) -> int:
        """Where the present or last phase begins in the log."""
        return self._log_start if self._name else (self.all[-1].log_start if self.all else 0)

    def end(self) -> None:
        """The present phase is over, if there is one."""
        if not self._name:
            return
        usage = self._containment.usage
        self.all.append(
            Phase(
                name=self._name,
                started=self._started,
                seconds=round(time.monotonic() - self._clock, 3),
                cpu_seconds=round(usage.cpu_seconds, 3),
                peak_memory_bytes=usage.peak_memory,
                scratch_bytes=usage.scratch_bytes,
                fetched_bytes=self._fetched,
                log_start=self._log_start,
                log_end=self._log.bytes,
            )
        )
        if self._name in ("prepare", "build", "smoke"):
            self.connections = add(self.connections, usage.connections)
        self._name = ""
