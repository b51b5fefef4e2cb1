"""Reads the `Range` header of a request for a file (RFC 9110, section 14).

parse_range("bytes=0-99", size=1000)       # range(0, 100)
parse_range("bytes=-100", size=1000)       # range(900, 1000)
parse_range("bytes=2000-", size=1000)      # raises UnsatisfiableRange: 416
parse_range("bytes=5-2", size=1000)        # the same: what is no range is refused
parse_range("lines=1-2", size=1000)        # None: send all of it

The standard lets a server refuse or ignore what is no range; nginx refuses, so this does. Tests compare the two.
"""

import re

_BYTES = re.compile(r"bytes=(.+)", re.IGNORECASE | re.DOTALL)
_ONE_RANGE = re.compile(r" *(?:([0-9]{1,20}) *- *([0-9]{0,20})|-([0-9]{1,20})) *")


class UnsatisfiableRange(ValueError):
    """The range has no byte of the file in it, or is none."""


def parse_range(header: str | None, size: int) -> range | None:
    """The bytes to send of a file of `size` bytes; None to send all of it. Raises `UnsatisfiableRange`.

    Several ranges in one header are answered with the whole file, which the standard leaves to the server.
    """
    asked = _BYTES.fullmatch(header) if header else None
    if asked is None:
        return None
    found: range | None = None
    for each in asked[1].split(","):
        match = _ONE_RANGE.fullmatch(each)
        if match is None:
            break
        first, last, suffix = match.groups()
        start = int(first) if first else max(size - int(suffix), 0)
        stop = min(int(last) + 1, size) if last else size
        if start < stop:
            if found is not None:
                return None
            found = range(start, stop)
    else:
        if found is not None:
            return found
    raise UnsatisfiableRange(f"{header} of {size} bytes")
