"""The access log: one JSON object a line, as nginx writes it with deploy/nginx.conf, for `piwright.downloads` to read.

    log = AccessLog(Path("access.log"))
    log.write(Line(time.time(), "GET", "/simple/", 200, 512, "pip/26.3", ""))
    log.reopen()        # after the file was moved away (SIGUSR1)
    log.close()         # when all is written

No address, no query and no referrer is kept. Lines are written by a thread: a slow or full disk costs lines, never answers.
"""

import json
import sys
import threading
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import NamedTuple

PATH_LIMIT, AGENT_LIMIT, RANGE_LIMIT = 1024, 2048, 100
"""Characters of what a client said that are kept."""

WAITING_LIMIT = 20_000
"""Lines that may wait to be written; what comes after that is lost."""

_PAUSE = 0.2
"""Seconds between two writes: lines are few writes, and soon there."""


class Line(NamedTuple):
    """One answer."""

    at: float
    method: str
    path: str
    status: int
    size: int
    agent: str
    byte_range: str


class AccessLog:
    """Appends to a file, which is made together with its folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: deque[Line] = deque()
        self._file: FileIO | None = None
        self._closing = threading.Event()
        self._moved = threading.Event()
        self.lost = 0
        """Lines that could not be written so far."""
        self._complained = False
        self._torn = False
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)
        self._thread.start()

    def write(self, line: Line) -> None:
        """Have a line written soon. Costs nothing more, and never fails."""
        if len(self._waiting) < WAITING_LIMIT:
            self._waiting.append(line)
        else:
            self.lost += 1

    def reopen(self) -> None:
        """Write to a new file of that name from now on, because the old one was moved away."""
        self._moved.set()

    def close(self) -> None:
        """Write what waits, for some seconds at most."""
        self._closing.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._closing.wait(_PAUSE):
            self._write_waiting()
        self._write_waiting()

    def _write_waiting(self) -> None:
        if self._moved.is_set():
            self._moved.clear()
            self._let_go()
        lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if not lines:
            return
        try:
            if self._file is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("ab", buffering=0)
            left = memoryview(b"\n" * self._torn + b"".join(as_json(lines)))
            while left:
                left = left[self._file.write(left) or 0 :]
            self._torn = False
        except OSError as error:
            self.lost += len(lines)
            self._torn = True  # a part of a line may be there: the next one begins on its own
            self._let_go()
            if not self._complained:
                self._complained = True
                sys.stderr.write(f"access log: {self._path} cannot be written, lines are lost: {error}\n")

    def _let_go(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def as_json(lines: Iterable[Line]) -> Iterable[bytes]:
    """Lines as they stand in the file: bounded, and without a character that ends a line or is not ASCII."""
    for line in lines:
        moment = datetime.fromtimestamp(int(line.at), UTC).isoformat()
        said = {
            "time": moment,
            "method": line.method[:20],
            "path": _valid(line.path.partition("?")[0])[:PATH_LIMIT],
            "status": line.status,
            "bytes": line.size,
            "agent": _valid(line.agent)[:AGENT_LIMIT],
            "range": _valid(line.byte_range)[:RANGE_LIMIT],
        }
        yield json.dumps(said).encode() + b"\n"


def _valid(text: str) -> str:
    """What a client sent, without the lone surrogates that stand for bytes which are no UTF-8: readers refuse those."""
    return text if text.isascii() else text.encode(errors="replace").decode()
