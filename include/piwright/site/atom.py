"""Writes Atom feeds (RFC 4287).

    atom_feed(title="spidev: builds", identity=url, url=url, feed_url=url + "feed.atom", updated=moment,
              entries=[Entry(identity, title, url, updated, summary)])

Texts are plain: they are cleaned of what XML cannot say and escaped here. The bytes depend on the arguments alone.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from piwright.site.presentable import presentable, without_controls

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_SUMMARY_LENGTH = 2000
_SPECIAL = re.compile('[&<>"]')


@dataclass(frozen=True)
class Entry:
    """One thing that happened. `identity` is an IRI that never changes and is no other entry's."""

    identity: str
    title: str
    url: str
    updated: datetime
    summary: str = ""


def atom_feed(
    *,
    title: str,
    identity: str,
    url: str,
    feed_url: str,
    updated: datetime | None,
    entries: Sequence[Entry],
    subtitle: str = "",
) -> bytes:
    """A feed about the page `url`, itself at `feed_url`; `updated` is None where nothing happened yet."""
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        '<feed xmlns="http://www.w3.org/2005/Atom">',
        f"<id>{_text(identity)}</id>",
        f"<title>{_text(title)}</title>",
        *([f"<subtitle>{_text(subtitle, 512)}</subtitle>"] if subtitle else []),
        f"<updated>{_moment(updated or _NEVER)}</updated>",
        "<author><name>piwright</name></author>",
        f'<link rel="alternate" type="text/html" href="{_text(url)}"/>',
        f'<link rel="self" type="application/atom+xml" href="{_text(feed_url)}"/>',
        *(line for each in entries for line in _entry(each)),
        "</feed>",
        "",
    ]
    return "\n".join(lines).encode()


def _entry(each: Entry) -> list[str]:
    summary = escape(without_controls(each.summary[:_SUMMARY_LENGTH]))
    identity = _text(each.identity)
    url = identity if each.url == each.identity else _text(each.url)
    return [
        "<entry>",
        f"<id>{identity}</id>",
        f"<title>{_text(each.title)}</title>",
        f"<updated>{_moment(each.updated)}</updated>",
        f'<link rel="alternate" type="text/html" href="{url}"/>',
        *([f"<summary>{summary}</summary>"] if summary else []),
        "</entry>",
    ]


def _text(text: str, length: int = 2000) -> str:
    shown = presentable(text, length)
    return escape(shown, {'"': "&quot;"}) if _SPECIAL.search(shown) else shown


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").removesuffix("+00:00") + "Z"
