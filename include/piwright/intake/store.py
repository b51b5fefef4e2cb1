"""The file store: wheels and logs, named by what is in them.

    store = FileStore(settings.store_directory)
    stored = store.put_wheel(path, "spidev-3.6-cp311-cp311-linux_armv7l.whl")
    store.wheel_path(stored.sha256, "spidev-3.6-cp311-cp311-linux_armv7l.whl")
    log = store.put_log(directory / "log.txt")
    with store.open_log(log.path) as lines: ...

A file is there as a whole or not at all, and never changes; putting it again changes nothing. Together with the
database the store is all that has to be kept.
"""

import gzip
import hashlib
import os
import re
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, TextIO

from piwright.index.compression import compress
from piwright.intake.limits import Limits
from piwright.intake.untrusted import open_regular

_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILENAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,239}\.whl")
_LOG = re.compile(r"logs/[0-9a-f]{2}/[0-9a-f]{62}\.log\.gz")
_CHUNK = 1 << 18
_TWINS_TIME = 1_000_000_000  # some moment that is long gone
_ANY_SIZE = 1 << 60  # whoever puts a file has judged its size


@dataclass(frozen=True)
class StoredWheel:
    """A wheel in the store: hexadecimal SHA-256 and size in bytes, both of the file as it lies there."""

    sha256: str
    size: int


@dataclass(frozen=True)
class StoredLog:
    """A log in the store: path relative to it; SHA-256 and size in bytes of the text before compression."""

    path: str
    sha256: str
    bytes: int


class FileStore:
    """A directory of wheels (`wheels/`) and compressed logs (`logs/`), by SHA-256."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def wheel_path(self, sha256: str, filename: str) -> Path:
        """Where a wheel lies, or would. Raises ValueError when digest or name could lead elsewhere."""
        return Path(self.wheel_place(sha256, filename))

    def wheel_place(self, sha256: str, filename: str) -> str:
        """The same as text, for whoever asks for thousands."""
        if not _SHA256.fullmatch(sha256):
            raise ValueError(f"{sha256!r} is no SHA-256: 64 lower-case hexadecimal digits were expected")
        if not _FILENAME.fullmatch(filename):
            raise ValueError(f"{filename!r} is no wheel's file name")
        return f"{self.root}/wheels/{sha256[:2]}/{sha256[2:]}/{filename}"

    def metadata_path(self, sha256: str, filename: str) -> Path:
        """Where the copy of a wheel's METADATA lies: beside the wheel, `.metadata` added to its name (PEP 658)."""
        return Path(self.metadata_beside(self.wheel_place(sha256, filename)))

    @staticmethod
    def metadata_beside(wheel: str) -> str:
        """Where the copy of the METADATA of a wheel at that place of the store lies."""
        return f"{wheel}.metadata"

    def put_wheel(self, path: Path, filename: str) -> StoredWheel:
        """Copy a checked wheel in, with its METADATA member beside it byte for byte, and that compressed.

        They never change, so they are compressed once. They are written first, so that a wheel which is there is complete.
        """
        digest = hashlib.sha256()
        with open_regular(path, _ANY_SIZE) as source, self._new_file() as copy:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                copy.write(chunk)
            size = copy.tell()
            target = self.wheel_path(digest.hexdigest(), filename)
            metadata_target = self.metadata_path(digest.hexdigest(), filename)
            if not metadata_target.exists():
                content = _read_metadata(source, filename)
                with self._new_file() as twin:
                    twin.write(compress(content, ".gz"))
                    twin.flush()
                    # nginx tells representations apart by time and size; what is written next has another time.
                    os.utime(twin.fileno(), (_TWINS_TIME, _TWINS_TIME))
                    self._keep(twin, Path(f"{metadata_target}.gz"))
                with self._new_file() as metadata:
                    metadata.write(content)
                    self._keep(metadata, metadata_target)
            if not target.exists():
                self._keep(copy, target)
        return StoredWheel(digest.hexdigest(), size)

    def put_log(self, path: Path) -> StoredLog:
        """Compress a log into the store. Equal text gives equal bytes: no time, no name in the gzip header."""
        digest = hashlib.sha256()
        size = 0
        with open_regular(path, _ANY_SIZE) as source, self._new_file() as packed:
            with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=packed, mtime=0) as compressor:
                while chunk := source.read(_CHUNK):
                    digest.update(chunk)
                    size += len(chunk)
                    compressor.write(chunk)
            sha256 = digest.hexdigest()
            relative = f"logs/{sha256[:2]}/{sha256[2:]}.log.gz"
            if not (self.root / relative).exists():
                self._keep(packed, self.root / relative)
        return StoredLog(relative, sha256, size)

    def log_path(self, relative: str) -> Path:
        """The file of a stored log. Raises ValueError for a path this store did not give out."""
        if not _LOG.fullmatch(relative):
            raise ValueError(f"{relative!r} is no path of a stored log")
        return self.root / relative

    def open_log(self, relative: str) -> TextIO:
        """The lines of a stored log, as text; bytes that are no UTF-8 become U+FFFD. The caller closes it."""
        return gzip.open(self.log_path(relative), "rt", encoding="utf-8", errors="replace", newline="\n")

    @contextmanager
    def _new_file(self) -> Iterator[IO[bytes]]:
        """A temporary file on the store's own file system; gone at the end unless it was kept."""
        directory = self.root / "incoming"
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=directory, delete=False) as file:
            try:
                yield file
            finally:
                Path(file.name).unlink(missing_ok=True)

    @staticmethod
    def _keep(file: IO[bytes], target: Path) -> None:
        """Give a temporary file its name for ever. After a power cut it is complete or absent."""
        file.flush()
        os.fchmod(file.fileno(), 0o644)
        os.fsync(file.fileno())
        target.parent.mkdir(parents=True, exist_ok=True)
        Path(file.name).replace(target)
        for directory in (target.parent, target.parent.parent):
            sync_directory(directory)


def sync_directory(directory: Path) -> None:
    """Return when the names in a directory are on the disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_metadata(wheel: BinaryIO, filename: str) -> bytes:
    """The METADATA of a wheel that was checked; ValueError if it was not."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
        limit = Limits().metadata_bytes
        if len(names) != 1 or archive.getinfo(names[0]).file_size > limit:
            raise ValueError(f"{filename}: one METADATA of at most {limit} bytes was expected")
        return archive.read(names[0])
