"""What a build gets besides its requirements: what its compiler made before, and sources of Rust and Go.

extras = ExtrasOfWorker(state, tool_versions, limits).fetch(commands, source, "spidev", phases)
variables = extras.add_to(room, variables)
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Mapping

from .ccache import LINKS, BadCache, ProjectCaches, environment, is_usable
from .commands import BuildCommands
from .output import OutputError, SentFile
from .phases import Phases
from .sandbox import Room
from .system import find_tool
from .vendor import Toolchain, toolchain
from .vendored import Vendored, fetch_vendored

if TYPE_CHECKING:
    from .backend import Source


class Extras:
    """The extras of one project's build."""

    def __init__(self, project: str, ccache: str, caches: ProjectCaches, vendored: Vendored | None) -> None:
        self._vendored = vendored
        self._project = project
        self._ccache = ccache
        self._caches = caches

    @property
    def keeps_cache(self) -> bool:
        """Whether the compiler's cache is to come out of the build."""
        return bool(self._ccache)

    def add_to(self, room: Room, variables: Mapping[str, str]) -> dict[str, str]:
        """Let a room see them; the variables of its commands with what they need."""
        added = dict(variables)
        if self._ccache:
            kept = self._caches.kept(self._project)
            seen = room.reads(kept, "/ccache") if kept else ""
            added.update(environment(self._ccache, f"{room.build}/ccache", seen))
            env, _, system = added["PATH"].partition(os.pathsep)
            added["PATH"] = os.pathsep.join((env, LINKS, system))
        return added if self._vendored is None else self._vendored.add_to(room, added)

    def keep_cache(self, commands: BuildCommands, sent: SentFile) -> None:
        """Keep what came out of a build, if it is a cache at all. A worse next build is all that can come of it."""
        tar = commands.scratch.space() / "ccache.tar"
        try:
            sent.copy_to(tar)
            self._caches.keep(self._project, tar)
        except (BadCache, OutputError, OSError) as error:
            commands.log.mark(f"the compiler's cache was not kept: {error}")


class ExtrasOfWorker:
    """Where extras come from. `versions` are those of the worker's tools."""

    def __init__(self, state: Path, versions: Mapping[str, str]) -> None:
        self._state = state
        self._ccache = versions.get("ccache", "") if is_usable(versions.get("ccache", "")) else ""

    def fetch(self, commands: BuildCommands, source: Source, project: str, phases: Phases) -> Extras:
        """The extras of a source, with what has to come from the network."""
        vendored = fetch_vendored(commands, source, self._toolchains(), phases) if source.manifests else None
        return Extras(project, self._ccache, ProjectCaches(self._state), vendored)

    def _toolchains(self) -> dict[str, Toolchain]:
        found = {name: find_tool(self._state, name) for name in ("cargo", "go")}
        return {name: toolchain(program) for name, program in found.items() if program}
