"""What Rust and Go need to know to fetch the sources a project depends on: its manifests, and nothing that could run.

    manifests = find_manifests(source)                   # an unpacked sdist
    copy_manifests(source, manifests, Path("copied"))    # the same tree: manifests and locks, every .rs file empty

Neither `.cargo/config.toml` nor `rust-toolchain` is copied: they say which programs to start and where to ask.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterator, List, Tuple

from .files import open_regular
from .strict import quote

MAX_FOLDERS = 20_000
MAX_FILES = 100_000
MAX_MANIFESTS = 500
MAX_MANIFEST_BYTES = 4 << 20
MAX_TOTAL_BYTES = 32 << 20
MAX_DEPTH = 30
_CARGO = ("Cargo.toml", "Cargo.lock")
_GO = ("go.mod", "go.sum")
_CONFIGS = (".cargo/config.toml", ".cargo/config")
_ASIDE = frozenset({"bench", "benches", "ci", "doc", "docs", "example", "examples", "fixtures", "fuzz", "target"} | {
    "test", "testdata", "tests", "vendor", "third_party", "node_modules"})  # fmt: skip
_NAMED = re.compile(r"""["']([^"'\n]{0,200}Cargo\.toml)["']""")
_GIT = re.compile(r'^source = "git\+(?P<url>[^"#]*)(?P<commit>#[0-9a-f]{40})?[^"]*"', re.MULTILINE)
_OTHER_REGISTRY = re.compile(r'^source = "(?:registry|sparse)\+(?P<url>[^"]*)"', re.MULTILINE)


class UnusableManifest(ValueError):
    """The project's manifests ask for something that is not fetched."""


@dataclass(frozen=True)
class Manifests:
    """Paths inside the source tree. `cargo` and `go`: the manifests that builds start from; `locked`: every one of
    `cargo` has a Cargo.lock. `files`: all there is to copy; `empty`: sources to make without content."""

    cargo: Tuple[str, ...] = ()
    go: Tuple[str, ...] = ()
    locked: bool = True
    files: Tuple[str, ...] = ()
    empty: Tuple[str, ...] = ()
    notes: Tuple[str, ...] = field(default=())

    def __bool__(self) -> bool:
        return bool(self.cargo or self.go)


def find_manifests(source: Path) -> Manifests:
    """Look through an unpacked source tree. Raises `UnusableManifest`."""
    files: List[str] = []
    empty: List[str] = []
    for path in _walk(source):
        name = path.rpartition("/")[2]
        if name in _CARGO or name in _GO:
            files.append(path)
        elif name.endswith(".rs"):
            empty.append(path)
    if len(files) > MAX_MANIFESTS:
        raise UnusableManifest(f"it has more than {MAX_MANIFESTS} manifests of Rust and Go")
    cargo = _entries(source, [path for path in files if path.endswith("Cargo.toml")])
    notes = []
    if cargo and _brings_its_own(source):
        notes.append("the project brings its Rust dependencies along, none are fetched")
        cargo = []
    locks = {path for path in files if path.endswith("Cargo.lock")} if cargo else set()
    for path in sorted(locks):
        _check_lock(path, _read(source, path))
    locked = all(any(f"{place}Cargo.lock" in locks for place in _above(path)) for path in cargo)
    if cargo and not locked:
        _check_unlocked(source, [path for path in files if path.endswith("Cargo.toml")])
        notes.append("there is no Cargo.lock, so the newest Rust dependencies that fit are taken")
    go = _shallowest([path for path in files if path.endswith("go.mod")])
    return Manifests(tuple(cargo), tuple(go), locked, tuple(files), tuple(empty) if cargo else (), tuple(notes))


