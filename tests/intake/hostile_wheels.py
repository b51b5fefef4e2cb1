"""Makes wheels for tests: sound ones, and a corpus of hostile ones, each with the reason it is refused for.

path = make_wheel(directory)                                  # a sound wheel of spidev 3.6
path = make_wheel(directory, members={"../evil.py": b""})
for case in CORPUS: case.make(directory), case.reason
"""

import base64
import csv
import hashlib
import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from intake.tiny_elf import shared_object

TAG = "cp311-cp311-linux_armv7l"
DIST_INFO = "spidev-3.6.dist-info"
METADATA = b"Metadata-Version: 2.1\nName: spidev\nVersion: 3.6\nRequires-Python: >=3.7\n\nTalks SPI.\n"
CODE = {
    "spidev.py": b"def open():\n    return 3\n",
    "_spidev.cpython-311-arm-linux-gnueabihf.so": shared_object("PyInit__spidev"),
}


def wheel_info(tags: Iterable[str] = (TAG,), version: str = "1.0", build: str | None = None) -> bytes:
    """A WHEEL file."""
    lines = [f"Wheel-Version: {version}", "Generator: tests", "Root-Is-Purelib: false"]
    lines += [f"Build: {build}"] if build else []
    return "\n".join([*lines, *(f"Tag: {tag}" for tag in tags), ""]).encode()


def record_rows(members: Mapping[str, bytes], dist_info: str = DIST_INFO) -> list[list[str]]:
    """Rows of a RECORD that tells the truth."""
    rows = [
        [name, "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("="), str(len(data))]
        for name, data in members.items()
        if not name.endswith("/")
    ]
    return [*rows, [f"{dist_info}/RECORD", "", ""]]


def make_wheel(
    directory: Path,
    filename: str = f"spidev-3.6-{TAG}.whl",
    *,
    code: Mapping[str, bytes] = CODE,
    members: Mapping[str, bytes] | None = None,
    metadata: bytes = METADATA,
    info: bytes | None = None,
    dist_info: str = DIST_INFO,
    edit_record: Callable[[list[list[str]]], object] | None = None,
    edit_info: Callable[[zipfile.ZipInfo], object] | None = None,
    compression: int = zipfile.ZIP_DEFLATED,
) -> Path:
    """Write a wheel of spidev 3.6, sound unless told otherwise. `members` are added, `edit_*` change in place."""
    content = dict(code) | dict(members or {})
    content |= {f"{dist_info}/METADATA": metadata, f"{dist_info}/WHEEL": wheel_info() if info is None else info}
    rows = record_rows(content, dist_info)
    if edit_record is not None:
        edit_record(rows)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    content[f"{dist_info}/RECORD"] = text.getvalue().encode()
    path = directory / filename
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in content.items():
            entry = zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0))
            entry.compress_type = compression
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            if edit_info is not None:
                edit_info(entry)
            archive.writestr(entry, data)
    return path


@dataclass(frozen=True)
class Hostile:
    """A way to make a hostile wheel, and words its rejection must have."""

    name: str
    make: Callable[[Path], Path]
    reason: str


def with_member(name: str, data: bytes = b"evil") -> Callable[[Path], Path]:
    """A wheel with one more member, which RECORD lists."""
    return lambda directory: make_wheel(directory, members={name: data})


def with_mode(mode: int) -> Callable[[Path], Path]:
    """A wheel whose spidev.py has another mode."""

    def edit(entry: zipfile.ZipInfo) -> None:
        if entry.filename == "spidev.py":
            entry.external_attr = mode << 16

    return lambda directory: make_wheel(directory, edit_info=edit)


def patched(find: bytes, replace: bytes, count: int = -1) -> Callable[[Path], Path]:
    """A sound wheel, stored, with bytes replaced."""

    def make(directory: Path) -> Path:
        path = make_wheel(directory, compression=zipfile.ZIP_STORED)
        content = path.read_bytes()
        assert find in content
        path.write_bytes(content.replace(find, replace, count))
        return path

    return make


