"""Checks of each format by itself: the HTML is HTML5 and its anchors are files, the JSON has the members it must have."""

import re
from html import unescape
from typing import Any

from piwright.conformance.check import RECOMMENDED, REQUIRED, Group, Seeing, bad, good, judge, nothing, unknown
from piwright.conformance.fetched import is_algorithm
from piwright.conformance.index import Index
from piwright.conformance.pages import api_version, last_component

CHECKS = Group("pages")

_API = "Simple repository API"
_NO_HTML = "The index has no HTML pages."
_NO_JSON = "The index has no JSON pages."


@CHECKS.check(
    "page-readable",
    "Root and project pages answer 200 in HTML or in JSON",
    f"{_API}, Base API",
    REQUIRED,
    "Serve each page at an address that ends in a slash, with the content type of what it is.",
)
async def page_readable(index: Index) -> Seeing:
    for page in index.pages:
        if page.problem:
            yield bad(page.url, f"the JSON page {page.problem}")
        elif page.found:
            yield good(page.url)
        else:
            answer = page.html_answer
            yield bad(page.url, f"status {answer.status}, content type {answer.media_type!r}")
    for project in index.unanswered:
        yield unknown(project.url, project.why)


@CHECKS.check(
    "html-valid",
    "HTML pages are HTML5",
    f"{_API}, HTML Serialization (PEP 503)",
    REQUIRED,
    "Begin with <!DOCTYPE html>, quote attributes, escape text, encode as UTF-8.",
)
async def html_valid(index: Index) -> Seeing:
    for page in index.pages:
        if page.html is not None:
            problems = [*page.html.document.errors, *([page.html.broken_bytes] if page.html.broken_bytes else [])]
            yield judge(not problems, page.url, "; ".join(problems))
    yield nothing(_NO_HTML)


@CHECKS.check(
    "html-anchors",
    "Every anchor of a project's page is a file: its text is the last part of its address",
    f"{_API}, HTML Serialization, Project Detail (PEP 503)",
    REQUIRED,
    "Have no other anchors on the page, and write each file's name as the text of its anchor.",
)
async def html_anchors(index: Index) -> Seeing:
    for project in index.projects:
        for file in project.html.files if project.html else ():
            if not file.url:
                yield bad(project.url, f"anchor {file.filename!r} leads nowhere: href {file.reference!r}")
            else:
                named = last_component(file.url)
                yield judge(named == file.filename, project.url, f"text {file.filename!r}, address ends in {named!r}")
    yield nothing("No sampled project has a file in HTML.")


@CHECKS.check(
    "html-version",
    "HTML pages name the API version",
    f"{_API}, Versioning (PEP 629)",
    RECOMMENDED,
    'Put <meta name="pypi:repository-version" content="1.4"> into the head of every page.',
)
async def html_version(index: Index) -> Seeing:
    for page in index.pages:
        if page.html is not None:
            said = page.html.meta("pypi:repository-version")
            yield judge(said is not None, page.url, "no meta tag pypi:repository-version: clients take it for 1.0")
    yield nothing(_NO_HTML)


@CHECKS.check(
    "version-format",
    "API versions are Major.Minor, and the major version is 1",
    f"{_API}, Versioning (PEP 629)",
    REQUIRED,
    "Write the version of the standard that is followed, such as 1.4: clients refuse another major version.",
)
async def version_format(index: Index) -> Seeing:
    for page in index.pages:
        for said in _versions(page):
            version = api_version(said)
            yield judge(version is not None and version[0] == 1, page.url, f"version {said!r}")
    yield nothing("No page names a version.")


@CHECKS.check(
    "version-current",
    "Pages follow API 1.4, in HTML and JSON alike",
    f"{_API}, API Version History; JSON, Versioning",
    RECOMMENDED,
    "Bring the pages to API 1.4 and say so, with the same version in both formats.",
)
async def version_current(index: Index) -> Seeing:
    for page in index.pages:
        said = _versions(page)
        current = bool(said) and all((api_version(each) or (1, 0)) >= (1, 4) for each in said)
        yield judge(current, page.url, f"versions {', '.join(map(repr, said)) or 'not named'}")


