"""Phase `fetch`, second half: the sdist unpacked, as if an attacker had packed it.

    source = unpack(Path("archive"), "spidev-3.6.tar.gz", Path("unpacked"))     # unpacked/spidev-3.6

Own checks instead of tarfile's `data` filter, which Python 3.9 has only in late patch releases.
"""

from __future__ import annotations

import calendar
import errno
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Collection, Iterator

from .failure import BuildFailure
from .strict import quote

MAX_MEMBERS = 200_000
MAX_UNPACKED_BYTES = 4 << 30
MAX_DEPTH = 100
TAR_SUFFIXES = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar")
_EARLIEST = 315_532_800
"""1980: zip files, and so wheels, know no earlier time."""
_LATEST = 4_000_000_000
_NOISE = ("._", "PaxHeader", "pax_global_header")
"""What macOS and old tar programs leave beside the top folder."""


def unpack(archive: Path, filename: str, target: Path) -> Path:
    """Unpack into the empty directory `target` and return the source folder; `filename` says what kind it is.

    Raises `BuildFailure` (bad_sdist).
    """
    with _readable():
        if _is_zip(filename):
            _unpack_zip(archive, target)
        else:
            _unpack_tar(archive, target)
    folders = [each for each in target.iterdir() if not each.name.startswith(_NOISE)]
    if len(folders) != 1 or not stat.S_ISDIR(folders[0].lstat().st_mode):
        raise _bad(f"it must have exactly one top folder, not {quote(sorted(each.name for each in folders))}")
    if not any((folders[0] / name).is_file() for name in ("pyproject.toml", "setup.py")):
        raise _bad("it has neither pyproject.toml nor setup.py, so it is no Python source distribution")
    return folders[0]


@dataclass(frozen=True)
class Glance:
    """What a look through an archive shows: a file of its top folder (None if there is none), names in it."""

    text: bytes | None
    names: frozenset[str]


def glance(archive: Path, filename: str, name: str, limit: int, looked_for: Collection[str] = ()) -> Glance:
    """Look through an archive without unpacking it, for the file `name` in its top folder and any of `looked_for`.

    Raises `BuildFailure` (bad_sdist), also if the file is longer than `limit`.
    """
    with _readable():
        return (_glance_at_zip if _is_zip(filename) else _glance_at_tar)(archive, name, limit, looked_for)


def _glance_at_zip(archive: Path, name: str, limit: int, looked_for: Collection[str]) -> Glance:
    with zipfile.ZipFile(archive) as bundle:
        members = bundle.infolist()
        names = frozenset(each.filename.rpartition("/")[2] for each in members)
        found = [each for each in members if _is_top_file(each.filename, name)]
        if not found:
            return Glance(None, names & frozenset(looked_for))
        with bundle.open(found[-1]) as file:
            return Glance(_read_all(file, name, limit), names & frozenset(looked_for))


def _glance_at_tar(archive: Path, name: str, limit: int, looked_for: Collection[str]) -> Glance:
    budget = Budget()
    text = None
    names = set()
    with tarfile.open(archive, "r:*") as tar:
        for member in tar:
            budget.spend(member.size if member.isreg() else 0)
            base = member.name.rpartition("/")[2]
            if base in looked_for:
                names.add(base)
            if member.isreg() and _is_top_file(member.name, name):
                file = tar.extractfile(member)
                assert file is not None  # tarfile's promise for regular files
                text = _read_all(file, name, limit)  # of two members with one name the later counts
            tar.members = []  # type: ignore[attr-defined]
    return Glance(text, frozenset(names))


def _is_top_file(member: str, name: str) -> bool:
    parts = PurePosixPath(member).parts
    return len(parts) == 2 and parts[1] == name and not parts[0].startswith(_NOISE)


def _read_all(file: IO[bytes], name: str, limit: int) -> bytes:
    data = file.read(limit + 1)
    if len(data) > limit:
        raise _bad(f"its {name} has more than {limit} bytes")
    return data


def _is_zip(filename: str) -> bool:
    if filename.lower().endswith(".zip"):
        return True
    if not filename.lower().endswith(TAR_SUFFIXES):
        raise _bad("its name ends in none of .zip, " + ", ".join(TAR_SUFFIXES))
    return False


@contextmanager
def _readable() -> Iterator[None]:
    """Whatever is wrong with an archive is the archive's fault."""
    try:
        yield
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError) as error:
        raise _bad(f"it is not an archive that can be read: {error}") from None
    except (UnicodeError, ValueError, NotImplementedError, MemoryError) as error:
        raise _bad(f"it is not an archive that can be read: {type(error).__name__}: {error}") from None
    except OSError as error:
        # gzip and bz2 report damage as an OSError without a number; the others are names no file can have.
        if error.errno in (None, errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.ENOTDIR, errno.EISDIR):
            raise _bad(f"it cannot be unpacked: {error.strerror or error}") from None
        raise


def _bad(reason: str) -> BuildFailure:
    return BuildFailure("bad_sdist", f"The sdist is refused: {reason}.")


