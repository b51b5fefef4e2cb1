"""The single values of a page, each checked on its own: addresses, hashes, times, numbers, texts.

Each function takes what the page says and the path of the field, and gives the value or raises `PageError`.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urldefrag, urljoin, urlsplit

from piwright.catalog.page_json import PageError

_LENGTHS = {
    # Those of variable length (shake) promise nothing; they are passed over like unknown ones.
    name: hashlib.new(name, usedforsecurity=False).digest_size * 2
    for name in hashlib.algorithms_guaranteed
    if hashlib.new(name, usedforsecurity=False).digest_size
}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?\d*(Z|[+-]\d\d:?\d\d)?", re.ASCII)
_LARGEST = 2**63 - 1
"""What PostgreSQL's bigint holds."""


def read_api_version(text: str) -> int:
    """The minor version of API 1; a page of another major version is refused."""
    version = re.fullmatch(r"([0-9]{1,4})\.([0-9]{1,4})", text)
    if version is None:
        raise PageError("meta.api-version", text, "MAJOR.MINOR, such as 1.4")
    if version[1] != "1":
        raise PageError("meta.api-version", text, "1.x; this page is too new for piwright, which needs an update")
    return int(version[2])


def read_address(text: str, field: str, base: str) -> str:
    """The absolute address of a file, without a fragment, whose hashes would contradict those of the page."""
    expected = "an http or https address without user name"
    if not text or any(character <= " " or character == "\x7f" for character in text):
        raise PageError(field, text, expected)
    try:
        address = urldefrag(urljoin(base, text)).url
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.username is None
        _ = parts.port  # raises for a port that is no number
    except ValueError as error:
        raise PageError(field, text, expected) from error
    if not usable:
        raise PageError(field, text, expected)
    return address


def read_hashes(said: Mapping[str, str], field: str) -> dict[str, str]:
    """Digests of the algorithms that hashlib always has; others are passed over, as no client could check them."""
    hashes: dict[str, str] = {}
    for name, digest in said.items():
        length = _LENGTHS.get(name.lower())
        if length is None:
            continue
        if not re.fullmatch(f"[0-9a-fA-F]{{{length}}}", digest):
            raise PageError(f"{field}.{name}", digest, f"{length} hexadecimal digits")
        hashes[name.lower()] = digest.lower()
    return hashes


def read_size(size: int | None, field: str) -> int | None:
    """Bytes."""
    if size is not None and not 0 <= size <= _LARGEST:
        raise PageError(field, size, "a number of bytes")
    return size


def read_moment(text: str | None, field: str) -> datetime | None:
    """A time in UTC. An empty one is none (mirrors send that); one without zone is UTC, the only zone allowed."""
    if not text:
        return None
    try:
        match = _MOMENT.fullmatch(text)
        if match is None:
            raise ValueError("not a time")
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise PageError(field, text, "a time such as 2026-01-31T12:00:00.000000Z") from error


def read_serial(said: int | str) -> int | None:
    """The serial of the page; some mirrors send it as text, and one that is no number is none."""
    if isinstance(said, str) and re.fullmatch(r"[0-9]{1,19}", said):
        said = int(said)
    return said if isinstance(said, int) and 0 <= said <= _LARGEST else None


def read_text(text: str | None) -> str | None:
    """A text for people; blank is None, and what PostgreSQL cannot keep (NUL) becomes the replacement character."""
    return text.replace("\x00", "\ufffd") if text and text.strip() else None
