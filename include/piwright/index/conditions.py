"""Decides what conditional headers of a request mean for a file (RFC 9110, section 13).

check_conditions(headers, etag='"abc"', modified=1767225600)   # HTTPStatus.NOT_MODIFIED: the client has it already
range_applies(headers, etag='"abc"', modified=1767225600)      # False: send the whole file, it is another one now
"""

import re
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from multidict import CIMultiDictProxy

_CONDITIONS = ("If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since")

Headers = CIMultiDictProxy[str]


def check_conditions(headers: Headers, etag: str, modified: int) -> HTTPStatus | None:
    """304 or 412 if that is the answer; None if the file is to be sent."""
    if not any(name in headers for name in _CONDITIONS):
        return None
    if "If-Match" in headers:
        if not _listed(headers, "If-Match", etag, weak=False):
            return HTTPStatus.PRECONDITION_FAILED
    elif (moment := _moment(headers, "If-Unmodified-Since")) is not None and modified > moment:
        return HTTPStatus.PRECONDITION_FAILED
    if "If-None-Match" in headers:
        # A weak tag that a proxy made from our strong one counts (13.1.2).
        return HTTPStatus.NOT_MODIFIED if _listed(headers, "If-None-Match", etag, weak=True) else None
    if (moment := _moment(headers, "If-Modified-Since")) is not None and modified <= moment:
        return HTTPStatus.NOT_MODIFIED
    return None


def range_applies(headers: Headers, etag: str, modified: int) -> bool:
    """False if the part asked for is one of another version of the file."""
    wanted = headers.get("If-Range")
    if wanted is None or wanted == etag:
        return True
    return '"' not in wanted and _moment(headers, "If-Range") == modified


def _listed(headers: Headers, name: str, etag: str, *, weak: bool) -> bool:
    tags = ", ".join(headers.getall(name))
    if tags.strip() == "*":
        return True
    found = re.findall(r'(W/)?("[^"]*")', tags)
    return any(tag == etag.removeprefix("W/") and (weak or not prefix) for prefix, tag in found)


def _moment(headers: Headers, name: str) -> int | None:
    """Seconds since 1970; None for what is no date."""
    try:
        return int(parsedate_to_datetime(headers.get(name, "")).timestamp())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
