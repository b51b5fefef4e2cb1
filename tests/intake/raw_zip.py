"""Writes a zip field by field, so that each of them can lie.

    members = [RawMember(b"a.py", b"x = 1\n"), RawMember(b"b.py", b"", local={"size": 7})]
    write_zip(members, end={"entries": 1})

What is not said is the truth. `local`, `central` and `end` replace fields by name after everything was computed.
"""

import stat
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

STORED, DEFLATED = 0, 8
REGULAR = (stat.S_IFREG | 0o644) << 16
_LOCAL = ("version", "flags", "method", "time", "date", "crc", "packed", "size")
_CENTRAL = ("made_by", *_LOCAL)
_BEHIND = ("disk", "internal", "attributes", "start")
_END = ("disk", "first_disk", "here", "entries", "length", "start")
Fields = Mapping[str, Any]


@dataclass(frozen=True)
class RawMember:
    """A member as it is to be written. `packed`: its bytes as they lie there; `before`, `behind`: bytes around it."""

    name: bytes
    data: bytes = b""
    method: int = DEFLATED
    flags: int = 0
    attributes: int = REGULAR
    packed: bytes | None = None
    extra: bytes = b""
    comment: bytes = b""
    before: bytes = b""
    behind: bytes = b""
    local: Fields = field(default_factory=dict)
    central: Fields = field(default_factory=dict)

    def content(self) -> bytes:
        """The data as packed by the method."""
        if self.packed is not None:
            return self.packed
        return self.data if self.method == STORED else deflate(self.data)

    def descriptor(self, layout: str = "<4s3L") -> bytes:
        """The CRC and sizes that may stand behind it."""
        values = (zlib.crc32(self.data), len(self.content()), len(self.data))
        return struct.pack(layout, *((b"PK\x07\x08", *values) if "4s" in layout else values))


def deflate(data: bytes) -> bytes:
    """Raw deflate, as zips have it."""
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def extra_field(kind: int, content: bytes, length: int | None = None) -> bytes:
    """An extra field; its length may lie."""
    return struct.pack("<2H", kind, len(content) if length is None else length) + content


def write_zip(
    members: Iterable[RawMember],
    *,
    front: bytes = b"",
    before_directory: bytes = b"",
    in_directory: bytes = b"",
    before_end: bytes = b"",
    comment: bytes = b"",
    end: Fields | None = None,
) -> bytes:
    """The bytes of a zip with these members, and with other bytes where they are given."""
    out = bytearray(front)
    directory = bytearray()
    count = 0
    for each in members:
        count += 1
        out += each.before
        content = each.content()
        truth = {
            "made_by": 0x031E,
            "version": 20,
            "flags": each.flags,
            "method": each.method,
            "time": 0,
            "date": 0x5821,
            "crc": zlib.crc32(each.data),
            "packed": len(content),
            "size": len(each.data),
            "name": each.name,
            "extra": each.extra,
            "comment": each.comment,
            "disk": 0,
            "internal": 0,
            "attributes": each.attributes,
            "start": len(out),
        }
        central, local = truth | dict(each.central), truth | dict(each.local)
        lengths = [len(central[name]) for name in ("name", "extra", "comment")]
        directory += struct.pack("<4s6H3L", b"PK\x01\x02", *(central[name] for name in _CENTRAL))
        directory += struct.pack("<5H2L", *central.get("lengths", lengths), *(central[name] for name in _BEHIND))
        directory += central["name"] + central["extra"] + central["comment"]
        out += struct.pack("<4s5H3L", b"PK\x03\x04", *(local[name] for name in _LOCAL))
        out += struct.pack("<2H", len(local["name"]), len(local["extra"])) + local["name"] + local["extra"]
        out += content + each.behind
    out += before_directory
    values = {
        "disk": 0,
        "first_disk": 0,
        "here": count,
        "entries": count,
        "length": len(directory) + len(in_directory),
        "start": len(out),
    } | dict(end or {})
    out += directory + in_directory + before_end
    out += struct.pack("<4s4H2LH", b"PK\x05\x06", *(values[name] for name in _END), len(comment)) + comment
    return bytes(out)
