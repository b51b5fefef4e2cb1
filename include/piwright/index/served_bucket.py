"""The published tree in a bucket of an object store, for the embedded server.

tree = BucketTree("s3://bucket/prefix")           # keys and endpoint: AWS_* variables
page = await tree.look("simple/spidev/index.html")

What was seen a moment ago is not asked for again, and a store that does not answer for a while is not noticed by those
who read what is known. What is too large to be kept is asked for anew for each reader, who gets one version of it or a
connection that breaks. All requests to the store are made in threads.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, TypeVar

from piwright.index.bucket_parts import Replaced, modified_of, read_part, version_of
from piwright.index.layout import HTML
from piwright.index.served_tree import PAGE_LIMIT, LargeFile, Page, PageStore, tag_of

FRESH_SECONDS = 5.0
"""How long what was seen counts as what is there."""

STALE_SECONDS = 86400.0
"""How long a page is served while the store cannot be asked."""

PATIENCE_SECONDS = 1.0
"""How long who reads a known page waits for the store to say that it is still the same."""

_GIVE_UP_SECONDS = 10.0
"""How long who asks for what is not known waits, before that is an error."""

_THREADS = 32
_KNOWN = 50_000
"""Paths whose state is remembered, those of files that are not there too."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class _Seen:
    """What the store said of a path, and when; `version` is None if nothing is there. It is asked again at `again`."""

    at: float
    again: float
    version: str | None
    size: int
    modified: int


@dataclass(frozen=True)
class BucketFile:
    """An object that is read in parts, all of the version that it had when it was looked at."""

    tree: "BucketTree"
    path: str
    size: int
    version: str
    modified: int

    @property
    def etag(self) -> str:
        """Every version has one."""
        return f'"{self.version}"'

    async def read(self, start: int, length: int) -> bytes:
        """So many bytes from there on, or fewer; none only at the end."""
        stop = min(start + length, self.size)
        return await self.tree.fetch_part(self.path, range(start, stop), self.version) if start < stop else b""

    def __enter__(self) -> "BucketFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None


class BucketTree:
    """A tree at an address fsspec understands."""

    def __init__(self, address: str, fresh_seconds: float = FRESH_SECONDS) -> None:
        self._address = address
        self._fresh = fresh_seconds
        self._pages = PageStore()
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._asking: dict[str, asyncio.Task[_Seen]] = {}
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="bucket")
        self._store: tuple[Any, str] | None = None

    async def look(self, path: str) -> Page | LargeFile | None:
        """The object as it was a moment ago, or as it is if it is large; None if there is none."""
        began = time.monotonic()
        seen = await self._look(path)
        if seen.size > PAGE_LIMIT and seen.at < began:
            seen = await self._look(path, anew=True)
        if seen.version is None:
            self._pages.forget(path)
            return None
        page = self._pages.get(path, seen.version)
        if page is not None:
            return page
        if seen.size > PAGE_LIMIT:
            return BucketFile(self, path, seen.size, seen.version, seen.modified)
        try:
            content = await self._fetch(path)
        except FileNotFoundError:
            return None
        page = Page(content, tag_of(content), seen.modified)
        self._pages.keep(path, page, seen.version)
        return page

    async def open(self, path: str) -> LargeFile | None:
        """The object to be read in parts: a wheel or a log, which never changes, so what was seen of it is enough."""
        seen = await self._look(path)
        return BucketFile(self, path, seen.size, seen.version, seen.modified) if seen.version is not None else None

    async def has_index(self, index: str) -> bool:
        """True if there is a list of projects: a bucket has no folders."""
        return await self.look(f"{index}/{HTML}") is not None

    async def fetch_part(self, path: str, part: range, version: str) -> bytes:
        """Bytes of an object, of that version of it. Raises `OSError`."""

        def read() -> bytes:
            store, prefix = self._opened()
            with _as_os_error(path):
                return read_part(store, prefix + path, part, version)

        try:
            return await self._in_thread(read)
        except (Replaced, FileNotFoundError):
            self._seen.pop(path, None)  # what was known is known to be wrong
            raise

    async def _fetch(self, path: str) -> bytes:
        def read() -> bytes:
            store, prefix = self._opened()
            with _as_os_error(path):
                return bytes(store.cat_file(prefix + path))

        return await self._in_thread(read)

    async def _look(self, path: str, anew: bool = False) -> _Seen:
        known = self._seen.get(path)
        now = time.monotonic()
        if known is not None and now < known.again and not anew:
            return known
        usable = known is not None and known.version is not None and now - known.at < STALE_SECONDS
        task = self._asking.get(path)  # many who ask for the same are one request to the store
        if task is None:
            task = self._asking[path] = asyncio.create_task(self._in_thread(lambda: self._ask(path)))
            task.add_done_callback(lambda done: self._asked(path, done))
        try:
            return await asyncio.wait_for(asyncio.shield(task), PATIENCE_SECONDS if usable else _GIVE_UP_SECONDS)
        except OSError:  # the store failed, or took too long
            if known is None or not usable:
                raise
            return known

    def _asked(self, path: str, task: asyncio.Task[_Seen]) -> None:
        self._asking.pop(path, None)
        if task.cancelled():
            return
        if task.exception() is None:
            self._seen[path] = task.result()
        elif path in self._seen:
            self._seen[path] = replace(self._seen[path], again=time.monotonic() + self._fresh)
        else:
            return
        self._seen.move_to_end(path)
        while len(self._seen) > _KNOWN:
            self._seen.popitem(last=False)

    def _ask(self, path: str) -> _Seen:
        store, prefix = self._opened()
        at = time.monotonic()
        again = at + self._fresh
        try:
            with _as_os_error(path):
                said = store.info(prefix + path)
        except FileNotFoundError:
            return _Seen(at, again, None, 0, 0)
        if said.get("type") != "file":
            return _Seen(at, again, None, 0, 0)
        return _Seen(at, again, version_of(said), int(said["size"]), modified_of(said))

    def _opened(self) -> tuple[Any, str]:
        """The file system and the prefix of every path in it."""
        if self._store is None:
            import fsspec

            # Listings are not asked for, and never to be believed later.
            store, prefix = fsspec.core.url_to_fs(self._address, use_listings_cache=False)
            self._store = store, prefix.rstrip("/") + "/"
        return self._store

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


@contextmanager
def _as_os_error(path: str) -> Iterator[None]:
    """Every client of a store has errors of its own for a store that does not answer."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"{path} cannot be read from the bucket: {type(error).__name__}: {error}") from error
