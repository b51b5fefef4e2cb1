"""Rewrites what a wheel says of itself: tags, build number, Root-Is-Purelib, in name, WHEEL and RECORD together.

    retag(checked.path, 2, directory)                           # directory/spidev-3.6-2-cp311-cp311-linux_armv7l.whl
    retag(path, None, directory, tags=TagSet.parse("cp311-cp311-linux_armv6l.linux_armv7l"))
    next_build_number(["spidev-3.6-cp311-cp311-linux_armv7l.whl"])      # 1

Equal input gives equal bytes, on any machine and at any time: members keep their order, times and modes, and their
packed bytes are copied as they are. Packing them again would give other bytes with another zlib, so the two members
that change are stored.
"""

import base64
import csv
import hashlib
import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from piwright.intake.tag_set import TagSet
from piwright.intake.untrusted import clean_text

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_UTF8 = 0x800
_CHUNK = 1 << 18
_MOST_TEXT = 64 << 20
_MOST = 0xFFFF_FFFF
# What `zipfile` and those below it raise for a damaged file. Never OSError: that is our own disk.
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, struct.error, csv.Error),
    *(ValueError, KeyError, IndexError, EOFError, RuntimeError),
)
_REWRITTEN_HEADER = re.compile(r"(tag|build|root-is-purelib)\s*:", re.IGNORECASE)


class RetagError(ValueError):
    """A wheel that cannot be rewritten; the message says why."""


def next_build_number(filenames: Iterable[str]) -> int:
    """The lowest build number above those of the given wheels; no build number counts as 0, as for pip."""
    numbers = [0]
    for filename in filenames:
        try:
            build = parse_wheel_filename(filename)[2]
        except InvalidWheelFilename:
            continue
        numbers.append(build[0] if build else 0)
    return max(numbers) + 1


def retag(
    wheel: Path,
    build_number: int | None,
    directory: Path,
    *,
    tags: TagSet | None = None,
    purelib: bool | None = None,
) -> Path:
    """Write a copy of a checked wheel into `directory`; the original stays.

    None keeps what the wheel has. Raises `RetagError`, also when there is a file of that name; then it is left alone.
    """
    directory.mkdir(parents=True, exist_ok=True)
    name, build, tags = _new_name(wheel.name, build_number, tags)
    made = directory / name
    try:
        with zipfile.ZipFile(wheel) as archive, wheel.open("rb") as source, made.open("xb") as target:
            _rewrite(archive, source, target, _new_texts(archive, build, tags, purelib))
    except FileExistsError:
        raise RetagError(f"{name} is there already") from None
    except _DAMAGED as error:
        made.unlink(missing_ok=True)
        if isinstance(error, RetagError):
            raise
        raise RetagError(f"{wheel.name} cannot be rewritten: {clean_text(str(error), 200)}") from None
    except BaseException:
        made.unlink(missing_ok=True)
        raise
    return made


def _new_name(filename: str, build_number: int | None, tags: TagSet | None) -> tuple[str, str, TagSet]:
    """(file name, build number with suffix or "", tags)."""
    parts = filename.removesuffix(".whl").split("-")
    if len(parts) not in (5, 6):
        raise RetagError(f"{filename} is no wheel's file name")
    build = str(build_number) if build_number is not None else parts[2] if len(parts) == 6 else ""
    tags = tags or TagSet.parse("-".join(parts[-3:]))
    return "-".join([*parts[:2], *([build] if build else []), str(tags)]) + ".whl", build, tags


