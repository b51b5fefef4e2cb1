# A page costs some fifty file operations, and `Path` would double what they cost.
# ruff: noqa: PTH103, PTH105, PTH110, PTH116, PTH120, PTH123
"""The served tree as a directory: readers see each file whole or not at all, and what was announced survives a power cut.

    storage = DirectoryStorage(Path("/srv/piwright/index"), ("gz", "zst"))
    with storage.group() as group:
        staged = group.stage(files)        # in any process: written below `.new`, where no reader looks
        group.reveal(staged)               # in one: made durable together, then renamed into place

Nothing but `reveal`, `place` and `remove` changes what readers see, so a process that outlives its publisher does no harm.
"""

import errno
import fcntl
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from piwright.index.compression import ENCODINGS, compress, twin_suffixes
from piwright.index.durable import sync_file_system
from piwright.index.stamps import Stamps, remember

STAGING = ".new"
"""Where files are until they appear."""

_REMOVED = "removed"
"""The file there whose time is that of the latest file that was removed."""

_NO_HARD_LINK = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP}
"""Another file system, somebody else's file, too many links, a file system without links: copy instead."""

_numbers = itertools.count()


class Staged(NamedTuple):
    """A file in the making: where it is, where it goes, and the file it belongs to (itself unless it is a twin)."""

    made: str
    target: str
    path: str


@dataclass(frozen=True)
class DirectoryGroup:
    """Files on their way into the tree at `root`, kept in `folder` until all of them are there."""

    root: Path
    encodings: tuple[str, ...]
    folder: Path

    def stage(self, files: Mapping[str, bytes]) -> list[Staged]:
        """Write what differs from the tree beside it. A file comes after its twins: where it is new, they are too."""
        own = f"{self.folder}/{os.getpid()}"
        staged = []
        stamps = Stamps(self.root / STAGING / _REMOVED)
        made_of: dict[tuple[int, str], tuple[str, int]] = {}  # by content and name
        for path, content in files.items():
            for suffix in self._wanted(path, content):
                target, made = f"{self.root}/{path}{suffix}", f"{own}-{next(_numbers)}"
                stamp = stamps.stamp(target)
                said = id(content), target.rpartition("/")[2]
                if same := made_of.get(said):
                    _link_or_copy(same[0], made)  # the lists of projects are large, and the same in several indexes
                    stamp = max(stamp, same[1])
                    os.utime(made, (stamp, stamp))
                else:
                    _write_new(made, compress(content, suffix) if suffix else content, stamp)
                made_of[said] = made, stamp
                staged.append(Staged(made, target, path))
        return staged

    def reveal(self, staged: Sequence[Staged]) -> set[str]:
        """Rename staged files into place, once all of them are on the disk; the names are when this returns."""
        if not staged:
            return set()
        sync_file_system(self.folder)
        for each in staged:
            try:
                os.replace(each.made, each.target)
            except FileNotFoundError:
                os.makedirs(os.path.dirname(each.target), exist_ok=True)
                os.replace(each.made, each.target)
        sync_file_system(self.folder)
        return {each.path for each in staged}

    def _wanted(self, path: str, content: bytes) -> list[str]:
        """What is added to the path for each file that has to be written, itself ("") last."""
        suffixes = twin_suffixes(path, self.encodings)
        try:
            descriptor = os.open(f"{self.root}/{path}", os.O_RDONLY)
        except (FileNotFoundError, NotADirectoryError):
            os.makedirs(os.path.dirname(f"{self.root}/{path}"), exist_ok=True)  # by many processes, not by the one
            return [*suffixes, ""]
        with open(descriptor, "rb", buffering=0) as file:
            if os.fstat(descriptor).st_size != len(content) or file.readall() != content:
                return [*suffixes, ""]
        return [suffix for suffix in suffixes if not os.path.exists(f"{self.root}/{path}{suffix}")]