@dataclass
class Budget:
    """What an archive may still unpack."""

    members: int = MAX_MEMBERS
    bytes: int = MAX_UNPACKED_BYTES

    def spend(self, size: int) -> None:
        self.members -= 1
        self.bytes -= size
        if self.members < 0:
            raise _bad(f"it has more than {MAX_MEMBERS} members")
        if self.bytes < 0:
            raise _bad(f"it unpacks to more than {MAX_UNPACKED_BYTES} bytes")


def _place(target: Path, name: str) -> Path:
    """Where a member goes; refused unless that is inside `target` by the letters of its name."""
    parts = PurePosixPath(name).parts
    if not name or name.startswith("/") or ".." in parts or "\0" in name or len(parts) > MAX_DEPTH:
        raise _bad(f"member {quote(name)} leads out of its folder")
    return target.joinpath(*parts)


def _make_folder(target: Path, folder: Path) -> None:
    """Create a folder and those above it. No link is ever on the way: links are made after everything else."""
    for each in [*reversed(folder.relative_to(target).parents), folder.relative_to(target)]:
        place = target / each
        try:
            place.mkdir(mode=0o755)
        except FileExistsError:
            if not stat.S_ISDIR(place.lstat().st_mode):
                raise _bad(f"{quote(str(each))} is both a file and a folder") from None


def _write(source: IO[bytes], place: Path, size: int, executable: bool, modified: float) -> None:
    if place.exists():
        if place.is_dir():
            raise _bad(f"{quote(place.name)} is both a file and a folder")
        place.unlink()  # as in tar: of two members with one name the later counts
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(place, flags, 0o755 if executable else 0o644), "wb") as file:
        left = size
        while left:
            data = source.read(min(left, 1 << 20))
            if not data:
                raise _bad(f"member {quote(place.name)} is cut short")
            file.write(data)
            left -= len(data)
        if source.read(1):
            raise _bad(f"member {quote(place.name)} is longer than it says")
    # Kept, since makefiles compare times.
    modified = min(max(modified, _EARLIEST), _LATEST)
    os.utime(place, (modified, modified))


def _unpack_tar(archive: Path, target: Path) -> None:
    budget = Budget()
    links: list[tuple[Path, str]] = []
    with tarfile.open(archive, "r:*") as tar:
        for member in tar:
            budget.spend(member.size if member.isreg() else 0)
            place = _place(target, member.name)
            if member.isdir():
                _make_folder(target, place)
                continue
            _make_folder(target, place.parent)
            if member.isreg():
                source = tar.extractfile(member)
                assert source is not None  # tarfile's promise for regular files
                _write(source, place, member.size, bool(member.mode & 0o100), member.mtime)
            elif member.issym():
                links.append((place, member.linkname))
            elif member.islnk():
                budget.spend(_copy(_place(target, member.linkname), place))
            else:
                raise _bad(f"member {quote(member.name)} is neither a file, a folder nor a link")
            # tarfile remembers every member, which for a large archive is a lot of memory.
            tar.members = []  # type: ignore[attr-defined]
    for place, linkname in links:
        _link(target, place, linkname)
    for place, linkname in links:
        _check_link(target, place, linkname)


def _copy(original: Path, place: Path) -> int:
    """A hard link becomes a copy, so that two names never mean one file."""
    if not original.is_file() or original == place:
        raise _bad(f"member {quote(place.name)} is a link to something that is not in the archive before it")
    size = original.stat().st_size
    if place.exists():
        raise _bad(f"member {quote(place.name)} is there twice")
    shutil.copy2(original, place, follow_symlinks=False)
    return size


def _link(target: Path, place: Path, linkname: str) -> None:
    if os.path.lexists(place):
        raise _bad(f"member {quote(place.name)} is there twice")
    if linkname.startswith("/"):
        raise _bad(f"link {quote(place.name)} leads to {quote(linkname)}")
    try:
        os.symlink(linkname, place)
    except (OSError, ValueError):
        raise _bad(f"link {quote(place.name)} to {quote(linkname)} cannot be made") from None


def _check_link(target: Path, place: Path, linkname: str) -> None:
    """A link may lead anywhere inside the top folder, other links on the way included, and nowhere else."""
    top = os.path.realpath(target)
    inside = os.path.relpath(place, target).split(os.sep)[0]
    real = os.path.realpath(place)
    if not (real + os.sep).startswith(os.path.join(top, inside) + os.sep):
        raise _bad(f"link {quote(place.name)} leads out of its folder, to {quote(linkname)}")


def _unpack_zip(archive: Path, target: Path) -> None:
    budget = Budget()
    with zipfile.ZipFile(archive) as bundle:
        for member, mode in _zip_members(bundle, budget):
            place = _place(target, member.filename)
            if member.is_dir():
                _make_folder(target, place)
                continue
            _make_folder(target, place.parent)
            with bundle.open(member) as source:
                _write(source, place, member.file_size, bool(mode & 0o100), _zip_time(member))


def _zip_members(bundle: zipfile.ZipFile, budget: Budget) -> Iterator[tuple[zipfile.ZipInfo, int]]:
    for member in bundle.infolist():
        budget.spend(member.file_size)
        mode = member.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _bad(f"member {quote(member.filename)} is neither a file nor a folder")
        yield member, mode


def _zip_time(member: zipfile.ZipInfo) -> float:
    return float(calendar.timegm((*member.date_time, 0, 0, 0)))
