"""The directory of a batch: where each file is, who holds its lock, and what state that makes.

    batch = Batch(state, "17-1")
    with batch.gate():
        batch.status().state

Two locks. `lock` is held by the runner for its whole life, so "is it alive?" has one answer that survives any crash.
`gate` is held for a moment by whoever looks at `lock`: a look takes the lock for an instant, and without the gate that
instant would make a `run` believe that somebody is running.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

from .files import read_bounded, write_whole
from .protocol import MAX_SPEC_BYTES, PHASES, BatchSpec, BuildStatus, StatusAnswer
from .strict import Members, ProtocolError
from .version import WORKER_VERSION

GATE_SECONDS = 30.0
MAX_PROGRESS_BYTES = 1 << 16


class BatchMissing(Exception):
    """There is no such batch (any more)."""


class Batch:
    """A batch by its name below the state directory; nothing needs to exist."""

    def __init__(self, state: Path, name: str) -> None:
        self.state = state
        self.name = name
        self.directory = state / "batches" / name
        self.spec_file = self.directory / "spec.json"
        self.accepted_file = self.directory / "accepted.json"
        self.lock_file = self.directory / "lock"
        self.status_file = self.directory / "status.json"
        self.cancelled_file = self.directory / "cancelled"
        self.runner_log = self.directory / "runner.log"

    def build_directory(self, build: str) -> Path:
        """What is kept of a build: result.json, log.txt, wheels/."""
        return self.directory / "builds" / build

    def scratch_directory(self, build: str) -> Path:
        """What is thrown away at the end of a build."""
        return self.directory / "scratch" / build

    def mark(self, build: str = "") -> str:
        """The start of the paths below which a build lives (without a build: all of the batch).

        Its processes carry it in their environment, so that they are found when their runner is dead.
        """
        return f"{self.directory}/scratch/{build}/" if build else f"{self.directory}/scratch/"

    def is_done(self, build: str) -> bool:
        return (self.build_directory(build) / "result.json").is_file()

    def accepted_spec(self) -> BatchSpec | None:
        """The spec the last runner was started with: spec.json may have been replaced since."""
        data = read_bounded(self.accepted_file, MAX_SPEC_BYTES)
        return None if data is None else BatchSpec.from_json(data, "accepted.json")

    @contextmanager
    def gate(self) -> Iterator[None]:
        """Be the only one who looks at the lock or changes the batch. Raises `BatchMissing`, `TimeoutError`."""
        path = self.directory / "gate"
        deadline = time.monotonic() + GATE_SECONDS
        while True:
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            except FileNotFoundError:
                raise BatchMissing(self.name) from None
            try:
                while not _flock(descriptor):
                    if time.monotonic() > deadline:
                        raise TimeoutError(f"{path} has been held for {GATE_SECONDS:.0f} s by another command")
                    time.sleep(0.01)
                if _same_file(descriptor, path):
                    yield
                    return
                # It was swept away while we waited: look again.
            finally:
                os.close(descriptor)

    def take_lock(self) -> int | None:
        """The descriptor that holds the lock, or None if somebody else does. Only inside the gate."""
        descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        if _flock(descriptor):
            return descriptor
        os.close(descriptor)
        return None

    def is_running(self) -> bool:
        """Whether a runner is alive. Only inside the gate."""
        if not self.lock_file.exists():
            return False
        descriptor = self.take_lock()
        if descriptor is None:
            return True
        os.close(descriptor)
        return False

    def write_progress(self, **members: Any) -> None:
        """What the runner says about itself in status.json: its process, the build and the phase it is in."""
        write_whole(self.status_file, json.dumps({"format": 1, **members}).encode() + b"\n")

    def read_progress(self) -> dict[str, Any]:
        """What the runner said last; empty if it said nothing readable. A build could have written it."""
        try:
            value = json.loads(read_bounded(self.status_file, MAX_PROGRESS_BYTES) or b"{}")
        except (ValueError, OSError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}

    def status(self) -> StatusAnswer:
        """The state as found on disk. Only inside the gate. Raises `ProtocolError` if the spec cannot be read."""
        data = read_bounded(self.accepted_file, MAX_SPEC_BYTES) or read_bounded(self.spec_file, MAX_SPEC_BYTES)
        if data is None:
            return self.missing()
        spec = BatchSpec.from_json(data)
        running = self.is_running()
        progress = self.read_progress() if running else {}
        builds = tuple(self._build_status(each.build, progress) for each in spec.builds)
        if running:
            state = "running"
        elif all(each.state == "done" for each in builds):
            state = "finished"
        elif self.cancelled_file.exists():
            state = "cancelled"
        else:
            state = "dead"
        return StatusAnswer(WORKER_VERSION, self.name, state, builds)

    def _build_status(self, build: str, progress: dict[str, Any]) -> BuildStatus:
        if self.is_done(build):
            return BuildStatus(build, "done")
        if progress.get("build") != build:
            return BuildStatus(build, "waiting")
        phase = progress.get("phase")
        return BuildStatus(build, "running", phase if phase in PHASES else None)

    def missing(self) -> StatusAnswer:
        return StatusAnswer(WORKER_VERSION, self.name, "missing", ())


def read_status(batch: Batch) -> StatusAnswer:
    """The command `status`."""
    try:
        with batch.gate():
            return batch.status()
    except BatchMissing:
        return batch.missing()


def read_spec(batch: Batch) -> tuple[bytes, BatchSpec]:
    """spec.json as it was uploaded, as bytes and as data. Raises `ProtocolError`."""
    data = read_bounded(batch.spec_file, MAX_SPEC_BYTES)
    if data is None:
        raise ProtocolError(f"{batch.spec_file} is missing; upload it before `run`.")
    spec = BatchSpec.from_json(data)
    if spec.batch != batch.name:
        raise Members(json.loads(data), "spec.json").fail("batch", f"{batch.name!r}, the name of its directory")
    return data, spec


def _flock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
