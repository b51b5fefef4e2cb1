"""Pages in memory, each as true as the file it was read from.

    cache = PageCache(limit=64 << 20)
    page = await cache.get(path)      # None if there is no such file
    page.content, page.etag

A page is looked up with one `stat` and read again when the file was replaced. Content and tag always belong together.
"""

import asyncio
import errno
import hashlib
import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP}
"""Errors of opening a file which mean that there is nothing to be had under that name."""


@dataclass(frozen=True)
class CachedPage:
    """A file's bytes and their strong entity tag, quoted."""

    content: bytes
    etag: str
    state: tuple[int, int, int]


class PageCache:
    """The files asked for last, `limit` bytes of them at most; larger ones are read each time."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._pages: OrderedDict[Path, CachedPage] = OrderedDict()

    async def get(self, path: Path) -> CachedPage | None:
        """The file as it is now; None if there is none."""
        try:
            state = _state(path.stat())  # noqa: ASYNC240 - less work than handing it to a thread
            page = self._pages.get(path)
            if page is None or page.state != state:
                page = await asyncio.to_thread(_read, path)
                self._keep(path, page)
            else:
                self._pages.move_to_end(path)
        except OSError as error:
            if error.errno in ABSENT:
                self._forget(path)
                return None
            raise
        return page

    def _keep(self, path: Path, page: CachedPage) -> None:
        self._forget(path)
        if len(page.content) > self._limit:
            return
        self._pages[path] = page
        self._size += len(page.content)
        while self._size > self._limit:
            self._forget(next(iter(self._pages)))

    def _forget(self, path: Path) -> None:
        page = self._pages.pop(path, None)
        if page is not None:
            self._size -= len(page.content)


def _state(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read(path: Path) -> CachedPage:
    with path.open("rb") as file:
        state = _state(os.fstat(file.fileno()))
        content = file.read()
    return CachedPage(content, f'"{hashlib.sha256(content).hexdigest()[:40]}"', state)
