"""Compiles the guest's Python library ahead: nothing in a package is compiled, and the user may not write there.

    compile_library(root, guest)

Byte code is the same on every processor. A Python of the same minor version on this machine does it in seconds; where
there is none, the guest's own does it, emulated.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from piwright.stack.emulated import namespace
from piwright.stack.emulated.architecture import Guest

_MAGIC = "import importlib.util; print(importlib.util.MAGIC_NUMBER.hex())"

# compileall's own processes are started by exec, and outside a guest the kernel does not know its programs: these fork.
_COMPILE = """
import compileall, os, sys
root, many, *files = sys.argv[1:]
for number in range(int(many)):
    if os.fork() == 0:
        for file in files[number::int(many)]:
            compileall.compile_file(file, quiet=2, stripdir=root, prependdir="/")
        os._exit(0)
while True:
    try:
        os.wait()
    except ChildProcessError:
        break
"""

_SELDOM = frozenset(
    ("test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "pydoc_data", "curses", "dbm", "wsgiref", "xmlrpc")
)
"""Folders no build imports from."""


def compile_library(root: Path, guest: Guest) -> None:
    """Compile what is in the guest's `/usr/lib/python3*`. A file that cannot be compiled stays as it is."""
    library = next(each for each in (root / "usr/lib").iterdir() if re.fullmatch(r"python3\.\d+", each.name))
    emulator = [guest.emulator or guest.qemu] if guest.needs_emulator else []
    own = [*emulator, str(root / "usr/bin" / library.name)]
    magic = _magic_of(own, root)
    same = (python for python in _candidates(library.name) if magic and _magic_of([python], root) == magic)
    python = next(([each] for each in same), own)
    files = [str(each) for place in (library, root / "usr/lib/python3/dist-packages") for each in _sources(place)]
    subprocess.run(
        namespace.command([*python, "-I", "-S", "-c", _COMPILE, str(root), str(os.cpu_count() or 1), *files]),
        env=_environment(root),
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )


def _sources(place: Path) -> Iterator[Path]:
    return (each for each in place.rglob("*.py") if _SELDOM.isdisjoint(each.relative_to(place).parts))


def _candidates(name: str) -> Iterator[str]:
    """Interpreters on this machine with that name; a version manager's stand-in may be among them and not work."""
    yield str(Path(getattr(sys, "_base_executable", sys.executable)).resolve())
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if found := shutil.which(name, path=folder):
            yield found
    try:
        yield from map(str, sorted(Path.home().glob(f".pyenv/versions/3.*/bin/{name}")))
    except OSError:
        return


def _magic_of(command: list[str], root: Path) -> str:
    """What the interpreter marks its byte code with; nothing if it does not run."""
    words = [*command, "-I", "-S", "-c", _MAGIC]
    try:
        ran = subprocess.run(words, env=_environment(root), capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return ""
    return ran.stdout.strip() if ran.returncode == 0 else ""


def _environment(root: Path) -> dict[str, str]:
    return {**os.environ, "QEMU_LD_PREFIX": str(root)}
