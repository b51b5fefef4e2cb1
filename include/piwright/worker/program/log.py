"""The log of one build: all that was written, up to a limit that no writer can push."""

from __future__ import annotations

import os
from pathlib import Path

MARK = b"=== piwright: "


class BuildLog:
    """log.txt, written only by the runner. `limit` is the size the file never exceeds, marks included.

    Builds write through a pipe; a mark (`=== piwright: ...`) is a line of the worker's own.
    """

    def __init__(self, path: Path, limit: int) -> None:
        # Room for the marks that follow when a build has used up its share.
        self._share = limit - min(1024, limit // 4)
        self._limit = limit
        self._file = open(path, "w+b", buffering=0)  # noqa: SIM115 - lives as long as the log
        self._at_line_start = True
        self.bytes = 0
        self.truncated = False

    def write(self, data: bytes) -> bool:
        """Append what a build wrote. False if the limit is reached: the rest is lost. Raises OSError on a full disk."""
        kept = data[: max(0, self._share - self.bytes)]
        self._append(kept)
        self.truncated = self.truncated or len(kept) < len(data)
        return not self.truncated

    def mark(self, text: str) -> None:
        """Append a line of the worker's own; dropped when not even that fits."""
        line = (b"" if self._at_line_start else b"\n") + MARK + text.encode("utf-8", "replace") + b"\n"
        if self.bytes + len(line) <= self._limit:
            self._append(line)

    def since(self, start: int, most: int) -> bytes:
        """The end of the log from byte `start` on, at most `most` bytes."""
        self._file.seek(max(start, self.bytes - most))
        data = self._file.read(most) or b""
        self._file.seek(self.bytes)
        return data

    def close(self) -> None:
        """Close, and let it last: the result, which is written next, says how long it is."""
        os.fsync(self._file.fileno())
        self._file.close()

    def _append(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            written = self._file.write(view)
            self.bytes += written
            view = view[written:]
        if data:
            self._at_line_start = data.endswith(b"\n")
