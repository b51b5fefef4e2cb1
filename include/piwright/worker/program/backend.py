"""Phases `prepare` and `build`: which PEP 517 backend a source tree has, and calling its hooks.

    system = parse_build_system(table)                 # [build-system] as the fetch brought it
    backend = Backend(commands, source, system, settings)
    backend.dynamic_requirements(environment)
    backend.build_wheel(environment, network=False)

Each hook runs in a room of its own, in a tree unpacked anew: what one leaves behind does not reach the other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from .ccache import MAX_PROJECT_BYTES
from .commands import Answer, BuildCommands
from .environments import Environment
from .extras import Extras
from .failure import BuildFailure
from .output import SentFile
from .requirements import check_requirements, require_index
from .sandbox import ENVIRONMENT
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


def parse_build_system(table: Any) -> BuildSystem:
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
    require_index(requires)
    return BuildSystem(tuple(requires), backend, tuple(_inside(each) for each in listed))


def _inside(path: str) -> str:
    """A folder of the tree, by the letters of its name. Where links lead, the hook's runner looks."""
    parts = PurePosixPath(path).parts
    if path.startswith("/") or ".." in parts:
        raise BuildFailure("bad_sdist", f"pyproject.toml: backend-path {quote(path)} leads out of the source tree.")
    return path


@dataclass(frozen=True)
class Source:
    """An sdist on the worker's disk, `filename` as upstream calls it; and the moment that stands in what it makes."""

    archive: Path
    filename: str
    source_date_epoch: int
    manifests: bool = False
    """Whether there is a manifest of Rust or Go in it."""


class Backend:
    """The hooks of a source tree."""

    def __init__(
        self,
        commands: BuildCommands,
        source: Source,
        system: BuildSystem,
        index_url: str,
        extras: Extras,
    ) -> None:
        self._commands = commands
        self._source = source
        self._system = system
        self._index_url = index_url
        self._extras = extras

    def dynamic_requirements(self, environment: Environment) -> list[str]:
        """What the backend wants beyond the static requirements. Raises `BuildFailure` (backend, requirements)."""
        answer = self._call(environment, "get_requires_for_build_wheel", [None])
        value = answer.or_fail("backend", "get_requires_for_build_wheel failed")
        wanted = check_requirements(value, "get_requires_for_build_wheel's result", "backend")
        require_index(wanted)
        return wanted

    def build_wheel(self, environment: Environment, wheel_bytes: int, network: bool = False) -> tuple[SentFile, ...]:
        """Build; the files it left where wheels belong. Raises `BuildFailure` (backend, killed)."""
        answer = self._call(environment, "build_wheel", ["wheels", None, None], wheel_bytes, network)
        answer.or_fail("backend", "build_wheel failed")
        return answer.files

    def _call(
        self, environment: Environment, hook: str, arguments: list[Any], wheel_bytes: int = 0, network: bool = False
    ) -> Answer:
        commands = self._commands
        start = commands.log.bytes
        room = commands.room(network)
        env = room.reads(environment.path, ENVIRONMENT)
        variables = commands.environment_of_build(room, env, self._index_url, self._source.source_date_epoch)
        variables = self._extras.add_to(room, variables)
        if arguments[0] == "wheels":
            arguments = [f"{room.build}/wheels", *arguments[1:]]
        answer = commands.run_inside(
            room,
            "hook_runner.py",
            f"{env}/bin/python",
            {
                "hook": hook,
                "backend": self._system.backend,
                "backend_path": self._system.backend_path,
                "arguments": arguments,
            },
            archive=(self._source.archive, self._source.filename),
            variables=variables,
            send="wheels" if wheel_bytes else None,
            output_bytes=wheel_bytes + _ANSWER_BYTES + (MAX_PROJECT_BYTES if self._extras.keeps_cache else 0),
            keep_cache=bool(wheel_bytes) and self._extras.keeps_cache,
        )
        if answer.cache is not None:
            self._extras.keep_cache(commands, answer.cache)
        if (answer.error or answer.code) and _KILLED_BELOW.search(commands.log.since(start, _TAIL_BYTES)):
            raise BuildFailure("killed", f"A compiler run by {hook} was killed: out of memory, or an operator.")
        return answer


_ANSWER_BYTES = 8 << 20
