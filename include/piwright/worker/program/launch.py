"""The command `run`: see to it that exactly one runner works on the batch, and return at once."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from .batch import Batch, BatchMissing, read_spec
from .files import read_bounded, write_whole
from .protocol import MAX_SPEC_BYTES, StatusAnswer
from .strict import Members, ProtocolError

CANCEL_SECONDS = 30.0
"""How long to wait for a runner that is being cancelled, before starting another."""


def run(batch: Batch) -> StatusAnswer:
    """Start a runner, or attach to the one there is. Raises `ProtocolError` for a spec that cannot be used."""
    data, spec = read_spec(batch)
    if not os.access(spec.python, os.X_OK) or os.path.isdir(spec.python):
        raise Members({"python": spec.python}, "spec.json").fail("python", "an interpreter that exists on the worker")
    deadline = time.monotonic() + CANCEL_SECONDS
    while True:
        try:
            with batch.gate():
                lock = batch.take_lock()
                if lock is not None:
                    try:
                        return _start(batch, data, lock)
                    finally:
                        os.close(lock)  # the runner has it by inheritance
                if not batch.cancelled_file.exists():
                    return _attach(batch, data)
        except BatchMissing:
            raise ProtocolError(f"batch {batch.name!r} does not exist; upload its spec.json first.") from None
        if time.monotonic() > deadline:
            raise TimeoutError(f"the cancelled runner of batch {batch.name!r} has not ended in {CANCEL_SECONDS:.0f} s")
        time.sleep(0.1)


def _attach(batch: Batch, data: bytes) -> StatusAnswer:
    if read_bounded(batch.accepted_file, MAX_SPEC_BYTES) != data:
        raise ProtocolError(
            f"spec.json of batch {batch.name!r} differs from the one its runner works on; "
            "cancel it first, or use another batch."
        )
    return batch.status()


def _start(batch: Batch, data: bytes, lock: int) -> StatusAnswer:
    batch.cancelled_file.unlink(missing_ok=True)
    write_whole(batch.accepted_file, data)
    batch.status_file.unlink(missing_ok=True)  # it speaks of an earlier runner
    status = batch.status()
    # Asking for the status took the lock through another descriptor and found it ours: "running" says nothing yet.
    if any(each.state != "done" for each in status.builds):
        _spawn(batch, lock)
        return batch.status()
    return StatusAnswer(status.worker_version, batch.name, "finished", status.builds)


def _spawn(batch: Batch, lock: int) -> None:
    """A runner in a session of its own: it outlives the connection that asked for it."""
    program = os.path.abspath(sys.argv[0])
    command = [sys.executable, "-I", program, "--state", str(batch.state), "_runner", batch.name, str(lock)]
    with open(batch.runner_log, "ab") as log:
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=batch.directory,
            start_new_session=True,
            pass_fds=[lock],
        ).returncode = 0  # it is not ours to wait for
