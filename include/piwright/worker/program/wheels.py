"""Phase `inspect`: the wheel that a build left, measured and moved to where it is fetched from."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Sequence

from .failure import BuildFailure
from .files import sync_directory
from .output import SentFile
from .strict import quote

_WHEEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,240}\.whl")


@dataclass(frozen=True)
class Wheel:
    """A wheel file; `size` in bytes."""

    filename: str
    size: int
    sha256: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def collect_wheel(sent: Sequence[SentFile], keep_in: Path, limit: int) -> Wheel:
    """Keep the one wheel among the files a build sent. Raises `BuildFailure` (no_wheel, wheel_limit)."""
    names = [each.name for each in sent]
    wheels = [each for each in sent if each.name.endswith(".whl")]
    if len(wheels) != 1:
        raise BuildFailure("no_wheel", f"The build must leave exactly one wheel; it left {quote(names)}.")
    name = wheels[0].name
    if not _WHEEL_NAME.fullmatch(name):
        raise BuildFailure("no_wheel", f"The build left {quote(name)}, which is no name of a wheel.")
    if wheels[0].size > limit:
        raise BuildFailure("wheel_limit", f"The wheel {name} has more than the {limit} bytes it may have.")
    keep_in.mkdir(parents=True, exist_ok=True)
    wheels[0].copy_to(keep_in / name)
    wheel = _measure(keep_in / name)
    sync_directory(keep_in)
    return wheel


def _measure(path: Path) -> Wheel:
    digest = hashlib.sha256()
    size = 0
    with open(path, "rb") as file:
        while data := file.read(1 << 20):
            size += len(data)
            digest.update(data)
        os.fsync(file.fileno())
    return Wheel(path.name, size, digest.hexdigest())


def is_wheel_of(filename: str, project: str, version: str) -> bool:
    """Whether a file name is that of a wheel of this project (normalised) and version, as far as letters tell."""
    parts = filename.removesuffix(".whl").split("-")
    same = re.sub(r"[-_.]+", "-", parts[0]).lower() == project
    return filename.endswith(".whl") and len(parts) in (5, 6) and same and parts[1].lower() == version.lower()
