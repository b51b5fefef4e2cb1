"""Sources of Rust and Go for one build: fetched by the worker's own cargo and go, then shown to the build to be read.

vendored = fetch_vendored(commands, source, tools, phases)       # None where there is nothing to fetch
variables = vendored.add_to(room, variables)
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Mapping

from .commands import BuildCommands
from .failure import BuildFailure, one_sentence
from .phases import Phases
from .sandbox import Room
from .strict import Members, ProtocolError
from .vendor import CannotVendor, Toolchain, build_settings, vendor
from .vendor_manifests import Manifests

if TYPE_CHECKING:
    from .backend import Source

_VENDORED = "/vendored"
_MOST_MANIFESTS = 500


@dataclass(frozen=True)
class Vendored:
    """Sources in the folder `output` (None: there are none), and the tools that compile them."""

    output: Path | None
    toolchains: tuple[Toolchain, ...]
    scratch: Path

    def add_to(self, room: Room, variables: Mapping[str, str]) -> dict[str, str]:
        """Let a room see them; the variables of its commands with what they need."""
        added = dict(variables)
        _show(room, self.toolchains)
        folders = [f"{each.prefix}/bin" for each in self.toolchains if each.prefix]
        env, _, system = added["PATH"].partition(os.pathsep)
        added["PATH"] = os.pathsep.join((env, *folders, system))
        if self.output is None:
            return added
        seen = room.reads(self.output, _VENDORED)
        settings, files = build_settings(self.output, seen, f"{room.build}/home")
        for number, (path, text) in enumerate(files.items()):
            if room.sandbox.works:
                file = self.scratch / f"vendored-{number}"
                file.write_text(text, encoding="utf-8")
                room.reads(file, path)
            else:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                Path(path).write_text(text, encoding="utf-8")
        return {**added, **settings}


def fetch_vendored(
    commands: BuildCommands, source: Source, toolchains: Mapping[str, Toolchain], phases: Phases
) -> Vendored:
    """Raises `BuildFailure` (requirements, bad_sdist, ...)."""
    used = tuple(toolchains.values())
    folder = commands.scratch.space()
    copied, output = folder / "copied", folder / "output"
    for each in (copied, output):
        each.mkdir()
    manifests = _read_manifests(commands, source, folder, copied)
    for note in manifests.notes:
        commands.log.mark(note)
    if not manifests or not toolchains:
        return Vendored(None, used, commands.scratch.control)
    room = commands.room(network=True)
    seen_copied, seen_output = room.writes(copied, "/copied"), room.writes(output, _VENDORED)
    _show(room, used)
    system = os.pathsep.join([*(f"{each.prefix}/bin" for each in used if each.prefix), "/usr/bin", "/bin"])

    def run(command: list[str], environment: dict[str, str], directory: str) -> int:
        return commands.run_tool(room, command, {"PATH": system, **environment}, (output, copied), directory)

    programs = {name: each.program for name, each in toolchains.items()}
    start = commands.log.bytes
    try:
        for note in vendor(manifests, seen_copied, output, programs, os.environ, run, seen_output):
            commands.log.mark(note)
    except CannotVendor as error:
        kind = "fetch_failed" if commands.network_failed(start) else "requirements"
        raise BuildFailure(kind, f"{error} {commands.last_line(start)}") from None
    phases.add_fetched(sum(each.lstat().st_size for each in output.rglob("*") if each.is_file()))
    return Vendored(output, used, commands.scratch.control)


def _show(room: Room, toolchains: tuple[Toolchain, ...]) -> None:
    for each in toolchains:
        if each.prefix:
            room.reads(each.prefix, each.prefix)


def _read_manifests(commands: BuildCommands, source: Source, folder: Path, copied: Path) -> Manifests:
    """What the sdist has, copied out of it by a process without network: archives are hostile."""
    room = commands.room()
    exchange = folder / "exchange"
    exchange.mkdir()
    seen = room.writes(exchange, "/exchange")
    request = {
        "archive": room.reads(source.archive, "/input/archive"),
        "filename": source.filename,
        "place": f"{room.build}/unpacked",
        "copied": room.writes(copied, "/copied"),
    }
    (exchange / "request.json").write_text(json.dumps(request), encoding="utf-8")
    command = [commands.facts["executable"], "-I", f"{commands.program_in(room)}/manifests_task.py"]
    code = commands.run_tool(room, [*command, f"{seen}/request.json", f"{seen}/answer.json"], {}, (folder,))
    try:
        answer = Members.read((exchange / "answer.json").read_bytes(), "answer", 4 << 20).member("value")
        if answer.has("kind"):
            kind = answer.one_of("kind", ("bad_sdist", "requirements", "disk_limit", "no_space"))
            raise BuildFailure(kind, one_sentence(str(answer.value("message"))))
        return Manifests(
            cargo=_paths(answer.value("cargo")),
            go=_paths(answer.value("go")),
            locked=answer.truth("locked"),
            notes=_paths(answer.value("notes")),
        )
    except (OSError, ProtocolError) as error:
        raise BuildFailure(
            "internal", f"manifests_task.py ended with exit code {code} and no answer: {error}"
        ) from None


def _paths(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ProtocolError("answer: a list of strings was expected")
    return tuple(value[:_MOST_MANIFESTS])
