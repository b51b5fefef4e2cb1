"""The single values of a page, each checked on its own: hashes, times, numbers, texts, names.

Each function takes what the page says and the path of the field, and gives the value or raises `PageError`.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from piwright.catalog.page_json import PageError

_LENGTHS = {
    # Those of variable length (shake) promise nothing; they are passed over like unknown ones.
    name: hashlib.new(name, usedforsecurity=False).digest_size * 2
    for name in hashlib.algorithms_guaranteed
    if hashlib.new(name, usedforsecurity=False).digest_size
}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?\d*(Z|[+-]\d\d:?\d\d)?", re.ASCII)
_YEARS = range(1990, 2200)
"""Years in which a file may have been uploaded. Installers count time in ways that end in others, and refuse the page."""
_LARGEST = 2**63 - 1
"""What PostgreSQL's bigint holds."""
# As the standard has it, and in ASCII: to a pattern that ignores case, and to `canonicalize_name`, a Kelvin sign is a k.
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_LINE_END = re.compile(r"\r\n?")
# Control characters but for tab and newline, which HTML and JSON can both say; and halves of characters.
_UNSAYABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def read_api_version(text: str) -> int:
    """The minor version of API 1; a page of another major version is refused."""
    version = re.fullmatch(r"([0-9]{1,4})\.([0-9]{1,4})", text)
    if version is None:
        raise PageError("meta.api-version", text, "MAJOR.MINOR, such as 1.4")
    if version[1] != "1":
        raise PageError("meta.api-version", text, "1.x; this page is too new for piwright, which needs an update")
    return int(version[2])


def read_hashes(said: Mapping[str, str] | None, field: str) -> dict[str, str]:
    """Digests of the algorithms that hashlib always has; others are passed over, as no client could check them."""
    if said is None:
        raise PageError(field, "<missing>", "to be there")
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
    """A time of upload in UTC. An empty one is none (mirrors send that); one without zone is UTC, the only zone allowed."""
    if not text:
        return None
    try:
        match = _MOMENT.fullmatch(text)
        if match is None:
            raise ValueError("not a time")
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise PageError(field, text, "a time such as 2026-01-31T12:00:00.000000Z") from error
    if moment.year not in _YEARS:
        raise PageError(field, text, f"a time between {_YEARS.start} and {_YEARS.stop}")
    return moment


def read_serial(said: Any) -> int | None:
    """The serial of the page; some mirrors send it as text, and one that is no number is none."""
    if isinstance(said, str) and re.fullmatch(r"[0-9]{1,19}", said):
        said = int(said)
    return said if type(said) is int and 0 <= said <= _LARGEST else None


def read_name(text: str) -> str | None:
    """A project's own spelling of its name; None for what no installer takes for a name."""
    return text if _NAME.fullmatch(text) else None


def read_text(text: str | None) -> str | None:
    """A text for people; blank is None.

    What cannot be said in every format that we write, or not be kept (NUL, in PostgreSQL), becomes the replacement
    character, and whatever ends a line a newline: who reads two formats is to read one text.
    """
    if not text or not text.strip():
        return None
    return text if text.isprintable() else _UNSAYABLE.sub("\ufffd", _LINE_END.sub("\n", text))
