"""One build, from its spec to result.json.

    Build(batch, spec, build_spec, stop, surroundings).run()

Whatever happens inside becomes a result: a wheel, or a failure with its kind. Only `Stopped` leaves none.
"""

from __future__ import annotations

import errno
import json
import os
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Mapping

from . import clock
from .batch import Batch
from .commands import BuildCommands
from .containment import Containment
from .environment import Scratch, certificates_file
from .extras import ExtrasOfWorker
from .failure import BuildFailure, Stopped
from .files import remove_tree, sync_directory, write_whole
from .log import BuildLog
from .means import Means
from .phases import Phases
from .protocol import FORMAT, BatchSpec, BuildSpec
from .requirements import normalise
from .sandbox import REMEDY, Sandbox
from .signals import Stop
from .smoke_test import smoke_test
from .source_build import SourceBuilds, Tools
from .tools import find_installer, tools_name
from .version import WORKER_VERSION
from .wheels import Wheel, collect_wheel

_NO_SPACE = (b"No space left on device", b"Disk quota exceeded")
_TOO_LARGE = (b"File too large",)

_TAIL_BYTES = 1 << 16


@dataclass(frozen=True)
class Surroundings:
    """What all builds of a batch share. `facts` are those of `facts.py`; a string is the reason why there are none."""

    facts: Mapping[str, str] | str
    sandbox: Sandbox
    means: Means
    program: Path
    """The worker program as a folder."""
    system: Mapping[str, Any]
    """What `system.py` says of the machine: compiler, packages."""


