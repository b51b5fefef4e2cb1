"""Waits until the disk has what was written, all at once instead of file by file.

    sync_file_system(root)      # everything written so far on the file system that `root` is on

A page is a dozen small files; waiting for each of them costs a hundred times what writing them costs.
"""

import ctypes
import os
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)


def sync_file_system(directory: Path) -> None:
    """Return when all changes on the directory's file system are on the disk; `OSError` if the disk refused some."""
    if not hasattr(_libc, "syncfs"):
        os.sync()
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if _libc.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(directory))
    finally:
        os.close(descriptor)
