"""Files that must be whole or absent, and directories whose content nobody can vouch for."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Put `data` at `path` so that a reader, or a machine that lost power, finds all of it or what was there before."""
    temporary = path.with_name(path.name + ".part")
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make what was renamed in a directory last."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_regular(path: Path) -> int:
    """A descriptor of a regular file, read-only. Raises OSError for links, pipes and devices, and waits for none."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path.name} is not a regular file")
    return descriptor


def read_bounded(path: Path, limit: int) -> bytes | None:
    """The content of a regular file, up to `limit` + 1 bytes (so that too much can be seen); None if there is none."""
    try:
        descriptor = open_regular(path)
    except FileNotFoundError:
        return None
    with open(descriptor, "rb") as file:
        return file.read(limit + 1)


def remove_tree(path: Path) -> None:
    """Remove whatever is at `path`. Raises OSError if something is left."""
    if path.is_symlink() or path.is_file():
        path.unlink()
        return
    try:
        shutil.rmtree(path, ignore_errors=True)
    except RecursionError:
        pass
    if not os.path.lexists(path):
        return
    # A build may leave directories it made unreadable, or nested deeper than rmtree can follow; these tools can.
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(["chmod", "-R", "u+rwX", "--", str(path)], check=False, **quiet)  # type: ignore[call-overload]
    subprocess.run(["rm", "-rf", "--", str(path)], check=False, **quiet)  # type: ignore[call-overload]
    if os.path.lexists(path):
        raise OSError(f"{path} cannot be removed; look who owns what is in it")