def _new_texts(archive: zipfile.ZipFile, build: str, tags: TagSet, purelib: bool | None) -> dict[str, bytes]:
    """WHEEL and RECORD as they shall be, by member."""
    found = [name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/WHEEL", name)]
    if len(found) != 1:
        raise RetagError(f"it has {len(found)} WHEEL files; one was expected")
    record = found[0].removesuffix("WHEEL") + "RECORD"
    wheel_text = _new_wheel(_read(archive, found[0]).decode("utf-8"), build, tags, purelib)
    texts = {found[0]: wheel_text.encode()}
    texts[record] = _new_record(_read(archive, record).decode("utf-8"), found[0], texts[found[0]])
    return texts


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    info = archive.getinfo(name)
    if info.file_size > _MOST_TEXT or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise RetagError(f"{name} has more than {_MOST_TEXT} bytes, or is packed in an odd way")
    return archive.read(name)


def _new_wheel(text: str, build: str, tags: TagSet, purelib: bool | None) -> str:
    """The WHEEL file with one Tag line for each combination; other lines stay where they are."""
    kept: list[str] = []
    claims_purelib = "false"
    dropping = False
    for line in text.partition("\n\n")[0].replace("\r\n", "\n").splitlines():
        if not line.strip():
            break
        if not line.startswith((" ", "\t")):
            header = _REWRITTEN_HEADER.match(line)
            dropping = header is not None
            if header and header[1].lower() == "root-is-purelib":
                claims_purelib = line.partition(":")[2].strip()
        if not dropping:
            kept.append(line)
    if purelib is not None:
        claims_purelib = "true" if purelib else "false"
    kept.append(f"Root-Is-Purelib: {claims_purelib}")
    kept += [f"Build: {build}"] if build else []
    return "\n".join([*kept, *(f"Tag: {tag}" for tag in tags.each()), ""])


def _new_record(text: str, member: str, content: bytes) -> bytes:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
    rows = list(csv.reader(text.splitlines()))
    if sum(1 for row in rows if row and row[0] == member) != 1:
        raise RetagError(f"RECORD does not name {member} once")
    rows = [[member, f"sha256={digest}", str(len(content))] if row and row[0] == member else row for row in rows]
    output = io.StringIO()
    csv.writer(output, lineterminator="\n").writerows(rows)
    return output.getvalue().encode()


def _rewrite(archive: zipfile.ZipFile, source: BinaryIO, target: BinaryIO, texts: dict[str, bytes]) -> None:
    """Write a plain zip: sizes in front of the data, no extra fields, no comments."""
    directory: list[bytes] = []
    infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
    for info in infos:
        text = texts.get(info.filename)
        name = info.orig_filename.encode("utf-8" if info.flag_bits & _UTF8 else "cp437")
        flags = info.flag_bits & _UTF8
        if text is None:
            method, crc, packed, size = info.compress_type, info.CRC, info.compress_size, info.file_size
        else:
            method, crc, packed, size = zipfile.ZIP_STORED, zlib.crc32(text), len(text), len(text)
        if max(packed, size, target.tell()) >= _MOST:
            raise RetagError(f"{info.filename} lies beyond 4 GiB")
        date, time = _dos_time(info)
        needed = 20 if method == zipfile.ZIP_DEFLATED else 10
        common = (needed, flags, method, time, date, crc, packed, size, len(name), 0)
        made_by = info.create_system << 8 | 20
        attributes = (0, 0, 0, info.external_attr, target.tell())
        directory.append(_CENTRAL.pack(b"PK\x01\x02", made_by, *common, *attributes) + name)
        target.write(_LOCAL.pack(b"PK\x03\x04", *common) + name)
        if text is None:
            _copy(source, target, info)
        else:
            target.write(text)
    start = target.tell()
    target.writelines(directory)
    length = target.tell() - start
    if start + length >= _MOST or len(infos) >= 0xFFFF:
        raise RetagError("it is too large for a zip without 64-bit records")
    target.write(_END.pack(b"PK\x05\x06", 0, 0, len(infos), len(infos), length, start, 0))


def _dos_time(info: zipfile.ZipInfo) -> tuple[int, int]:
    year, month, day, hour, minute, second = info.date_time
    return (year - 1980) << 9 | month << 5 | day, hour << 11 | minute << 5 | second // 2


def _copy(source: BinaryIO, target: BinaryIO, info: zipfile.ZipInfo) -> None:
    """The packed bytes of a member, as they are."""
    source.seek(info.header_offset)
    header = source.read(_LOCAL.size)
    *_, name_length, extra_length = _LOCAL.unpack(header)
    source.seek(name_length + extra_length, io.SEEK_CUR)
    left = info.compress_size
    while left:
        chunk = source.read(min(_CHUNK, left))
        if not chunk:
            raise RetagError(f"{info.filename} is cut off")
        target.write(chunk)
        left -= len(chunk)
