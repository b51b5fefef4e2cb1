"""Phases `prepare` and `build`: which PEP 517 backend a source tree has, and calling its hooks.

system = read_build_system(commands, source, python_with_pip)
backend = Backend(commands, source, system)
backend.build_wheel()
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .commands import BuildCommands
from .failure import BuildFailure
from .requirements import check_requirements
from .strict import quote

_KILLED_BELOW = re.compile(
    # The words of gcc's driver, clang's, cargo, make, subprocess and setuptools for a compiler that was killed.
    rb"(Killed|Terminated) signal terminated program|unable to execute command: (Killed|Terminated)"
    rb"|\(signal: (9|15), SIG|\*\*\* \[.*\] (Killed|Terminated)"
    rb"|died with <Signals\.SIG(KILL|TERM)|failed with exit (code|status) -(9|15)\b"
)
_TAIL_BYTES = 1 << 18


@dataclass(frozen=True)
class BuildSystem:
    """[build-system] of pyproject.toml; the defaults are PEP 517's for a tree without one."""

    requires: tuple[str, ...] = ("setuptools>=40.8.0",)
    backend: str = "setuptools.build_meta:__legacy__"
    backend_path: tuple[str, ...] = ()


def read_build_system(commands: BuildCommands, source: Path, python: str) -> BuildSystem:
    """What the tree says; `python` is one with a TOML parser. Raises `BuildFailure` (bad_sdist)."""
    file = source / "pyproject.toml"
    if not file.is_file():
        return BuildSystem()
    answer = commands.ask([python, "-I", commands.script("read_pyproject.py")], str(file))
    if answer.code:
        raise BuildFailure("internal", f"{python} cannot read pyproject.toml: {answer.error}.")
    return parse_build_system(answer.or_fail("bad_sdist", "pyproject.toml cannot be read"), source)


def parse_build_system(table: Any, source: Path) -> BuildSystem:
    """[build-system] as JSON (None: there is no such table). Raises `BuildFailure` (bad_sdist) naming the key."""
    if table is None:
        return BuildSystem()
    if not isinstance(table, dict):
        raise BuildFailure("bad_sdist", "pyproject.toml: build-system must be a table.")
    if "requires" not in table:
        raise BuildFailure("bad_sdist", "pyproject.toml: build-system.requires is missing, which PEP 518 demands.")
    requires = check_requirements(table["requires"], "pyproject.toml: build-system.requires", "bad_sdist")
    backend = table.get("build-backend", BuildSystem.backend)
    if not isinstance(backend, str) or not re.fullmatch(r"[\w.]{1,200}(:[\w.]{1,200})?", backend):
        raise BuildFailure("bad_sdist", f"pyproject.toml: build-backend must be `module:object`, not {quote(backend)}.")
    listed = check_requirements(table.get("backend-path", []), "pyproject.toml: backend-path", "bad_sdist")
    return BuildSystem(tuple(requires), backend, tuple(_inside(source, each) for each in listed))


def _inside(source: Path, path: str) -> str:
    real = os.path.realpath(source / path)
    if not (real + os.sep).startswith(os.path.realpath(source) + os.sep):
        raise BuildFailure("bad_sdist", f"pyproject.toml: backend-path {quote(path)} leads out of the source tree.")
    return real


class Backend:
    """The hooks of a source tree, each called in a process of its own."""

    def __init__(self, commands: BuildCommands, source: Path, system: BuildSystem) -> None:
        self._commands = commands
        self._source = source
        self._system = system

    def dynamic_requirements(self) -> list[str]:
        """What the backend wants beyond the static requirements. Raises `BuildFailure` (backend)."""
        value = self._call("get_requires_for_build_wheel", [None])
        return check_requirements(value, "get_requires_for_build_wheel's result", "backend")

    def build_wheel(self) -> None:
        """Build into the scratch's `wheels` directory. Raises `BuildFailure` (backend, killed)."""
        self._call("build_wheel", [str(self._commands.scratch.wheels), None, None])

    def _call(self, hook: str, arguments: list[Any]) -> Any:
        start = self._commands.log.bytes
        answer = self._commands.ask(
            [str(self._commands.scratch.python), self._commands.script("hook_runner.py")],
            {
                "hook": hook,
                "backend": self._system.backend,
                "backend_path": self._system.backend_path,
                "arguments": arguments,
            },
            self._source,
        )
        if (answer.error or answer.code) and _KILLED_BELOW.search(self._commands.log.since(start, _TAIL_BYTES)):
            raise BuildFailure("killed", f"A compiler run by {hook} was killed: out of memory, or an operator.")
        return answer.or_fail("backend", f"{hook} failed")
