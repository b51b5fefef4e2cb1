"""Checks of the files that a page lists: their names, addresses, versions and hashes."""

import re
from collections import Counter
from urllib.parse import urlsplit

from packaging.version import InvalidVersion, Version

from piwright.conformance.check import RECOMMENDED, REQUIRED, Group, Seeing, judge, nothing
from piwright.conformance.fetched import digest, is_algorithm
from piwright.conformance.index import Index, Project
from piwright.conformance.pages import last_component, name_and_version

CHECKS = Group("listing")

_DETAIL = "Simple repository API, JSON Serialization, Project Detail"
_NO_FILES = "No sampled project has files."


@CHECKS.check(
    "files-once",
    "A page lists each file once",
    "Simple repository API, HTML Serialization, Project Detail (PEP 503): a single anchor element per file",
    REQUIRED,
    "List each file name once.",
)
async def files_once(index: Index) -> Seeing:
    for project in index.projects:
        for page in (project.html, project.json):
            if page is not None:
                counts = Counter(file.filename for file in page.files)
                doubles = [name for name, count in counts.items() if count > 1]
                yield judge(not doubles, project.url, f"more than once: {', '.join(doubles[:5])}")


@CHECKS.check(
    "filename-valid",
    "File names are those of wheels and sdists of the project",
    "Binary distribution format; source distribution format (PEP 427, 625)",
    REQUIRED,
    "Take the file off the page: installers cannot tell what it is, or take it for another project's.",
)
async def filename_valid(index: Index) -> Seeing:
    for project, file in index.listed():
        parsed = name_and_version(file.filename, project.name)
        if parsed is not None:
            found = f"{file.filename!r} is a file of {parsed[0]}, listed on the page of {project.name}"
            yield judge(parsed[0] == project.name, project.url, found)
        elif file.filename.endswith((".whl", ".tar.gz")) and not _is_old_sdist(file.filename):
            yield judge(False, project.url, f"{file.filename!r} is no valid name")
    yield nothing(_NO_FILES)


def _is_old_sdist(filename: str) -> bool:
    """True for names from before the standard (`a-b-1.0-final.tar.gz`), which indexes may keep."""
    return filename.endswith(".tar.gz") and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+!~-]{0,250}", filename) is not None


@CHECKS.check(
    "url-encoding",
    "Addresses are valid and end in the file's name, percent-encoded where they must be",
    "RFC 3986, 2; Simple repository API, HTML Serialization, Project Detail (PEP 503)",
    REQUIRED,
    "Percent-encode each part of the path once.",
)
async def url_encoding(index: Index) -> Seeing:
    for project, file in index.listed():
        valid = _REFERENCE.fullmatch(file.reference) is not None
        named = last_component(file.url) == file.filename
        yield judge(valid and named, project.url, f"{file.filename!r} has the address {file.reference!r}")
    yield nothing(_NO_FILES)


_REFERENCE = re.compile(r"(?:[A-Za-z0-9._~:/?@!$&'()*+,;=\[\]-]|%[0-9A-Fa-f]{2})+", re.ASCII)


@CHECKS.check(
    "url-scheme",
    "Files are fetched over http or https, and over https where the pages are",
    "RFC 9110, 4.2; Simple repository API, Base API",
    RECOMMENDED,
    "Write relative addresses, or absolute ones that begin with https://.",
)
async def url_scheme(index: Index) -> Seeing:
    secure = urlsplit(index.url).scheme == "https"
    for project, file in index.listed():
        scheme = urlsplit(file.url).scheme
        fits = scheme == "https" or (scheme == "http" and not secure)
        yield judge(fits, project.url, f"{file.filename} has the address {file.reference!r}")
    yield nothing(_NO_FILES)


@CHECKS.check(
    "versions-complete",
    "`versions` has the version of every file",
    f"{_DETAIL} (PEP 700)",
    REQUIRED,
    "Make `versions` from the files of the page.",
)
async def versions_complete(index: Index) -> Seeing:
    for project in index.projects:
        said = _versions(project)
        if said is None:
            continue
        known = {_version(each) or each for each in said}
        missing = set()
        for file in project.json.files if project.json else ():
            parsed = name_and_version(file.filename, project.name)
            if parsed is not None and parsed[1] not in known:
                missing.add(str(parsed[1]))
        yield judge(not missing, project.url, f"not in versions: {', '.join(sorted(missing)[:10])}")
    yield nothing("No sampled project has `versions` (API 1.1).")


@CHECKS.check(
    "versions-unique",
    "`versions` has each version once",
    f"{_DETAIL} (PEP 700)",
    REQUIRED,
    "Write each version once, in its canonical form.",
)
async def versions_unique(index: Index) -> Seeing:
    for project in index.projects:
        said = _versions(project)
        if said is not None:
            counts = Counter(_version(each) or each for each in said)
            doubles = [str(each) for each, count in counts.items() if count > 1]
            yield judge(not doubles, project.url, f"more than once: {', '.join(doubles[:5])}")
    yield nothing("No sampled project has `versions` (API 1.1).")


@CHECKS.check(
    "versions-normalised",
    "`versions` has canonical versions",
    f"{_DETAIL} (PEP 700); version specifiers (PEP 440)",
    RECOMMENDED,
    "Write versions as packaging.version.Version writes them.",
)
async def versions_normalised(index: Index) -> Seeing:
    for project in index.projects:
        for each in _versions(project) or ():
            yield judge(str(_version(each)) == each, project.url, f"{each!r}")
    yield nothing("No sampled project has `versions` (API 1.1).")


def _versions(project: Project) -> list[str] | None:
    said = project.json.data.get("versions") if project.json is not None else None
    return [each for each in said if isinstance(each, str)] if isinstance(said, list) else None


def _version(text: str) -> Version | None:
    try:
        return Version(text) if len(text) <= 255 else None
    except InvalidVersion:
        return None


@CHECKS.check(
    "hash-format",
    "Hashes are hex digests of the length that their algorithm has",
    _DETAIL,
    REQUIRED,
    "Write the algorithm's name in lower case and its digest in hexadecimal.",
)
async def hash_format(index: Index) -> Seeing:
    for project, file in index.listed():
        metadata = file.metadata if isinstance(file.metadata, dict) else {}
        for algorithm, value in (*file.hashes.items(), *metadata.items()):
            if is_algorithm(algorithm.lower()):
                length = len(digest(algorithm.lower(), b""))
                fits = re.fullmatch(f"[0-9a-fA-F]{{{length}}}", value) is not None and algorithm == algorithm.lower()
                yield judge(fits, project.url, f"{file.filename}: {algorithm}={value}")
    yield nothing("No sampled file has a hash.")


@CHECKS.check(
    "hash-secure",
    "Every file has a hash that can be trusted: sha256 or better",
    f"{_DETAIL} (highly recommended)",
    RECOMMENDED,
    "Add sha256: without it no lock file can hold the file.",
)
async def hash_secure(index: Index) -> Seeing:
    for project, file in index.listed():
        secure = any(is_algorithm(each) and each not in ("md5", "sha1") for each in file.hashes)
        yield judge(secure, project.url, f"{file.filename}: {', '.join(file.hashes) or 'no hash'}")
    yield nothing(_NO_FILES)