@dataclass(frozen=True)
class DirectoryStorage:
    """A tree of files below `root`, with the twins of `encodings`."""

    root: Path
    encodings: tuple[str, ...] = ("gz",)

    def read(self, path: str) -> bytes | None:
        """A file's content; None if it is not there."""
        try:
            return (self.root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def has(self, path: str) -> bool:
        """True if the file, or the folder (with a slash at the end), is there."""
        return os.path.exists(f"{self.root}/{path}")

    def size(self, path: str) -> int | None:
        """A file's size in bytes; None if it is not there."""
        try:
            return os.stat(f"{self.root}/{path}").st_size
        except (FileNotFoundError, NotADirectoryError):
            return None

    def sizes(self, paths: Sequence[str]) -> list[int | None]:
        """The sizes of several files."""
        return [self.size(path) for path in paths]

    def write(self, files: Mapping[str, bytes]) -> set[str]:
        """Write a group of files where they differ from what is there; answers those that did."""
        with self.group() as group:
            return group.reveal(group.stage(files))

    @contextmanager
    def group(self) -> Iterator[DirectoryGroup]:
        """A group of files to be staged and revealed; what was not revealed at its end is gone."""
        with _locked_folder(self.root / STAGING) as folder:
            yield DirectoryGroup(self.root, self.encodings, folder)

    def place(self, source: Path, path: str, size: int) -> bool:
        """Make the file `source` of `size` bytes appear at `path`, without a second copy where that is possible."""
        target = self.root / path
        if self.size(path) == size:
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        made = target.with_name(f".{target.name}.new")
        made.unlink(missing_ok=True)  # of a publisher that was killed
        _link_or_copy(source, made)
        made.replace(target)
        return True

    def remove(self, paths: Iterable[str]) -> set[str]:
        """Remove files with their twins, and whole folders, in this order; answers those that were there."""
        removed = set()
        for path in paths:
            target = self.root / path
            if path.endswith("/"):
                below = sorted((self.root / each for each in self.files(path)), reverse=True)
                removed.update([path] if target.is_dir() else [])
            else:
                below = [self.root / f"{path}{suffix}" for suffix in (*twin_suffixes(path, ENCODINGS), "")]
            times = {each: status.st_mtime for each in below if (status := _status(each)) is not None}
            removed.update([path] if times else [])
            remember(self.root / STAGING / _REMOVED, times.values())
            for each in times:
                each.unlink(missing_ok=True)
            if path.endswith("/"):
                shutil.rmtree(target, ignore_errors=True)
            self._remove_empty_folders(target.parent)
        if removed:
            self.sync()
        return removed

    def names(self, folder: str) -> set[str]:
        """Names of what is directly in a folder; those of folders end in a slash."""
        try:
            with os.scandir(self.root / folder) as entries:
                return {
                    entry.name + "/" * entry.is_dir(follow_symlinks=False)
                    for entry in entries
                    if not entry.name.startswith(".")
                }
        except (FileNotFoundError, NotADirectoryError):
            return set()

    def files(self, folder: str) -> Iterator[str]:
        """Paths of all files in a folder and below."""
        for name in self.names(folder):
            path = f"{folder.rstrip('/')}/{name}".lstrip("/")
            if name.endswith("/"):
                yield from self.files(path)
            else:
                yield path

    def sync(self) -> None:
        """Return when everything done so far is on the disk."""
        with suppress(FileNotFoundError):
            sync_file_system(self.root)

    def _remove_empty_folders(self, folder: Path) -> None:
        while folder != self.root:
            try:
                for leftover in folder.glob(".*.new"):  # of a publisher that was killed while it placed a wheel
                    leftover.unlink(missing_ok=True)
                folder.rmdir()
            except OSError as error:
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                    return
                if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                    raise
            folder = folder.parent


@contextmanager
def _locked_folder(staging: Path) -> Iterator[Path]:
    """A new folder in `staging` that is nobody else's; those whose process is gone are removed."""
    staging.mkdir(parents=True, exist_ok=True)
    for entry in list(os.scandir(staging)):
        with suppress(OSError), _lock(Path(entry.path), fcntl.LOCK_EX | fcntl.LOCK_NB):
            shutil.rmtree(entry.path, ignore_errors=True)
    while True:
        folder = Path(tempfile.mkdtemp(dir=staging))
        with suppress(FileNotFoundError), _lock(folder, fcntl.LOCK_EX):
            if not folder.exists():
                continue  # taken for a leftover in the moment before it was locked
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            return


@contextmanager
def _lock(folder: Path, how: int) -> Iterator[None]:
    """The lock on a folder; forked processes hold it too, so it is free when the last of them is gone."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _write_new(path: str, content: bytes, stamp: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
        os.utime(descriptor, (stamp, stamp))
    finally:
        os.close(descriptor)


def _link_or_copy(source: str | Path, made: str | Path) -> None:
    try:
        os.link(source, made)
    except OSError as error:
        if error.errno not in _NO_HARD_LINK:
            raise
        shutil.copyfile(source, made)
