"""How results leave a sandbox that has no writable folder of ours: as one stream through a pipe.

    send(descriptor, {"code": 0}, [path_of_wheel])          # inside
    header = receive(file, limit)                           # outside: what the pipe brought, kept in a file
    header.files[0].copy_to(target)

The stream is a line of JSON, then the files it announces, byte after byte. Whoever wrote it is not believed: sizes are
counted again, and what is too much or too little is an `OutputError`.
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Dict, List, Sequence, Tuple

MAX_HEADER_BYTES = 2 << 20
_CHUNK = 1 << 20


class OutputError(ValueError):
    """A stream that is not what `send` makes."""


def send(descriptor: int, header: Dict[str, Any], files: Sequence[Path]) -> None:
    """Write header and files. What is no regular file is left out, and so not announced."""
    opened = []
    for path in files:
        try:
            source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue
        found = os.fstat(source)
        if stat.S_ISREG(found.st_mode):
            opened.append((source, path.name, found.st_size))
        else:
            os.close(source)
    announced = [{"name": name, "size": size} for _, name, size in opened]
    _write_all(descriptor, json.dumps({**header, "files": announced}).encode() + b"\n")
    for source, _, size in opened:
        left = size
        while left:
            data = os.read(source, min(left, _CHUNK))
            if not data:
                break  # it shrank; the reader will miss the rest
            _write_all(descriptor, data)
            left -= len(data)
        os.close(source)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


@dataclass(frozen=True)
class SentFile:
    """A file in a stream: bytes `start` to `start + size` of the file that keeps the stream."""

    name: str
    size: int
    start: int
    kept_in: Path

    def copy_to(self, target: Path) -> None:
        """Write it to `target`, which must not exist."""
        with open(self.kept_in, "rb") as source, open(target, "xb") as copy:
            source.seek(self.start)
            left = self.size
            while left:
                data = source.read(min(left, _CHUNK))
                if not data:
                    raise OutputError("it ended early")
                copy.write(data)
                left -= len(data)


@dataclass(frozen=True)
class Output:
    """What came: the header's members, and the files."""

    members: Dict[str, Any]
    files: Tuple[SentFile, ...]


def receive(path: Path) -> Output:
    """Read a stream that was kept in `path`. Raises `OutputError`."""
    size = path.stat().st_size
    with open(path, "rb") as source:
        members, start = _read_header(source)
    files: List[SentFile] = []
    for each in members.pop("files", None) or []:
        if not isinstance(each, dict) or not isinstance(each.get("name"), str):
            raise OutputError("it announces something that is no file")
        length = each.get("size")
        if not isinstance(length, int) or isinstance(length, bool) or length < 0:
            raise OutputError("it announces a file without a size")
        files.append(SentFile(each["name"], length, start, path))
        start += length
    if start != size:
        raise OutputError(f"it has {size} bytes and announces {start}")
    return Output(members, tuple(files))


def _read_header(source: IO[bytes]) -> Tuple[Dict[str, Any], int]:
    line = source.readline(MAX_HEADER_BYTES + 1)
    if not line:
        raise OutputError("there is none")
    if not line.endswith(b"\n"):
        raise OutputError("its first line is cut short, or too long")
    try:
        members = json.loads(line)
    except (ValueError, RecursionError):
        raise OutputError("its first line is no JSON") from None
    if not isinstance(members, dict) or not isinstance(members.get("files"), list):
        raise OutputError("its first line is no object that lists files")
    return members, len(line)
