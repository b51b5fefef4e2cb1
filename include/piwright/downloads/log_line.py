"""Reads a line of the access log, and says whether it is a download.

    line = parse_line(b'{"time": "2026-11-22T14:00:00+00:00", "method": "GET", "path": "/files/...", "status": 200, ...}')
    fetch = fetched_wheel(line)             # None: it counts as nothing

Lines are written by nginx or by our own server around what strangers asked for; nothing else of them is believed.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from urllib.parse import unquote

import msgspec

_FILE = re.compile(r"/files/([0-9a-f]{2})/([0-9a-f]{62})/([A-Za-z0-9_][A-Za-z0-9._+!-]{0,240}\.whl)")
_FROM_THE_BEGINNING = re.compile(r"\s*bytes\s*=\s*0*0-[0-9]*\s*")
_FIRST_DAY = date(2005, 1, 1)


class UnreadableLine(ValueError):
    """A line that is none of ours."""


class LogLine(msgspec.Struct, frozen=True):
    """A request and how it was answered. `path` is as requested; `range` is the header, empty where there was none."""

    time: datetime
    method: str
    path: str
    status: int
    agent: str = ""
    range: str = ""


@dataclass(frozen=True)
class Fetch:
    """A file that was fetched, by the hash and the name in its address; the shop need not have it."""

    day: date
    sha256: str
    filename: str
    agent: str


_decoder = msgspec.json.Decoder(LogLine)


def parse_line(line: bytes | None) -> LogLine:
    """Read a line; None is one that was too long. Raises `UnreadableLine`, which tells nothing of what is in it."""
    if line is None:
        raise UnreadableLine
    try:
        try:
            return _decoder.decode(line)
        except UnicodeDecodeError:
            # nginx writes the bytes of a header as they came, and they need not be UTF-8.
            return _decoder.decode(line.decode(errors="replace"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UnreadableLine from None


def fetched_wheel(line: LogLine, today: date | None = None) -> Fetch | None:
    """What a line says was downloaded, if it is a wheel that was served from its first byte on.

    A client that resumes or fetches in parts asks for the first byte once, so it counts once; one that reads only the
    directory at the end of a wheel, for its metadata, does not count.
    """
    if line.method != "GET" or not line.path.startswith("/files/"):
        return None
    if line.status != 200 and not (line.status == 206 and _FROM_THE_BEGINNING.fullmatch(line.range)):
        return None
    path = line.path.partition("?")[0]
    match = _FILE.fullmatch(unquote(path) if "%" in path else path)
    if match is None or line.time.tzinfo is None:
        return None
    try:
        day = line.time.astimezone(UTC).date()
    except OverflowError:
        return None
    if not _FIRST_DAY <= day <= (today or datetime.now(UTC).date()) + timedelta(days=1):
        return None
    return Fetch(day, match[1] + match[2], match[3], line.agent)
