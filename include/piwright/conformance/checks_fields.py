"""Checks of the members that a page gives to files and projects: their format, and whether those that help are there."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from piwright.conformance.check import RECOMMENDED, REQUIRED, Group, Seeing, good, judge, nothing
from piwright.conformance.index import Index, Project
from piwright.conformance.pages import Listed

CHECKS = Group("fields")

_DETAIL = "Simple repository API, JSON Serialization, Project Detail"
_NO_FILES = "No sampled project has files."
_NO_JSON_FILES = "No sampled project has a file in JSON."


def _in_json(index: Index, since: tuple[int, int] = (1, 0)) -> Iterator[tuple[Project, Listed]]:
    for project in index.projects:
        if project.json is not None and project.json.version >= since:
            for file in project.json.files:
                yield project, file


@CHECKS.check(
    "size-format",
    "Every file in JSON has its size in bytes",
    f"{_DETAIL} (PEP 700): mandatory since API 1.1",
    REQUIRED,
    "Add `size`, an integer.",
)
async def size_format(index: Index) -> Seeing:
    for project, file in _in_json(index, since=(1, 1)):
        size = file.said.get("size")
        fits = isinstance(size, int) and not isinstance(size, bool) and size >= 0
        yield judge(fits, project.url, f"{file.filename}: size {size!r}")
    yield nothing("No sampled project has a file in JSON of API 1.1.")


_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)


@CHECKS.check(
    "upload-time-format",
    "Upload times are written yyyy-mm-ddThh:mm:ss.ffffffZ",
    f"{_DETAIL} (PEP 700)",
    REQUIRED,
    "Write the time in UTC, with Z at its end; leave the key out where it is not known.",
)
async def upload_time_format(index: Index) -> Seeing:
    for project, file in _in_json(index):
        if "upload-time" in file.said:
            said = file.said["upload-time"]
            yield judge(_is_time(said), project.url, f"{file.filename}: upload-time {said!r}")
    yield nothing("No sampled file has an upload time.")


def _is_time(said: Any) -> bool:
    if not isinstance(said, str) or not _TIME.fullmatch(said):
        return False
    try:
        datetime.fromisoformat(said)
    except ValueError:
        return False
    return True


@CHECKS.check(
    "upload-time-known",
    "Every file has an upload time",
    f"{_DETAIL} (PEP 700); pip --uploaded-prior-to, uv --exclude-newer",
    RECOMMENDED,
    "Add `upload-time`: with a cooldown pip refuses the whole index without it, and uv ignores the file.",
)
async def upload_time_known(index: Index) -> Seeing:
    for project in index.projects:
        if project.json is None and project.html is not None and project.html.files:
            yield judge(False, project.url, "the project has no JSON, and HTML has no upload times")
    for project, file in _in_json(index):
        yield judge("upload-time" in file.said, project.url, f"{file.filename}: no upload-time")
    yield nothing(_NO_FILES)


@CHECKS.check(
    "yanked-format",
    "`yanked` is true, false, or a reason that is not empty",
    f"{_DETAIL}; file yanking (PEP 592)",
    REQUIRED,
    "Write true where no reason is known: an empty text reads as not yanked.",
)
async def yanked_format(index: Index) -> Seeing:
    for project, file in _in_json(index):
        if "yanked" in file.said:
            said = file.said["yanked"]
            fits = isinstance(said, bool) or (isinstance(said, str) and said != "")
            yield judge(fits, project.url, f"{file.filename}: yanked {said!r}")
    yield nothing(_NO_JSON_FILES)


@CHECKS.check(
    "yanked-reason",
    "Yanked files say why",
    "File yanking (PEP 592)",
    RECOMMENDED,
    "Give the reason: pip and uv show it to whoever has pinned the file.",
)
async def yanked_reason(index: Index) -> Seeing:
    for project, file in index.listed():
        if file.yanked is not None:
            yield judge(bool(file.yanked.strip()), project.url, f"{file.filename} is yanked without a reason")
    yield nothing("No sampled file is yanked.")


@CHECKS.check(
    "core-metadata-format",
    "`core-metadata` is true, false, or hashes",
    f"{_DETAIL} (PEP 658, 714)",
    REQUIRED,
    'Write {"sha256": DIGEST}.',
)
async def core_metadata_format(index: Index) -> Seeing:
    for project, file in _in_json(index):
        for name in ("core-metadata", "dist-info-metadata"):
            if name in file.said:
                said = file.said[name]
                texts = isinstance(said, dict) and all(isinstance(each, str) for each in said.values())
                yield judge(isinstance(said, bool) or texts, project.url, f"{file.filename}: {name} {said!r}")
    yield nothing("No sampled file says whether it has metadata.")


@CHECKS.check(
    "requires-python-valid",
    "Requires-Python is a valid specifier",
    "Version specifiers (PEP 440); core metadata",
    RECOMMENDED,
    "Installers ignore the file or the limit: write it as the standard wants it.",
)
async def requires_python_valid(index: Index) -> Seeing:
    for project, file in index.listed():
        if file.requires_python is not None:
            yield judge(_is_specifier(file.requires_python), project.url, f"{file.filename}: {file.requires_python!r}")
    yield nothing("No sampled file requires a version of Python.")


def _is_specifier(text: str) -> bool:
    try:
        SpecifierSet(text[:1000])
    except InvalidSpecifier:
        return False
    return len(text) <= 1000


_STATUSES = frozenset({"active", "archived", "quarantined", "deprecated"})


@CHECKS.check(
    "status-valid",
    "Project status is one of the standard's markers, its reason a text",
    "Project status markers; Simple repository API, Project Detail (PEP 792)",
    REQUIRED,
    f"Write one of {', '.join(sorted(_STATUSES))}, or leave it out.",
)
async def status_valid(index: Index) -> Seeing:
    for project in index.projects:
        if project.html is not None and (said := project.html.meta("pypi:project-status")) is not None:
            yield judge(said in _STATUSES, project.url, f"HTML: status {said!r}")
        if project.json is not None and "project-status" in project.json.data:
            status = project.json.data["project-status"]
            fits = isinstance(status, dict) and status.get("status", "active") in _STATUSES
            fits = fits and isinstance(status.get("reason", ""), str)
            yield judge(fits, project.url, f"JSON: project-status {status!r}")
    yield nothing("No sampled project has a status.")


@CHECKS.check(
    "status-quarantined",
    "A quarantined project offers no file",
    "Project status markers, quarantined (PEP 792)",
    REQUIRED,
    "Take the files off the page and out of reach.",
)
async def status_quarantined(index: Index) -> Seeing:
    for project in index.projects:
        status = project.json.data.get("project-status") if project.json else None
        said = status.get("status") if isinstance(status, dict) else None
        if "quarantined" in (said, project.html.meta("pypi:project-status") if project.html else None):
            yield judge(not project.listed, project.url, f"{len(project.listed)} files are listed")
    yield nothing("No sampled project is quarantined.")


@CHECKS.check(
    "provenance-url",
    "Provenance is an absolute address of a secure origin, or null",
    "Simple repository API, Project Detail; index hosted attestations (PEP 740)",
    REQUIRED,
    "Write an absolute address that begins with https://, or null.",
)
async def provenance_url(index: Index) -> Seeing:
    for project, file in index.listed():
        said = file.said.get("provenance", file.said.get("data-provenance"))
        if said is None:
            continue
        yield judge(_is_secure(said), project.url, f"{file.filename}: provenance {said!r}")
    if any("provenance" in file.said for _, file in _in_json(index)):
        yield good(index.url)
    yield nothing("No sampled file has a provenance.")


def _is_secure(said: Any) -> bool:
    try:
        parts = urlsplit(said) if isinstance(said, str) else None
    except ValueError:
        return False
    return (
        parts is not None
        and bool(parts.hostname)
        and (parts.scheme == "https" or parts.hostname in ("localhost", "127.0.0.1", "::1"))
    )
