# A page costs some fifty file operations, and `Path` would double what they cost.
# ruff: noqa: PTH102, PTH103, PTH105, PTH108, PTH110, PTH116, PTH120, PTH123
"""The served tree as a directory: readers see each file whole or not at all, and what was announced survives a power cut.

    storage = DirectoryStorage(Path("/srv/piwright/index"), ("gz", "zst"))
    with storage.group() as group:
        staged = group.stage(files)        # in any process: written below `.new`, where no reader looks
        group.reveal(staged)               # in one: made durable together, then renamed into place

Nothing but `reveal`, `place`, `place_wheel` and `remove` changes what readers see, so a process that outlives its publisher
does no harm.
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
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from piwright.index.compression import ENCODINGS, compress, twin_suffixes
from piwright.index.durable import sync_file_system
from piwright.index.layout import metadata_path
from piwright.index.stamps import Stamps, remember

STAGING = ".new"
"""Where files are until they appear."""

_REMOVED = "removed"
"""The file there whose time is that of the latest file that was removed."""

_NO_HARD_LINK = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP}
"""Another file system, somebody else's file, too many links, a file system without links: copy instead."""

_TWIN_TIMES = {".gz": 1_000_000_001, ".zst": 1_000_000_002}
"""Modification times of twins of metadata that are made here: nobody's but theirs."""

_numbers = itertools.count()


class Staged(NamedTuple):
    """A file in the making, or a whole folder that is new: where it is, where it goes, and the files that it brings.

    The twins of a file are not among `paths`.
    """

    made: str
    target: str
    paths: tuple[str, ...]


@dataclass(frozen=True)
class DirectoryGroup:
    """Files on their way into the tree at `root`, kept in `folder` until all of them are there."""

    root: Path
    encodings: tuple[str, ...]
    folder: Path

    def stage(self, files: Mapping[str, bytes], places: Mapping[str, Path] | None = None) -> list[Staged]:
        """Write what differs from the tree beside it. A file comes after its twins, a new folder with all that is in it."""
        places = places or {}
        root = str(self.root)
        stamps = Stamps(f"{root}/{STAGING}/{_REMOVED}")
        made_of: dict[tuple[int, str], tuple[str, int]] = {}  # by content and name
        new = self._new_folders([*places, *files])
        staged = [Staged(made, f"{root}/{folder}", ()) for folder, made in new.items()]
        brought: dict[str, list[str]] = {folder: [] for folder in new}
        for path, source in places.items():
            folder = _folder_of(path, new)
            if folder is None:
                made = f"{self.folder}/{os.getpid()}-{next(_numbers)}"
                staged.append(Staged(made, f"{root}/{path}", (path,)))
            else:
                made = _inside(new[folder], path[len(folder) :])
                brought[folder].append(path)
            _link_or_copy(source, made)
        for path, content in files.items():
            folder = _folder_of(path, new)
            if folder is not None:
                brought[folder].append(path)
            for suffix in self._wanted(path, content) if folder is None else self._all(path):
                target = f"{root}/{path}{suffix}"
                if folder is None:
                    made = f"{self.folder}/{os.getpid()}-{next(_numbers)}"
                    staged.append(Staged(made, target, (path,)))
                    stamp = stamps.stamp(target)
                else:
                    made = _inside(new[folder], f"{path[len(folder) :]}{suffix}")
                    stamp = stamps.first(target)
                said = id(content), target.rpartition("/")[2]
                if same := made_of.get(said):
                    _link_or_copy(same[0], made)  # the lists of projects are large, and the same in several indexes
                    stamp = max(stamp, same[1])
                    os.utime(made, (stamp, stamp))
                else:
                    _write_new(made, compress(content, suffix) if suffix else content, stamp)
                made_of[said] = made, stamp
        folders = [each._replace(paths=tuple(brought[folder])) for folder, each in zip(new, staged, strict=False)]
        return folders + staged[len(new) :]

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
        return {path for each in staged for path in each.paths}

    def _new_folders(self, paths: Iterable[str]) -> dict[str, str]:
        """Folders (with a slash at the end) that these files would be the first in, and where they are made."""
        new: dict[str, str] = {}
        for folder in sorted({path[: path.rfind("/") + 1] for path in paths}):
            if folder and _folder_of(folder, new) is None and not os.path.exists(f"{self.root}/{folder}"):
                _make_once(
                    os.path.dirname(f"{self.root}/{folder[:-1]}")
                )  # by many processes, not by the one that reveals
                new[folder] = f"{self.folder}/{os.getpid()}-{next(_numbers)}/"
                os.mkdir(new[folder])
        return new

    def _all(self, path: str) -> list[str]:
        """What is added to the path for each of its files, itself ("") last."""
        return [*twin_suffixes(path, self.encodings), ""]

    def _wanted(self, path: str, content: bytes) -> list[str]:
        """What is added to the path for each file that has to be written, itself ("") last."""
        try:
            descriptor = os.open(f"{self.root}/{path}", os.O_RDONLY)
        except (FileNotFoundError, NotADirectoryError):
            return self._all(path)
        with open(descriptor, "rb", buffering=0) as file:
            if os.fstat(descriptor).st_size != len(content) or file.readall() != content:
                return self._all(path)
        # A twin appears before its file, so it may be of another content: of a publisher that was killed between the two.
        return [
            suffix
            for suffix in self._all(path)[:-1]
            if _content(f"{self.root}/{path}{suffix}") != compress(content, suffix)
        ]


