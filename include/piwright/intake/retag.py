"""Gives a rebuilt wheel a build number, so that a file once published never changes.

path = retag(checked.path, 2, directory)      # directory/spidev-3.6-2-cp311-cp311-linux_armv7l.whl
next_build_number(["spidev-3.6-cp311-cp311-linux_armv7l.whl"])      # 1
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

_EPOCH = 315_532_800
"""1980-01-01, the first day a zip can name: equal wheels stay equal after retagging, whenever that happens."""
_SECONDS = 600


class RetagError(ValueError):
    """A wheel that `wheel tags` could not rewrite; the message is its last line."""


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


def retag(wheel: Path, build_number: int, directory: Path) -> Path:
    """Write a copy of a checked wheel with another build number into an empty `directory`; the original stays.

    Name, WHEEL and RECORD change together. Equal input gives equal bytes. It runs `wheel tags` as a program: the
    library behind it takes the time of its new members from the environment of the process, which tasks share.
    Raises `RetagError`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    copy = directory / wheel.name
    shutil.copyfile(wheel, copy)
    command = [sys.executable, "-I", "-m", "wheel", "tags", "--build", str(build_number), copy.name]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(_EPOCH)}
    try:
        done = subprocess.run(
            command, cwd=directory, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise RetagError(f"wheel tags did not end within {_SECONDS} seconds") from None
    finally:
        copy.unlink()
    made = sorted(directory.glob("*.whl"))
    if done.returncode or len(made) != 1:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
        raise RetagError(f"wheel tags failed: {lines[-1]}")
    return made[0]
