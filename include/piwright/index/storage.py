"""Where the served tree is written: a directory, or a bucket of an object store.

    storage = open_storage(settings.storage_address, settings.encodings)
    storage.write({"simple/index.v1_json": b"...", "simple/index.html": b"..."})
    storage.place(wheel, "files/ab/cd.../spidev-3.6-py3-none-any.whl", size)
    storage.remove(["extra/simple/spidev/index.html", "project/spidev/"])

Paths are relative to the root, with slashes, and come from us. What is text has compressed twins beside it, `.gz` and
`.zst` as `encodings` says; who writes a file has them written, who removes it removes them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from piwright.index.storage_directory import DirectoryStorage


class Group(Protocol):
    """Files that become visible together, after all of them are durable. It is pickled: any process may stage files."""

    def stage(self, files: Mapping[str, bytes], places: Mapping[str, Path] | None = None) -> list[Any]:
        """Make files and their twins ready, those that differ from what is there; the result is for `reveal`.

        `places` are files that never change and are published as they are; they appear before the others.
        """
        ...

    def reveal(self, staged: Sequence[Any]) -> set[str]:
        """Let staged files appear in their order, for good; answers their paths, without twins."""
        ...


class Storage(Protocol):
    """A tree of files. It is pickled: worker processes write too. Errors are `OSError`."""

    def read(self, path: str) -> bytes | None:
        """A file's content; None if it is not there."""
        ...

    def has(self, path: str) -> bool:
        """True if the file, or the folder (with a slash at the end), is there."""
        ...

    def size(self, path: str) -> int | None:
        """A file's size in bytes; None if it is not there."""
        ...

    def sizes(self, paths: Sequence[str]) -> list[int | None]:
        """The sizes of several files, asked for at once."""
        ...

    def write(self, files: Mapping[str, bytes]) -> set[str]:
        """Write a group of files, in their order, where they differ from what is there; answers those that did."""
        ...

    def group(self) -> AbstractContextManager[Group]:
        """What `write` does, in steps, for more than one process."""
        ...

    def place(self, source: str | Path, path: str, size: int) -> bool:
        """Put a file of `size` bytes there as it is, never to change; False if one of that size is there.

        Durable after `sync`, or with the next group that is revealed.
        """
        ...

    def place_wheel(
        self, wheel: str, path: str, size: int, metadata: str, content: bytes, *, new: bool = False
    ) -> bool:
        """Put the file `wheel` of `size` bytes there, and the file `metadata`, which says `content`, beside it with its twins.

        The metadata comes last and never changes either. False if the wheel was there; one that is `new` replaces what is
        there, whatever its size. Durable as `place`.
        """
        ...

    def remove(self, paths: Iterable[str]) -> set[str]:
        """Remove files, and folders (with a slash at the end) with all that is in them; answers those that were there.

        In the order given, and durable before the answer. A folder that becomes empty goes too.
        """
        ...

    def names(self, folder: str) -> set[str]:
        """Names of what is directly in a folder ("" is the root); those of folders end in a slash."""
        ...

    def files(self, folder: str) -> Iterator[str]:
        """Paths from the root of all files in a folder and below, in no order."""
        ...

    def sync(self) -> None:
        """Return when everything done so far is durable."""
        ...


def open_storage(address: str | Path, encodings: Sequence[str] = ("gz",)) -> Storage:
    """The storage at a directory's path, or at an address that fsspec understands, such as `s3://bucket/prefix`.

    Nothing is read, and nothing written: a directory that is missing is made by the first write.
    """
    scheme, separator, rest = str(address).partition("://")
    if not separator:
        return DirectoryStorage(Path(address), tuple(encodings))
    if scheme == "file":
        return DirectoryStorage(Path(rest), tuple(encodings))
    from piwright.index.storage_objects import ObjectStorage  # fsspec and its parts are slow to import

    return ObjectStorage(str(address).rstrip("/"), tuple(encodings))
