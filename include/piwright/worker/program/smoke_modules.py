"""Which modules a wheel promises: what its user would write after `import`.

    top_level_modules(Path("google_cloud_x-1.0-py3-none-any.whl"))              # ["google.cloud.x"]
    extension_modules(Path("RPi_GPIO-0.7.1-cp313-cp313-linux_armv7l.whl"))      # ["RPi._GPIO"]

From the names in the archive alone. They are read by a few lines of our own: `zipfile` makes an object of every entry
before anybody can say that there are too many.
"""

from __future__ import annotations

import keyword
import os
import re
import struct
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

MAX_MODULES = 20
MAX_EXTENSIONS = 30
MAX_ENTRIES = 100_000
MAX_DIRECTORY_BYTES = 16 << 20
MAX_DEPTH = 5
_END = struct.Struct("<4s4H2LH")
_ENTRY = struct.Struct("<4s24x3H12x")
# fmt: off
_MISTAKES = frozenset({
    # What projects ship beside their package without meaning to, and folders of data that are no packages.
    "bench", "benchmark", "benchmarks", "bin", "build", "conftest", "demo", "demos", "dist", "doc", "docs", "etc", "example",
    "examples", "fabfile", "include", "noxfile", "sample", "samples", "scripts", "setup", "share", "tasks", "test",
    "testing", "tests", "versioneer",
})
# fmt: on
_TESTS = re.compile(r"tests?_.*|.*_tests?", re.IGNORECASE)
_BINARY = re.compile(r"(?P<stem>[^.]+)\.(?:(?P<tag>(?:abi3|cpython-|pypy)[^/]*)\.)?so")


class BadWheel(ValueError):
    """The file is no archive whose names can be read, or has too many."""


def top_level_modules(wheel: Path) -> List[str]:
    """At most `MAX_MODULES` names, the project's own name and public ones first. Raises `BadWheel`, OSError."""
    own = _plain(wheel.name.partition("-")[0])
    tree: Dict[str, Any] = {}
    for _, parts in _modules(wheel):
        if len(parts) <= MAX_DEPTH + 1:
            place = tree
            for each in parts:
                place = place.setdefault(each, {})
            place[""] = True
    found = sorted(set(_shallowest(tree)), key=lambda name: (_plain(name) != own, is_private(name), name))
    return [name for name in found if _is_meant(name) or _plain(name) == own][:MAX_MODULES]


def extension_modules(wheel: Path) -> List[str]:
    """At most `MAX_EXTENSIONS` extension modules below the top: packages may well not load them when imported.

    Raises `BadWheel`, OSError.
    """
    found = {".".join(parts) for file, parts in _modules(wheel) if file.endswith(".so") and len(parts) > 1}
    return sorted(name for name in found if _is_meant(name) and not name.endswith(".__init__"))[:MAX_EXTENSIONS]


def entry_names(wheel: Path) -> Iterator[str]:
    """The names in the central directory of a zip file. Raises `BadWheel`, OSError."""
    with open(wheel, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        start = max(0, size - _END.size - 0xFFFF)
        file.seek(start)
        tail = file.read(_END.size + 0xFFFF)
        at = tail.rfind(b"PK\x05\x06")
        if at < 0 or len(tail) - at < _END.size:
            raise BadWheel("it has no end of a central directory")
        _, _, _, _, entries, length, _, _ = _END.unpack_from(tail, at)
        if entries > MAX_ENTRIES or length > MAX_DIRECTORY_BYTES or length > start + at:
            raise BadWheel(f"its central directory has {entries} entries and {length} bytes")
        file.seek(start + at - length)
        directory = file.read(length)
    place = 0
    for _ in range(entries):
        if len(directory) - place < 46:
            raise BadWheel("its central directory is cut short")
        signature, name_length, extra, comment = _ENTRY.unpack_from(directory, place)
        if signature != b"PK\x01\x02":
            raise BadWheel("its central directory is damaged")
        yield directory[place + 46 : place + 46 + name_length].decode("utf-8", "replace")
        place += 46 + name_length + extra + comment


def _modules(wheel: Path) -> Iterator[Tuple[str, List[str]]]:
    """The modules among the entries: the name of the file and the parts of the module's name."""
    tags = wheel.name[: -len(".whl")].split("-")
    python = tags[-3] if len(tags) >= 5 else ""
    for name in entry_names(wheel):
        parts = name.split("/")
        if parts[0].endswith(".data"):
            if len(parts) < 3 or parts[1] not in ("purelib", "platlib"):
                continue
            parts = parts[2:]
        module = _module(parts[-1], python)
        if module and all(each.isidentifier() for each in parts[:-1]):
            yield parts[-1], [*parts[:-1], module]


def _module(file: str, python: str) -> str:
    """The module a file is, by its name; empty for anything else, extension modules for other Pythons included."""
    if file.endswith(".py"):
        stem = file[:-3]
    else:
        binary = _BINARY.fullmatch(file)
        if not binary:
            return ""
        stem, tag = binary["stem"], binary["tag"] or ""
        if tag.startswith("cpython-") and python.startswith("cp") and tag.split("-")[1] != python[2:]:
            return ""
        if not tag and stem.startswith("lib"):
            return ""  # a shared library that lies beside the modules that need it
    return stem if stem == "__init__" or (stem.isidentifier() and not keyword.iskeyword(stem)) else ""


def _shallowest(tree: Dict[str, Any], above: Tuple[str, ...] = ()) -> Iterator[str]:
    """The highest modules: a folder without `__init__` is a namespace, which says nothing by being imported."""
    for name, inner in tree.items():
        if not name or name.startswith("__") or keyword.iskeyword(name):
            continue
        if "" in inner or "__init__" in inner:
            yield ".".join((*above, name))
        else:
            yield from _shallowest(inner, (*above, name))


def _is_meant(name: str) -> bool:
    return not any(each.lower() in _MISTAKES or _TESTS.fullmatch(each) for each in name.split("."))


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()


def is_private(name: str) -> bool:
    """Whether an underscore says that it is not for users."""
    return any(each.startswith("_") for each in name.split("."))
