"""Which means keep a build within its limits on this worker, and the limits that follow for one slot.

means = find_means(sandbox, spec_limits, slots=2)
means.memory, means.memory_bytes       # "cgroup1", 1500000000
means.details                          # why a better means is not in force
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from .cgroups import Controls, find_controls
from .protocol import Limits
from .sandbox import Sandbox

MEMORY_SHARE = 0.75
"""Of the worker's memory builds may use together; the rest is for the system, sshd and the runner."""
SCRATCH_SHARE = 0.5
"""Of the memory that is free now a build's files may take as a tmpfs; what needs more goes to disk."""
LEAST_MEMORY_BYTES = 256 << 20


@dataclass(frozen=True)
class Means:
    """What is in force. `tmpfs_bytes` is 0 where the build's files lie on disk."""

    controls: Controls
    memory: str
    processes: str
    space: str
    memory_bytes: int
    tmpfs_bytes: int
    jobs: int
    processors: tuple[int, ...]
    details: dict[str, str]

    def to_json(self, sandbox: Sandbox) -> dict[str, str]:
        """What an attempt keeps of it."""
        return {"kind": sandbox.kind, "memory": self.memory, "processes": self.processes, "space": self.space}


def find_means(sandbox: Sandbox, limits: Limits, slot: int, slots: int) -> Means:
    """What this process can enforce, and the share of processors and memory of a slot."""
    controls = find_controls()
    details = {}
    if not controls.memory:
        details["memory"] = "no control group for memory can be used: the sum of the tree is watched instead"
    processes = controls.processes or ("rlimit" if os.geteuid() else "watchdog")
    if not controls.processes:
        details["processes"] = "no control group for processes can be used" + (
            "" if os.geteuid() else ", and the kernel counts no processes of root: the tree is watched instead"
        )
    tmpfs = limits.disk_bytes if sandbox.works and _fits_in_memory(limits.disk_bytes, slots) else 0
    if sandbox.works and not tmpfs:
        details["space"] = f"{limits.disk_bytes} bytes are too many for memory: on disk, and watched"
    if not sandbox.works:
        details["sandbox"] = sandbox.why
    processors = _share(sorted(os.sched_getaffinity(0)), slot, slots)
    return Means(
        controls=controls,
        memory=controls.memory or "watchdog",
        processes=processes,
        space="tmpfs" if tmpfs else "disk",
        # Files in a tmpfs are memory too, so that both together stay within the share.
        memory_bytes=limits.memory_bytes or max(LEAST_MEMORY_BYTES, int(total_memory() * MEMORY_SHARE / slots) - tmpfs),
        tmpfs_bytes=tmpfs,
        jobs=len(processors),
        processors=processors,
        details=details,
    )


def _share(processors: list[int], slot: int, slots: int) -> tuple[int, ...]:
    """The processors of one slot: its own where there are enough."""
    each = max(1, len(processors) // slots)
    start = (slot - 1) * each % len(processors)
    return tuple(processors[start : start + each])


def _fits_in_memory(size: int, slots: int) -> bool:
    return size <= _memory("MemAvailable") * SCRATCH_SHARE / slots


def total_memory() -> int:
    """Bytes of memory of the worker."""
    return _memory("MemTotal")


def available_memory() -> int:
    """Bytes that could be had now without swapping."""
    return _memory("MemAvailable")


def shared_memory() -> int:
    """Bytes of files in memory, of everybody: tmpfs, memfd, System V."""
    return _memory("Shmem")


def _memory(name: str) -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    return 1 << 30
