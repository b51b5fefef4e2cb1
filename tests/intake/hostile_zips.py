"""Wheels whose zip is made to be read in two ways, or to be dear to read; each with the reason it is refused for.

for case in ZIPS: case.make(directory), case.reason

All would be sound wheels of spidev 3.6 but for what they are named after. `hostile_wheels` has those whose content is wrong.
"""

import csv
import dataclasses
import io
import stat
import struct
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from intake.hostile_wheels import CODE, DIST_INFO, METADATA, TAG, Hostile, record_rows, wheel_info
from intake.raw_zip import REGULAR, STORED, RawMember, deflate, extra_field, write_zip

FILENAME = f"spidev-3.6-{TAG}.whl"
UTF8, SIZES_FOLLOW = 0x800, 0x8
FULL = 0xFFFFFFFF
FOLDER = (stat.S_IFDIR | 0o755) << 16
Change = Callable[[list[RawMember]], Iterable[RawMember]]


def wheel_members(code: Mapping[str, bytes] = CODE, **dist_info: bytes) -> list[RawMember]:
    """The members of a wheel of spidev 3.6; files of its .dist-info may be replaced or added by name."""
    content = dict(code)
    files = {"METADATA": METADATA, "WHEEL": wheel_info()} | dist_info
    content |= {f"{DIST_INFO}/{name}": data for name, data in files.items()}
    if "RECORD" not in dist_info:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(record_rows(content))
        content[f"{DIST_INFO}/RECORD"] = text.getvalue().encode()
    return [raw_member(name, data) for name, data in content.items()]


def raw_member(name: str, data: bytes = b"", **more: Any) -> RawMember:
    """A member with a name as text, marked as UTF-8 where it has to be."""
    return RawMember(name.encode(), data, **({"flags": 0 if name.isascii() else UTF8} | more))


def write(directory: Path, content: bytes) -> Path:
    """The wheel as a file."""
    path = directory / FILENAME
    path.write_bytes(content)
    return path


def _zip(name: str, reason: str, change: Change | None = None, **more: Any) -> Hostile:
    """All members as `change` makes them."""

    def make(directory: Path) -> Path:
        members = wheel_members()
        return write(directory, write_zip(change(members) if change else members, **more))

    return Hostile(name, make, reason)


def _first(name: str, reason: str, /, **change: Any) -> Hostile:
    """The first member, spidev.py, with fields of its own."""
    return _zip(name, reason, lambda members: [dataclasses.replace(members[0], **change), *members[1:]])


def _named(name: str, reason: str, *names: str) -> Hostile:
    """More files, which RECORD lists."""
    return Hostile(name, lambda d: write(d, write_zip(wheel_members(CODE | dict.fromkeys(names, b"evil")))), reason)


def _stream(member: RawMember, behind: bytes | None = None, **more: Any) -> RawMember:
    """A member as a writer to a pipe leaves it: nothing in front, everything behind."""
    unknown = {"crc": 0, "packed": 0, "size": 0}
    changed = dataclasses.replace(
        member, flags=member.flags | SIZES_FOLLOW, local=unknown | more.pop("local", {}), **more
    )
    return dataclasses.replace(changed, behind=changed.descriptor() if behind is None else behind)


def _streamed(name: str, reason: str, change: Callable[[RawMember], RawMember]) -> Hostile:
    return _zip(name, reason, lambda members: [change(members[0]), *members[1:]])


def _wide(size: int, packed: int) -> bytes:
    return extra_field(1, struct.pack("<2Q", size, packed))


def _quoted(directory: Path) -> Path:
    """Two members that share one run of data: the first quotes the header of the second, as in a bomb of 2019."""
    kernel = b"x" * 1000
    inner = write_zip([RawMember(b"b.py", kernel)], end={})
    header = inner[: inner.index(b"PK\x01\x02")]
    quote = b"\x00" + struct.pack("<2H", 34, 34 ^ 0xFFFF) + header[:34]
    outer = RawMember(b"a.py", header[:34] + kernel, packed=quote + deflate(kernel))
    start = 30 + 4 + 5
    second = RawMember(b"b.py", kernel, central={"start": start}, packed=b"")
    central = {"packed": len(deflate(kernel)), "start": start}
    return write(directory, write_zip([outer, dataclasses.replace(second, central=central)]))


