"""Running one command of a build so that it cannot outlive, outgrow or outtalk its build.

    contained = Containment(log, limits, mark="/state/batches/17-1/123-1", stop=Stop())
    contained.run([python, "hook.py"], directory=source, environment=environment)

The runner is one thread around `select`: it reads the command's pipe, looks at the clock, and sums up memory.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Mapping, NoReturn, Sequence

from . import processes
from .failure import BuildFailure, Stopped
from .log import BuildLog
from .protocol import Limits
from .signals import Stop

GRACE_SECONDS = 3.0
"""Between SIGTERM and SIGKILL, for a build that is ended."""
_CHUNK = 1 << 16
_CHUNKS_A_ROUND = 16
_DEATHS = (signal.SIGKILL, signal.SIGTERM)


class Containment:
    """The limits of one build, over all of its commands. The clock starts with the object.

    `peak_memory` is the most bytes that the processes used at one time (sum of RSS, sampled); set it to 0 per phase.
    """

    def __init__(self, log: BuildLog, limits: Limits, mark: str, stop: Stop) -> None:
        self.peak_memory = 0
        self._log = log
        self._limits = limits
        self._mark = mark
        self._stop = stop
        self._deadline = time.monotonic() + limits.seconds

    def run(self, command: Sequence[str], directory: Path, environment: Mapping[str, str]) -> int:
        """Run a command to its end and see to it that nothing of it remains.

        Returns the exit code; negative: it crashed by that signal. Raises `BuildFailure` (timeout, silent, log_limit,
        killed, no_space; internal if it cannot be started) and `Stopped`.
        """
        reading, writing = os.pipe()
        try:
            os.set_blocking(reading, False)
            try:
                child = _spawn(command, directory, environment, writing)
            finally:
                os.close(writing)
            try:
                code = self._watch(child.pid, reading)
            finally:
                self._clear_away(child)
                self._drain(reading)
            if self._log.truncated:
                raise self._too_much_log()
        finally:
            os.close(reading)
        if -code in _DEATHS or code - 128 in _DEATHS or code - 256 in [-each for each in _DEATHS]:
            # 128 + n is how a shell reports it, 256 - n how pip passes on what happened to its own child.
            raise BuildFailure("killed", f"A process of the build ({Path(command[0]).name}) was ended from outside "
                               "by SIGKILL or SIGTERM: out of memory, or an operator.")  # fmt: skip
        return code

    @contextmanager
    def off_the_clock(self, seconds: float) -> Iterator[None]:
        """Work that is not the build's own does not use up its time, as long as it takes no longer than `seconds`."""
        began = time.monotonic()
        self._deadline += seconds
        try:
            yield
        finally:
            self._deadline += min(time.monotonic() - began, seconds) - seconds

    def check(self) -> None:
        """Raises `BuildFailure` (timeout) when time is up, and `Stopped`."""
        if self._stop.requested():
            raise Stopped
        if time.monotonic() >= self._deadline:
            raise self._too_long()

    def _watch(self, pid: int, reading: int) -> int:
        silent_since = time.monotonic()
        next_sample = 0.0
        interval = 0.1
        with selectors.DefaultSelector() as selector:
            selector.register(reading, selectors.EVENT_READ)
            selector.register(self._stop.wake_descriptor, selectors.EVENT_READ)
            while True:
                ended, status, usage = os.wait4(pid, os.WNOHANG)
                if ended:
                    self.peak_memory = max(self.peak_memory, usage.ru_maxrss * 1024)
                    return _exit_code(status)
                now = time.monotonic()
                if self._stop.requested():
                    self._end(pid)
                    raise Stopped
                if now >= self._deadline:
                    self._end(pid)
                    raise self._too_long()
                silence = silent_since + self._limits.silent_seconds
                if now >= silence:
                    self._give_up(pid, "silent", f"The build wrote nothing for {self._limits.silent_seconds} s.")
                if now >= next_sample:
                    self._sample(pid)
                    # Often at first, since small builds are short; rarely later, since a Pi has better things to do.
                    interval = min(1.0, interval * 1.3)
                    next_sample = now + interval
                events = selector.select(max(0.0, min(next_sample, self._deadline, silence) - now))
                self._stop.clear_wake()
                if any(key.fd == reading for key, _ in events):
                    try:
                        more, open_ = self._read(reading)
                    except OSError as error:
                        self._give_up(pid, "no_space", f"The log cannot be written: {error.strerror}.")
                    if more:
                        silent_since = time.monotonic()
                    if not open_:
                        selector.unregister(reading)
                    if self._log.truncated:
                        self._end(pid)
                        raise self._too_much_log()

    def _read(self, reading: int) -> tuple[bool, bool]:
        """Take what is in the pipe, a bounded amount: (was there anything, is it still open)."""
        some = False
        for _ in range(_CHUNKS_A_ROUND):
            try:
                data = os.read(reading, _CHUNK)
            except BlockingIOError:
                return some, True
            if not data:
                return some, False
            some = True
            if not self._log.write(data):
                break
        return some, True

    def _drain(self, reading: int) -> None:
        """The last words, after all writers are gone."""
        try:
            while True:
                more, open_ = self._read(reading)
                if not more or not open_ or self._log.truncated:
                    return
        except OSError as error:
            raise BuildFailure("no_space", f"The log cannot be written: {error.strerror}.") from None

    def _sample(self, spare: int) -> None:
        tree = processes.descendants(os.getpid(), processes.read_processes())
        self.peak_memory = max(self.peak_memory, sum(each.resident for each in tree))
        processes.reap((each for each in tree if each.state == "Z" and each.parent == os.getpid()), spare)

    def _find(self) -> list[processes.Process]:
        return processes.find(os.getpid(), self._mark)

    def _end(self, pid: int) -> None:
        processes.end(self._find, GRACE_SECONDS, spare=pid)

    def _clear_away(self, child: subprocess.Popen[bytes]) -> None:
        """Orphans and daemons are ours by adoption; a command that is over has no use for any of them."""
        survivors = processes.end(self._find, 0.0, spare=child.pid)
        if child.returncode is None:
            try:
                os.wait4(child.pid, os.WNOHANG)
            except ChildProcessError:
                pass  # it ended by itself, and `_watch` collected it
            child.returncode = 0  # so that Popen does not wait for it again
        if survivors:
            self._log.mark(f"{survivors} processes of the build could not be ended")

    def _too_long(self) -> BuildFailure:
        return BuildFailure("timeout", f"The build took longer than the {self._limits.seconds} s it may.")

    def _too_much_log(self) -> BuildFailure:
        return BuildFailure(
            "log_limit", f"The build wrote more log than the {self._limits.log_bytes} bytes it may have."
        )

    def _give_up(self, pid: int, kind: str, message: str) -> NoReturn:
        self._end(pid)
        raise BuildFailure(kind, message)


def _spawn(
    command: Sequence[str], directory: Path, environment: Mapping[str, str], output: int
) -> subprocess.Popen[bytes]:
    try:
        child = subprocess.Popen(
            command,
            cwd=directory,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # and with it a process group of its own, without a terminal
            umask=0o022,
        )
    except OSError as error:
        raise BuildFailure("internal", f"{command[0]} cannot be started: {error}.") from None
    try:
        # When memory runs out, the kernel shall take the build and not the runner or sshd.
        Path(f"/proc/{child.pid}/oom_score_adj").write_text("500")
    except OSError:
        pass
    return child


def _exit_code(status: int) -> int:
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
