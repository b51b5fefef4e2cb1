"""Checks that HTML and JSON say the same: they are two writings of one answer."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from packaging.utils import canonicalize_name

from piwright.conformance.check import REQUIRED, Group, Seeing, bad, judge, nothing
from piwright.conformance.index import Index, Project
from piwright.conformance.pages import Listed

CHECKS = Group("agreement")

_STANDARD = "Simple repository API, JSON-based Simple API, Versioning (PEP 691): one data, two serializations"
_NOT_BOTH = "The index does not have HTML and JSON."


def _pairs(index: Index) -> Iterator[tuple[Project, Listed, Listed]]:
    """Each file that both formats list, as HTML and as JSON say it."""
    for project in index.projects:
        if project.html is not None and project.json is not None:
            in_json = {file.filename: file for file in project.json.files}
            for file in project.html.files:
                if file.filename in in_json:
                    yield project, file, in_json[file.filename]


@CHECKS.check(
    "agree-projects",
    "HTML and JSON list the same projects",
    _STANDARD,
    REQUIRED,
    "Write both root pages from one list, and replace them together.",
)
async def agree_projects(index: Index) -> Seeing:
    root = index.root
    if root.html is None or root.json is None:
        yield nothing(_NOT_BOTH)
        return
    entries = root.json.data.get("projects")
    listed = entries if isinstance(entries, list) else []
    in_json = {canonicalize_name(str(each.get("name"))) for each in listed if isinstance(each, dict)}
    in_html = {canonicalize_name(anchor.text) for anchor in root.html.document.anchors}
    yield judge(in_html == in_json, index.url, _difference(in_html, in_json))


@CHECKS.check(
    "agree-files",
    "HTML and JSON list the same files",
    _STANDARD,
    REQUIRED,
    "Write both pages from one list, and replace them together.",
)
async def agree_files(index: Index) -> Seeing:
    for project in index.projects:
        if project.html is not None and project.json is not None:
            in_html = {file.filename for file in project.html.files}
            in_json = {file.filename for file in project.json.files}
            yield judge(in_html == in_json, project.url, _difference(in_html, in_json))
    yield nothing(_NOT_BOTH)


def _difference(in_html: set[Any], in_json: set[Any]) -> str:
    sides = (("HTML", sorted(in_html - in_json)), ("JSON", sorted(in_json - in_html)))
    return "; ".join(f"in {side} only: {', '.join(only[:5])} ({len(only)})" for side, only in sides if only)


_REPLACED = re.compile(r"[\x00-\x1f\x7f-\x9f\ufffd\s]+")


def _text(value: str | None) -> str | None:
    """A text as both formats can say it: HTML has no control characters, and clients do not mind white space."""
    return None if value is None else _REPLACED.sub(" ", value).strip()


def _metadata(value: Any) -> Any:
    return True if isinstance(value, dict) and not value else value


def _same_hashes(html: Listed, json: Listed) -> bool:
    # HTML has room for one: it has to be among those of JSON. None at all has to be none at all.
    return html.hashes.items() <= json.hashes.items() and bool(html.hashes) == bool(json.hashes)


def _same_metadata(html: Listed, json: Listed) -> bool:
    if json.metadata is None:
        return True  # not said, which the standard allows
    if isinstance(html.metadata, dict) and isinstance(json.metadata, dict):
        return html.metadata.items() <= json.metadata.items()
    return bool(html.metadata) == bool(json.metadata)


_SAME: tuple[tuple[str, str, Callable[[Listed, Listed], bool], Callable[[Listed], Any]], ...] = (
    ("hashes", "hash", _same_hashes, lambda file: dict(file.hashes)),
    ("urls", "address", lambda one, other: one.url == other.url, lambda file: file.url),
    (
        "requires-python",
        "Requires-Python",
        lambda one, other: _text(one.requires_python) == _text(other.requires_python),
        lambda file: file.requires_python,
    ),
    (
        "yanked",
        "yank and its reason",
        lambda one, other: _text(one.yanked) == _text(other.yanked),
        lambda file: "not yanked" if file.yanked is None else f"yanked: {file.yanked!r}",
    ),
    ("core-metadata", "core metadata", _same_metadata, lambda file: _metadata(file.metadata)),
    ("provenance", "provenance", lambda one, other: one.provenance == other.provenance, lambda file: file.provenance),
)


def _agreement(field: str, called: str, same: Callable[[Listed, Listed], bool], shown: Callable[[Listed], Any]) -> None:
    @CHECKS.check(
        f"agree-{field}",
        f"HTML and JSON say the same of each file: {called}",
        _STANDARD,
        REQUIRED,
        "Write both pages from one list, and replace them together.",
    )
    async def agree(index: Index) -> Seeing:
        for project, html, json in _pairs(index):
            text = f"{html.filename}: HTML says {shown(html)!r}, JSON says {shown(json)!r}"
            yield judge(same(html, json), project.url, text)
        yield nothing("No sampled project has a file in both formats.")


for _each in _SAME:
    _agreement(*_each)


@CHECKS.check(
    "agree-status",
    "HTML and JSON give a project the same status and reason",
    "Simple repository API, Project Detail; project status markers (PEP 792)",
    REQUIRED,
    "Write pypi:project-status and pypi:project-status-reason as JSON has them in project-status.",
)
async def agree_status(index: Index) -> Seeing:
    for project in index.projects:
        if project.html is None or project.json is None:
            continue
        said = project.json.data.get("project-status")
        in_json = said if isinstance(said, dict) else {}
        status = (project.html.meta("pypi:project-status"), project.html.meta("pypi:project-status-reason"))
        if not in_json and status == (None, None):
            continue
        if not all(isinstance(each, str) for each in in_json.values()):
            yield bad(project.url, f"JSON says {said!r}")
            continue
        same = (status[0] or "active") == in_json.get("status", "active")
        same = same and _text(status[1] or None) == _text(in_json.get("reason") or None)
        yield judge(same, project.url, f"HTML says {status!r}, JSON says {said!r}")
    yield nothing("No sampled project has a status.")
