"""The command `sweep`: remove batches nobody needs any more, and processes nobody waits for."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any, Collection

from . import processes
from .batch import Batch, BatchMissing
from .ccache import ProjectCaches
from .cgroups import remove_leftovers
from .environments import prune
from .files import remove_tree
from .protocol import FORMAT, IDENTIFIER
from .strict import ProtocolError
from .version import WORKER_VERSION

UPLOAD_SECONDS = 3600
"""A batch that was never run may be on its way here; after so long it is not."""
MAX_LISTED = 1000


def sweep(state: Path, keep: Collection[str], older_than: float) -> dict[str, Any]:
    """Remove batches that do not run, are not kept, and have not changed for `older_than` seconds.

    Returns `{"format", "worker_version", "removed": [batch], "removed_count", "ended_processes"}`.
    """
    ended = 0
    removed: list[str] = []
    places = sorted((state / "batches").iterdir()) if (state / "batches").is_dir() else []
    for place in places:
        if place.is_dir() and not place.is_symlink() and re.fullmatch(IDENTIFIER, place.name):
            batch = Batch(state, place.name)
            try:
                with batch.gate():
                    if batch.is_running():
                        continue
                    ended += _end_leftovers(batch)
                    if batch.name not in keep and _age(batch) >= _least_age(batch, older_than):
                        remove_tree(batch.directory)
                        removed.append(batch.name)
            except BatchMissing:
                continue
    ended += _end_strays(state)
    remove_leftovers()
    _remove_half_tools(state)
    prune(state)
    ProjectCaches(state).prune()
    return {
        "format": FORMAT,
        "worker_version": WORKER_VERSION,
        "removed": removed[:MAX_LISTED],
        "removed_count": len(removed),
        "ended_processes": ended,
    }


def _end_leftovers(batch: Batch) -> int:
    found = processes.find(0, batch.mark())
    processes.end(lambda: processes.find(0, batch.mark()), grace=0.0)
    return len(found)


def _end_strays(state: Path) -> int:
    """Processes of batches whose directory is gone."""
    table = processes.read_processes()
    start = f"{state}/batches/"
    strays = [
        table[pid]
        for pid, mark in processes.marks(table).items()
        if mark.startswith(start) and not (state / "batches" / mark[len(start) :].split("/")[0]).exists()
    ]
    processes.end(lambda: [each for each in strays if processes.is_alive(each)], grace=0.0)
    return len(strays)


def _least_age(batch: Batch, older_than: float) -> float:
    return older_than if batch.lock_file.exists() else max(older_than, UPLOAD_SECONDS)


def _age(batch: Batch) -> float:
    """Seconds since anything was said about the batch; without a spec it may be an upload at its start."""
    times = [path.stat().st_mtime for path in (batch.status_file, batch.spec_file, batch.runner_log) if path.exists()]
    return time.time() - max(times, default=batch.directory.stat().st_mtime)


def _remove_half_tools(state: Path) -> None:
    """What a runner left that died while it made a virtual environment."""
    for part in (state / "tools").glob("*.part"):
        try:
            owner = int(part.name.split(".")[-2])
        except (ValueError, IndexError):
            continue
        if processes.read_process(owner) is None:
            remove_tree(part)


def check_keep(names: Collection[str]) -> None:
    """Raises `ProtocolError` for names that no batch can have."""
    for name in names:
        if not re.fullmatch(IDENTIFIER, name):
            raise ProtocolError(f"--keep {name!r} is no name of a batch.")
