"""The command `probe`: what this worker is, and which means keep a build within its limits here.

probe(state, "/usr/bin/python3")        # {"format", "worker_version", "facts": {...}}
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Mapping

from .means import find_means, total_memory
from .program import program_folder
from .protocol import FORMAT, Limits
from .runner import read_facts
from .sandbox import REMEDY, Sandbox, interpreter_prefixes
from .strict import ProtocolError
from .system import system_facts
from .version import WORKER_VERSION

_LIMITS = Limits(seconds=3600, silent_seconds=3600, log_bytes=1 << 20, wheel_bytes=1 << 20)


def probe(state: Path, python: str) -> dict[str, Any]:
    """Raises `ProtocolError` if the interpreter cannot be used."""
    if not os.path.isabs(python):
        raise ProtocolError(f"PYTHON is {python!r}; it must be the absolute path of an interpreter.")
    facts = read_facts(python)
    if not isinstance(facts, Mapping):
        raise ProtocolError(f"{facts}. Give the worker a Python that works.")
    state.mkdir(parents=True, exist_ok=True)
    program_folder(state)  # so that the first build need not make it
    sandbox = Sandbox.find(interpreter_prefixes(facts), state / "bin")
    means = find_means(sandbox, _LIMITS, 1, 1)
    known = ("python", "implementation", "platform", "machine", "libc", "distribution")
    return {
        "format": FORMAT,
        "worker_version": WORKER_VERSION,
        "facts": {
            **{name: facts[name] for name in known},
            **system_facts(state, python),
            "memory_bytes": total_memory(),
            "disk_free_bytes": shutil.disk_usage(state).free,
            "sandbox": {
                **means.to_json(sandbox),
                "version": sandbox.version,
                "why": f"{sandbox.why}: {REMEDY}" if sandbox.why else "",
                "details": means.details,
            },
        },
    }
