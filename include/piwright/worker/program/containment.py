"""Running one command of a build so that it cannot outlive, outgrow or outtalk its build.

    contained = Containment(log, limits, means, mark="/state/batches/17-1/123-1", stop=Stop())
    contained.run(Task(lambda descriptors: [python, "inside.py", str(descriptors.output)], environment, directory))

The runner is one thread around `select`: it reads the command's pipes, looks at the clock, and sums up what the tree of
processes uses. Where the kernel keeps a limit (control groups, rlimits) it does so at once; the watchdog here is the
means that works everywhere.
"""

from __future__ import annotations

import os
import resource
import selectors
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Iterator, Mapping, NamedTuple, NoReturn, Sequence

from . import connections, processes
from .cgroups import Group
from .failure import BuildFailure, Stopped
from .log import BuildLog
from .means import Means, available_memory, shared_memory, total_memory
from .protocol import Limits
from .sandbox import BUILD, open_filter
from .signals import Stop
from .space import usage

GRACE_SECONDS = 3.0
"""Between SIGTERM and SIGKILL, for a build that is ended."""
_CHUNK = 1 << 16
_CHUNKS_A_ROUND = 16


def _codes(*signals: int) -> frozenset[int]:
    """How death by a signal is told: by the kernel (-n), by a shell (128 + n), by pip of its own child (256 - n)."""
    return frozenset(code for each in signals for code in (-each, 128 + each, 256 - each))


_DEATH_CODES = _codes(signal.SIGKILL, signal.SIGTERM)
_CPU_CODES = _codes(signal.SIGXCPU)
_FIRST_SAMPLE, _SLOWEST_SAMPLE, _TIGHT_SAMPLE = 0.1, 0.7, 0.05
_DISK_RESERVE_BYTES = 256 << 20
"""What must stay free on the worker's disk, whatever a build or an installer's cache would take."""
_RESERVE_BYTES = 64 << 20
"""The worker itself needs as much."""
_OPEN_FILES = 4096


class Descriptors(NamedTuple):
    """What a command inherits besides its log: where to write a stream to, where to read the filter of calls from."""

    output: int
    filter: int


@dataclass(frozen=True)
class Task:
    """A command to run.

    `command` is made for the descriptors it will have. Its stream is kept in `output`, up to `output_bytes`.
    `watched`: folders on disk that count as the build's files. `isolated`: it has a network namespace of its own.
    """

    command: Callable[[Descriptors], Sequence[str]]
    environment: Mapping[str, str]
    directory: Path
    output: Path | None = None
    output_bytes: int = 0
    watched: tuple[Path, ...] = ()
    isolated: bool = False


@dataclass
class Usage:
    """What commands used: bytes of memory at the peak (the whole tree), seconds of CPU, bytes of files, connections."""

    peak_memory: int = 0
    cpu_seconds: float = 0.0
    scratch_bytes: int = 0
    connections: connections.Counts | None = None


@dataclass
class _Run:
    """One command while it runs."""

    child: subprocess.Popen[bytes]
    task: Task
    group: Group
    log_pipe: int
    output_pipe: int
    kept: int
    """Descriptor of the file that keeps the stream; -1 without one."""
    kept_bytes: int = 0
    connections: connections.Counts | None = None
    cpu_seconds: float = 0.0
    shared_before: int = field(default_factory=shared_memory)
    open_pipes: set[int] = field(default_factory=set)


