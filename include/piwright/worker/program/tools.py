"""The worker's own pip, where it has no uv: one virtual environment for each interpreter, shared by all builds.

python = tools_python(commands, state, interpreter, index_url)      # a Python that has pip
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from .commands import BuildCommands
from .environments import only_one
from .failure import BuildFailure
from .files import remove_tree
from .installers import Installer, find_uv, uv_installer

OLDEST_PIP = (22, 3)
"""The first pip that knows `--python`."""
TOOLS_SECONDS = 600.0
"""Making the environment takes seconds on a computer, and a minute on the smallest Pi."""
_HAS_ENSUREPIP = "import importlib.util, sys; sys.exit(importlib.util.find_spec('ensurepip') is None)"
REMEDY = "install it with `apt install python3-venv` (or python3-pip)"


def find_installer(commands: BuildCommands, state: Path, interpreter: str, index_url: str) -> Installer:
    """uv if the worker has it, else pip. Raises `BuildFailure` (internal) with the remedy if neither can be had."""
    uv = find_uv(state)
    installer = uv_installer(uv) if uv else None
    if installer is not None:
        return installer
    python = tools_python(commands, state, interpreter, index_url)
    return Installer("pip", ".".join(map(str, _pip_version(commands, python))), python)


def tools_python(commands: BuildCommands, state: Path, interpreter: str, index_url: str) -> str:
    """The interpreter that has a usable pip. Raises `BuildFailure` (internal) with the remedy if none can be had."""
    place = state / "tools" / tools_name(interpreter)
    ready = place / "bin" / "python"
    if ready.exists():
        return str(ready)
    place.parent.mkdir(parents=True, exist_ok=True)
    # The first build of a worker should not pay for what all builds share.
    with commands.off_the_clock(TOOLS_SECONDS), only_one(place.with_name(place.name + ".lock"), commands):
        if ready.exists():
            return str(ready)
        if commands.run_plain([interpreter, "-I", "-c", _HAS_ENSUREPIP]) != 0:
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
    if commands.run_plain([interpreter, "-I", "-m", "venv", str(place)]) != 0:
        raise BuildFailure(
            "internal", f"{interpreter} -m venv failed: {commands.last_line(start)}. Repair its venv module: {REMEDY}."
        )
    python = str(place / "bin" / "python")
    if _pip_version(commands, python) < OLDEST_PIP:
        wanted = "pip>=" + ".".join(map(str, OLDEST_PIP))
        if commands.run_plain([python, "-m", "pip", "install", "--upgrade", f"--index-url={index_url}", wanted]) != 0:
            raise BuildFailure("requirements", f"{wanted} cannot be installed from {index_url}.")


def _python_with_pip(commands: BuildCommands, interpreter: str) -> str:
    """The interpreter itself, for a system that took ensurepip away but has pip."""
    version = _pip_version(commands, interpreter)
    if version < OLDEST_PIP:
        found = f"its pip is {'.'.join(map(str, version))}" if version else "it has neither ensurepip nor pip"
        raise BuildFailure("internal", f"{interpreter} cannot install build requirements, {found}: {REMEDY}.")
    return commands.facts["executable"]  # a script in front of it is nowhere in a sandbox


def _pip_version(commands: BuildCommands, python: str) -> tuple[int, ...]:
    """pip's version as numbers; empty if there is no pip."""
    start = commands.log.bytes
    if commands.run_plain([python, "-m", "pip", "--version"]) != 0:
        return ()
    found = re.search(r"^pip (\d+)\.(\d+)", commands.log.since(start, 4096).decode("utf-8", "replace"), re.MULTILINE)
    return (int(found[1]), int(found[2])) if found else ()