def copy_manifests(source: Path, manifests: Manifests, target: Path) -> None:
    """Make the tree to fetch from below `target`, which must be empty or absent. Raises `UnusableManifest`."""
    total = 0
    for path in manifests.files:
        data = _read(source, path)
        total += len(data)
        if total > MAX_TOTAL_BYTES:
            raise UnusableManifest(f"its manifests have more than {MAX_TOTAL_BYTES} bytes")
        _write(target / path, data)
    for path in manifests.empty:
        _write(target / path, b"")


def _walk(source: Path) -> Iterator[str]:
    """Regular files below the tree, by their path in it; no link is followed."""
    waiting = [""]
    folders = files = 0
    while waiting and folders < MAX_FOLDERS:
        place = waiting.pop(0)  # the shallow ones first
        folders += 1
        with os.scandir(source / place) as entries:
            for each in sorted(entries, key=lambda each: each.name):
                path = f"{place}{each.name}"
                mode = each.stat(follow_symlinks=False).st_mode
                if stat.S_ISDIR(mode) and path.count("/") < MAX_DEPTH and each.name not in (".git", ".cargo"):
                    waiting.append(f"{path}/")
                elif stat.S_ISREG(mode) and files < MAX_FILES:
                    files += 1
                    yield path


def _entries(source: Path, manifests: List[str]) -> List[str]:
    """The manifests a build starts from: those that the build's own settings name, else the top ones."""
    if not manifests:
        return []
    named = []
    for file in ("pyproject.toml", "setup.cfg", "setup.py"):
        text = _read(source, file).decode("utf-8", "replace")
        named += [os.path.normpath(each) for each in _NAMED.findall(text)]
    found = [path for path in manifests if path in named]
    return sorted(set(found)) or (["Cargo.toml"] if "Cargo.toml" in manifests else _shallowest(manifests))


def _shallowest(manifests: List[str]) -> List[str]:
    """Those that lie below no other one, and in no folder of examples, tests or copies."""
    found: List[str] = []
    for path in sorted(manifests, key=lambda each: each.count("/")):
        folders = path.split("/")[:-1]
        inside = any(path.startswith(_above(each)[0]) for each in found)
        if not inside and not _ASIDE & set(folders):
            found.append(path)
    return found


def _above(path: str) -> List[str]:
    """The folders of a path from its own to the top, each as a start of paths."""
    folders = path.split("/")[:-1]
    return ["".join(f"{each}/" for each in folders[:count]) for count in range(len(folders), -1, -1)]


def _brings_its_own(source: Path) -> bool:
    return any(re.search(rb"^\s*replace-with\s*=", _read(source, each), re.MULTILINE) for each in _CONFIGS)


def _check_lock(path: str, data: bytes) -> None:
    """Sources by git are fetched over https by their commit; registries over https. Raises `UnusableManifest`."""
    text = data.decode("utf-8", "replace")
    for found in _GIT.finditer(text):
        if not found["url"].startswith("https://") or not found["commit"]:
            raise UnusableManifest(f"{path} wants {quote(found['url'])}; by git only https with a commit is fetched")
    for found in _OTHER_REGISTRY.finditer(text):
        if not found["url"].startswith("https://"):
            raise UnusableManifest(f"{path} wants the registry {quote(found['url'])}; only https is asked")


def _check_unlocked(source: Path, manifests: List[str]) -> None:
    for path in manifests:
        if re.search(rb"^[^#\n]*\bgit\s*=\s*[\"']", _read(source, path), re.MULTILINE):
            raise UnusableManifest(f"{path} wants sources by git, and no Cargo.lock says which commit")


def _read(source: Path, path: str) -> bytes:
    """A file of the tree; empty if there is none. Raises `UnusableManifest` for one that is too large."""
    try:
        with open(open_regular(source / path), "rb") as file:
            data = file.read(MAX_MANIFEST_BYTES + 1)
    except OSError:
        return b""
    if len(data) > MAX_MANIFEST_BYTES:
        raise UnusableManifest(f"{quote(path)} has more than {MAX_MANIFEST_BYTES} bytes")
    return data


def _write(place: Path, data: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