@lru_cache(maxsize=1000)
def _make_once(folder: str) -> None:
    os.makedirs(folder, exist_ok=True)


def _folder_of(path: str, folders: Mapping[str, str]) -> str | None:
    """The one of `folders` that the path is in."""
    end = path.rfind("/") + 1
    while end:
        if path[:end] in folders:
            return path[:end]
        end = path.rfind("/", 0, end - 1) + 1
    return None


def _inside(made: str, path: str) -> str:
    """The file at `path` in a folder in the making; folders between them are made."""
    if "/" in path:
        os.makedirs(os.path.dirname(made + path), exist_ok=True)
    return made + path


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
        return _size(f"{self.root}/{path}")

    def sizes(self, paths: Sequence[str]) -> list[int | None]:
        """The sizes of several files."""
        root = str(self.root)
        return [_size(f"{root}/{path}") for path in paths]

    def write(self, files: Mapping[str, bytes]) -> set[str]:
        """Write a group of files where they differ from what is there; answers those that did."""
        with self.group() as group:
            return group.reveal(group.stage(files))

    @contextmanager
    def group(self) -> Iterator[DirectoryGroup]:
        """A group of files to be staged and revealed; what was not revealed at its end is gone."""
        with _locked_folder(self.root / STAGING) as folder:
            yield DirectoryGroup(self.root, self.encodings, folder)

    def place(self, source: str | Path, path: str, size: int) -> bool:
        """Make the file `source` of `size` bytes appear at `path`, without a second copy where that is possible."""
        target = f"{self.root}/{path}"
        _make_folder_of(target)
        if self.size(path) == size:
            return False
        _link_or_replace(source, target)
        return True

    def place_wheel(
        self, wheel: str, path: str, size: int, metadata: str, content: bytes, *, new: bool = False
    ) -> bool:
        """Make a wheel appear, then the twins of its metadata, then the metadata; False if the wheel is there."""
        target = f"{self.root}/{path}"
        beside = metadata_path(target)
        if not _make_folder_of(target):
            if new and not _same(wheel, target):
                _link_or_replace(wheel, target)
                added = True
            else:
                added = self.place(wheel, path, size)
            for suffix in DirectoryGroup(self.root, self.encodings, self.root)._wanted(metadata_path(path), content):
                if suffix:
                    _place_twin(metadata, beside, suffix, content)
                else:
                    _replace(metadata, beside)
            return added
        # Nobody knows of the folder yet, and who is stopped in here leaves no metadata: whatever is there is made again.
        _link_or_replace(wheel, target)
        for suffix in twin_suffixes(beside, self.encodings):
            _place_twin(metadata, beside, suffix, content)
        _link_or_replace(metadata, beside)
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


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.readall()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _size(path: str) -> int | None:
    try:
        return os.stat(path).st_size
    except (FileNotFoundError, NotADirectoryError):
        return None


def _same(source: str, target: str) -> bool:
    """True if both are names of one file."""
    try:
        return Path(source).samefile(target)
    except FileNotFoundError:
        return False


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _beside(target: str) -> str:
    """Where a file is until it is `target`: no server hands out what begins with a dot."""
    return f"{target[: target.rindex('/')]}/.{os.getpid()}-{next(_numbers)}.new"


def _make_folder_of(path: str) -> bool:
    """Make the folder of a file; False if it was there."""
    folder = path[: path.rindex("/")]
    try:
        os.mkdir(folder)
    except FileExistsError:
        return False
    except FileNotFoundError:
        os.makedirs(folder[: folder.rindex("/")], exist_ok=True)
        return _make_folder_of(path)
    return True


def _link_or_replace(source: str | Path, target: str) -> None:
    """Make `target` the file `source`: there as a whole, or not at all."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in {*_NO_HARD_LINK, errno.EEXIST}:
            raise
        _replace(source, target)


def _replace(source: str | Path, target: str) -> None:
    """Make `target` the file `source`, whatever it is now."""
    made = _beside(target)
    _link_or_copy(source, made)
    os.replace(made, target)
    with suppress(FileNotFoundError):
        os.unlink(made)  # still there if both were the same file: then nothing was renamed


def _place_twin(metadata: str, beside: str, suffix: str, content: bytes) -> None:
    """Make the twin of a wheel's metadata appear: that of the store, or a new one. It keeps one of them, and did not always."""
    try:
        _link_or_replace(metadata + suffix, beside + suffix)
    except FileNotFoundError:
        made = _beside(beside)
        _write_new(made, compress(content, suffix), _TWIN_TIMES[suffix])
        os.replace(made, beside + suffix)


def _write_new(path: str, content: bytes, stamp: int | None) -> None:
    """Write a file that nobody else knows of; what a publisher that was killed left there goes."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        os.unlink(path)  # not overwritten: it may be a link to what is in the store
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
        if stamp is not None:
            os.utime(descriptor, (stamp, stamp))
    finally:
        os.close(descriptor)


def _link_or_copy(source: str | Path, made: str | Path) -> None:
    """Make `made` the file `source`; what a publisher that was killed left there goes."""
    try:
        os.link(source, made)
    except FileExistsError:
        os.unlink(made)
        _link_or_copy(source, made)
    except OSError as error:
        if error.errno not in _NO_HARD_LINK:
            raise
        shutil.copyfile(source, made)
        shutil.copystat(source, made)  # times tell representations of a page apart