def _versions(page: Any) -> list[Any]:
    """What a page's formats say of their version, if they say anything."""
    found = [page.html.meta("pypi:repository-version")] if page.html else []
    if page.json is not None and isinstance(page.json.data.get("meta"), dict):
        found.append(page.json.data["meta"].get("api-version"))
    return [each for each in found if each is not None]


@CHECKS.check(
    "json-members",
    "JSON pages have the members they must have: meta.api-version, and projects, or name and files",
    f"{_API}, JSON Serialization (PEP 691)",
    REQUIRED,
    "Add the member, with the type that the standard gives it.",
)
async def json_members(index: Index) -> Seeing:
    for page in index.pages:
        if page.json is None:
            continue
        data = page.json.data
        meta = data.get("meta")
        wrong = [] if isinstance(meta, dict) and isinstance(meta.get("api-version"), str) else ["meta.api-version"]
        if page is index.root:
            projects = data.get("projects")
            named = isinstance(projects, list) and all(
                isinstance(each, dict) and isinstance(each.get("name"), str) for each in projects
            )
            wrong += [] if named else ["projects: a list of objects with a name"]
        else:
            wrong += [] if isinstance(data.get("name"), str) else ["name"]
            files = data.get("files")
            listed = isinstance(files, list) and all(isinstance(each, dict) for each in files)
            wrong += [] if listed else ["files: a list of objects"]
            if page.json.version >= (1, 1) and not _texts(data.get("versions")):
                wrong.append("versions: a list of strings, since API 1.1")
        yield judge(not wrong, page.url, f"missing or of a wrong type: {', '.join(wrong)}")
    yield nothing(_NO_JSON)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


@CHECKS.check(
    "json-file-members",
    "Every file in JSON has filename, url and hashes",
    f"{_API}, JSON Serialization, Project Detail (PEP 691)",
    REQUIRED,
    "Add the member; `hashes` may be empty but has to be there.",
)
async def json_file_members(index: Index) -> Seeing:
    for project in index.projects:
        for file in project.json.files if project.json else ():
            wrong = [name for name in ("filename", "url") if not isinstance(file.said.get(name), str)]
            wrong += [] if isinstance(file.said.get("hashes"), dict) else ["hashes"]
            wrong += ["url: an address"] if "url" not in wrong and not file.url else []
            yield judge(not wrong, project.url, f"{file.filename or file.said!r}: {', '.join(wrong)}")
    yield nothing("No sampled project has a file in JSON.")


@CHECKS.check(
    "json-name",
    "A JSON page has the normalised name of the project it was asked for",
    f"{_API}, JSON Serialization, Project Detail (PEP 691)",
    REQUIRED,
    "Write the name in lower case, with one hyphen for each run of hyphens, dots and underscores.",
)
async def json_name(index: Index) -> Seeing:
    for project in index.projects:
        if project.json is not None:
            said = project.json.data.get("name")
            yield judge(said == project.name, project.url, f"name {said!r} at the address of {project.name!r}")
    yield nothing(_NO_JSON)


@CHECKS.check(
    "requires-python-escaped",
    "data-requires-python has < and > as &lt; and &gt;",
    f"{_API}, HTML Serialization, Project Detail (PEP 503)",
    REQUIRED,
    "Escape the value of the attribute.",
)
async def requires_python_escaped(index: Index) -> Seeing:
    for project in index.projects:
        for anchor in project.html.document.anchors if project.html else ():
            written = anchor.written.get("data-requires-python")
            if written is None:
                continue
            twice = re.search(r"&(lt|gt|amp);", unescape(written)) is not None
            if "<" in written or ">" in written:
                yield bad(project.url, f"{anchor.text}: {written!r} is not escaped")
            else:
                yield judge(not twice, project.url, f"{anchor.text}: {written!r} is escaped twice")
    yield nothing("No sampled project requires a version of Python in HTML.")


@CHECKS.check(
    "html-hashes",
    "Addresses in HTML end in a hash of an algorithm that every Python has",
    f"{_API}, HTML Serialization, Project Detail (PEP 503)",
    RECOMMENDED,
    "Add #sha256=DIGEST to the address of each file.",
)
async def html_hashes(index: Index) -> Seeing:
    for project in index.projects:
        for file in project.html.files if project.html else ():
            yield judge(
                any(is_algorithm(each) for each in file.hashes), project.url, f"{file.filename}: no hash after its #"
            )
    yield nothing("No sampled project has a file in HTML.")
