"""A project's page in the simple index: the model, and its bytes in HTML and JSON.

    page = SimplePage("spidev", files=(PageFile("spidev-3.6.tar.gz", "3.6", url, {"sha256": "..."}),))
    render_html(page), render_json(page)

Follows the simple repository API 1.4 (packaging.python.org, "Simple repository API"). HTML is frozen there: sizes,
upload times and versions exist in JSON only. Both list the same files in the same order, and the bytes depend on the
content alone, not on the order it came in. The list of projects is in `roots.py`.

A file is on the pages of several indexes: what they say of it is made once and kept with it (`dict=True` is room for that).
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from html import escape
from typing import Any, Literal

import msgspec
from msgspec import Struct
from packaging.version import Version

from piwright.index.kept import kept

API_VERSION = "1.4"

CoreMetadata = Literal[True] | Mapping[str, str] | None
"""None: no `.metadata` beside the file; True: there is one; a mapping: algorithm to digest of it."""


class PageFile(Struct, frozen=True, dict=True):
    """A file on a page.

    `version` is the canonical version of its release; `url` is absolute or relative to the page; `hashes` maps an
    algorithm to a hex digest; `size` is in bytes; `uploaded_at` is aware of its time zone; `apt_packages` are Debian
    packages it needs at run time.
    """

    filename: str
    version: str
    url: str
    hashes: Mapping[str, str]
    size: int | None = None
    uploaded_at: datetime | None = None
    requires_python: str | None = None
    yanked: bool = False
    yanked_reason: str | None = None
    core_metadata: CoreMetadata = None
    provenance: str | None = None
    apt_packages: tuple[str, ...] = ()

    @kept
    def order(self) -> tuple[Version, str, str]:
        """By version, then by name, which has the tags; two spellings of one version stay apart."""
        return _version(self.version), self.version, self.filename

    @kept
    def anchor(self) -> str:
        """The file on the page in HTML."""
        return _anchor(self)

    @kept
    def entry(self) -> msgspec.Raw:
        """The file on the page in JSON."""
        return msgspec.Raw(msgspec.json.encode(_entry(self)))


class NetworkException(Struct, frozen=True):
    """Why the builds of a project may use the network, and since when: they cannot be repeated for certain."""

    reason: str
    since: datetime

    @property
    def day(self) -> str:
        """The day it was allowed, in UTC."""
        return f"{self.since.astimezone(UTC):%Y-%m-%d}"


class SimplePage(Struct, frozen=True, dict=True):
    """The page of one project. `name` is normalised, `status` one of the standard's project status markers.

    `status_reason` is in upstream's words, `note` in ours.
    """

    name: str
    status: str = "active"
    status_reason: str | None = None
    files: tuple[PageFile, ...] = ()
    network: NetworkException | None = None
    note: str | None = None

    @kept
    def files_in_order(self) -> list[PageFile]:
        """By version, then by file name, so that a page changes only where its content does."""
        return sorted(self.files, key=lambda file: file.order)

    @property
    def versions(self) -> list[str]:
        """The versions that have files here, in order."""
        return list(dict.fromkeys(file.version for file in self.files_in_order))


@lru_cache(maxsize=50_000)
def _version(text: str) -> Version:
    return Version(text)


def render_html(page: SimplePage) -> bytes:
    """The page as HTML5; every anchor on it is a file."""
    metas = [("pypi:project-status", page.status)]
    if page.status_reason:
        metas.append(("pypi:project-status-reason", page.status_reason))
    body = [f"<h1>Links for {_safe(page.name)}</h1>"]
    if page.status != "active" or page.status_reason:
        said = f"{page.status}: {page.status_reason}" if page.status_reason else page.status
        body.append(f"<p>Upstream says: {_safe(said)}</p>")
    if page.note:
        body.append(f"<p>{_safe(page.note)}</p>")
    if page.network is not None:
        said = f"Its builds here may use the network, since {page.network.day}: {page.network.reason}"
        body.append(f"<p>{_safe(said)}</p>")
    body += [file.anchor for file in page.files_in_order] or ["<p>No files.</p>"]
    return document(f"Links for {page.name}", metas, body)


def render_json(page: SimplePage) -> bytes:
    """The page as `application/vnd.pypi.simple.v1+json`."""
    status = {"status": page.status} | ({"reason": page.status_reason} if page.status_reason else {})
    content = {
        "meta": {"api-version": API_VERSION},
        "name": page.name,
        "project-status": status,
        "versions": page.versions,
        "files": [file.entry for file in page.files_in_order],
    }
    # The standard leaves names with an underscore to whoever serves the page.
    if page.note:
        content["_piwright-note"] = page.note
    if page.network is not None:
        content["_piwright-network-exception"] = {"reason": page.network.reason, "since": page.network.day}
    return msgspec.json.encode(content)


def document(title: str, metas: list[tuple[str, str]], body: list[str]) -> bytes:
    """An HTML5 document of lines; those of `body` are HTML already."""
    metas = [("pypi:repository-version", API_VERSION), *metas]
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        *(f'<meta name="{_safe(name)}" content="{_safe(content)}">' for name, content in metas),
        f"<title>{_safe(title)}</title>",
        "</head>",
        "<body>",
        *body,
        "</body>",
        "</html>",
        "",
    ]
    return "\n".join(lines).encode()


def _anchor(file: PageFile) -> str:
    url = f"{file.url.partition('#')[0]}#{_pair(file.hashes)}" if file.hashes else file.url
    more = ""
    if file.requires_python:
        more += f' data-requires-python="{_safe_again(file.requires_python)}"'
    if file.yanked:
        more += f' data-yanked="{_safe(file.yanked_reason or "")}"'
    if (metadata := _metadata(file)) is not False:
        value = _safe("true" if metadata is True else _pair(metadata))
        # PEP 714: the first name was ignored by some clients and misread by others; the second is for old ones.
        more += f' data-core-metadata="{value}" data-dist-info-metadata="{value}"'
    if file.provenance:
        more += f' data-provenance="{_safe(file.provenance)}"'
    return f'<a href="{_safe(url)}"{more}>{_safe(file.filename)}</a><br>'


def _entry(file: PageFile) -> dict[str, Any]:
    metadata = _metadata(file)
    entry: dict[str, Any] = {
        "filename": file.filename,
        "url": file.url,
        "hashes": _in_order(file.hashes),
        "requires-python": file.requires_python or None,
        # An empty reason would read as "not yanked": the standard allows true or a string with something in it.
        "yanked": (file.yanked_reason or True) if file.yanked else False,
        "core-metadata": metadata,
        "provenance": file.provenance or None,
    }
    if file.size is not None:
        entry["size"] = file.size
    if file.uploaded_at is not None:
        moment = file.uploaded_at.astimezone(UTC).isoformat(timespec="microseconds")
        entry["upload-time"] = moment.removesuffix("+00:00") + "Z"
    if file.apt_packages:
        entry["_piwright-apt-packages"] = list(file.apt_packages)
    return entry


def _metadata(file: PageFile) -> bool | Mapping[str, str]:
    if file.core_metadata is None:
        return False
    if file.core_metadata is True:
        return True
    return _in_order(file.core_metadata) or True


def _in_order(hashes: Mapping[str, str]) -> Mapping[str, str]:
    return hashes if len(hashes) < 2 else dict(sorted(hashes.items()))


def _pair(hashes: Mapping[str, str]) -> str:
    """HTML has room for one hash: sha256, which every client knows, or else the first by name."""
    algorithm = "sha256" if "sha256" in hashes else min(hashes)
    return f"{algorithm}={hashes[algorithm]}"


_FORBIDDEN = dict.fromkeys([*range(0x09), 0x0B, 0x0C, 0x0D, *range(0x0E, 0x20), *range(0x7F, 0xA0)], "\ufffd")
_NOT_PLAIN = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f&<>\"']")


def _safe(text: str) -> str:
    """Text as it may stand in HTML, between tags or in a quoted attribute. HTML cannot say control characters."""
    return escape(text.translate(_FORBIDDEN)) if _NOT_PLAIN.search(text) else text


_safe_again = lru_cache(maxsize=10_000)(_safe)
"""For what many files say."""
