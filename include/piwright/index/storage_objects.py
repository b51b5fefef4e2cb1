"""The served tree as objects of a bucket, through fsspec: S3 and what speaks its protocol, and any other store it knows.

    storage = ObjectStorage("s3://bucket/prefix", ("gz",))      # keys and endpoint: AWS_* variables

Keys are the paths of the directory tree, so a web server that negotiates can be put in front of the bucket, and the
embedded one reads it. An object appears whole, and is durable when the store says so; there is no renaming, so a group
appears object by object, in an order in which every state between is true. Twins are objects of their own: a store hands
out what it is asked for, and who asks for `index.html.gz` gets it with its content encoding said.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from fsspec.asyn import sync
from fsspec.core import url_to_fs

from piwright.index.compression import ENCODINGS, compress, twin_suffixes
from piwright.index.content_types import TEXT, content_type
from piwright.index.layout import JSON, metadata_path

_AT_ONCE = 16
"""Requests to the store at a time, of each process."""

_FOR_EVER = "public, max-age=31536000, immutable"
_FOR_A_WHILE = "public, max-age=600, stale-while-revalidate=300, stale-if-error=86400"
_CONTENT_ENCODINGS = {".gz": "gzip", ".zst": "zstd"}


class Stored(NamedTuple):
    """An object that was written, with its twins."""

    paths: tuple[str, ...]


@dataclass(frozen=True)
class ObjectGroup:
    """Files on their way into the bucket; each process writes its own."""

    storage: "ObjectStorage"

    def stage(self, files: Mapping[str, bytes], places: Mapping[str, Path] | None = None) -> list[Stored]:
        """Write what differs from the bucket, twins before the files themselves. All of it is there when this returns."""
        storage = self.storage
        for path, source in (places or {}).items():
            storage.place(source, path, source.stat().st_size)
        paths = list(files)
        present = dict(zip(paths, storage._each("cat_file", paths), strict=True))
        plain = {path: content for path, content in files.items() if present[path] != content}
        twins = {
            f"{path}{suffix}": (path, compress(files[path], suffix))
            for path in paths
            for suffix in twin_suffixes(path, storage.encodings)
        }
        # A twin appears before its file, so it may be of another content: of a publisher that was killed between the two.
        kept = [twin for twin, (path, _) in twins.items() if path not in plain]
        there = dict(zip(kept, storage._each("cat_file", kept), strict=True))
        changed = {
            twin: (path, content) for twin, (path, content) in twins.items() if path in plain or there[twin] != content
        }
        storage._put({twin: content for twin, (_, content) in changed.items()})
        storage._put(plain)
        written = {*plain, *(path for path, _ in changed.values())}
        return [Stored((path,)) for path in paths if path in written]

    def reveal(self, staged: Sequence[Stored]) -> set[str]:
        """What was staged is there already; answers its paths."""
        return {path for each in staged for path in each.paths}


@dataclass(frozen=True)
class ObjectStorage:
    """A tree of objects at an address fsspec understands, with the twins of `encodings`."""

    address: str
    encodings: tuple[str, ...] = ("gz",)

    def read(self, path: str) -> bytes | None:
        """An object's content; None if it is not there."""
        content: bytes | None = self._each("cat_file", [path])[0]
        return content

    def has(self, path: str) -> bool:
        """True if the object, or anything in the folder (with a slash at the end), is there."""
        return bool(self.names(path)) if path.endswith("/") else self.size(path) is not None

    def size(self, path: str) -> int | None:
        """An object's size in bytes; None if it is not there."""
        return self.sizes([path])[0]

    def sizes(self, paths: Sequence[str]) -> list[int | None]:
        """The sizes of several objects, asked for at once."""
        return [int(found["size"]) if found is not None else None for found in self._each("info", paths)]

    def write(self, files: Mapping[str, bytes]) -> set[str]:
        """Write a group of files where they differ from what is there, one after the other; answers those that did."""
        with self.group() as group:
            return {path for each in files.items() for path in group.reveal(group.stage(dict([each])))}

    @contextmanager
    def group(self) -> Iterator[ObjectGroup]:
        """A group of files; each is there as soon as it is staged."""
        yield ObjectGroup(self)

    def place(self, source: str | Path, path: str, size: int) -> bool:
        """Put the file `source` of `size` bytes there, never to change; False if one of that size is there."""
        if self.size(path) == size:
            return False
        self._put_file(source, path)
        return True

    def place_wheel(
        self, wheel: str, path: str, size: int, metadata: str, content: bytes, *, new: bool = False
    ) -> bool:
        """Put a wheel there, then its metadata with its twins; False if the wheel is there."""
        if new:
            self._put_file(wheel, path)
        added = new or self.place(wheel, path, size)
        self.write({metadata_path(path): content})
        return added

    def remove(self, paths: Iterable[str]) -> set[str]:
        """Remove files with their twins, and whole folders, in this order; answers those that were there."""
        removed = set()
        for path in paths:
            if path.endswith("/"):
                present = list(self.files(path))
            else:
                names = [f"{path}{suffix}" for suffix in (*twin_suffixes(path, ENCODINGS), "")]
                present = [
                    name for name, found in zip(names, self._each("info", names), strict=True) if found is not None
                ]
            if present:
                self._each("rm_file", present)  # not `rm`, which takes names for patterns
                removed.add(path)
        return removed

    def names(self, folder: str) -> set[str]:
        """Names of what is directly in a folder; those of folders end in a slash."""
        try:
            with _opened(self.address) as (store, root):
                found = store.ls(f"{root}{folder}".rstrip("/"), detail=True)
        except FileNotFoundError:
            return set()
        names = {
            each["name"].rstrip("/").rpartition("/")[2] + "/" * (each["type"] == "directory")
            for each in found
            if each["name"].rstrip("/") != f"{root}{folder}".rstrip("/")
        }
        return {name for name in names if not name.startswith(".")}

    def files(self, folder: str) -> Iterator[str]:
        """Paths of all objects in a folder and below."""
        with _opened(self.address) as (store, root):
            found = store.find(f"{root}{folder}".rstrip("/"))
        yield from (name.removeprefix(root) for name in found)

    def sync(self) -> None:
        """What the store took is durable."""

    def _put_file(self, source: str | Path, path: str) -> None:
        with _opened(self.address) as (store, root):
            store.put_file(str(source), f"{root}{path}", **self._described(path))

    def _put(self, files: Mapping[str, bytes]) -> None:
        self._each("pipe_file", list(files), lambda path: ((files[path],), self._described(path)))

    def _each(
        self,
        method: str,
        paths: Sequence[str],
        arguments: Callable[[str], tuple[tuple[Any, ...], dict[str, Any]]] = lambda path: ((), {}),
    ) -> list[Any]:
        """Call a method of the store for each path, several at a time; None for what is not there."""

        async def call_each(store: Any, root: str) -> list[Any]:
            places = asyncio.Semaphore(_AT_ONCE)

            async def call(path: str) -> Any:
                positional, named = arguments(path)
                async with places:
                    try:
                        return await getattr(store, f"_{method}")(f"{root}{path}", *positional, **named)
                    except FileNotFoundError:
                        return None

            return await asyncio.gather(*map(call, paths))

        with _opened(self.address) as (store, root):
            if store.async_impl:
                return list(sync(store.loop, call_each, store, root))
            return [_or_none(getattr(store, method), f"{root}{path}", *arguments(path)) for path in paths]

    def _described(self, path: str) -> dict[str, Any]:
        """What the store is told of an object, so that it can be served from there as it is."""
        if not self.address.startswith(("s3://", "s3a://")):
            return {}
        plain, suffix = next(
            ((path.removesuffix(suffix), suffix) for suffix in _CONTENT_ENCODINGS if path.endswith(suffix)), (path, "")
        )
        for_ever = path.startswith(("files/", "static/"))
        described = {"ContentType": _type(plain), "CacheControl": _FOR_EVER if for_ever else _FOR_A_WHILE}
        return described | ({"ContentEncoding": _CONTENT_ENCODINGS[suffix]} if suffix else {})


def _type(path: str) -> str:
    if path.endswith(JSON):
        return "application/vnd.pypi.simple.v1+json"
    return TEXT if path.endswith(".metadata") else content_type(path)


def _or_none(method: Callable[..., Any], path: str, positional: tuple[Any, ...], named: dict[str, Any]) -> Any:
    try:
        return method(path, *positional, **named)
    except FileNotFoundError:
        return None


@contextmanager
def _opened(address: str) -> Iterator[tuple[Any, str]]:
    """The store, and what comes before every path. Every client of a store has errors of its own: they become `OSError`."""
    try:
        yield _open(address, os.getpid())
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"{address} cannot be used: {type(error).__name__}: {error}") from error


@lru_cache(maxsize=4)
def _open(address: str, process: int) -> tuple[Any, str]:
    """The store for this process: connections do not survive a fork."""
    store, root = url_to_fs(address, use_listings_cache=False, skip_instance_cache=True)
    return store, root.rstrip("/") + "/"
