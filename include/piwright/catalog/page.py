"""Upstream's page of one project: simple API 1.0 to 1.4, JSON.

    page = parse_page(body, project="spidev", url="https://.../simple/spidev/")
    page.files[0].version, page.files[0].hashes["sha256"], page.problems

Parsed once, here: what leaves this module is checked, and nothing behind it checks again. A page that is no page
raises `PageError`. A single file that is wrong is left out and named in `page.problems`. What a page of an older API
does not say (size, upload time, versions) is None or taken from the file names.
"""

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import msgspec
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from piwright.catalog.filename import LONGEST, FileNameError, Kind, read_filename
from piwright.catalog.page_json import Metadata, PageError, RawFile, RawStatus, decode_file, decode_meta, decode_page
from piwright.catalog.page_values import (
    read_address,
    read_api_version,
    read_hashes,
    read_moment,
    read_serial,
    read_size,
    read_text,
)
from piwright.catalog.problem import Problem

__all__ = ["PageError", "ProjectPage", "Status", "UpstreamFile", "parse_page"]

NEWEST_MINOR = 4
"""The newest minor version of the API that is read; later ones only add, and what they add is passed over."""

Status = Literal["active", "archived", "quarantined", "deprecated"]
_STATUSES: Mapping[str, Status] = {
    "active": "active",
    "archived": "archived",
    "quarantined": "quarantined",
    "deprecated": "deprecated",
}


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
class ProjectPage:
    """What upstream says about a project.

    `versions` maps each release to its spelling upstream, with files or without; two spellings of one version
    (`1.0`, `1.0.0`) are one release, and every file carries the spelling that is a key here.
    `problems` names what was left out.
    """

    name: NormalizedName
    display_name: str
    versions: Mapping[Version, str]
    files: tuple[UpstreamFile, ...]
    status: Status = "active"
    status_reason: str | None = None
    serial: int | None = None
    api_version: str = "1.0"
    problems: tuple[Problem, ...] = ()


def parse_page(body: bytes, *, project: NormalizedName, url: str, serial: int | None = None) -> ProjectPage:
    """The page of `project` that came from `url` (relative addresses in it start there).

    `serial` is what the response's header said, for pages that do not say it themselves.
    Raises `PageError` for what is no page, a page of another project, an API that is too new, and a page none of whose
    files can be read.
    """
    meta = decode_meta(body)
    problems: list[Problem] = []
    if read_api_version(meta.api_version) > NEWEST_MINOR:
        text = f"meta.api-version is {meta.api_version!r}, and what is newer than 1.{NEWEST_MINOR} in it is not read"
        problems.append(Problem(project, text))
    raw = decode_page(body)
    if canonicalize_name(raw.name) != project:
        raise PageError("name", raw.name, f"the page of {project}")
    files = _read_files(raw.files, project, url, problems)
    status, status_reason = _read_status(raw.project_status, project, problems)
    versions = _read_versions(raw.versions or [], files)
    spelt = {version: version for version in versions}
    return ProjectPage(
        name=project,
        display_name=read_text(raw.name) or project,
        versions=versions,
        files=tuple(replace(file, version=spelt[file.version]) for file in files),
        status=status,
        status_reason=status_reason,
        serial=read_serial(meta.last_serial) if meta.last_serial is not None else serial,
        api_version=meta.api_version,
        problems=tuple(problems),
    )


def _read_files(
    entries: list[msgspec.Raw], project: NormalizedName, url: str, problems: list[Problem]
) -> Collection[UpstreamFile]:
    files: dict[str, UpstreamFile] = {}
    last = ""
    for position, entry in enumerate(entries):
        field = f"files[{position}]"
        try:
            file = _read_file(decode_file(entry, field), field, project, url)
            if file.filename in files:
                raise PageError(f"{field}.filename", file.filename, "a name that no file before it has")
            files[file.filename] = file
        except PageError as error:
            last = str(error)
            problems.append(Problem(project, f"{last}; the file is left out"))
    if entries and not files:
        # An index gone wrong rather than a project: believing it would delete all that is known.
        raise PageError("files", f"<{len(entries)} entries>", f"at least one that can be read ({last})")
    return files.values()


def _read_file(raw: RawFile, field: str, project: NormalizedName, url: str) -> UpstreamFile:
    try:
        name = read_filename(raw.filename, project)
    except FileNameError as error:
        raise PageError(f"{field}.filename", raw.filename, str(error)) from error
    try:
        return UpstreamFile(
            filename=raw.filename,
            kind=name.kind,
            version=name.version,
            url=read_address(raw.url, f"{field}.url", url),
            hashes=read_hashes(raw.hashes, f"{field}.hashes"),
            size=read_size(raw.size, f"{field}.size"),
            uploaded_at=read_moment(raw.upload_time, f"{field}.upload-time"),
            requires_python=read_text(raw.requires_python),
            yanked=raw.yanked is not None and raw.yanked is not False,
            yanked_reason=read_text(raw.yanked) if isinstance(raw.yanked, str) else None,
            core_metadata=_read_metadata(raw, field),
            provenance=read_address(raw.provenance, f"{field}.provenance", url) if raw.provenance else None,
        )
    except PageError as error:
        # The position means nothing to a person; the name does.
        raise PageError(f"{error.field} of {raw.filename}", error.value, error.expected) from error


def _read_metadata(raw: RawFile, field: str) -> Literal[True] | Mapping[str, str] | None:
    said: tuple[tuple[str, Metadata], ...] = (
        ("core-metadata", raw.core_metadata),
        ("dist-info-metadata", raw.dist_info_metadata),
        ("data-dist-info-metadata", raw.data_dist_info_metadata),
    )
    for name, value in said:
        if isinstance(value, dict):
            return read_hashes(value, f"{field}.{name}") or True
        if value is not None:
            return True if value else None
    return None


def _read_status(raw: RawStatus | None, project: NormalizedName, problems: list[Problem]) -> tuple[Status, str | None]:
    if raw is None:
        return "active", None
    status = _STATUSES.get(raw.status)
    if status is None:
        text = f"project-status.status is {raw.status[:40]!r}, expected {', '.join(_STATUSES)}; it counts as active"
        problems.append(Problem(project, text))
    return status or "active", read_text(raw.reason)


def _read_versions(listed: list[str], files: Collection[UpstreamFile]) -> dict[Version, str]:
    # `Version("1.0") == Version("1.0.0")`, so a dictionary keeps one release and the spelling that came first:
    # upstream's list, then sdists, whose spelling the maintainer chose.
    versions: dict[Version, str] = {}
    for text in listed:
        # Versions from before the standard are passed over: no installer can name them, and none of our files has one.
        with contextlib.suppress(InvalidVersion):
            if len(text) <= LONGEST:
                versions.setdefault(Version(text), text)
    for file in sorted(files, key=lambda file: file.kind != "sdist"):
        versions.setdefault(file.version, str(file.version))
    return versions
