"""Reads the `Range` header of a request for a file (RFC 9110, section 14).

parse_range("bytes=0-99", size=1000)       # range(0, 100)
parse_range("bytes=-100", size=1000)       # range(900, 1000)
parse_range("bytes=2000-", size=1000)      # raises UnsatisfiableRange: 416
parse_range("lines=1-2", size=1000)        # None: send all of it
"""

import re

_ONE_RANGE = re.compile(r"bytes[ \t]*=[ \t]*([0-9]{0,20})-([0-9]{0,20})[ \t]*", re.ASCII | re.IGNORECASE)


class UnsatisfiableRange(ValueError):
    """The range has no byte of the file in it."""


def parse_range(header: str | None, size: int) -> range | None:
    """The bytes to send of a file of `size` bytes; None to send all of it.

    Several ranges in one header are answered with the whole file, which the standard leaves to the server.
    """
    match = _ONE_RANGE.fullmatch(header) if header else None
    if match is None:
        return None
    first, last = match.groups()
    if not first and not last:
        return None
    if not first:
        start, stop = max(size - int(last), 0), size
    else:
        start, stop = int(first), min(int(last) + 1 if last else size, size)
        if last and int(last) < int(first):
            return None  # not a range at all, says the standard: ignore the header
    if start >= stop:
        raise UnsatisfiableRange(f"{header} of {size} bytes")
    return range(start, stop)
