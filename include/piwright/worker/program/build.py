"""One build, from its spec to result.json.

    Build(batch, spec, build_spec, stop, facts).run()

Whatever happens inside becomes a result: a wheel, or a failure with its kind. Only `Stopped` leaves none.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import time
import traceback
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Iterator, Mapping

from . import clock
from .backend import Backend, read_build_system
from .batch import Batch
from .commands import BuildCommands
from .containment import Containment
from .environment import Scratch, build_environment
from .failure import BuildFailure, Stopped
from .files import remove_tree, sync_directory, write_whole
from .log import BuildLog
from .protocol import FORMAT, BatchSpec, BuildSpec
from .requirements import installed_requirements, make_environment
from .signals import Stop
from .version import WORKER_VERSION
from .wheels import Wheel, collect_wheel

_NO_SPACE = (b"No space left on device", b"Disk quota exceeded")
_TAIL_BYTES = 1 << 16


@dataclass(frozen=True)
class Phase:
    """A phase as it was: `seconds` it took, bytes of memory at its peak, bytes of the log where it starts and ends."""

    name: str
    started: str
    seconds: float
    peak_memory_bytes: int
    log_start: int
    log_end: int


class Build:
    """One build of a batch. `facts` are those of `facts.py`; a string is the reason why there are none."""

    def __init__(self, batch: Batch, spec: BatchSpec, build: BuildSpec, stop: Stop, facts: Mapping[str, str] | str):
        self._batch = batch
        self._spec = spec
        self._build = build
        self._facts = facts
        self._directory = batch.build_directory(build.build)
        self._scratch = Scratch(batch.scratch_directory(build.build))
        self._mark = batch.mark(build.build)
        self._stop = stop
        self._phases: list[Phase] = []
        self._started = clock.now()

    def run(self) -> None:
        """Build and write result.json. Raises `Stopped`, and OSError if not even the result can be written."""
        for leftover in (self._directory, self._scratch.root):
            if os.path.lexists(leftover):  # of a runner that died
                remove_tree(leftover)
        (self._directory / "wheels").mkdir(parents=True)
        self._log = BuildLog(self._directory / "log.txt", self._spec.limits.log_bytes)
        wheels: list[Wheel] = []
        failure: BuildFailure | None = None
        requirements: list[str] = []
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
            requirements = installed_requirements(self._scratch.venv)
            if failure is not None:
                self._say(f"failed ({failure.kind}): {failure.message}")
            self._clean()
        self._log.close()
        self._write_result(wheels, failure, requirements)

    def _clean(self) -> None:
        try:
            remove_tree(self._scratch.root)
        except OSError:
            traceback.print_exc()  # in runner.log; a result is worth more than a clean directory, `sweep` tries again

    def _all_phases(self) -> Wheel:
        self._scratch.create()
        environment = build_environment(
            self._scratch, self._mark, self._spec.index_url, self._build.source_date_epoch, os.environ
        )
        self._containment = Containment(self._log, self._spec.limits, self._mark, self._stop)
        commands = BuildCommands(self._containment, self._scratch, environment, self._log)
        if isinstance(self._facts, str):
            raise BuildFailure("internal", self._facts)
        with self._phase("fetch"):
            source = self._fetch(commands)
        with self._phase("requirements"):
            venv = make_environment(commands, self._batch.state, self._spec)
            system = read_build_system(commands, source, venv.python_with_pip)
            venv.install(system.requires)
        backend = Backend(commands, source, system)
        with self._phase("prepare"):
            venv.install(backend.dynamic_requirements())
        with self._phase("build"):
            backend.build_wheel()
        with self._phase("inspect"):
            wheel = collect_wheel(self._scratch.wheels, self._directory / "wheels", self._spec.limits.wheel_bytes)
            self._say(f"built {wheel.filename}, {wheel.size} bytes, sha256 {wheel.sha256}")
            return wheel

    def _fetch(self, commands: BuildCommands) -> Path:
        """Fetch and unpack, in a process of its own: it is contained like the rest, and killed like the rest."""
        program = os.path.abspath(sys.argv[0])
        command = [sys.executable, "-I", program, "--state", str(self._batch.state), "_fetch"]
        request = {
            "sdist": asdict(self._build.sdist),
            # Upstream's file name is for people; on our disk it would only be one more thing to distrust.
            "archive": str(self._scratch.control / "archive"),
            "target": str(self._scratch.unpacked),
        }
        answer = commands.ask(command, request)
        value = answer.or_fail("internal", "The fetching process failed")
        if "kind" in value:
            raise BuildFailure(str(value["kind"]), str(value["message"]))
        return Path(value["source"])

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        self._batch.write_progress(runner=os.getpid(), build=self._build.build, phase=name)
        self._containment.peak_memory = 0
        started, clock_start, log_start = clock.now(), time.monotonic(), self._log.bytes
        self._log.mark(f"phase {name}")
        try:
            yield
        finally:
            seconds = round(time.monotonic() - clock_start, 3)
            peak = self._containment.peak_memory
            self._phases.append(Phase(name, started, seconds, peak, log_start, self._log.bytes))

    def _refine(self, failure: BuildFailure) -> BuildFailure:
        """A full disk shows up as anything; say what it was."""
        if failure.kind not in ("requirements", "backend", "internal", "no_wheel"):
            return failure
        start = self._phases[-1].log_start if self._phases else 0
        tail = self._log.since(start, _TAIL_BYTES)
        if any(words in tail for words in _NO_SPACE):
            return BuildFailure("no_space", f"The disk filled up: {failure.message}")
        return failure

    def _say(self, text: str) -> None:
        try:
            self._log.mark(text)
        except OSError:
            pass  # the disk is full, and the result says so

    def _write_result(self, wheels: list[Wheel], failure: BuildFailure | None, requirements: list[str]) -> None:
        facts = self._facts if isinstance(self._facts, Mapping) else {}
        result: dict[str, Any] = {
            "format": FORMAT,
            "build": self._build.build,
            "outcome": "built" if failure is None else "failed",
            "failure": None if failure is None else {"kind": failure.kind, "message": failure.message},
            "started": self._started,
            "finished": clock.now(),
            "phases": [asdict(each) for each in self._phases],
            "peak_memory_bytes": max((each.peak_memory_bytes for each in self._phases), default=0),
            "log": {"bytes": self._log.bytes, "truncated": self._log.truncated},
            "wheels": [each.to_json() for each in wheels],
            "environment": {
                **{name: facts.get(name, "") for name in FACTS},
                "requirements": requirements,
                "worker_version": WORKER_VERSION,
            },
        }
        write_whole(self._directory / "result.json", json.dumps(result, indent=1).encode() + b"\n")
        sync_directory(self._directory.parent)


FACTS = ("python", "implementation", "platform", "machine", "libc", "distribution")
