"""What is in a file that was fetched, so that its bytes need not stay in memory.

    fetched = take_apart(answer, listed)
    fetched.size, fetched.digests["sha256"], fetched.member

A wheel's metadata is read as from an attacker's archive: the number of its members, their compression and their size
are looked at first.
"""

import hashlib
import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from email.parser import HeaderParser

from piwright.conformance.pages import Listed
from piwright.conformance.web import Answer

SMALL_FILE = 1 << 20
LARGEST_METADATA = 8 << 20
_MOST_MEMBERS = 50_000
_LOCAL_MEMBER = b"PK\x01\x02"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True)
class Fetched:
    """An address' answer. `member` is a wheel's own METADATA, `problem` why there is none; `body` is kept if small."""

    url: str
    status: int
    headers: Mapping[str, str]
    size: int
    digests: Mapping[str, str]
    member: bytes | None
    problem: str
    body: bytes


def take_apart(answer: Answer, listed: Listed) -> Fetched:
    """Size, digests by the algorithms that the page names, and metadata. Raises `NoAnswer` if the body is broken."""
    content, member, problem = answer.content, None, ""
    if listed.is_wheel and answer.status == 200:
        try:
            member = _metadata(content)
        except (
            ValueError,
            OSError,
            EOFError,
            NotImplementedError,
            RuntimeError,
            zipfile.BadZipFile,
            zlib.error,
        ) as error:
            problem = str(error)
    return Fetched(
        answer.url,
        answer.status,
        answer.headers,
        len(content),
        {algorithm: digest(algorithm, content) for algorithm in listed.hashes if is_algorithm(algorithm)},
        member,
        problem,
        content if len(content) <= SMALL_FILE else b"",
    )


def is_algorithm(name: str) -> bool:
    """True for a hash that every Python has and whose digest has one length."""
    return name in hashlib.algorithms_guaranteed and not name.startswith("shake")


def digest(algorithm: str, content: bytes) -> str:
    """Hex digest; for algorithms of `is_algorithm`."""
    return hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()


def requires_python(metadata: bytes) -> str | None:
    """What a METADATA file requires of Python; None if nothing."""
    message = HeaderParser().parsestr(metadata.partition(b"\n\n")[0].decode(errors="replace"))
    return str(message["Requires-Python"]).strip() or None if "Requires-Python" in message else None


def _metadata(wheel: bytes) -> bytes:
    """The METADATA member. Raises an error of `zipfile` or a `ValueError` if it cannot be had."""
    if wheel.count(_LOCAL_MEMBER) > _MOST_MEMBERS:
        raise ValueError(f"the wheel has more than {_MOST_MEMBERS:,} members")
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        found = [
            each
            for each in archive.infolist()
            if each.filename.endswith(".dist-info/METADATA") and each.filename.count("/") == 1
        ]
        if len(found) != 1:
            raise ValueError(f"the wheel has {len(found)} members DIST-INFO/METADATA, not one")
        if found[0].compress_type not in _METHODS or found[0].flag_bits & 1:
            raise ValueError("the wheel's METADATA is packed in a way that installers do not read")
        with archive.open(found[0]) as file:
            content = file.read(LARGEST_METADATA + 1)
    if len(content) > LARGEST_METADATA:
        raise ValueError(f"the wheel's METADATA has more than {LARGEST_METADATA:,} bytes")
    return content
