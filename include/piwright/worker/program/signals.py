"""How the runner hears that it should stop, and wakes up when a child ends."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import FrameType


class Stop:
    """Whether to stop: SIGTERM or SIGINT came, or the batch has been marked as cancelled.

    `wake_descriptor` becomes readable at every signal, also when a child ends.
    """

    def __init__(self, cancelled_file: Path) -> None:
        self._cancelled_file = cancelled_file
        self._signalled = False
        self.wake_descriptor, self._write_end = os.pipe()
        for descriptor in (self.wake_descriptor, self._write_end):
            os.set_blocking(descriptor, False)

    def listen(self) -> None:
        """Take over the process's signals; only in the main thread."""
        signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        # Handlers and not SIG_IGN, which the builds would inherit. SIGHUP: sshd died, we did not.
        for number in (signal.SIGCHLD, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, _nothing)

    def requested(self) -> bool:
        return self._signalled or self._cancelled_file.exists()

    def clear_wake(self) -> None:
        """Empty the wake descriptor."""
        try:
            while os.read(self.wake_descriptor, 512):
                pass
        except BlockingIOError:
            pass

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._signalled = True


def _nothing(number: int, frame: FrameType | None) -> None:
    """A signal that only wakes."""
