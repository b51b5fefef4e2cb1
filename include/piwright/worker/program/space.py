"""How much disk a build's folders take, measured while somebody may be filling them.

usage(folders, most_bytes)      # bytes; stops counting as soon as it is too much
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Iterable

MOST_FILES = 2_000_000
"""More files than any build needs; a disk can run out of them too."""
_FILE_BYTES = 512
"""What a file costs that has no content."""


def usage(folders: Iterable[Path], most: int) -> int:
    """Bytes on disk below the folders. Links are not followed, other file systems not looked into."""
    total = files = 0
    waiting = [os.fspath(folder) for folder in folders]
    while waiting:
        folder = waiting.pop()
        try:
            entries = _open(folder)
        except PermissionError:
            return most + 1  # somebody takes pains to hide what is in it
        except OSError:
            continue  # gone meanwhile
        with entries:
            for entry in entries:
                try:
                    found = entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                except OSError:
                    continue
                files += 1
                total += found.st_blocks * 512 + _FILE_BYTES
                if total > most or files > MOST_FILES:
                    return max(total, most + 1)
    return total


def _open(folder: str) -> Any:
    """Its entries. A folder can be made unreadable and be filled all the same."""
    try:
        return os.scandir(folder)
    except PermissionError:
        descriptor = os.open(folder, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.chmod(f"/proc/self/fd/{descriptor}", 0o700)
        finally:
            os.close(descriptor)
        return os.scandir(folder)