def _many_without_names(directory: Path) -> Path:
    """A directory of 32 MB that announces one member and lists 700000: each takes `zipfile` a thousand bytes."""
    entry = b"PK\x01\x02" + bytes(42)
    return write(directory, write_zip([], in_directory=entry * ((32 << 20) // 46), end={"here": 1, "entries": 1}))


def deep(directory: Path, count: int = 60_000) -> Path:
    """Names that are nothing but directories: a set of all of them takes gigabytes."""
    return write(directory, write_zip(RawMember(b"%d/" % n + b"aaa/" * 98 + b"x") for n in range(count)))


def _bomb_of_files(directory: Path) -> Path:
    """Two thousand members, each of them a megabyte of zeros."""
    member = RawMember(b"", bytes(1 << 20), packed=deflate(bytes(1 << 20)))
    return write(directory, write_zip(dataclasses.replace(member, name=b"%d" % number) for number in range(2000)))


def _hidden(members: list[RawMember]) -> list[RawMember]:
    """A member the central directory does not know, and a reader along the stream does."""
    hidden = write_zip([RawMember(b"evil.py", b"evil")])
    return [dataclasses.replace(members[0], behind=hidden[: hidden.index(b"PK\x01\x02")]), *members[1:]]


_SIZE = len(CODE["spidev.py"])
_PACKED = len(deflate(CODE["spidev.py"]))
_NFD = "e\N{COMBINING ACUTE ACCENT}.py"

ZIPS = (
    _zip("fewer announced", "more than the 4 members it announces", end={"here": 4, "entries": 4}),
    _zip("more announced", "has 5 members and announces 6", end={"here": 6, "entries": 6}),
    _zip("two counts", "ambiguous", end={"here": 4}),
    _zip("of two disks", "ambiguous", end={"disk": 1}),
    _zip("archive comment", "does not end with", comment=b"hello"),
    _zip("comment with an end", "belong to nothing", comment=write_zip([])),
    _zip("end before the end", "belong to nothing", before_end=write_zip([])),
    _zip("64-bit end", "64-bit end", before_end=b"PK\x06\x06" + bytes(52) + b"PK\x06\x07" + bytes(16)),
    _zip("start elsewhere", "belong to nothing", end={"start": 0}),
    _zip("length elsewhere", "belong to nothing", end={"length": 46}),
    _zip("entry cut off", "damaged", in_directory=b"PK\x01\x02", end={"here": 6, "entries": 6}),
    _zip("bytes in the directory", "more than the 5", in_directory=b"\0" * 46),
    _zip("bytes in front, offsets true", "follows bytes that belong to nothing", front=b"MZ"),
    _zip("gap", "follows bytes", lambda m: [m[0], dataclasses.replace(m[1], before=b"\0"), *m[2:]]),
    _zip("bytes before the directory", "between the last member", before_directory=b"PK\x03\x04"),
    _zip("hidden member", "follows bytes that belong to nothing", _hidden),
    _zip("two entries for one place", "overlaps", lambda m: [*m, RawMember(b"z.py", central={"start": 0})]),
    Hostile("quoted overlap", _quoted, "overlaps"),
    _first("name longer than the directory", "cut off", central={"lengths": [60_000, 0, 0]}),
    _first("start behind the end", "overlaps", central={"start": 1 << 30}),
    _first("on another disk", "another disk", central={"disk": 1}),
    _first("a format of the future", "later format", central={"version": 64}),
    _first("a format of the future in front", "local header", local={"version": 64}),
    *(_first(f"local {field} {value!r} lies", "local header", local={field: value}) for field, value in
      (("crc", 1), ("packed", _PACKED + 1), ("size", _SIZE + 1), ("size", 0), ("method", 0), ("flags", 1), ("flags", UTF8),
       ("flags", SIZES_FOLLOW), ("name", b"spidex.py"), ("name", b"spidev.py\0"), ("name", b"../../x.p"), ("name", b""))),
    _first("encrypted in both places", "encrypted", flags=0x1),
    _first("strongly encrypted", "encrypted", flags=0x41),
    _first("masked", "encrypted", flags=0x2000),
    _first("encrypted by a field", "encryption in an extra field", extra=extra_field(0x9901, bytes(7))),
    _first("a patch", "a patch", flags=0x20),
    *(_first(f"method {method}", f"method {method}", method=method) for method in (1, 9, 12, 14, 93, 95, 97, 98, 99)),
    *(_first(f"a {name}", "no regular file", attributes=kind << 16) for name, kind in
      (("socket", stat.S_IFSOCK), ("block device", stat.S_IFBLK), ("directory without a slash", stat.S_IFDIR))),
    _first("a directory for DOS", "no regular file", attributes=REGULAR | 0x10),
    _first("a junction for Windows", "no regular file", attributes=REGULAR | 0x400),
    _first("setgid", "special mode", attributes=(stat.S_IFREG | 0o2755) << 16),
    _first("sticky", "special mode", attributes=(stat.S_IFREG | 0o1755) << 16),
    _first("a link in an extra field", "another kind or target", extra=extra_field(0x756E, bytes(14) + b"/etc/passwd")),
    _first("a second name", "second name", extra=extra_field(0x7075, b"\1" + bytes(4) + b"evil.py")),
    _first("a second name in front", "local header", local={"extra": extra_field(0x7075, b"\1" + bytes(4) + b"evil.py")}),
    _first("extra fields cut off", "cut off", central={"extra": extra_field(0x5455, b"", 9)}),
    _first("extra fields of three bytes", "cut off", central={"extra": b"abc"}),
    _first("extra fields cut off in front", "cut off", local={"extra": extra_field(0x5455, b"", 9)}),
    _first("64-bit sizes twice", "twice", extra=_wide(_SIZE, _PACKED) * 2),
    _first("64-bit sizes beside", "beside ordinary ones", extra=_wide(_SIZE + 1, _PACKED)),
    _first("64-bit size missing", "lacks them", central={"size": FULL}),
    _first("64-bit size and more", "beside ordinary ones", central={"size": FULL, "extra": _wide(_SIZE, _PACKED)}),
    _first("64-bit sizes lie in front", "local header", local={"size": FULL, "packed": FULL, "extra": _wide(1, _PACKED)}),
    _first("64-bit sizes lie beside in front", "local header", local={"extra": _wide(_SIZE, 1)}),
    _first("64-bit size alone in front", "half of", local={"size": FULL, "extra": extra_field(1, bytes(8))}),
    _first("petabytes", "it unpacks to", central={"size": FULL, "extra": extra_field(1, struct.pack("<Q", 1 << 60))}),
    _streamed("descriptor lies", "other sizes", lambda m: _stream(m, b"PK\x07\x08" + bytes(12))),
    _streamed("descriptor without a mark", "other sizes", lambda m: _stream(m, m.descriptor("<3L"))),
    _streamed("no descriptor", "other sizes", lambda m: _stream(m, b"")),
    _streamed("wide descriptor", "other sizes", lambda m: _stream(m, m.descriptor("<4sL2Q"))),
    _streamed("sizes in front lie", "local header", lambda m: _stream(m, local={"packed": 5, "size": 5})),
    _streamed("stored and streamed", "stands behind it", lambda m: _stream(dataclasses.replace(m, method=STORED))),
    _first("stored with other sizes", "are to be", method=STORED, local={"size": 1}, central={"size": 1}),
    _first("bytes behind the stream", "bytes after its end", packed=deflate(CODE["spidev.py"]) + b"evil"),
    _first("half a stream", "ends too early", packed=deflate(CODE["spidev.py"])[:-3]),
    _first("no stream", "cannot be inflated", packed=b"\xff" * 20),
    _first("less than declared", "and declares", local={"size": 99}, central={"size": 99}),
    _first("more than declared", "larger than", local={"size": 3}, central={"size": 3}),
    _first("name in a code page", "neither ASCII nor UTF-8", name=b"j\x94rg.py"),
    _first("name marked as UTF-8", "neither ASCII nor UTF-8", name=b"j\xf6rg.py", flags=UTF8),
    _first("name with a surrogate", "neither ASCII nor UTF-8", name=b"\xed\xa0\x80.py", flags=UTF8),
    _first("name with an overlong slash", "neither ASCII nor UTF-8", name=b"..\xc0\xafx.py", flags=UTF8),
    _first("no name", "empty part", name=b""),
    _first("a slash", "absolute path", name=b"/"),
    _first("a dot", "empty part", name=b"."),
    _first("two dots", "leads out", name=b".."),
    _first("two dots as a directory", "leads out", name=b"../"),
    _first("NUL", "control character", name=b"a.py\0.txt"),
    _zip("directory with content", "directory with content", lambda m: [*m, RawMember(b"a/", b"evil" * 9, attributes=FOLDER)]),
    _zip("directory that is a link", "symbolic link",
         lambda m: [*m, RawMember(b"a/", attributes=stat.S_IFLNK << 16), *wheel_members({"a/b.py": b""})[:1]]),
    _zip("directory over a file", "differ only in case", lambda m: [*m, RawMember(b"spidev.py/", attributes=FOLDER)]),
    _zip("directory twice", "there twice", lambda m: [*m, *[RawMember(b"a/", attributes=FOLDER)] * 2]),
    _named("file below a file, in other case", "both a file and the directory", "SPIDEV.py/x"),
    _named("composed and decomposed", "differ only in case or spelling", "\N{LATIN SMALL LETTER E WITH ACUTE}.py", _NFD),
    _named("sharp s", "differ only in case or spelling", "stra\N{LATIN SMALL LETTER SHARP S}e.py", "STRASSE.py"),
    _named("Kelvin", "differ only in case or spelling", "k.py", "\N{KELVIN SIGN}.py"),
    _named("reversed name", "control character", "a\N{RIGHT-TO-LEFT OVERRIDE}yp.exe"),
    _named("invisible character", "control character", "spidev\N{ZERO WIDTH SPACE}.py"),
    _named("line separator", "control character", "a\N{LINE SEPARATOR}b.py"),
    _named("next line", "control character", "a\x85b.py"),
    _named("256 bytes", "too long or too deep", "\N{SNOWMAN}" * 86),
    _named("a hundred and one directories", "too long or too deep", "a/" * 101 + "b"),
    Hostile("700000 members without a name", _many_without_names, "more than the 1 members"),
    Hostile("directories without end", lambda d: deep(d, 2000), "0 .dist-info"),
    _first("20 MB of deflate that come to nothing", "ends too early", packed=b"\0\0\0\xff\xff" * (4 << 20)),
    Hostile("a bomb of many files", _bomb_of_files, "bomb"),
    Hostile("RECORD of no text", lambda d: write(d, write_zip(wheel_members(RECORD=b"\xff,,\n"))), "RECORD cannot be read"),
)  # fmt: skip