def _duplicate(directory: Path) -> Path:
    path = make_wheel(directory, members={"spidev_.py": b"evil"})
    path.write_bytes(path.read_bytes().replace(b"spidev_.py", b"spidev.py" + b"\0"))
    return path  # zipfile cuts a name at its NUL, so that the two become one


def _twice(directory: Path) -> Path:
    path = make_wheel(directory, members={"spidex.py": b"evil"})
    path.write_bytes(path.read_bytes().replace(b"spidex.py", b"spidev.py"))
    return path


def _central(path: Path, name: bytes, offset: int, layout: str, value: int) -> Path:
    """Change a field of a member's entry in the central directory."""
    content = bytearray(path.read_bytes())
    start = content.index(b"PK\x01\x02")
    while content[start + 46 : start + 46 + len(name)] != name:
        start = content.index(b"PK\x01\x02", start + 1)
    struct.pack_into(layout, content, start + offset, value)
    path.write_bytes(content)
    return path


def _local(path: Path, offset: int, layout: str, value: int) -> Path:
    """Change a field of the first member's local header."""
    content = bytearray(path.read_bytes())
    struct.pack_into(layout, content, offset, value)
    path.write_bytes(content)
    return path


def _larger_than_declared(directory: Path) -> Path:
    data = b"x" * 5000
    path = make_wheel(directory, code={"spidev.py": data}, edit_record=lambda rows: rows[0].__setitem__(2, "10"))
    crc = zlib.crc32(data[:10])
    for offset, value in ((16, crc), (24, 10)):
        _central(path, b"spidev.py", offset, "<L", value)
    for offset, value in ((14, crc), (22, 10)):
        _local(path, offset, "<L", value)
    return path


def _bomb(directory: Path) -> Path:
    return make_wheel(directory, members={"zeros.bin": bytes(80 << 20)})


def _lying_bomb(directory: Path) -> Path:
    """80 MB of zeros that say they are ten bytes."""
    path = make_wheel(directory, code={"zeros.bin": bytes(80 << 20)})
    _central(path, b"zeros.bin", 24, "<L", 10)
    return _local(path, 22, "<L", 10)


def _many_files(directory: Path) -> Path:
    path = directory / f"spidev-3.6-{TAG}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(65_535):
            archive.writestr(zipfile.ZipInfo(f"{number}"), b"")
    return path


def _claims_many(directory: Path) -> Path:
    """An end record that announces more members than there are bytes for."""
    path = make_wheel(directory)
    content = bytearray(path.read_bytes())
    struct.pack_into("<2H", content, len(content) - 14, 60_000, 60_000)
    path.write_bytes(content)
    return path


def _changed(change: Callable[[bytes], bytes]) -> Callable[[Path], Path]:
    def make(directory: Path) -> Path:
        path = make_wheel(directory)
        path.write_bytes(change(path.read_bytes()))
        return path

    return make


def _linked(directory: Path) -> Path:
    path = make_wheel(directory)
    target = path.rename(directory / "elsewhere")
    path.symlink_to(target)
    return path


def _with_metadata(metadata: bytes) -> Callable[[Path], Path]:
    return lambda directory: make_wheel(directory, metadata=metadata)


def _named(filename: str) -> Callable[[Path], Path]:
    return lambda directory: make_wheel(directory, filename)


def _without(name: str) -> Callable[[list[list[str]]], None]:
    def edit(rows: list[list[str]]) -> None:
        rows[:] = [row for row in rows if row[0] != name]

    return edit


def _record(edit: Callable[[list[list[str]]], object]) -> Callable[[Path], Path]:
    return lambda directory: make_wheel(directory, edit_record=edit)


_HEADERS = METADATA.partition(b"\n\n")[0] + b"\n"
_MANY_HEADERS = b"".join(b"X-%d: 1\n" % number for number in range(5000))
_NESTED = b"Requires-Dist: a ; " + b"(" * 3000 + b"os_name=='x'" + b")" * 3000 + b"\n"

