"""Finding and ending the processes of a build, through /proc.

    end(lambda: find(os.getpid(), mark), grace=3.0)

A build can leave its process group, its session and its parent. Its processes are found all the same: they are
descendants of the runner (who adopts orphans, see `adopt_orphans`), or carry the build's mark in their environment,
or live (working directory, program) inside its scratch directory.
"""

from __future__ import annotations

import ctypes
import os
import signal
import stat
import time
from typing import Callable, Iterable, NamedTuple

MARK_VARIABLE = "PIWRIGHT_BUILD"
KILL_SECONDS = 10.0
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PR_SET_CHILD_SUBREAPER = 36


class Process(NamedTuple):
    """A line of the process table. `started` (clock ticks since boot) tells it from a later one of its number."""

    pid: int
    parent: int
    state: str
    started: int
    resident: int
    """Bytes of memory in use (RSS)."""
    cpu_seconds: float = 0.0
    """Its own and those of children it waited for."""
    threads: int = 1


def read_process(pid: int) -> Process | None:
    """One process, or None if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name in brackets may contain anything, brackets too: the fields start after the last one.
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    if len(fields) < 22:
        return None
    ticks = sum(int(each) for each in fields[11:15])
    resident, threads = int(fields[21]) * _PAGE, max(1, int(fields[17]))
    return Process(pid, int(fields[1]), fields[0].decode(), int(fields[19]), resident, ticks / _TICKS, threads)


def proportional(process: Process) -> int:
    """Bytes of memory with shared pages divided among those who share them (PSS); RSS where it cannot be read."""
    try:
        with open(f"/proc/{process.pid}/smaps_rollup") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
    except (OSError, StopIteration, ValueError):
        now = read_process(process.pid)  # one that ends just now has let go of its memory
        return now.resident if now is not None and now.started == process.started else 0


def unlinked(tree: Iterable[Process]) -> int:
    """Bytes of files that processes have open and that have no name any more, or never had one (memfd)."""
    sizes: dict[tuple[int, int], int] = {}
    looked = 0
    for each in tree:
        try:
            numbers = os.listdir(f"/proc/{each.pid}/fd")
        except OSError:
            continue
        for number in numbers:
            looked += 1
            if looked > _MOST_DESCRIPTORS:
                return sum(sizes.values())
            try:
                found = os.stat(f"/proc/{each.pid}/fd/{number}")
            except OSError:
                continue
            if stat.S_ISREG(found.st_mode) and not found.st_nlink:
                sizes[found.st_dev, found.st_ino] = found.st_blocks * 512
    return sum(sizes.values())


_MOST_DESCRIPTORS = 20_000
"""Looking at more takes too long."""


def of_user(user: int) -> int:
    """How many threads of a user there are, as RLIMIT_NPROC counts them."""
    count = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.stat(f"/proc/{name}").st_uid == user:
                    count += max(1, len(os.listdir(f"/proc/{name}/task")))
            except OSError:
                continue
    return count


def read_processes() -> dict[int, Process]:
    """The process table."""
    found = (read_process(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return {each.pid: each for each in found if each is not None}


def descendants(root: int, table: dict[int, Process]) -> list[Process]:
    """Children of `root`, their children and so on; zombies too."""
    children: dict[int, list[Process]] = {}
    for each in table.values():
        children.setdefault(each.parent, []).append(each)
    found: list[Process] = []
    waiting = [root]
    while waiting:
        for child in children.pop(waiting.pop(), []):
            found.append(child)
            waiting.append(child.pid)
    return found


def find(root: int, mark: str, table: dict[int, Process] | None = None) -> list[Process]:
    """The living processes of a build: descendants of `root` (0: of nobody) and whoever carries the mark.

    `mark` is a path with a slash at its end, the start of the paths below which the build lives.
    """
    table = read_processes() if table is None else table
    found = {each.pid: each for each in descendants(root, table)} if root else {}
    for pid, each in table.items():
        if pid not in found and pid != os.getpid() and _carries(pid, mark):
            found[pid] = each
    return [each for each in found.values() if each.state not in "ZX"]


def marks(table: dict[int, Process]) -> dict[int, str]:
    """The mark of each process that carries one."""
    found = {}
    for pid in table:
        mark = _mark(pid)
        if mark:
            found[pid] = mark
    return found


def _mark(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environment = file.read(1 << 20)
    except OSError:
        return ""
    prefix = os.fsencode(MARK_VARIABLE) + b"="
    return next((os.fsdecode(each[len(prefix) :]) for each in environment.split(b"\0") if each.startswith(prefix)), "")


def _carries(pid: int, mark: str) -> bool:
    if _mark(pid).startswith(mark):
        return True
    # Who wiped its environment may still stand in the scratch directory.
    for link in ("cwd", "exe"):
        try:
            place = os.readlink(f"/proc/{pid}/{link}")
        except OSError:
            continue
        if f"{place}/".startswith(mark):
            return True
    return False


def send(process: Process, number: int) -> None:
    """Signal a process, unless its number now belongs to another one."""
    now = read_process(process.pid)
    if now is not None and now.started == process.started:
        try:
            os.kill(process.pid, number)
        except (ProcessLookupError, PermissionError):
            pass


def end(find_all: Callable[[], list[Process]], grace: float, spare: int = 0) -> int:
    """End all that `find_all` finds: SIGTERM, after `grace` seconds SIGKILL, until none is found.

    `spare` is a child whose exit status the caller will collect. Returns how many are left after `KILL_SECONDS`:
    0, unless the kernel itself is stuck.
    """
    found = find_all()
    if found and grace:
        for each in found:
            send(each, signal.SIGTERM)
            send(each, signal.SIGCONT)
        deadline = time.monotonic() + grace
        while found and time.monotonic() < deadline:
            time.sleep(0.05)
            reap(found, spare)
            found = find_all()
    deadline = time.monotonic() + KILL_SECONDS
    while found and time.monotonic() < deadline:
        # Who forks faster than we kill must hold still first.
        for each in found:
            send(each, signal.SIGSTOP)
        for each in find_all():
            send(each, signal.SIGKILL)
        time.sleep(0.01)
        reap(found, spare)
        found = find_all()
    return len(found)


def reap(candidates: Iterable[Process], spare: int) -> None:
    """Collect dead children, adopted ones too, except `spare`."""
    for each in candidates:
        if each.pid != spare:
            try:
                os.waitpid(each.pid, os.WNOHANG)
            except ChildProcessError:
                pass


def adopt_orphans() -> bool:
    """Become the parent of every descendant whose own parent ends. False where the kernel or ctypes cannot."""
    try:
        return ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    except (OSError, AttributeError):
        return False


def is_command(pid: int, words: tuple[str, ...]) -> bool:
    """Whether a process was started with these arguments, one after the other."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            arguments = tuple(file.read(1 << 16).split(b"\0"))
    except OSError:
        return False
    wanted = tuple(os.fsencode(each) for each in words)
    return any(arguments[at : at + len(wanted)] == wanted for at in range(len(arguments)))


def is_alive(process: Process) -> bool:
    """Whether it still runs, and is not another process by the same number."""
    now = read_process(process.pid)
    return now is not None and now.started == process.started and now.state not in "ZX"
