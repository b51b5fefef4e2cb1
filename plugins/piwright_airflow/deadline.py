"""Ends a connection when what it is used for takes too long, however it drags on.

    with Deadline(120, client.close) as deadline:
        ...                             # whatever waits on the connection wakes up with an error after 120 s
        deadline.allow(seconds)         # counted from the beginning: it did something meanwhile
    deadline.passed

A timeout of a socket starts anew with every byte, so it does not bound a worker that sends one a minute.
"""

import threading
import time
from collections.abc import Callable
from types import TracebackType


class Deadline:
    """Calls `end` once, from another thread, when the time is up. Use as a context manager."""

    def __init__(self, seconds: float, end: Callable[[], None]) -> None:
        self.passed = False
        self.seconds = seconds
        self._end = end
        self._began = time.monotonic()
        self._over = threading.Event()

    def __enter__(self) -> "Deadline":
        self._began = time.monotonic()
        threading.Thread(target=self._watch, name="deadline", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()

    def allow(self, seconds: float) -> None:
        """Let it take so long since it began."""
        self.seconds = seconds

    def _watch(self) -> None:
        while (left := self._began + self.seconds - time.monotonic()) > 0:
            if self._over.wait(left):
                return
        if not self._over.is_set():
            self.passed = True
            self._end()
