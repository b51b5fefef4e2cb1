"""Changes in the served tree that a reader sees whole or not at all, and that survive a power cut once announced.

    write_file(directory / "index.html", content)
    place_file(stored, directory / "spidev-3.6-py3-none-any.whl", size)

Only one publisher writes at a time, so the name of a file in the making is fixed: what a killed one leaves behind, the
next one overwrites.
"""

import errno
import os
import shutil
from pathlib import Path

from piwright.intake.store import sync_directory

_NO_HARD_LINK = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP}
"""Another file system, somebody else's file, too many links, a file system without links: copy instead."""


def write_file(path: Path, content: bytes) -> bool:
    """Make `path` say `content`; False if it did already. The directory still has to be synced."""
    try:
        if path.read_bytes() == content:
            _unfinished(path).unlink(missing_ok=True)  # of one that was killed, and whose work is not wanted any more
            return False
    except FileNotFoundError:
        make_directory(path.parent)
    with _unfinished(path).open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    _unfinished(path).replace(path)
    return True


def place_file(source: Path, target: Path, size: int) -> bool:
    """Make `target` the file `source` of `size` bytes, without a second copy where that is possible.

    False if a file of that size is there: where files live at the address of their content, it is the same.
    """
    try:
        if target.stat().st_size == size:
            return False
    except FileNotFoundError:
        make_directory(target.parent)
    unfinished = _unfinished(target)
    unfinished.unlink(missing_ok=True)
    try:
        os.link(source, unfinished)
    except OSError as error:
        if error.errno not in _NO_HARD_LINK:
            raise
        with source.open("rb") as original, unfinished.open("wb") as copy:
            shutil.copyfileobj(original, copy, 1 << 20)
            copy.flush()
            os.fsync(copy.fileno())
    unfinished.replace(target)
    return True


def remove_file(path: Path) -> bool:
    """Remove a file; False if there was none."""
    try:
        path.unlink()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def remove_directory_if_empty(path: Path) -> bool:
    """Remove a directory that has nothing in it but files in the making."""
    try:
        for leftover in path.glob(".*.new"):
            leftover.unlink()
        path.rmdir()
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT, errno.ENOTDIR):
            return False
        raise
    return True


def make_directory(path: Path) -> None:
    """Make a directory and those above it, so that they are there after a power cut too."""
    if path.is_dir():
        return
    make_directory(path.parent)
    path.mkdir(exist_ok=True)
    sync_directory(path.parent)


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")
