"""Compressed twins: what a web server hands out to clients that say they can unpack it.

    for suffix in twin_suffixes("simple/index.html", ("gz", "zst")):
        write(path + suffix, compress(content, suffix))

Equal content gives equal bytes, whenever it is compressed. The levels were measured on pages and on a list of 886,000
projects: libdeflate's 6 is smaller than zlib's 9 at half the time of its 6, and higher levels of zstd gain nothing, because
what pages are made of is mostly hashes.
"""

import sys
from collections.abc import Callable, Sequence

import deflate

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ENCODINGS = ("gz", "zst")

_TEXT = (".html", ".v1_json", ".json", ".metadata", ".svg", ".atom", ".xml", ".txt", ".css", ".js")


def has_twins(path: str) -> bool:
    """True if the file at this path is text, and has compressed twins beside it."""
    return path.endswith(_TEXT) or path.rpartition("/")[2] == "json"


def twin_suffixes(path: str, encodings: Sequence[str]) -> list[str]:
    """What is added to the path of a file to get those of its twins; nothing if it has none."""
    return [f".{encoding}" for encoding in encodings] if has_twins(path) else []


def compress(content: bytes, suffix: str) -> bytes:
    """The twin with that suffix."""
    return _COMPRESSORS[suffix](content)


def _gzip(content: bytes) -> bytes:
    return bytes(deflate.gzip_compress(content, 6))


def _zstd(content: bytes) -> bytes:
    return zstd.compress(content, level=3)


_COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {".gz": _gzip, ".zst": _zstd}
