"""A worker on this machine without SSH: the real zipapp in a directory, and its commands as methods.

worker = LocalWorker(state)
worker.upload(worker.batch("17-1", upstream, [sdist]))
worker.run("17-1")
worker.wait("17-1")                      # StatusAnswer, finished
worker.result("17-1", "b0")["outcome"]   # builds are called b0, b1, ... in order

`around` is a command that the worker program is run by, to take something away from it (support/surroundings.py);
`owner` is the user that makes of it.
"""

import dataclasses
import json
import os
import select
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from piwright.worker import (
    BatchSpec,
    BuildSpec,
    Limits,
    SdistSpec,
    StatusAnswer,
    build_worker_zipapp,
    worker_command,
)
from piwright.worker.program.batch import Batch, read_status
from support.upstream import Distribution, LoopbackUpstream

LIMITS = Limits(
    seconds=120,
    silent_seconds=120,
    log_bytes=1 << 20,
    wheel_bytes=1 << 20,
    memory_bytes=1 << 30,
    disk_bytes=256 << 20,
    processes=100,
    file_bytes=128 << 20,
)
IN_MEMORY, ON_DISK = 1, 1000
"""Slots of a worker, and with them where a build's files lie: among so many even these few bytes are too many for memory."""
UV = shutil.which("uv", path=Path(sys.executable).parent) or shutil.which("uv")
T = TypeVar("T")


def wait_for(what: Callable[[], T | Literal[False] | None], seconds: float = 30) -> T:
    """What `what` returns as soon as it is true; AssertionError after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < deadline, f"nothing came within {seconds} s"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def has_ended(pid: int, seconds: float = 20) -> bool:
    """Whether a process is no more, or ends within `seconds`: one that was killed takes a moment."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], seconds)[0])
    finally:
        os.close(process)


