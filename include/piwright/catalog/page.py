"""Upstream's page of one project: simple API 1.0 to 1.4, JSON.

    page = parse_page(body, project="spidev", url="https://.../simple/spidev/")
    page.files[0].version, page.files[0].hashes["sha256"], page.problems

Parsed once, here: what leaves this module is checked, and nothing behind it checks again. A page that is no page
raises `PageError`. Anything else that is wrong costs itself alone and is named in `page.problems`: one odd value must not
hide that the rest of the page takes a project or a release back. What a page of an older API does not say (size, upload
time, versions) is None or taken from the file names.
"""

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from piwright.catalog.filename import LONGEST
from piwright.catalog.page_files import LEFT_OUT, UnreadFile, UpstreamFile, read_files
from piwright.catalog.page_json import PageError, RawPage, decode_head, decode_name, decode_page, decode_value
from piwright.catalog.page_values import read_api_version, read_name, read_serial, read_text
from piwright.catalog.problem import Problem

__all__ = ["PageError", "ProjectPage", "Status", "UnreadFile", "UpstreamFile", "parse_page"]

NEWEST_MINOR = 4
"""The newest minor version of the API that is read; later ones only add, and what they add is passed over."""

Status = Literal["active", "archived", "quarantined", "deprecated"]
_STATUSES: Mapping[str, Status] = {
    "active": "active",
    "archived": "archived",
    "quarantined": "quarantined",
    "deprecated": "deprecated",
}
_PASSED_OVER = "; it is passed over"


@dataclass(frozen=True, slots=True)
class ProjectPage:
    """What upstream says about a project.

    `versions` maps each release to its spelling upstream, with files or without; two spellings of one version
    (`1.0`, `1.0.0`) are one release, and every file carries the spelling that is a key here.
    `unread` are files that were left out though they are there. `doubt` says of which releases there may be more: some
    entry does not even name its file. A project in quarantine has no files here, and no versions.
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
    unread: tuple[UnreadFile, ...] = ()
    doubt: Literal["none", "listed", "all"] = "none"
    problems: tuple[Problem, ...] = ()

    def may_have_files_of(self, version: Version) -> bool:
        """Whether the release may have files here that could not be told to be its own."""
        return self.doubt == "all" or (self.doubt == "listed" and version in self.versions)


def parse_page(body: bytes, *, project: NormalizedName, url: str, serial: int | None = None) -> ProjectPage:
    """The page of `project` that came from `url` (relative addresses in it start there).

    `serial` is what the response's header said, for pages that do not say it themselves.
    Raises `PageError` for what is no page, a page of another project, an API that is too new, and a page none of whose
    files can be read.
    """
    head, body = decode_head(body)
    notes: list[str] = []
    api_version = head.meta.api_version
    if read_api_version(api_version) > NEWEST_MINOR:
        notes.append(f"meta.api-version is {api_version!r}, and what is newer than 1.{NEWEST_MINOR} in it is not read")
    status, status_reason = _read_status(head.project_status, notes)
    raw = RawPage(decode_name(body), files=[]) if status == "quarantined" else decode_page(body)
    if canonicalize_name(raw.name) != project:
        raise PageError("name", raw.name, f"the page of {project}")
    listed = _read_listed(raw.versions, notes)
    found = read_files(raw.files, project, url, notes)
    if raw.files and not found.read:
        # An index gone wrong rather than a project: believing it would delete all that is known.
        last = notes[-1].removesuffix(LEFT_OUT)
        raise PageError("files", f"<{len(raw.files)} entries>", f"at least one that can be read ({last})")
    versions = _read_versions(listed, [*found.read, *found.unread])
    spelt = {version: version for version in versions}
    return ProjectPage(
        name=project,
        display_name=_read_display_name(raw.name, project, notes),
        versions=versions,
        files=tuple(replace(file, version=spelt[file.version]) for file in found.read),
        status=status,
        status_reason=status_reason,
        serial=_read_page_serial(head.meta.last_serial, serial, notes),
        api_version=api_version,
        unread=tuple(found.unread),
        doubt=("listed" if listed else "all") if found.nameless else "none",
        problems=tuple(Problem(project, note) for note in notes),
    )


def _read_status(raw: msgspec.Raw, notes: list[str]) -> tuple[Status, str | None]:
    value = _decode_or_none(raw, "project-status", notes)
    if value is None:
        return "active", None
    word, reason = (value.get("status", "active"), value.get("reason")) if isinstance(value, dict) else (value, None)
    # Whoever writes it in capitals, or without the object around it, means it all the same.
    status = _STATUSES.get(word.strip().lower()) if isinstance(word, str) else None
    counts = f"; it counts as {status or 'active'}"
    if not isinstance(value, dict):
        notes.append(f"{PageError('project-status', value, 'an object with a member `status`')}{counts}")
    elif status is None:
        notes.append(f"{PageError('project-status.status', word, ', '.join(_STATUSES))}{counts}")
    if reason is not None and not isinstance(reason, str):
        notes.append(f"{PageError('project-status.reason', reason, 'a text')}{_PASSED_OVER}")
        reason = None
    return status or "active", read_text(reason)


def _read_listed(raw: msgspec.Raw, notes: list[str]) -> list[str]:
    value = _decode_or_none(raw, "versions", notes)
    if value is None:
        return []
    if not isinstance(value, list):
        notes.append(f"{PageError('versions', value, 'a list of versions')}{_PASSED_OVER}")
        return []
    odd = [position for position, each in enumerate(value) if not isinstance(each, str)]
    if odd:
        more = f", as are {len(odd) - 1} more like it" if odd[1:] else ""
        notes.append(f"{PageError(f'versions[{odd[0]}]', value[odd[0]], 'a text')}{_PASSED_OVER}{more}")
    return [each for each in value if isinstance(each, str)]


def _read_display_name(name: str, project: NormalizedName, notes: list[str]) -> str:
    spelt = read_name(name)
    if spelt is None:
        error = PageError("name", name, "letters and digits of ASCII, and . _ - between them")
        notes.append(f"{error}; the project is shown as {project}")
    return spelt or project


def _read_page_serial(raw: msgspec.Raw, of_header: int | None, notes: list[str]) -> int | None:
    value = _decode_or_none(raw, "meta._last-serial", notes)
    if value is None or value == "":
        return of_header
    serial = read_serial(value)
    if serial is None:
        notes.append(f"{PageError('meta._last-serial', value, 'a number')}{_PASSED_OVER}")
    return serial


def _decode_or_none(raw: msgspec.Raw, field: str, notes: list[str]) -> Any:
    try:
        return decode_value(raw, field)
    except PageError as error:
        notes.append(f"{error}{_PASSED_OVER}")
        return None


def _read_versions(listed: list[str], files: Iterable[UpstreamFile | UnreadFile]) -> dict[Version, str]:
    # `Version("1.0") == Version("1.0.0")`, so a dictionary keeps one release and the spelling that came first:
    # upstream's list, then sdists, whose spelling the maintainer chose.
    versions: dict[Version, str] = {}
    for text in listed:
        # Versions from before the standard are passed over: no installer can name them, and none of our files has one.
        with contextlib.suppress(InvalidVersion):
            if len(text) <= LONGEST:
                versions.setdefault(Version(text), text.strip())
    for file in sorted(files, key=lambda file: file.kind != "sdist"):
        versions.setdefault(file.version, str(file.version))
    return versions
