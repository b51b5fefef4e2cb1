"""The published tree in a directory: each file is looked at with one `stat`, and read again when it was replaced.

tree = DirectoryTree("/srv/piwright/index")
page = await tree.look("simple/spidev/index.html")
"""

import asyncio
import errno
import os
from dataclasses import dataclass
from io import FileIO
from stat import S_ISREG
from types import TracebackType

from piwright.index.served_tree import PAGE_LIMIT, LargeFile, Page, PageStore, tag_of

_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP}
"""Errors which mean that there is nothing to be had under a name."""


@dataclass(frozen=True)
class OpenFile:
    """A file that stays what it was when it was opened, also while another takes its name."""

    file: FileIO
    size: int
    etag: str
    modified: int

    async def read(self, start: int, length: int) -> bytes:
        """So many bytes from there on, or fewer; none only at the end."""
        return await asyncio.to_thread(os.pread, self.file.fileno(), length, start)

    def __enter__(self) -> "OpenFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.file.close()


class DirectoryTree:
    """A tree below `root`, which need not exist yet."""

    def __init__(self, root: str) -> None:
        self._root = root.rstrip("/") + "/"
        self._pages = PageStore()

    async def look(self, path: str) -> Page | LargeFile | None:
        """The file as it is now; None if there is none."""
        try:
            status = os.stat(self._root + path)  # noqa: PTH116 - less work than handing it to a thread
        except OSError as error:
            self._forget(path, error)
            return None
        page = self._pages.get(path, _state(status))
        if page is not None:
            return page
        if status.st_size > PAGE_LIMIT:
            return await self.open(path)
        try:
            read, state = await asyncio.to_thread(_read, self._root + path)
        except OSError as error:
            self._forget(path, error)
            return None
        self._pages.keep(path, read, state)
        return read

    async def open(self, path: str) -> LargeFile | None:
        """The file to be read in parts."""
        try:
            return await asyncio.to_thread(_open, self._root + path)
        except OSError as error:
            self._forget(path, error)
            return None

    async def has_index(self, index: str) -> bool:
        """True if that folder is there."""
        return os.path.isdir(self._root + index)  # noqa: ASYNC240, PTH112 - as above

    def _forget(self, path: str, error: OSError) -> None:
        """Nothing is there; raises `error` if that is not what it says."""
        if error.errno not in _ABSENT:
            raise error
        self._pages.forget(path)


def _state(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_mtime_ns, status.st_size, status.st_ino


def _open(path: str) -> OpenFile:
    file = open(path, "rb", buffering=0)  # noqa: PTH123, SIM115 - whoever gets it closes it
    try:
        status = os.fstat(file.fileno())
        if not S_ISREG(status.st_mode):
            raise OSError(errno.EISDIR, "not a file", path)
    except BaseException:
        file.close()
        raise
    tag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
    return OpenFile(file, status.st_size, tag, int(status.st_mtime))


def _read(path: str) -> tuple[Page, tuple[int, int, int]]:
    with _open(path) as opened:
        status = os.fstat(opened.file.fileno())
        content = opened.file.readall()
    return Page(content, tag_of(content), opened.modified), _state(status)
