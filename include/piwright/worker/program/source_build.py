"""From an sdist to a wheel: fetch, prepare, fetch what was asked for, build. For the project itself, and first for every
build requirement of which there is no wheel.

    builds = SourceBuilds(commands, phases, tools, wheel_bytes)
    files = builds.build("spidev", sdist, epoch)
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Mapping, Sequence

from .backend import Backend, BuildSystem, Source, parse_build_system
from .commands import BuildCommands
from .environments import Environment, Environments, NoWheel
from .extras import ExtrasOfWorker
from .failure import BuildFailure
from .installers import Installer
from .output import SentFile
from .phases import Phases
from .protocol import SdistSpec
from .requirements import project_of
from .strict import Members, ProtocolError
from .tools import tools_python
from .wheels import collect_wheel, is_wheel_of

MOST_REQUIREMENT_BUILDS = 10
DEEPEST = 4
"""A requirement of a requirement of a requirement; whoever needs more is going in circles."""
_OF_REQUIREMENT = "Building the requirement "
_BUILT_LIMIT = 200
"""Wheels of requirements that a worker keeps."""


@dataclass(frozen=True)
class Tools:
    """What a worker builds with. `identity` changes when its interpreter does."""

    state: Path
    interpreter: str
    identity: str
    installer: Installer
    index_url: str
    extras: ExtrasOfWorker


class SourceBuilds:
    """The builds of one job: the project, and what it needs built first."""

    def __init__(self, commands: BuildCommands, phases: Phases, tools: Tools, wheel_bytes: int) -> None:
        self._commands = commands
        self._phases = phases
        self._tools = tools
        self._wheel_bytes = wheel_bytes
        self._environments = Environments(commands, tools.state, tools.identity, tools.installer, tools.index_url)
        self._built: list[str] = []
        self._held: list[Environment] = []
        self.locked: list[str] = []
        """What the last environment had in it."""

    @property
    def installer(self) -> Installer:
        return self._tools.installer

    def release(self) -> None:
        """The environments may go."""
        for each in self._held:
            each.release()

    def build(
        self, project: str, sdist: SdistSpec, epoch: int, network: bool = False, depth: int = 1, note: str = ""
    ) -> tuple[SentFile, ...]:
        """The files a build left where wheels belong. Raises `BuildFailure`, `Stopped`."""
        phases = self._phases
        phases.enter("fetch", note)
        source, system = self._fetch(sdist, epoch)
        environment = self._provide(system.requires, depth, note)
        extras = self._tools.extras.fetch(self._commands, source, project, phases)
        backend = Backend(self._commands, source, system, self._tools.index_url, extras)
        phases.enter("prepare", note)
        wanted = [each for each in backend.dynamic_requirements(environment) if each not in system.requires]
        if wanted:
            phases.enter("fetch", note)
            environment = self._provide([*system.requires, *wanted], depth, note)
        phases.enter("build", note)
        self.locked = environment.locked
        return backend.build_wheel(environment, self._wheel_bytes, network)

    def install(self, wheel: Path) -> Environment:
        """A fresh environment with a wheel and what it requires. Raises `BuildFailure`, `NoWheel`."""
        return self._environments.provide([], self._commands.scratch.links, wheel)

    def _fetch(self, sdist: SdistSpec, epoch: int) -> tuple[Source, BuildSystem]:
        """Download, in a process of its own: it is contained like the rest, and killed like the rest."""
        commands = self._commands
        folder = commands.scratch.space()
        # Upstream's file name is for people; on our disk it would only be one more thing to distrust.
        request = {"sdist": asdict(sdist), "target": "archive"}
        answer = self._run_script("fetch_task.py", request, folder, "target")
        if "kind" in answer:
            raise BuildFailure(str(answer["kind"]), str(answer["message"]))
        size = (folder / "archive").stat().st_size
        self._phases.add_fetched(size)
        source = Source(folder / "archive", sdist.filename, epoch, answer["manifests"] is True)
        return source, parse_build_system(answer["build_system"])

    def _run_script(self, script: str, request: dict[str, Any], folder: Path, place: str = "") -> Any:
        """Run a script of ours with network; `folder` is what it may write. `request[place]` is a file in it."""
        commands = self._commands
        room = commands.room(network=True)
        seen = room.writes(folder, "/download")
        if place:
            request = {**request, place: f"{seen}/{request[place]}"}
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        program = commands.program_in(room)
        python = commands.python_in(room, self._python_for(script))
        command = [python, "-I", f"{program}/{script}", f"{seen}/request.json", f"{seen}/answer.json"]
        code = commands.run_tool(room, command, {}, watched=(folder,))
        try:
            answer = Members.read((folder / "answer.json").read_bytes(), "answer", 4 << 20)
        except (OSError, ProtocolError) as error:
            raise BuildFailure("internal", f"{script} ended with exit code {code} and no answer: {error}") from None
        if answer.has("error"):
            raise BuildFailure("requirements", str(answer.value("error")))
        return answer.value("value")

    def _python_for(self, script: str) -> str:
        """Our scripts run with the interpreter itself, unless they need what only pip brings."""
        facts = self._commands.facts
        old = tuple(int(each) for each in facts["python"].split(".")[:2]) < (3, 11)
        if script == "choose_sdist.py" or old:
            return tools_python(self._commands, self._tools.state, self._tools.interpreter, self._tools.index_url)
        return facts["executable"]

    def _provide(self, requirements: Sequence[str], depth: int, note: str) -> Environment:
        """An environment; what has no wheel is built first."""
        tried: set[str] = set()
        while True:
            try:
                environment = self._environments.provide(requirements, self._commands.scratch.links)
            except NoWheel as lacking:
                if lacking.project in tried or depth >= DEEPEST or len(self._built) >= MOST_REQUIREMENT_BUILDS:
                    raise lacking.failure from None
                tried.add(lacking.project)
                self._build_requirement(lacking, requirements, depth)
                self._phases.enter("fetch", note)
                continue
            self._held.append(environment)
            self._phases.add_fetched(environment.bytes_made)
            return environment

    def _build_requirement(self, lacking: NoWheel, requirements: Sequence[str], depth: int) -> None:
        """Make the wheel of a requirement and put it among the links."""
        chosen = self._choose(lacking, requirements)
        sdist = SdistSpec(chosen["filename"], chosen["url"], chosen["hashes"], chosen["size"])
        identity = f"{sorted(sdist.hashes.items())[0][1][:32]}-{self._tools.identity}-{self._commands.sandbox.kind}"
        kept = self._tools.state / "built" / identity
        name = f"{lacking.project} {chosen['version']}"
        links = self._commands.scratch.links
        ready = sorted(kept.glob("*.whl")) if kept.is_dir() else []
        if not ready:
            self._built.append(name)
            note = f"for the build requirement {name}, of which there is no wheel"
            # No release time is asked for: what is built here is never published.
            try:
                files = self.build(lacking.project, sdist, 315532800, depth=depth + 1, note=note)
            except BuildFailure as failure:
                told = failure.message if failure.message.startswith(_OF_REQUIREMENT) else f"{name}: {failure.message}"
                raise BuildFailure(failure.kind, f"{_OF_REQUIREMENT}{told.removeprefix(_OF_REQUIREMENT)}") from None
            half = kept.with_name(f"{identity}.{os.getpid()}.part")
            shutil.rmtree(half, ignore_errors=True)
            wheel = collect_wheel(files, half, self._wheel_bytes)
            if not is_wheel_of(wheel.filename, lacking.project, chosen["version"]):
                shutil.rmtree(half, ignore_errors=True)
                raise BuildFailure(
                    "requirements", f"The build of {name} made {wheel.filename}, which is another wheel."
                )
            try:
                half.rename(kept)
            except OSError:  # another slot was quicker
                shutil.rmtree(half, ignore_errors=True)
            ready = sorted(kept.glob("*.whl"))
        shutil.copy2(ready[0], links / ready[0].name)
        _keep_few(kept.parent)

    def _choose(self, lacking: NoWheel, requirements: Sequence[str]) -> Mapping[str, Any]:
        asked = {
            "index_url": self._tools.index_url,
            "project": lacking.project,
            "requirements": [each for each in requirements if project_of(each) == lacking.project],
            "python_version": self._commands.facts["python"],
        }
        try:
            chosen = self._run_script("choose_sdist.py", asked, self._commands.scratch.space())
            SdistSpec.read(Members(chosen, "sdist"))
            version = Members(chosen, "sdist").text("version", r"[A-Za-z0-9.!+_-]+", "a version", 300)
        except (ProtocolError, BuildFailure) as error:
            detail = error.message if isinstance(error, BuildFailure) else str(error)
            raise BuildFailure("requirements", f"{lacking.failure.message} {detail}") from None
        return {**chosen, "version": version}


def _keep_few(folder: Path) -> None:
    kept = sorted((each for each in folder.iterdir() if each.is_dir()), key=lambda each: each.stat().st_mtime)
    for each in kept[:-_BUILT_LIMIT]:
        shutil.rmtree(each, ignore_errors=True)