class Containment:
    """The limits of one build, over all of its commands. The clock starts with the object.

    `usage` is what they used so far; put a new one there for each phase.
    """

    def __init__(
        self, log: BuildLog, limits: Limits, means: Means, mark: str, stop: Stop, *, sandboxed: bool = True
    ) -> None:
        self.usage = Usage()
        self._log = log
        self._limits = limits
        self._means = means
        self._mark = mark
        self._stop = stop
        self._sandboxed = sandboxed
        self._deadline = time.monotonic() + limits.seconds
        self._cpu_seconds = limits.cpu_seconds or limits.seconds * means.jobs
        self._cpu_used = 0.0
        self._number = 0
        self.log_start = 0
        """Where the last command's part of the log begins."""
        self._connections_before: connections.Counts | None = None
        self._last_connections: connections.Counts | None = None

    @property
    def disk_bytes(self) -> int:
        """What all files of the build may have together."""
        return self._limits.disk_bytes

    def run(self, task: Task) -> int:
        """Run a command to its end and see to it that nothing of it remains.

        Returns the exit code; negative: it crashed by that signal. Raises `BuildFailure` (timeout, silent, log_limit,
        memory_limit, process_limit, disk_limit, cpu_limit, killed, no_space; internal if it cannot be started) and
        `Stopped`.
        """
        self._number += 1
        self.log_start = self._log.bytes
        name = "-".join([*self._mark.strip("/").split("/")[-2:], str(os.getpid()), str(self._number)])
        memory = self._means.memory_bytes + self._means.tmpfs_bytes  # a tmpfs is memory too
        group = self._means.controls.group(name, memory, self._limits.processes)
        try:
            return self._run(task, group)
        finally:
            group.remove()

    def _run(self, task: Task, group: Group) -> int:
        log_pipe, log_end = os.pipe()
        output_pipe, output_end = os.pipe()
        kept = -1
        try:
            for descriptor in (log_pipe, output_pipe):
                os.set_blocking(descriptor, False)
            if task.output is not None:
                kept = os.open(task.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                with open_filter() as filter_end:
                    child = self._spawn(task, group, log_end, Descriptors(output_end, filter_end))
            finally:
                os.close(log_end)
                os.close(output_end)
            run = _Run(child, task, group, log_pipe, output_pipe, kept, open_pipes={log_pipe, output_pipe})
            try:
                code = self._watch(run)
            finally:
                self._clear_away(child)
                self._drain(run)
                self._sum_up(run)
            if self._log.truncated:
                raise self._too_much_log()
            self._judge_end(code, run)
        finally:
            for descriptor in (log_pipe, output_pipe, kept):
                if descriptor >= 0:
                    os.close(descriptor)
        return code

    def _judge_end(self, code: int, run: _Run) -> None:
        if run.group.out_of_memory():
            raise self._too_much_memory("the kernel ended it")
        if run.group.too_many_processes():  # refused between two looks; whatever else it says comes of that
            raise self._too_many_processes()
        if code in _CPU_CODES:
            raise self._too_much_cpu()
        if code in _DEATH_CODES:
            raise BuildFailure("killed", f"A process of the build ({self._program(run.task)}) was ended from outside "
                               "by SIGKILL or SIGTERM: out of memory, or an operator.")  # fmt: skip

    def _program(self, task: Task) -> str:
        return Path(task.command(Descriptors(0, 0))[0]).name

    def judge_script(self, code: int) -> None:
        """What the exit code of a script inside a room means. Raises `BuildFailure` (killed, cpu_limit)."""
        if -code in (signal.SIGKILL, signal.SIGTERM):
            raise BuildFailure("killed", "The build was ended from outside by SIGKILL or SIGTERM: out of memory, or an "
                               "operator.")  # fmt: skip
        if -code == signal.SIGXCPU:
            raise self._too_much_cpu()

    def note_connections(self, seen: object) -> None:
        """Counts that came out of a room at its end: more than the last look from outside may have seen."""
        names = ("outside", "loopback", "lookups")
        if isinstance(seen, dict) and all(type(seen.get(name)) is int and 0 <= seen[name] < 1 << 40 for name in names):
            counts = {name: seen[name] for name in names}
            last = connections.merge(counts, self._last_connections)
            before = self._connections_before
            self.usage.connections = connections.add(before, last)

    @contextmanager
    def off_the_clock(self, seconds: float) -> Iterator[None]:
        """Work that is not the build's own does not use up its time, as long as it takes no longer than `seconds`."""
        began = time.monotonic()
        self._deadline += seconds
        try:
            yield
        finally:
            self._deadline += min(time.monotonic() - began, seconds) - seconds

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Work that may take so many seconds, if the build has as many left."""
        deadline = self._deadline
        self._deadline = min(deadline, time.monotonic() + seconds)
        try:
            yield
        finally:
            self._deadline = deadline

    def check(self) -> None:
        """Raises `BuildFailure` (timeout) when time is up, and `Stopped`."""
        if self._stop.requested():
            raise Stopped
        if time.monotonic() >= self._deadline:
            raise self._too_long()

    def _watch(self, run: _Run) -> int:
        pid = run.child.pid
        silent_since = time.monotonic()
        next_sample = next_measure = 0.0
        interval = _FIRST_SAMPLE
        with selectors.DefaultSelector() as selector:
            for pipe in run.open_pipes:
                selector.register(pipe, selectors.EVENT_READ)
            selector.register(self._stop.wake_descriptor, selectors.EVENT_READ)
            while True:
                ended, status, used = os.wait4(pid, os.WNOHANG)
                if ended:
                    self.usage.peak_memory = max(self.usage.peak_memory, used.ru_maxrss * 1024)
                    run.cpu_seconds = max(run.cpu_seconds, used.ru_utime + used.ru_stime)
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
                    tight = self._sample(run)
                    # Often at first, since small builds are short; rarely later, since a Pi has better things to do.
                    interval = _TIGHT_SAMPLE if tight else min(_SLOWEST_SAMPLE, interval * 1.3)
                    next_sample = now + interval
                if run.task.watched and now >= next_measure:
                    began = time.monotonic()
                    self._measure(run)
                    # Looking at every file costs: never more than a tenth of the time.
                    next_measure = now + max(1.0, 10 * (time.monotonic() - began))
                events = selector.select(max(0.0, min(next_sample, self._deadline, silence) - now))
                self._stop.clear_wake()
                for pipe in [key.fd for key, _ in events if key.fd in run.open_pipes]:
                    if self._receive(run, pipe, selector):
                        silent_since = time.monotonic()

    def _receive(self, run: _Run, pipe: int, selector: selectors.BaseSelector) -> bool:
        """Take what is in a pipe. Whether there was something."""
        try:
            more, open_ = self._read(run, pipe)
        except OSError as error:
            self._give_up(run.child.pid, "no_space", f"What the build says cannot be written: {error.strerror}.")
        if not open_:
            selector.unregister(pipe)
            run.open_pipes.discard(pipe)
        if self._log.truncated:
            self._end(run.child.pid)
            raise self._too_much_log()
        if run.kept_bytes > run.task.output_bytes:
            self._give_up(run.child.pid, "wheel_limit", "The build sends more than the "
                          f"{run.task.output_bytes} bytes its results may have.")  # fmt: skip
        return more

    def _read(self, run: _Run, pipe: int) -> tuple[bool, bool]:
        """Take what is in the pipe, a bounded amount: (was there anything, is it still open)."""
        some = False
        for _ in range(_CHUNKS_A_ROUND):
            try:
                data = os.read(pipe, _CHUNK)
            except BlockingIOError:
                return some, True
            if not data:
                return some, False
            some = True
            if pipe == run.log_pipe:
                if not self._log.write(data):
                    break
            elif run.kept_bytes <= run.task.output_bytes:
                run.kept_bytes += len(data)
                _write_all(run.kept, data)
        return some, True

    def _drain(self, run: _Run) -> None:
        """The last words, after all writers are gone."""
        try:
            for pipe in run.open_pipes:
                while True:
                    more, open_ = self._read(run, pipe)
                    if not more or not open_ or self._log.truncated:
                        break
        except OSError as error:
            raise BuildFailure("no_space", f"What the build says cannot be written: {error.strerror}.") from None

    def _sample(self, run: _Run) -> bool:
        """Look at the tree once. Whether it comes close to a limit."""
        pid = run.child.pid
        table = processes.read_processes()
        tree = processes.descendants(os.getpid(), table)
        processes.reap((each for each in tree if each.state == "Z" and each.parent == os.getpid()), pid)
        resident = sum(each.resident for each in tree)
        memory = self._means.memory_bytes
        if resident > memory:  # pages that processes share were counted once for each: look closer before judging
            resident = sum(processes.proportional(each) for each in tree)
        hidden = max(0, shared_memory() - run.shared_before)
        if hidden > memory // 4:  # files in memory that nobody has mapped belong to no process
            resident += processes.unlinked(tree)
        self.usage.peak_memory = max(self.usage.peak_memory, resident)
        if resident > memory:
            self._end(pid)
            raise self._too_much_memory(f"its processes used {resident} bytes together")
        inside = next((each for each in reversed(processes.descendants(pid, table)) if each.state not in "ZX"), None)
        held = max(hidden, resident + (self._look_inside(run, inside.pid) if inside else 0))
        if held > total_memory() // 8 and available_memory() < max(_RESERVE_BYTES, total_memory() // 50):
            self._end(pid)
            raise self._too_much_memory(f"the worker had no memory left, and {held} bytes were this build's")
        threads = sum(each.threads for each in tree)
        if threads >= self._limits.processes or run.group.too_many_processes():
            self._end(pid)
            raise self._too_many_processes()
        run.cpu_seconds = max(run.cpu_seconds, sum(each.cpu_seconds for each in tree))
        if self._cpu_used + run.cpu_seconds > self._cpu_seconds:
            self._end(pid)
            raise self._too_much_cpu()
        return resident * 3 > memory or threads * 2 > self._limits.processes

    def _look_inside(self, run: _Run, pid: int) -> int:
        """What only shows inside a room: connections tried, and bytes of files in its tmpfs, which are returned."""
        if run.task.isolated:
            run.connections = connections.merge(run.connections, connections.read_connections(pid))
        if not self._sandboxed or not self._means.tmpfs_bytes:
            return 0
        try:
            space = os.statvfs(f"/proc/{pid}/root{BUILD}")
        except OSError:
            return 0
        used = (space.f_blocks - space.f_bfree) * space.f_frsize
        if space.f_blocks * space.f_frsize > self._means.tmpfs_bytes + (1 << 20):
            return 0  # the room is not furnished yet: this is the worker's own disk
        self.usage.scratch_bytes = max(self.usage.scratch_bytes, used)
        return used

    def _measure(self, run: _Run) -> None:
        """Look at the build's folders on disk."""
        limit = self._limits.disk_bytes
        tree = processes.descendants(run.child.pid, processes.read_processes())
        used = usage(run.task.watched, limit) + processes.unlinked(tree)
        self.usage.scratch_bytes = max(self.usage.scratch_bytes, used)
        if used > limit:
            self._give_up(run.child.pid, "disk_limit", f"The build's files took more than the {limit} bytes they may.")
        free = shutil.disk_usage(run.task.watched[0]).free
        if free < _DISK_RESERVE_BYTES:
            self._give_up(run.child.pid, "no_space", f"The worker's disk has only {free} bytes left.")

    def _sum_up(self, run: _Run) -> None:
        self._cpu_used += run.cpu_seconds
        self.usage.cpu_seconds += run.cpu_seconds
        self._connections_before, self._last_connections = self.usage.connections, run.connections
        self.usage.connections = connections.add(self.usage.connections, run.connections)

    def _find(self) -> list[processes.Process]:
        if self._sandboxed:  # nobody leaves a process namespace: who is no descendant is none of ours
            tree = processes.descendants(os.getpid(), processes.read_processes())
            return [each for each in tree if each.state not in "ZX"]
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

    def _too_much_memory(self, how: str) -> BuildFailure:
        return BuildFailure(
            "memory_limit",
            f"The build needed more than the {self._means.memory_bytes} bytes of memory it may have: {how}.",
        )

    def _too_many_processes(self) -> BuildFailure:
        return BuildFailure("process_limit", f"The build had more than the {self._limits.processes} processes it may.")

    def _too_much_cpu(self) -> BuildFailure:
        return BuildFailure(
            "cpu_limit", f"The build used more than the {self._cpu_seconds} seconds of CPU it may have."
        )

    def _give_up(self, pid: int, kind: str, message: str) -> NoReturn:
        self._end(pid)
        raise BuildFailure(kind, message)

    def _spawn(self, task: Task, group: Group, log_end: int, descriptors: Descriptors) -> subprocess.Popen[bytes]:
        command = task.command(descriptors)
        try:
            child = subprocess.Popen(
                command,
                cwd=task.directory,
                env=dict(task.environment),
                stdin=subprocess.DEVNULL,
                stdout=log_end,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # and with it a process group of its own, without a terminal
                umask=0o022,
                pass_fds=list(descriptors),
                preexec_fn=lambda: self._restrict(group),  # the runner has one thread
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise BuildFailure("internal", f"{command[0]} cannot be started: {error}.") from None
        return child

    def _restrict(self, group: Group) -> None:
        """In the child, before it becomes the command: the limits that the kernel keeps."""
        try:
            group.join()
        except OSError:
            pass  # the watchdog is there
        try:
            # When memory runs out, the kernel shall take the build and not the runner or sshd. Children inherit it.
            Path("/proc/self/oom_score_adj").write_text("500")
        except OSError:
            pass
        os.sched_setaffinity(0, self._means.processors)
        _limit(resource.RLIMIT_CORE, 0)
        _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
        _limit(resource.RLIMIT_FSIZE, self._limits.file_bytes)
        # One process alone; the watchdog adds them up. Python's own address space is none of this.
        # Twice as much as it may use, or a build would end with an error of its own before anybody can say why.
        _limit(resource.RLIMIT_DATA, 2 * self._means.memory_bytes)
        # The soft limit says why (SIGXCPU), the hard one kills who does not listen.
        _limit(resource.RLIMIT_CPU, int(self._cpu_seconds - self._cpu_used) + 1, more=5)
        if os.geteuid():
            # The kernel counts all processes of the user, those of other slots too.
            _limit(resource.RLIMIT_NPROC, processes.of_user(os.geteuid()) + self._limits.processes)


def _limit(which: int, value: int, more: int = 0) -> None:
    _, most = resource.getrlimit(which)
    soft, hard = value, value + more
    if most != resource.RLIM_INFINITY:
        soft, hard = min(soft, most), min(hard, most)
    resource.setrlimit(which, (soft, hard))


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while descriptor >= 0 and view:
        view = view[os.write(descriptor, view) :]


def _exit_code(status: int) -> int:
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
