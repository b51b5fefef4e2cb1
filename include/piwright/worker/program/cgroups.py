"""A control group for each command of a build, where the worker may make one: the kernel itself keeps the limits.

    controls = find_controls()                       # .memory, .processes: "cgroup1", "cgroup2" or ""
    group = controls.group("17-1-123-1", memory_bytes=..., processes=...)
    group.join()                                     # in the child, before it becomes the command
    group.out_of_memory()

Root may; an ordinary user where somebody delegated a folder `piwright` to it (v1: one below each controller). Kernels of
Raspberry Pi have the memory controller off: there the watchdog of containment.py does the work.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from .processes import read_process

MOUNT = Path("/sys/fs/cgroup")
PARENT = "piwright"
_REMOVE_SECONDS = 2.0


@dataclass(frozen=True)
class Controls:
    """Folders below which groups are made; None where there is no such control."""

    memory_folder: Path | None
    processes_folder: Path | None
    version: int

    @property
    def memory(self) -> str:
        return f"cgroup{self.version}" if self.memory_folder else ""

    @property
    def processes(self) -> str:
        return f"cgroup{self.version}" if self.processes_folder else ""

    def group(self, name: str, memory_bytes: int, processes: int) -> Group:
        """A group of its own. What cannot be made is left out: the watchdog is always there."""
        folders: dict[Path, dict[str, str]] = {}
        if self.memory_folder:
            folders.setdefault(self.memory_folder / name, {}).update(_memory_settings(self.version, memory_bytes))
        if self.processes_folder:
            folders.setdefault(self.processes_folder / name, {}).update({"pids.max": str(processes)})
        made = []
        for folder, settings in folders.items():
            try:
                folder.mkdir(exist_ok=True)
                for file, value in settings.items():
                    _write(folder / file, value)
                made.append(folder)
            except OSError:
                _remove(folder)
        return Group(tuple(made))


@dataclass(frozen=True)
class Group:
    """The control groups of one command, one folder for each controller (with version 2 one in all)."""

    folders: tuple[Path, ...]

    def join(self) -> None:
        """Become a member, with all children to come."""
        for folder in self.folders:
            _write(folder / "cgroup.procs", "0")

    def out_of_memory(self) -> bool:
        """Whether the kernel had to kill for want of memory in the group."""
        return any(_count(folder / name, "oom_kill") for folder in self.folders for name in _EVENTS)

    def too_many_processes(self) -> bool:
        """Whether the kernel refused to start a process in the group."""
        return any(_count(folder / "pids.events", "max") for folder in self.folders)

    def remove(self) -> None:
        """Take the groups away, as soon as the kernel has buried their last member."""
        deadline = time.monotonic() + _REMOVE_SECONDS
        left = list(self.folders)
        while left and time.monotonic() < deadline:
            left = [folder for folder in left if not _remove(folder)]
            if left:
                time.sleep(0.01)


_EVENTS = ("memory.events", "memory.oom_control")


def find_controls() -> Controls:
    """Which limits this process may set by control groups, found by setting some."""
    if (MOUNT / "cgroup.controllers").exists():
        return _find_second()
    return Controls(_usable(MOUNT / "memory", 1), _usable(MOUNT / "pids", 1), 1)


def _find_second() -> Controls:
    parent = MOUNT / PARENT
    try:
        parent.mkdir(exist_ok=True)
    except OSError:
        pass  # it is there and somebody else's, or it cannot be: `_usable` finds out
    for controller in ("memory", "pids"):
        for folder in (MOUNT, parent):
            try:
                _write(folder / "cgroup.subtree_control", f"+{controller}")
            except OSError:
                pass
    return Controls(_usable(parent, 2, "memory.max"), _usable(parent, 2, "pids.max"), 2)


def _usable(folder: Path, version: int, needed: str = "") -> Path | None:
    """The folder if a process can be moved into a group below it. Version 1 has a parent group in each controller."""
    parent = folder / PARENT if version == 1 else folder
    trial = parent / f"trial-{os.getpid()}"
    try:
        parent.mkdir(exist_ok=True)
        trial.mkdir()
    except OSError:
        return None
    try:
        if needed and not (trial / needed).exists():
            return None
        child = os.fork()
        if child == 0:
            try:
                _write(trial / "cgroup.procs", "0")
                os._exit(0)
            except BaseException:
                os._exit(1)
        return parent if os.waitpid(child, 0)[1] == 0 else None
    except OSError:
        return None
    finally:
        Group((trial,)).remove()


def remove_leftovers() -> None:
    """Take away the groups of runners that died. A group with members stays: it cannot be removed."""
    for parent in (MOUNT / "memory" / PARENT, MOUNT / "pids" / PARENT, MOUNT / PARENT):
        for folder in parent.glob("*-*"):
            parts = folder.name.split("-")
            runner = parts[-1] if parts[0] == "trial" else parts[-2]  # see `Containment.run` and `_usable`
            found = read_process(int(runner)) if runner.isdigit() else None
            if runner.isdigit() and (found is None or found.state in "ZX"):
                Group((folder,)).remove()


def _memory_settings(version: int, memory_bytes: int) -> dict[str, str]:
    if version == 1:
        return {"memory.limit_in_bytes": str(memory_bytes)}
    # The build dies as one: half of a compiler's processes are no use. Swap would only make a Pi crawl.
    return {"memory.max": str(memory_bytes), "memory.oom.group": "1"}


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _count(path: Path, name: str) -> int:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.split()[0] == name), 0)


def _remove(folder: Path) -> bool:
    """Whether it is gone."""
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
