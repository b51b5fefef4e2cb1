"""The pip that installs build requirements: one virtual environment for each interpreter, shared by all builds.

    python = tools_python(commands, state, interpreter, index_url)
    commands.run([*python, "-m", "pip", "--python", venv_python, "install", ...])

Builds get virtual environments without pip, which are made in a tenth of the time.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator

from .commands import BuildCommands
from .failure import BuildFailure
from .files import remove_tree

OLDEST_PIP = (22, 3)
"""The first pip that knows `--python`."""
TOOLS_SECONDS = 600.0
"""Making the environment takes seconds on a computer, and a minute on the smallest Pi."""
_HAS_ENSUREPIP = "import importlib.util, sys; sys.exit(importlib.util.find_spec('ensurepip') is None)"
REMEDY = "install it with `apt install python3-venv` (or python3-pip)"


def tools_python(commands: BuildCommands, state: Path, interpreter: str, index_url: str) -> str:
    """The interpreter that has a usable pip. Raises `BuildFailure` (internal) with the remedy if none can be had."""
    place = state / "tools" / tools_name(interpreter)
    ready = place / "bin" / "python"
    if ready.exists():
        return str(ready)
    place.parent.mkdir(parents=True, exist_ok=True)
    # The first build of a worker should not pay for what all builds share.
    with commands.off_the_clock(TOOLS_SECONDS), _only_one(place.with_name(place.name + ".lock"), commands.check):
        if ready.exists():
            return str(ready)
        if commands.run([interpreter, "-I", "-c", _HAS_ENSUREPIP]) != 0:
            return _python_with_pip(commands, interpreter)
        # Made aside and renamed: whatever ends the runner in between leaves no half environment behind.
        half = place.with_name(f"{place.name}.{os.getpid()}.part")
        try:
            _make(commands, interpreter, half, index_url)
            os.rename(half, place)
        finally:
            if half.exists():
                remove_tree(half)
    return str(ready)


def tools_name(interpreter: str) -> str:
    """One name for each interpreter, another one when the system replaces it by a newer one."""
    real = os.path.realpath(interpreter)
    found = os.stat(real)
    identity = f"{real} {found.st_size} {found.st_mtime_ns}"
    return f"{os.path.basename(real)}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


def _make(commands: BuildCommands, interpreter: str, place: Path, index_url: str) -> None:
    commands.log.mark(f"making a virtual environment with pip for {interpreter}, once")
    start = commands.log.bytes
    if commands.run([interpreter, "-I", "-m", "venv", str(place)]) != 0:
        raise BuildFailure(
            "internal", f"{interpreter} -m venv failed: {commands.last_line(start)}. Repair its venv module: {REMEDY}."
        )
    python = str(place / "bin" / "python")
    if _pip_version(commands, python) < OLDEST_PIP:
        wanted = "pip>=" + ".".join(map(str, OLDEST_PIP))
        if commands.run([python, "-m", "pip", "install", "--upgrade", f"--index-url={index_url}", wanted]) != 0:
            raise BuildFailure("requirements", f"{wanted} cannot be installed from {index_url}.")


def _python_with_pip(commands: BuildCommands, interpreter: str) -> str:
    """The interpreter itself, for a system that took ensurepip away but has pip."""
    version = _pip_version(commands, interpreter)
    if version < OLDEST_PIP:
        found = f"its pip is {'.'.join(map(str, version))}" if version else "it has neither ensurepip nor pip"
        raise BuildFailure("internal", f"{interpreter} cannot install build requirements, {found}: {REMEDY}.")
    return interpreter


def _pip_version(commands: BuildCommands, python: str) -> tuple[int, ...]:
    """pip's version as numbers; empty if there is no pip."""
    start = commands.log.bytes
    if commands.run([python, "-m", "pip", "--version"]) != 0:
        return ()
    found = re.search(r"^pip (\d+)\.(\d+)", commands.log.since(start, 4096).decode("utf-8", "replace"), re.MULTILINE)
    return (int(found[1]), int(found[2])) if found else ()


@contextmanager
def _only_one(path: Path, check: Callable[[], None]) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                check()  # somebody may tell this runner to stop
                time.sleep(0.1)
        yield
    finally:
        os.close(descriptor)
