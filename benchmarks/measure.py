"""Times, memory, and tables with ratios, for the benchmarks.

found = measured(function, argument)        # in a process of its own: Measured(seconds, peak_bytes, result)
print(table(["what", "seconds"], rows))
"""

import multiprocessing
import os
import resource
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil


@dataclass(frozen=True)
class Measured:
    """Wall-clock seconds, processor seconds and peak resident bytes of a piece of work, and what it answered."""

    seconds: float
    processor_seconds: float
    peak_bytes: int
    result: Any = None


def measured(work: Callable[..., Any], *arguments: Any) -> Measured:
    """Run a function of a module in a fresh process, so that its memory is its own. Its start does not count."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(theirs, work, arguments))
    process.start()
    theirs.close()
    try:
        answer = ours.recv()
    except EOFError:
        raise RuntimeError(f"{work.__name__} ended without an answer") from None
    finally:
        process.join()
    if isinstance(answer, BaseException):
        raise answer
    return Measured(*answer)


def _run(pipe: Any, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        began = time.perf_counter()
        before = _processor_seconds()
        result = work(*arguments)
        seconds, processor = time.perf_counter() - began, _processor_seconds() - before
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        pipe.send((seconds, processor, peak, result))
    except BaseException as error:
        pipe.send(error)
        raise


def _processor_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def run_program(command: Sequence[str | Path]) -> Measured:
    """Run a program and wait; its start counts, as it does for its user."""
    began = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    complaints = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command[0]} failed: {complaints.decode(errors='replace')[-2000:]}")
    return Measured(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


class MemoryWatch:
    """What this process and its children have in memory together, looked at now and then; shared pages count once."""

    def __init__(self, seconds: float = 1.0) -> None:
        self.samples: list[tuple[float, int]] = []
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_looking, daemon=True)

    def __enter__(self) -> "MemoryWatch":
        self._began = time.monotonic()
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._look()

    @property
    def peak(self) -> int:
        return max((size for _, size in self.samples), default=0)

    def at_parts(self, parts: int = 5) -> list[int]:
        """The memory at equal distances from beginning to end."""
        last = len(self.samples) - 1
        return [self.samples[round(last * part / (parts - 1))][1] for part in range(parts)] if last > 0 else []

    def _keep_looking(self) -> None:
        while not self._stop.wait(self._seconds):
            self._look()

    def _look(self) -> None:
        total = 0
        me = psutil.Process()
        for process in [me, *me.children(recursive=True)]:
            try:
                total += process.memory_full_info().pss
            except psutil.Error:
                continue
        self.samples.append((time.monotonic() - self._began, total))


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns; the first to the left, the others to the right."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) if not column else cell.rjust(width)
                  for column, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in cells
    ]  # fmt: skip
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def megabytes(count: float) -> str:
    return f"{count / 1e6:,.0f} MB"


def say(text: str) -> None:
    """Progress, on standard error."""
    print(text, file=sys.stderr, flush=True)


def program(name: str, remedy: str) -> str:
    """The path of a program that must be installed; ends the benchmark with what to do if it is not."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        sys.exit(f"{name} is missing: {remedy}")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: Sequence[str | Path], port: int, log: Path, **more: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A server that listens on the port, as long as the block lasts."""
    with log.open("wb") as output:
        process = subprocess.Popen([str(part) for part in command], stdout=output, stderr=output, **more)
        try:
            deadline = time.monotonic() + 60
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError(f"{command[0]} does not listen:\n{log.read_text()[-3000:]}") from None
                    time.sleep(0.05)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
