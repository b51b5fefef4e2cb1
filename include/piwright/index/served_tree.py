"""The published tree as a server reads it: small files from memory, large ones in parts.

    tree = open_tree("/srv/piwright/index")          # or "s3://bucket/prefix"
    found = await tree.look("simple/spidev/index.html")
    match found:
        case Page(content=content, etag=etag): ...
        case LargeFile(size=size): part = await found.read(0, 100)
        case None: ...                                # there is no such file

Paths are those that `routes.py` recognised. What a page says and its tag always belong together.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from email.utils import formatdate
from functools import cached_property
from types import TracebackType
from typing import Protocol

PAGE_LIMIT = 4 << 20
"""Bytes up to which a file is a page, kept in memory whole; larger ones are read as they are sent."""

CACHE_BYTES = 64 << 20


@dataclass(frozen=True)
class Page:
    """A file's bytes, their strong entity tag (quoted), and when they were written (seconds since 1970)."""

    content: bytes
    etag: str
    modified: int

    @cached_property
    def last_modified(self) -> str:
        """The time as HTTP says it."""
        return formatdate(self.modified, usegmt=True)


class LargeFile(Protocol):
    """A file that is read in parts, and closed at the end of a `with` block."""

    @property
    def size(self) -> int: ...

    @property
    def etag(self) -> str: ...

    @property
    def modified(self) -> int: ...

    async def read(self, start: int, length: int) -> bytes:
        """So many bytes from there on, or fewer; none only at the end."""
        ...

    def __enter__(self) -> "LargeFile": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class ServedTree(Protocol):
    """Files by their paths from the root. Nothing here blocks the loop for longer than a look at a local file takes."""

    async def look(self, path: str) -> Page | LargeFile | None:
        """The file as it is now; None if there is none. Raises `OSError` if that cannot be known."""
        ...

    async def open(self, path: str) -> LargeFile | None:
        """The file to be read in parts, whatever its size."""
        ...

    async def has_index(self, index: str) -> bool:
        """True if that folder is one of the indexes of this tree."""
        ...


class PageStore:
    """The pages asked for last, `limit` bytes of them at most."""

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self._limit = limit
        self._size = 0
        self._pages: OrderedDict[str, tuple[Page, object]] = OrderedDict()

    def get(self, path: str, state: object) -> Page | None:
        """The page, if it was kept with an equal state."""
        kept = self._pages.get(path)
        if kept is None or kept[1] != state:
            return None
        self._pages.move_to_end(path)
        return kept[0]

    def keep(self, path: str, page: Page, state: object) -> None:
        """Remember a page, and forget those that were not asked for the longest."""
        self.forget(path)
        self._pages[path] = page, state
        self._size += len(page.content)
        while self._size > self._limit:
            self.forget(next(iter(self._pages)))

    def forget(self, path: str) -> None:
        """Let go of a page."""
        kept = self._pages.pop(path, None)
        if kept is not None:
            self._size -= len(kept[0].content)


def tag_of(content: bytes) -> str:
    """The entity tag of bytes: equal on every server that has them."""
    return f'"{hashlib.sha256(content).hexdigest()[:40]}"'


def open_tree(address: str) -> ServedTree:
    """The tree at a directory's path or at an address fsspec understands. Nothing is read yet."""
    scheme, separator, rest = address.partition("://")
    if separator and scheme != "file":
        from piwright.index.served_bucket import BucketTree  # fsspec and its parts are slow to import

        return BucketTree(address)
    from piwright.index.served_directory import DirectoryTree

    return DirectoryTree(rest if separator else address)