CORPUS = (
    Hostile("traversal", with_member("../evil.py"), "leads out of its directory"),
    Hostile("traversal inside", with_member("a/../../evil.py"), "leads out of its directory"),
    Hostile("absolute", with_member("/etc/cron.d/evil"), "absolute path"),
    Hostile("backslash", with_member("..\\evil.py"), "backslash"),
    Hostile("drive", with_member("C:evil.py"), "drive"),
    Hostile("empty part", with_member("a//evil.py"), "empty part"),
    Hostile("control character", with_member("a\x1b[2Jb.py"), "control character"),
    Hostile("line break", with_member("a\nb.py"), "control character"),
    Hostile("very long path", with_member("a/" * 400 + "b.py"), "too long or too deep"),
    Hostile("long part", with_member("a" * 300), "too long or too deep"),
    Hostile("symlink", with_mode(stat.S_IFLNK | 0o777), "symbolic link"),
    Hostile("device", with_mode(stat.S_IFCHR | 0o666), "no regular file"),
    Hostile("pipe", with_mode(stat.S_IFIFO | 0o666), "no regular file"),
    Hostile("setuid", with_mode(stat.S_IFREG | 0o4755), "special mode"),
    Hostile("duplicate", _twice, "there twice"),
    Hostile("duplicate by NUL", _duplicate, "control character"),
    Hostile("case collision", with_member("SpiDev.py"), "differ only in case"),
    Hostile("file and directory", with_member("spidev.py/x.py"), "both a file and the directory"),
    Hostile("encrypted", lambda d: _central(make_wheel(d), b"spidev.py", 8, "<H", 1), "encrypted"),
    Hostile("method", lambda d: make_wheel(d, compression=zipfile.ZIP_LZMA), "method 14"),
    Hostile("larger than declared", _larger_than_declared, "larger than"),
    Hostile("bomb", _bomb, "bomb"),
    Hostile("lying bomb", _lying_bomb, "larger than"),
    Hostile("many files", _many_files, "65535 members"),
    Hostile("claims many", _claims_many, "central directory has"),
    Hostile("local name differs", patched(b"spidev.py", b"spidex.py", 1), "local header"),
    Hostile("content differs", patched(b"return 3", b"return 4"), "CRC"),
    Hostile("bytes in front", _changed(lambda content: b"#!/bin/sh\n" + content), "belong to nothing"),
    Hostile("bytes behind", _changed(lambda content: content + b"x"), "end-of-central-directory"),
    Hostile("second end record", _changed(lambda content: content + content[-22:]), "belong to nothing"),
    Hostile("truncated", _changed(lambda content: content[: len(content) // 2]), "end-of-central-directory"),
    Hostile("empty", _changed(lambda content: b""), "end-of-central-directory"),
    Hostile("no zip", _changed(lambda content: b"\x7fELF" * 1000), "end-of-central-directory"),
    Hostile("no zip but an end", _changed(lambda content: bytes(len(content) - 22) + content[-22:]), "damaged"),
    Hostile("only an end", _changed(lambda content: b"PK\x05\x06" + bytes(18)), "0 .dist-info"),
    Hostile("a link to a file of ours", _linked, "not a regular file"),
    Hostile("RECORD with other hash", _record(lambda rows: rows[0].__setitem__(1, "sha256=" + "A" * 43)), "other hash"),
    Hostile("RECORD with other size", _record(lambda rows: rows[0].__setitem__(2, "7")), "7 bytes for"),
    Hostile("RECORD with weak hash", _record(lambda rows: rows[0].__setitem__(1, "md5=abc")), "md5"),
    Hostile("RECORD with odd hash", _record(lambda rows: rows[0].__setitem__(1, "shake_128=abc")), "shake_128"),
    Hostile("RECORD without hash", _record(lambda rows: rows[0].__setitem__(1, "")), "not included in RECORD"),
    Hostile("RECORD misses a file", _record(_without("spidev.py")), "not mentioned in RECORD"),
    Hostile("RECORD misses METADATA", _record(_without(f"{DIST_INFO}/METADATA")), "not mentioned in RECORD"),
    Hostile("RECORD names more", _record(lambda rows: rows.append(["more.py", "", ""])), "not in the wheel"),
    Hostile("RECORD names twice", _record(lambda rows: rows.append(rows[0])), "twice"),
    Hostile("RECORD of two columns", _record(lambda rows: rows[0].pop()), "cannot be read"),
    Hostile("RECORD with a huge field", _record(lambda rows: rows[0].__setitem__(1, "x" * 200_000)), "cannot be read"),
    Hostile("second dist-info", with_member("evil-1.0.dist-info/METADATA"), "2 .dist-info"),
    Hostile("dist-info by scheme", with_member("spidev-3.6.data/purelib/e-1.dist-info/METADATA"), "another .dist-info"),
    Hostile("unknown scheme", with_member("spidev-3.6.data/etc/passwd"), "no install scheme"),
    Hostile("data of another", with_member("other-1.data/scripts/x"), "another distribution"),
    Hostile("other dist-info", lambda d: make_wheel(d, dist_info="spidex-3.6.dist-info"), "does not belong"),
    Hostile("other dist-info version", lambda d: make_wheel(d, dist_info="spidev-3.7.dist-info"), "does not belong"),
    Hostile("wrong name", _named(f"spidex-3.6-{TAG}.whl"), "wheel of spidex"),
    Hostile("wrong version", _named(f"spidev-3.7-{TAG}.whl"), "3.6 was asked for"),
    Hostile("local version", _named(f"spidev-3.6+evil-{TAG}.whl"), "3.6 was asked for"),
    Hostile("foreign tag", _named("spidev-3.6-cp311-cp311-win_amd64.whl"), "none of its tags"),
    Hostile("other Python", _named("spidev-3.6-cp312-cp312-linux_armv7l.whl"), "none of its tags"),
    Hostile("foreign tag in a set", _named(f"spidev-3.6-{TAG}.win_amd64.whl"), "win_amd64"),
    Hostile("name with a space", _named(f"spidev-3.6 -{TAG}.whl"), "no wheel's file name"),
    Hostile("name of six parts", _named(f"spidev-3.6-1-2-{TAG}.whl"), "wrong number of parts"),
    Hostile("thousands of tags", _named(f"spidev-3.6-{'.'.join('abcdefghijkl')}-{'.'.join('abcdefghijkl')}-"
                                        f"{'.'.join('abcdefghijkl')}.whl"), "1728 tags"),
    Hostile("other METADATA name", _with_metadata(METADATA.replace(b"spidev", b"spidex")), "name is spidex"),
    Hostile("other METADATA version", _with_metadata(METADATA.replace(b"3.6", b"9.9")), "version is 9.9"),
    Hostile("no METADATA name", _with_metadata(b"Metadata-Version: 2.1\nVersion: 3.6\n"), "'name'"),
    Hostile("two METADATA names", _with_metadata(_HEADERS + b"Name: spidev\n"), "name is repeated"),
    Hostile("bad requires-python", _with_metadata(METADATA.replace(b">=3.7", b"three")), "'three' is invalid"),
    Hostile("bad requires-dist", _with_metadata(_HEADERS + b"Requires-Dist: ???\n"), "'???' is invalid"),
    Hostile("nested marker", _with_metadata(_HEADERS + _NESTED), "METADATA"),
    Hostile("multipart METADATA", _with_metadata(_HEADERS + b"Content-Type: multipart/mixed; boundary=x\n"), "Content-Type"),
    Hostile("many headers", _with_metadata(_HEADERS + _MANY_HEADERS), "more headers"),
    Hostile("huge METADATA", _with_metadata(METADATA + b"x" * (5 << 20)), "at most 4194304"),
    Hostile("WHEEL with other tags", lambda d: make_wheel(d, info=wheel_info(["py3-none-any"])), "differ in tags"),
    Hostile("WHEEL without tags", lambda d: make_wheel(d, info=wheel_info([])), "differ in tags"),
    Hostile("WHEEL with no tag", lambda d: make_wheel(d, info=wheel_info(["nonsense"])), "is no tag"),
    Hostile("WHEEL with a build", lambda d: make_wheel(d, info=wheel_info(build="1")), "build is 1"),
    Hostile("WHEEL of the future", lambda d: make_wheel(d, info=wheel_info(version="2.0")), "1.x was expected"),
)  # fmt: skip
