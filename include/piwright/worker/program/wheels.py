"""Phase `inspect`: the wheel that a build left, measured and moved to where it is fetched from."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .failure import BuildFailure
from .files import open_regular, remove_tree, sync_directory
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


def collect_wheel(made_in: Path, keep_in: Path, limit: int) -> Wheel:
    """Move the one wheel in `made_in` to `keep_in`. Raises `BuildFailure` (no_wheel, wheel_limit)."""
    real = made_in.is_dir() and not made_in.is_symlink()  # the build could have put anything there
    names = sorted(each.name for each in made_in.iterdir())[:100] if real else []
    wheels = [name for name in names if name.endswith(".whl")]
    if len(wheels) != 1:
        raise BuildFailure("no_wheel", f"The build must leave exactly one wheel; it left {quote(names)}.")
    if not _WHEEL_NAME.fullmatch(wheels[0]):
        raise BuildFailure("no_wheel", f"The build left {quote(wheels[0])}, which is no name of a wheel.")
    kept = keep_in / wheels[0]
    keep_in.mkdir(parents=True, exist_ok=True)
    os.rename(made_in / wheels[0], kept)
    try:
        wheel = _measure(kept, limit)
    except BuildFailure:
        remove_tree(kept)
        raise
    sync_directory(keep_in)
    return wheel


def _measure(path: Path, limit: int) -> Wheel:
    digest = hashlib.sha256()
    size = 0
    try:
        descriptor = open_regular(path)
    except OSError as error:
        raise BuildFailure("no_wheel", f"The build left something that is no file as its wheel: {error}.") from None
    with open(descriptor, "rb") as file:
        while True:
            data = file.read(1 << 20)
            if not data:
                break
            size += len(data)
            if size > limit:
                raise BuildFailure("wheel_limit", f"The wheel {path.name} has more than the {limit} bytes it may have.")
            digest.update(data)
        os.fsync(file.fileno())
    return Wheel(path.name, size, digest.hexdigest())