class Build:
    """One build of a batch."""

    def __init__(self, batch: Batch, spec: BatchSpec, build: BuildSpec, stop: Stop, surroundings: Surroundings):
        self._batch = batch
        self._spec = spec
        self._build = build
        self._surroundings = surroundings
        self._directory = batch.build_directory(build.build)
        self._scratch = Scratch(batch.scratch_directory(build.build))
        self._mark = batch.mark(build.build)
        self._stop = stop
        self._started = clock.now()
        self._installer = ""
        self._locked: list[str] = []
        self._smoke: dict[str, Any] | None = None

    def run(self) -> None:
        """Build and write result.json. Raises `Stopped`, and OSError if not even the result can be written."""
        for leftover in (self._directory, self._scratch.root):
            if os.path.lexists(leftover):  # of a runner that died
                remove_tree(leftover)
        (self._directory / "wheels").mkdir(parents=True)
        limits = self._spec.limits
        self._log = BuildLog(self._directory / "log.txt", limits.log_bytes)
        sandboxed = self._surroundings.sandbox.works
        self._containment = Containment(
            self._log, limits, self._surroundings.means, self._mark, self._stop, sandboxed=sandboxed
        )
        self._phases = Phases(self._containment, self._log, self._tell)
        wheels: list[Wheel] = []
        failure: BuildFailure | None = None
        try:
            wheels.append(self._all_phases())
        except BuildFailure as error:
            failure = self._refine(error)
        except OSError as error:
            kind = "no_space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "internal"
            failure = BuildFailure(kind, f"The worker failed: {error}.")
            traceback.print_exc()
        except Stopped:
            raise
        except Exception as error:  # a bug here must not stop the builds after this one
            failure = BuildFailure("internal", f"The worker failed: {type(error).__name__}: {error}.")
            traceback.print_exc()
        finally:
            self._phases.end()
            if failure is not None:
                self._say(f"failed ({failure.kind}): {failure.message}")
            self._clean()
        self._log.close()
        self._write_result([] if failure else wheels, failure)

    def _clean(self) -> None:
        try:
            remove_tree(self._scratch.root)
        except OSError:
            traceback.print_exc()  # in runner.log; a result is worth more than a clean directory, `sweep` tries again

    def _all_phases(self) -> Wheel:
        around, spec, limits = self._surroundings, self._spec, self._spec.limits
        if isinstance(around.facts, str):
            raise BuildFailure("internal", around.facts)
        if not around.sandbox.works and not spec.unsandboxed:
            raise BuildFailure("no_sandbox", f"{around.sandbox.why}: {REMEDY}.")
        self._scratch.create()
        commands = BuildCommands(
            self._containment,
            self._scratch,
            around.sandbox,
            around.means,
            around.facts,
            self._mark,
            self._log,
            around.program,
            certificates_file(os.environ),
        )
        installer = find_installer(commands, self._batch.state, spec.python, spec.index_url)
        self._installer = installer.description
        extras = ExtrasOfWorker(self._batch.state, around.system.get("tools", {}))
        tools = Tools(self._batch.state, spec.python, tools_name(spec.python), installer, spec.index_url, extras)
        builds = SourceBuilds(commands, self._phases, tools, limits.wheel_bytes)
        build = self._build
        try:
            sent = builds.build(normalise(build.project), build.sdist, build.source_date_epoch, build.network)
            self._locked = builds.locked
            self._phases.enter("inspect")
            wheel = collect_wheel(sent, self._directory / "wheels", limits.wheel_bytes)
            self._say(f"built {wheel.filename}, {wheel.size} bytes, sha256 {wheel.sha256}")
            self._phases.enter("smoke")
            self._smoke = smoke_test(commands, builds, self._containment, self._directory / "wheels" / wheel.filename)
            self._say(f"smoke test: {self._smoke['outcome']} {self._smoke['detail']}".rstrip())
        finally:
            builds.release()
        return wheel

    def _tell(self, phase: str) -> None:
        self._batch.write_progress(runner=os.getpid(), build=self._build.build, phase=phase)

    def _refine(self, failure: BuildFailure) -> BuildFailure:
        """A full disk, a file too large and one process too many show up as anything; say what it was."""
        if failure.kind not in ("requirements", "backend", "internal", "no_wheel"):
            return failure
        tail = self._log.since(self._phases.log_start, _TAIL_BYTES)
        if any(words in tail for words in _NO_SPACE):
            # In a room the only thing that can be full is the room.
            own = (
                self._surroundings.sandbox.works and self._surroundings.means.tmpfs_bytes and failure.kind == "backend"
            )
            limit = self._spec.limits.disk_bytes
            if own:
                return BuildFailure("disk_limit", f"The build filled the {limit} bytes it may: {failure.message}")
            return BuildFailure("no_space", f"The disk filled up: {failure.message}")
        if any(words in tail for words in _TOO_LARGE):
            limit = self._spec.limits.file_bytes
            return BuildFailure("disk_limit", f"A file had more than the {limit} bytes it may have: {failure.message}")
        return failure

    def _say(self, text: str) -> None:
        try:
            self._log.mark(text)
        except OSError:
            pass  # the disk is full, and the result says so

    def _write_result(self, wheels: list[Wheel], failure: BuildFailure | None) -> None:
        around = self._surroundings
        facts = around.facts if isinstance(around.facts, Mapping) else {}
        phases = self._phases.all
        result: dict[str, Any] = {
            "format": FORMAT,
            "build": self._build.build,
            "outcome": "built" if failure is None else "failed",
            "failure": None if failure is None else {"kind": failure.kind, "message": failure.message},
            "started": self._started,
            "finished": clock.now(),
            "phases": [asdict(each) for each in phases][-60:],
            "peak_memory_bytes": max((each.peak_memory_bytes for each in phases), default=0),
            "log": {"bytes": self._log.bytes, "truncated": self._log.truncated},
            "wheels": [each.to_json() for each in wheels],
            "sandbox": around.means.to_json(around.sandbox),
            "connections": self._phases.connections,
            "smoke": self._smoke if failure is None else None,
            "environment": {
                **{name: facts.get(name, "") for name in FACTS},
                "compiler": around.system.get("compiler", ""),
                "apt": around.system.get("apt", []),
                "installer": self._installer,
                "requirements": self._locked,
                "worker_version": WORKER_VERSION,
            },
        }
        write_whole(self._directory / "result.json", json.dumps(result, indent=1).encode() + b"\n")
        sync_directory(self._directory.parent)


FACTS = ("python", "implementation", "platform", "machine", "libc", "distribution")
