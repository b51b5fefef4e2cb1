"""The files on upstream's page of a project, each read on its own.

    found = read_files(raw.files, "spidev", "https://.../simple/spidev/", notes)
    found.read[0].hashes["sha256"], found.unread

What an installer cannot do without is a file's name, its address and its hashes: an entry in which one of them is wrong
is left out. Anything else that is wrong becomes unknown, and the file stays: that upstream serves it decides what we build
and show. Both are named in `notes`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, ParamSpec, TypeVar

import msgspec
from packaging.utils import NormalizedName
from packaging.version import Version

from piwright.catalog.filename import FileName, FileNameError, Kind, read_filename
from piwright.catalog.page_address import read_address, read_file_address
from piwright.catalog.page_json import Metadata, NamelessError, PageError, RawFile, decode_file
from piwright.catalog.page_values import read_hashes, read_moment, read_size, read_text

P = ParamSpec("P")
T = TypeVar("T")
_NEEDED = frozenset({"url", "hashes"})
LEFT_OUT = "; the file is left out"


@dataclass(frozen=True, slots=True)
class UpstreamFile:
    """A distribution file upstream.

    `url` is absolute, `hashes` maps algorithms hashlib knows to lower-case hex digests, `size` is in bytes.
    `requires_python` is upstream's text, valid or not. `core_metadata` is None where upstream serves no `.metadata`,
    True where it does without a hash, else its hashes. `yanked_reason` is None when nobody gave one.
    """

    filename: str
    kind: Kind
    version: Version
    url: str
    hashes: Mapping[str, str]
    size: int | None = None
    uploaded_at: datetime | None = None
    requires_python: str | None = None
    yanked: bool = False
    yanked_reason: str | None = None
    core_metadata: Literal[True] | Mapping[str, str] | None = None
    provenance: str | None = None


@dataclass(frozen=True, slots=True)
class UnreadFile:
    """A file that was left out, as nobody could fetch or check it; its release is there all the same."""

    filename: str
    kind: Kind
    version: Version
    yanked: bool
    yanked_reason: str | None


@dataclass(slots=True)
class FilesFound:
    """What the entries are. `nameless`: there is one that does not say which file it is."""

    read: list[UpstreamFile] = field(default_factory=list)
    unread: list[UnreadFile] = field(default_factory=list)
    nameless: bool = False


def read_files(entries: Iterable[msgspec.Raw], project: NormalizedName, url: str, notes: list[str]) -> FilesFound:
    """The files of `project` on its page at `url`; what is wrong with them is added to `notes`."""
    found = FilesFound()
    seen: set[str] = set()
    for position, entry in enumerate(entries):
        where = f"files[{position}]"
        try:
            raw, odd = decode_file(entry, where)
            name = _read_name(raw, where, project, seen)
        except PageError as error:
            found.nameless |= isinstance(error, NamelessError)
            notes.append(f"{error}{LEFT_OUT}")
            continue
        file, errors = _read_file(raw, odd, name, url)
        if isinstance(file, UpstreamFile):
            found.read.append(file)
            seen.add(raw.filename)
        else:
            found.unread.append(file)
        notes.extend(_told(error, where, file) for error in errors)
    return found


def _read_name(raw: RawFile, where: str, project: NormalizedName, seen: Collection[str]) -> FileName:
    if raw.filename in seen:
        raise PageError(f"{where}.filename", raw.filename, "a name that no file before it has")
    try:
        return read_filename(raw.filename, project)
    except FileNameError as error:
        raise PageError(f"{where}.filename", raw.filename, str(error)) from error


def _read_file(
    raw: RawFile, odd: Mapping[str, PageError], name: FileName, base: str
) -> tuple[UpstreamFile | UnreadFile, list[PageError]]:
    """The file, and what is wrong with it."""
    yanked = raw.yanked is not None and raw.yanked is not False
    reason = read_text(raw.yanked) if isinstance(raw.yanked, str) else None
    try:
        for needed in _NEEDED & odd.keys():
            raise odd[needed]
        url = read_file_address(raw.url, "url", base, raw.filename)
        hashes = read_hashes(raw.hashes, "hashes")
    except PageError as error:
        return UnreadFile(raw.filename, name.kind, name.version, yanked, reason), [error]
    errors = list(odd.values())
    file = UpstreamFile(
        filename=raw.filename,
        kind=name.kind,
        version=name.version,
        url=url,
        hashes=hashes,
        size=_or_unknown(errors, read_size, raw.size, "size"),
        uploaded_at=_or_unknown(errors, read_moment, raw.upload_time, "upload-time"),
        requires_python=read_text(raw.requires_python),
        yanked=yanked,
        yanked_reason=reason,
        core_metadata=_or_unknown(errors, _read_metadata, raw),
        provenance=_or_unknown(errors, read_address, raw.provenance, "provenance", base) if raw.provenance else None,
    )
    return file, errors


def _or_unknown(errors: list[PageError], read: Callable[P, T | None], *args: P.args, **kwargs: P.kwargs) -> T | None:
    try:
        return read(*args, **kwargs)
    except PageError as error:
        errors.append(error)
        return None


def _read_metadata(raw: RawFile) -> Literal[True] | Mapping[str, str] | None:
    said: tuple[tuple[str, Metadata], ...] = (
        ("core-metadata", raw.core_metadata),
        ("dist-info-metadata", raw.dist_info_metadata),
        ("data-dist-info-metadata", raw.data_dist_info_metadata),
    )
    for name, value in said:
        if isinstance(value, dict):
            return read_hashes(value, name) or True
        if value is not None:
            return True if value else None
    return None


def _told(error: PageError, where: str, file: UpstreamFile | UnreadFile) -> str:
    # The position means nothing to a person; the name does.
    said = PageError(f"{where}.{error.field} of {file.filename}", error.value, error.expected)
    if isinstance(file, UnreadFile):
        return f"{said}{LEFT_OUT}"
    if error.field == "yanked":
        return f"{said}; the file counts as {'yanked' if file.yanked else 'not yanked'}"
    return f"{said}; it counts as unknown"
