"""Compilers' results kept from one build of a project to the next, by `ccache`, so that no build can harm another's.

    caches = ProjectCaches(state)
    kept = caches.kept("spidev")                      # a folder to bind read-only at /ccache, or None
    variables = environment("4.7.5", "/build/ccache", "/ccache" if kept else "")
    ...                                               # the build, with LINKS on its PATH before the system's folders
    pack(Path("/build/ccache"), Path("/build/ccache.tar"))     # inside, at its end
    caches.keep("spidev", out / "ccache.tar")         # outside: checked as hostile
    caches.prune()

A cache that builds share and write would let one of them decide what all others are made of. So each project has its own,
which a build reads as ccache's remote storage and cannot change. What it has compiled or reused lies in its own scratch
and leaves it as bytes; it replaces what was kept, so objects nobody asked for any more are gone. A project can still
poison its own later builds, as it can by its source.
"""

from __future__ import annotations

import fcntl
import os
import re
import tarfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Dict, Iterator, List, Optional, Tuple

from .failure import one_sentence
from .files import open_regular, remove_tree
from .strict import quote

LINKS = "/usr/lib/ccache"
"""Debian's folder of compiler names that lead to ccache."""
MAX_PROJECT_BYTES = 100 << 20
MAX_BYTES = 2 << 30
MAX_FILES = 20_000
WORTH_SECONDS = 5.0
_OLDEST = (4, 4)
"""The first with a second storage that can be read-only. From 4.7 it is called remote."""
_REMOTE = (4, 7)
_PROJECT = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")
_KEY = re.compile(r"([0-9a-v]{20,80})([RM])")
"""What the parts of a path in ccache's folder are when joined: a hash in base 32, and `R`esult or `M`anifest."""
_HOUSEKEEPING = re.compile(r"(.*/)?(stats|CACHEDIR\.TAG|ccache\.conf|\.cleaned|.*\.lock|.*\.tmp\..*)|(tmp|lock)(/.*)?")
_MAGIC = b"\xcc\xac"
_BLOCK = 512
_CHUNK = 1 << 20


class BadCache(ValueError):
    """What a build left is no cache, or too much; nothing of it was kept."""


def is_usable(version: str) -> bool:
    """Whether a ccache of this version can be used at all; `version` is empty where there is none."""
    return _numbers(version) >= _OLDEST and os.path.exists(f"{LINKS}/gcc")


def worth_keeping(seconds: float) -> bool:
    """Whether a build that computed for so long will be faster for it."""
    return seconds >= WORTH_SECONDS


def environment(version: str, directory: str, kept: str) -> Dict[str, str]:
    """Variables for a build: `directory` is its own cache, writable; `kept` where it sees what was kept, or "".

    Both as the build sees them. Empty if this version cannot be used.
    """
    if _numbers(version) < _OLDEST:
        return {}
    variables = {
        "CCACHE_DIR": directory,
        "CCACHE_TEMPDIR": f"{directory}/tmp",
        "CCACHE_CONFIGPATH": "/dev/null",
        "CCACHE_MAXSIZE": f"{MAX_PROJECT_BYTES >> 20}Mi",
        "CCACHE_UMASK": "022",
    }
    if kept:
        name = "CCACHE_REMOTE_STORAGE" if _numbers(version) >= _REMOTE else "CCACHE_SECONDARY_STORAGE"
        variables[name] = f"file:{kept}|read-only"
    return variables


def pack(directory: Path, target: Path, limit: int = MAX_PROJECT_BYTES) -> int:
    """Put what a build has in its cache into a tar file, up to `limit` bytes; how many files. Runs in the sandbox."""
    count = size = 0
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as tar:
        for folder, _, names in os.walk(directory):
            for name in names:
                path = Path(folder, name)
                inside = path.relative_to(directory)
                length = path.lstat().st_size
                if _KEY.fullmatch("".join(inside.parts)) and size + length <= limit and count < MAX_FILES:
                    tar.add(path, str(inside), recursive=False)
                    size += length
                    count += 1
    return count


