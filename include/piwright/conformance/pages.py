"""The pages of an index as they were read, HTML and JSON alike: what each says about a file, and what each really wrote.

    page = read_html(answer)                       # or read_json(answer)
    page.files[0].filename, page.files[0].hashes

Reading is tolerant, so that a check can say what exactly is wrong: `said` has the JSON members or HTML attributes as
they came. A page that cannot be read at all raises `Unreadable`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import msgspec
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from piwright.conformance.html_document import Anchor, Document, read_document
from piwright.conformance.web import Answer, absolute

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
HTML_TYPE = "application/vnd.pypi.simple.v1+html"
OLD_HTML_TYPE = "text/html"
HTML_TYPES = frozenset({HTML_TYPE, OLD_HTML_TYPE})

LONGEST_NAME = 255
"""Of a file, in characters: no file system in use takes more."""

_MOST_TAGS = 500
_MOST_FILES = 50_000


class Unreadable(ValueError):
    """A page that is not of the format its content type names; the message says why."""


@dataclass(frozen=True)
class Listed:
    """A file on a page.

    `url` is absolute and without its fragment, empty if the reference leads nowhere. `yanked` is None for "no" and else
    the reason, maybe empty. `metadata` is None for "not said", False, True, or algorithm to digest.
    """

    filename: str
    reference: str
    url: str
    hashes: Mapping[str, str]
    requires_python: str | None
    yanked: str | None
    metadata: bool | Mapping[str, str] | None
    provenance: str | None
    said: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_wheel(self) -> bool:
        return self.filename.endswith(".whl")


@dataclass(frozen=True)
class HtmlPage:
    """A page in HTML; on the root page `files` is empty and the anchors are projects."""

    url: str
    document: Document
    files: tuple[Listed, ...]
    broken_bytes: str

    def meta(self, name: str) -> str | None:
        """The content of the first meta tag of the name."""
        return self.document.metas.get(name, (None,))[0]


@dataclass(frozen=True)
class JsonPage:
    """A page in JSON; `data` is what it says, an object."""

    url: str
    data: Mapping[str, Any]
    files: tuple[Listed, ...]

    @property
    def version(self) -> tuple[int, int]:
        """The API version it claims; 1.0 if it claims none that is valid."""
        meta = self.data.get("meta")
        return api_version(meta.get("api-version") if isinstance(meta, dict) else None) or (1, 0)


_VERSION = re.compile(r"(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})", re.ASCII)


def api_version(said: Any) -> tuple[int, int] | None:
    """Major and minor number of `Major.Minor`; None for anything else."""
    found = _VERSION.fullmatch(said) if isinstance(said, str) else None
    return (int(found[1]), int(found[2])) if found else None


def read_html(answer: Answer) -> HtmlPage:
    """An HTML page; anything can be read as one."""
    broken = ""
    try:
        text = answer.content.decode()
    except UnicodeDecodeError as error:
        broken, text = str(error), answer.content.decode(errors="replace")
    document = read_document(text)
    base = urljoin(answer.url, document.base) if document.base else answer.url
    files = tuple(_from_anchor(anchor, base) for anchor in document.anchors[:_MOST_FILES])
    return HtmlPage(answer.url, document, files, broken)


def read_json(answer: Answer) -> JsonPage:
    """A JSON page. Raises `Unreadable` if it is none."""
    try:
        data = msgspec.json.decode(answer.content)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise Unreadable(f"is no JSON: {error}") from error
    if not isinstance(data, dict):
        raise Unreadable(f"is a JSON {type(data).__name__}, not an object")
    entries = data.get("files")
    listed = entries[:_MOST_FILES] if isinstance(entries, list) else []
    return JsonPage(answer.url, data, tuple(_from_entry(each, answer.url) for each in listed if isinstance(each, dict)))


def _from_anchor(anchor: Anchor, base: str) -> Listed:
    said = anchor.attributes
    reference, fragment = urldefrag(said.get("href", ""))
    # Clients read the new name and fall back on the old one (PEP 714).
    metadata = said.get("data-core-metadata", said.get("data-dist-info-metadata"))
    return Listed(
        filename=anchor.text,
        reference=reference,
        url=absolute(base, reference) if "href" in said else "",
        hashes=_pair(fragment),
        requires_python=said.get("data-requires-python") or None,
        yanked=said.get("data-yanked"),
        metadata=False if metadata is None or metadata == "false" else _pair(metadata) or True,
        provenance=said.get("data-provenance"),
        said=said,
    )


def _pair(text: str) -> dict[str, str]:
    """`sha256=...` as a mapping; empty for anything else."""
    algorithm, equals, digest = text.partition("=")
    return {algorithm: digest} if equals and algorithm and digest else {}


def _from_entry(entry: Mapping[str, Any], base: str) -> Listed:
    reference = _text(entry.get("url")) or ""
    yanked = entry.get("yanked", False)
    return Listed(
        filename=_text(entry.get("filename")) or "",
        reference=reference,
        url=absolute(base, urldefrag(reference).url) if reference else "",
        hashes=_texts(entry.get("hashes")),
        requires_python=_text(entry.get("requires-python")) or None,
        yanked=None if not yanked else (yanked if isinstance(yanked, str) else ""),
        metadata=_metadata(entry),
        provenance=_text(entry.get("provenance")),
        said=entry,
    )


def _metadata(entry: Mapping[str, Any]) -> bool | Mapping[str, str] | None:
    value = entry.get("core-metadata", entry.get("dist-info-metadata"))
    if isinstance(value, dict):
        return _texts(value) or True
    return value if isinstance(value, bool) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {name: digest for name, digest in value.items() if isinstance(name, str) and isinstance(digest, str)}


def last_component(url: str) -> str:
    """The file name that an address ends in, without its percent signs."""
    return unquote(urlsplit(url).path.rpartition("/")[2])


def name_and_version(filename: str, project: str) -> tuple[str, Version] | None:
    """Normalised project and version of a wheel or an sdist on the page of a project; None where the name does not say.

    `a-1.0-1.tar.gz` is from before the standard: on the page of `a` installers take it for a's version 1.0-1.
    """
    if len(filename) > LONGEST_NAME:
        return None
    try:
        if filename.endswith(".whl"):
            tags = 1
            for part in filename.removesuffix(".whl").split("-")[-3:]:
                tags *= part.count(".") + 1
            if tags > _MOST_TAGS:  # their product is what is parsed, and a hostile name makes it large
                return None
            name, version, _, _ = parse_wheel_filename(filename)
        elif (version_here := _sdist_version(filename, project)) is not None:
            return project, version_here
        else:
            name, version = parse_sdist_filename(filename)
    except (InvalidWheelFilename, InvalidSdistFilename):
        return None
    return name, version


def _sdist_version(filename: str, project: str) -> Version | None:
    stem = next((filename.removesuffix(end) for end in (".tar.gz", ".zip") if filename.endswith(end)), "")
    for hyphen in re.finditer("-", stem):
        if canonicalize_name(stem[: hyphen.start()]) == project:
            try:
                return Version(stem[hyphen.end() :])
            except InvalidVersion:
                return None
    return None
