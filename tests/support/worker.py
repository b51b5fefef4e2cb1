"""A worker on this machine without SSH: the real zipapp in a directory, and its commands as methods.

worker = LocalWorker(state)
worker.upload(worker.batch("17-1", upstream, [sdist]))
worker.run("17-1")
worker.wait("17-1")                      # StatusAnswer, finished
worker.result("17-1", "b0")["outcome"]   # builds are called b0, b1, ... in order
"""

import dataclasses
import json
import os
import shlex
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

LIMITS = Limits(seconds=60, silent_seconds=60, log_bytes=1 << 20, wheel_bytes=1 << 20)
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


class LocalWorker:
    """The worker program in the state directory `state`, run by `python`, which it also builds for."""

    def __init__(self, state: Path, python: str = sys.executable, environment: Mapping[str, str] | None = None) -> None:
        self.state = state
        self.python = python
        self.app = build_worker_zipapp()
        self.environment = dict(os.environ if environment is None else environment)
        state.mkdir(parents=True, exist_ok=True)
        Path(self.app.path(str(state))).write_bytes(self.app.content)

    def batch(self, name: str, upstream: LoopbackUpstream, sdists: Sequence[Distribution], **limits: int) -> BatchSpec:
        """A spec that builds these sdists; `limits` replaces some of `LIMITS`."""
        builds = tuple(
            BuildSpec(
                build=f"b{position}",
                project=each.project,
                version=each.version,
                sdist=SdistSpec(each.filename, upstream.file_url(each), {"sha256": each.sha256}, len(each.content)),
                source_date_epoch=1_700_000_000,
            )
            for position, each in enumerate(sdists)
        )
        return BatchSpec(name, upstream.url, self.python, dataclasses.replace(LIMITS, **limits), builds)

    def upload(self, spec: BatchSpec) -> None:
        self.directory(spec.batch).mkdir(parents=True, exist_ok=True)
        (self.directory(spec.batch) / "spec.json").write_bytes(spec.to_json())

    def call(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command as it is run over SSH: by a shell, from one line."""
        line = worker_command(self.python, str(self.state), self.app.version, *arguments)
        return subprocess.run(
            line, shell=True, capture_output=True, text=True, timeout=90, check=False, env=self.environment
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

    def wait(self, batch: str, seconds: float = 60) -> StatusAnswer:
        """The status as soon as nothing runs any more."""
        # Asked without starting an interpreter each time, which would slow down what it waits for.
        place = Batch(self.state.resolve(), batch)
        wait_for(lambda: read_status(place).state != "running", seconds)
        return self.status(batch)

    def build(self, spec: BatchSpec) -> dict[str, dict[str, Any]]:
        """Upload, run, wait: the results by build."""
        self.upload(spec)
        self.run(spec.batch)
        assert self.wait(spec.batch).state == "finished", self.runner_log(spec.batch)
        return {each.build: self.result(spec.batch, each.build) for each in spec.builds}

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