class LocalWorker:
    """The worker program in the state directory `state`, run by `python`, which it also builds for.

    It installs with uv, as a worker does that has it; without `uv` with pip.
    """

    def __init__(
        self,
        state: Path,
        python: str = sys.executable,
        environment: Mapping[str, str] | None = None,
        *,
        uv: bool = True,
        around: Sequence[str] = (),
        owner: int | None = None,
    ) -> None:
        self.state = state
        self.around = around
        self.owner = owner
        self.python = python
        self.app = build_worker_zipapp()
        self.environment = dict(os.environ if environment is None else environment)
        state.mkdir(parents=True, exist_ok=True)
        Path(self.app.path(str(state))).write_bytes(self.app.content)
        if uv:
            assert UV, "uv is among the requirements of the tests"
            (state / "bin").mkdir(exist_ok=True)
            if not (state / "bin" / "uv").is_symlink():
                (state / "bin" / "uv").symlink_to(UV)

    def batch(
        self,
        name: str,
        upstream: LoopbackUpstream,
        sdists: Sequence[Distribution],
        *,
        slots: int = IN_MEMORY,
        unsandboxed: bool = False,
        network: bool = False,
        **limits: int,
    ) -> BatchSpec:
        """A spec that builds these sdists; `limits` replaces some of `LIMITS`."""
        builds = tuple(
            BuildSpec(
                build=f"b{position}",
                project=each.project,
                version=each.version,
                sdist=SdistSpec(each.filename, upstream.file_url(each), {"sha256": each.sha256}, len(each.content)),
                source_date_epoch=1_700_000_000,
                network=network,
            )
            for position, each in enumerate(sdists)
        )
        kept = dataclasses.replace(LIMITS, **limits)
        return BatchSpec(name, upstream.url, self.python, kept, builds, slots=slots, unsandboxed=unsandboxed)

    def upload(self, spec: BatchSpec) -> None:
        self.directory(spec.batch).mkdir(parents=True, exist_ok=True)
        (self.directory(spec.batch) / "spec.json").write_bytes(spec.to_json())
        if self.owner is not None:
            self.hand_over(self.state / "batches")

    def hand_over(self, top: Path) -> None:
        """Give a folder and all in it to the worker's user, as if it had come over its own connection."""
        for path in (top, *top.rglob("*")):
            os.chown(path, self.owner or 0, self.owner or 0, follow_symlinks=False)

    def call(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command as it is run over SSH: by a shell, from one line."""
        line = worker_command(self.python, str(self.state), self.app.version, *arguments)
        return subprocess.run(
            [*self.around, "/bin/sh", "-c", line],
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
            env=self.environment,
        )

    def answer(self, *arguments: str) -> dict[str, Any]:
        """The JSON that a command prints, which must be all that it prints."""
        done = self.call(*arguments)
        assert done.returncode == 0, f"{shlex.join(arguments)}: {done.stdout}{done.stderr}"
        assert done.stdout.count("\n") == 1
        return json.loads(done.stdout)

    def status(self, batch: str) -> StatusAnswer:
        return self._status("status", batch)

    def run(self, batch: str) -> StatusAnswer:
        return self._status("run", batch)

    def cancel(self, batch: str) -> StatusAnswer:
        return self._status("cancel", batch)

    def _status(self, command: str, batch: str) -> StatusAnswer:
        return StatusAnswer.from_json(json.dumps(self.answer(command, batch)).encode())

    def wait(self, batch: str, seconds: float = 120) -> StatusAnswer:
        """The status as soon as nothing runs any more."""
        # Asked without starting an interpreter each time, which would slow down what it waits for.
        place = Batch(self.state.resolve(), batch)
        wait_for(lambda: read_status(place).state != "running", seconds)
        return self.status(batch)

    def build(self, spec: BatchSpec, seconds: float = 120) -> dict[str, dict[str, Any]]:
        """Upload, run, wait: the results by build."""
        self.upload(spec)
        self.run(spec.batch)
        assert self.wait(spec.batch, seconds).state == "finished", self.runner_log(spec.batch)
        return {each.build: self.result(spec.batch, each.build) for each in spec.builds}

    def build_one(self, upstream: LoopbackUpstream, sdist: Distribution, **options: Any) -> "Outcome":
        """Build one project in a batch by its name."""
        spec = self.batch(sdist.project, upstream, [upstream.add(sdist)], **options)
        return Outcome(self, sdist.project, self.build(spec)["b0"])

    def directory(self, batch: str, build: str | None = None) -> Path:
        directory = self.state / "batches" / batch
        return directory / "builds" / build if build else directory

    def result(self, batch: str, build: str) -> dict[str, Any]:
        return json.loads((self.directory(batch, build) / "result.json").read_text())

    def log(self, batch: str, build: str) -> str:
        return (self.directory(batch, build) / "log.txt").read_text(errors="replace")

    def runner_log(self, batch: str) -> str:
        return (self.directory(batch) / "runner.log").read_text(errors="replace")

    def runner(self, batch: str) -> int:
        """The process id of the batch's runner, as soon as it says so."""

        def said() -> int | None:
            try:
                return json.loads((self.directory(batch) / "status.json").read_text())["runner"]
            except FileNotFoundError:
                return None

        return wait_for(said)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of the one build of a batch."""

    worker: LocalWorker
    batch: str
    result: dict[str, Any]

    @property
    def failure(self) -> str:
        """Its kind; empty if there is a wheel."""
        return self.result["failure"]["kind"] if self.result["failure"] else ""

    @property
    def log(self) -> str:
        return self.worker.log(self.batch, "b0")

    @property
    def facts(self) -> Any:
        """What the build printed as `facts: JSON` (see support/scripted.py)."""
        lines = [line for line in self.log.splitlines() if line.startswith("facts: ")]
        assert lines, self.log
        return json.loads(lines[-1].removeprefix("facts: "))

    def phase(self, name: str) -> dict[str, Any]:
        """The last phase of this name."""
        return [each for each in self.result["phases"] if each["name"] == name][-1]