class ProjectCaches:
    """What is kept, below `<state>/ccache`: a folder for each project, in the layout of ccache's file storage."""

    def __init__(self, state: Path) -> None:
        self._place = state / "ccache"

    def kept(self, project: str) -> Optional[Path]:
        """The folder of a project, now in use; None if nothing is kept."""
        place = self._place / _folder(project)
        try:
            os.utime(place)  # `prune` takes the oldest
        except OSError:
            return None
        return place

    def keep(self, project: str, tar: Path, limit: int = MAX_PROJECT_BYTES) -> int:
        """Replace what is kept of a project by the files in `tar`; their bytes. Raises `BadCache`, OSError."""
        place = self._place / _folder(project)
        self._place.mkdir(parents=True, exist_ok=True)
        with self._alone():
            half = self._place / f".{place.name}.part"
            remove_tree(half)
            half.mkdir(mode=0o755)
            try:
                with open(open_regular(tar), "rb") as file:
                    size = _extract(file, half, limit)
                remove_tree(place)  # a build that reads it now finds less than it did, and compiles
                if size:
                    os.rename(half, place)
                return size
            finally:
                if os.path.lexists(half):
                    remove_tree(half)

    def prune(self, limit: int = MAX_BYTES) -> List[str]:
        """Remove what was used longest ago until no more than `limit` bytes are left; the projects it was of."""
        removed = []
        if self._place.is_dir():
            with self._alone():
                for half in self._place.glob(".*.part"):
                    remove_tree(half)
                left = limit
                folders = [each for each in self._place.iterdir() if _PROJECT.fullmatch(each.name)]
                for folder in sorted(folders, key=lambda each: each.stat().st_mtime, reverse=True):
                    left -= _size(folder)
                    if left < 0:
                        remove_tree(folder)
                        removed.append(folder.name)
        return removed

    @contextmanager
    def _alone(self) -> Iterator[None]:
        descriptor = os.open(self._place / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _extract(file: IO[bytes], target: Path, limit: int) -> int:
    """Write the objects of a tar file into `target`, under the names of a file storage. Raises `BadCache`."""
    seen = set()
    size = 0
    for member in _members(file):
        name = member.name[2:] if member.name.startswith("./") else member.name
        if member.size > limit:
            raise BadCache(f"{quote(name)} has {member.size} bytes")
        if member.isdir() or _HOUSEKEEPING.fullmatch(name):
            file.seek(_padded(member.size), os.SEEK_CUR)
            continue
        key = _KEY.fullmatch(name.replace("/", ""))
        if not key or name.startswith("/"):
            raise BadCache(f"it has {quote(name)}, which is no name that ccache gives")
        if key[1] in seen:
            raise BadCache(f"it has {quote(name)} twice")
        seen.add(key[1])
        size += member.size
        if size > limit or len(seen) > MAX_FILES:
            raise BadCache(f"it has more than {limit} bytes or {MAX_FILES} files")
        place = target / key[1][:2] / key[1][2:]
        place.parent.mkdir(mode=0o755, exist_ok=True)
        if not _copy(file, place, member.size):
            raise BadCache(f"{quote(name)} is no entry of a cache")
    return size


def _copy(file: IO[bytes], place: Path, size: int) -> bool:
    """Write the next `size` bytes to `place`. False if they are too few, or do not start like an entry."""
    start, left = True, size
    with open(place, "xb") as target:
        while left:
            data = file.read(min(left, _CHUNK))
            if not data or (start and not data.startswith(_MAGIC)):
                return False
            start = False
            target.write(data)
            left -= len(data)
    file.seek(_padded(size) - size, os.SEEK_CUR)
    return not start


def _members(file: IO[bytes]) -> Iterator[tarfile.TarInfo]:
    """The headers of a plain tar file of folders and regular files, one block each; the caller reads what follows.

    tarfile itself would follow extended headers, which may be as large as they please.
    """
    while True:
        block = file.read(_BLOCK)
        if not block.strip(b"\0"):
            return
        try:
            member = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        except (tarfile.HeaderError, ValueError) as error:
            raise BadCache(f"it is no plain tar file: {one_sentence(str(error))}") from None
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE) or member.size < 0:
            raise BadCache(f"it has {quote(member.name)}, which is neither a file nor a folder")
        yield member


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _folder(project: str) -> str:
    """The folder of a project. Raises ValueError for what is no project's name."""
    name = re.sub(r"[-_.]+", "-", project).lower()
    if not _PROJECT.fullmatch(name):
        raise ValueError(f"{quote(project)} is no name of a project.")
    return name


def _size(folder: Path) -> int:
    return sum(os.lstat(os.path.join(place, name)).st_size for place, _, names in os.walk(folder) for name in names)


def _numbers(version: str) -> Tuple[int, ...]:
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else ()
