"""Reads an access log from where it was left: plain or compressed, growing, renamed or cut short.

    with open_log(Path("access.log")) as log:
        candidates = log.fingerprints()             # what it may be known by, longest first
        for line, end in log.lines(position): ...

A log is known by how it begins, which does not change when logrotate renames or compresses it. Positions count bytes of
what is in it, uncompressed.
"""

import gzip
import hashlib
import io
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

LONGEST_LINE = 32_768
"""Bytes; what the servers write of a request is bounded well below it."""

_LENGTHS = (4096, 2048, 1024, 512, 256, 128, 64)
"""Bytes a fingerprint is of. A short log is known by less; the lengths are few, so that they can all be looked up."""


class LogUnreadable(OSError):
    """A log that cannot be read (on); says which, and what to do."""


class LogReplaced(Exception):
    """The log was cut short while it was read (logrotate's `copytruncate`): what was read last may be of two files."""


class LogFile:
    """An open access log."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self.path = path
        self._file = file
        self._compressed = path.suffix == ".gz"
        self._content: IO[bytes] | gzip.GzipFile = gzip.GzipFile(fileobj=file) if self._compressed else file
        self._head = self._read_head()

    def fingerprints(self, until: int | None = None) -> list[str]:
        """Hashes of its beginning, longest first, of no more than `until` bytes; none while it is too short."""
        known = len(self._head) if until is None else min(until, len(self._head))
        return [_fingerprint(self._head, length) for length in _LENGTHS if length <= known]

    def lines(self, position: int) -> Iterator[tuple[bytes | None, int]]:
        """The complete lines from `position` on, each with the position behind it; None for one that is too long.

        A last line without an end is being written, or was when the log was copied: it waits.
        Raises `LogUnreadable` where a compressed log is broken or incomplete.
        """
        try:
            self._content.seek(position)
            while line := self._content.readline(LONGEST_LINE):
                length, last, fits = len(line), line, True
                while not last.endswith(b"\n") and (more := self._content.readline(LONGEST_LINE)):
                    length, last, fits = length + len(more), more, False
                if not last.endswith(b"\n"):
                    return
                position += length
                yield line if fits else None, position
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise LogUnreadable(
                f"{self.path}: cannot be unpacked from byte {position} on ({error}). If it is still being compressed, "
                "count it again later; otherwise restore it: the lines before are counted."
            ) from None

    def check(self, position: int) -> None:
        """Raise `LogReplaced` if what was read up to `position` is not there any more."""
        if self._compressed:
            return
        if os.fstat(self._file.fileno()).st_size < position or self._read_head(len(self._head)) != self._head:
            raise LogReplaced

    def is_counted(self, position: int) -> bool:
        """Whether there is nothing behind `position`, as far as that can be told without reading it all."""
        size = os.fstat(self._file.fileno()).st_size
        if not self._compressed:
            return size <= position
        # gzip ends with the length of the content, modulo 2**32.
        return position > 0 and int.from_bytes(os.pread(self._file.fileno(), 4, max(size - 4, 0)), "little") == (
            position % (1 << 32)
        )

    @property
    def part_read(self) -> float:
        """How much of the file was read, from 0 to 1, for a progress bar."""
        size = os.fstat(self._file.fileno()).st_size
        return min(1.0, self._file.tell() / size) if size else 1.0

    def _read_head(self, length: int = _LENGTHS[0]) -> bytes:
        if not self._compressed:
            return os.pread(self._file.fileno(), length, 0)
        head = io.BytesIO()
        try:
            while (missing := length - head.tell()) and (block := self._content.read(missing)):
                head.write(block)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            pass  # reading the lines says so
        return head.getvalue()


def _fingerprint(head: bytes, length: int) -> str:
    return f"{length}:{hashlib.sha256(head[:length]).hexdigest()}"


@contextmanager
def open_log(path: Path) -> Iterator[LogFile]:
    """Open a log. Raises `FileNotFoundError`, and `LogUnreadable` for what is no file or may not be read."""
    try:
        # Opening a pipe would wait for somebody to write to it.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        raise LogUnreadable(
            f"{path}: may not be read; let this user read it (on Debian: `usermod -aG adm USER`, or `create 0644` in "
            "logrotate's configuration)."
        ) from None
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise LogUnreadable(f"{path}: is no regular file; give an access log.")
    with os.fdopen(number, "rb") as file:
        yield LogFile(path, file)
