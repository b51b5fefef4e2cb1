"""The command `cancel`: end the runner of a batch and everything its builds started."""

from __future__ import annotations

import signal
import time

from . import processes
from .batch import Batch, BatchMissing
from .cgroups import remove_leftovers
from .protocol import StatusAnswer

WILLING_SECONDS = 15.0
"""How long the runner may take to end by itself: it has a tree to kill first."""
FORCED_SECONDS = 15.0


def cancel(batch: Batch) -> StatusAnswer:
    """Returns when all processes are gone. Raises `TimeoutError` if they do not go."""
    try:
        with batch.gate():
            status = batch.status()
            if status.state in ("finished", "missing"):
                return status
            batch.cancelled_file.touch()
            _signal_runner(batch, signal.SIGTERM)
        if not _wait(batch, WILLING_SECONDS):
            _signal_runner(batch, signal.SIGKILL)
            if not _wait(batch, FORCED_SECONDS):
                raise TimeoutError(f"the runner of batch {batch.name!r} does not end; see {batch.runner_log}")
        with batch.gate():
            if not batch.is_running():  # or somebody started it anew, and its builds are none of ours
                end_leftovers(batch)
            return batch.status()
    except BatchMissing:
        return batch.missing()


def end_leftovers(batch: Batch) -> None:
    """End what a dead runner's builds left. Only inside the gate. Raises `TimeoutError`."""
    left = processes.end(lambda: processes.find(0, batch.mark()), grace=0.0)
    remove_leftovers()
    if left:
        raise TimeoutError(f"{left} processes of batch {batch.name!r} do not end")


def _signal_runner(batch: Batch, number: int) -> None:
    """Signal the runner that status.json names, if that process is indeed the batch's runner."""
    pid = batch.read_progress().get("runner")
    if not isinstance(pid, int) or isinstance(pid, bool) or pid <= 1:
        return
    process = processes.read_process(pid)
    if process is None or not processes.is_command(pid, ("--state", str(batch.state), "_runner", batch.name)):
        return
    if number == signal.SIGKILL:
        # With its parent gone nobody would adopt what it runs: the tree goes first.
        processes.end(lambda: processes.find(pid, batch.mark()), grace=0.0)
    processes.send(process, number)
    processes.send(process, signal.SIGCONT)


def _wait(batch: Batch, seconds: float) -> bool:
    """Whether the runner is gone, or another one works without a cancel mark, within so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with batch.gate():
            if not batch.is_running() or not batch.cancelled_file.exists():
                return True
        time.sleep(0.05)
    return False
