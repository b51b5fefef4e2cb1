"""Turns any bytes into a file that may be a wheel: fuzzers choose bytes, and most bytes are no zip.

    content = wheel_from(data)      # the first byte says how the rest is meant
    data = as_whole(content)        # the bytes that give this very file

A sound wheel of spidev 3.6 is changed in one place, and what depends on it (CRCs, RECORD) is made true again, so that
the change itself is what is judged.
"""

import dataclasses
import io
import struct
from collections.abc import Callable, Iterator

from intake.hostile_zips import wheel_members
from intake.raw_zip import DEFLATED, STORED, RawMember, extra_field, write_zip

_FIELDS = (
    "version",
    "flags",
    "method",
    "time",
    "crc",
    "packed",
    "size",
    "name",
    "extra",
    "disk",
    "attributes",
    "start",
)
_ENDS = ("disk", "first_disk", "here", "entries", "length", "start")
_SHORT = ("version", "flags", "method", "time", "disk", "first_disk", "here", "entries")
SOUND = write_zip(wheel_members())


def wheel_from(data: bytes) -> bytes:
    """A file made of `data`, whatever it is."""
    shape = SHAPES[data[0] % len(SHAPES)] if data else _whole
    return shape(data[1:])


def _whole(data: bytes) -> bytes:
    return data


def _bytes(data: bytes) -> bytes:
    """A sound wheel with single bytes replaced: two bytes of position, one of value."""
    content = bytearray(SOUND)
    for position, value in struct.iter_unpack("<HB", data[: len(data) // 3 * 3]):
        content[position % len(content)] = value
    return bytes(content)


def _fields(data: bytes) -> bytes:
    """Fields of headers replaced: where, which, and four bytes of value or as many bytes of text as that says."""
    members = wheel_members()
    end: dict[str, int] = {}
    stream = io.BytesIO(data)
    while len(head := stream.read(3)) == 3:
        where, number, name = head[0] % 4, head[1] % len(members), _FIELDS[head[2] % len(_FIELDS)]
        if where == 3:
            name = _ENDS[head[2] % len(_ENDS)]
            end[name] = _number(stream, name)
        elif where == 2:
            members[number] = _moved(members[number], stream)
        else:
            value = stream.read(_number(stream, "time") % 300) if name in ("name", "extra") else _number(stream, name)
            header = "local" if where else "central"
            changed = dict(getattr(members[number], header)) | {name: value}
            members[number] = dataclasses.replace(members[number], **{header: changed})
    return write_zip(members, end=end)


def _number(stream: io.BytesIO, name: str) -> int:
    value = int.from_bytes(stream.read(4).ljust(4, b"\0"), "little")
    return value & 0xFFFF if name in _SHORT else value


def _moved(member: RawMember, stream: io.BytesIO) -> RawMember:
    """The member packed otherwise, or with bytes around it."""
    kind = (stream.read(1) or b"\0")[0] % 6
    text = stream.read(_number(stream, "time") % 100)
    if kind == 0:
        return dataclasses.replace(member, before=text)
    if kind == 1:
        return dataclasses.replace(member, behind=text)
    if kind == 2:
        return dataclasses.replace(member, method=STORED if member.method == DEFLATED else DEFLATED)
    if kind == 3:
        return dataclasses.replace(member, packed=text)
    if kind == 4:
        streamed = dataclasses.replace(member, flags=member.flags | 0x8)
        return dataclasses.replace(streamed, behind=streamed.descriptor("<4sL2Q" if text else "<4s3L"))
    wide = struct.pack("<2Q", len(member.data), len(member.content()))
    return dataclasses.replace(member, local={"extra": extra_field(1, wide)})


def _names(data: bytes) -> bytes:
    """More members, with these names; what RECORD says of them is true."""
    names = [name.decode("utf-8", "replace") for name in data.split(b"\n")[:20]]
    code = {"spidev.py": b"def open():\n    return 3\n"} | {name: b"%d" % n for n, name in enumerate(names)}
    return write_zip(wheel_members(_with_object(code)))


def _file(name: str) -> Callable[[bytes], bytes]:
    """A file of .dist-info with this content."""

    def make(data: bytes) -> bytes:
        return write_zip(wheel_members(**{name: data}))

    return make


def _code(data: bytes) -> bytes:
    """The compiled module with this content."""
    return write_zip(wheel_members({"_spidev.cpython-311-arm-linux-gnueabihf.so": data}))


def _with_object(code: dict[str, bytes]) -> dict[str, bytes]:
    found = wheel_members()[1]
    return {found.name.decode(): found.data} | code


SHAPES: tuple[Callable[[bytes], bytes], ...] = (
    _whole,
    _bytes,
    _fields,
    _names,
    _file("METADATA"),
    _file("WHEEL"),
    _file("RECORD"),
    _file("entry_points.txt"),
    _code,
)


def as_whole(content: bytes) -> bytes:
    """Bytes of which `wheel_from` makes exactly `content`."""
    return bytes([SHAPES.index(_whole)]) + content


def samples() -> Iterator[bytes]:
    """Bytes for each shape that are near to something sound."""
    texts = {bytes(each.name).rpartition(b"/")[2].decode(): each.data for each in wheel_members()}
    texts["entry_points.txt"] = b"[console_scripts]\nspi = spidev:open [extra]\n\n[x.y]\na = b\n"
    yield bytes([SHAPES.index(_code)]) + wheel_members()[1].data
    for name, shape in zip(("METADATA", "WHEEL", "RECORD", "entry_points.txt"), range(4, 8), strict=True):
        yield bytes([shape]) + texts[name]
    yield (
        bytes([SHAPES.index(_names)])
        + b"spidev-3.6.data/scripts/run\nvendor/x-1.0.dist-info/METADATA\na/\xc3\x9cn.py\nx.pth"
    )
    for number in range(5):
        yield bytes([SHAPES.index(_fields), number, 1, number, 1, 0, 0, 0, 2, number, 0, number])
        yield bytes([SHAPES.index(_bytes), 40 * number, 0, number])
