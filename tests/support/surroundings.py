"""Machines that lack something, for a worker to run on: commands to put before its own (`LocalWorker.around`).

    worker.around = without_bubblewrap()

What is taken away is hidden below something else, in a mount namespace of the worker's own; nothing of the machine
itself is changed, and it needs no rights.
"""

import os
import shutil
from pathlib import Path

from piwright.worker.program.environment import SYSTEM_PATH

# An ordinary user may mount only where it is root; processes of one such place cannot look into those of another.
_USER = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]


def without_bubblewrap() -> list[str]:
    """Where nobody installed it."""
    return _hidden(f"mount --bind /dev/null {_bubblewrap()}")


def with_bubblewrap(script: Path) -> list[str]:
    """Where it is this program instead."""
    return _hidden(f"mount --bind {script} {_bubblewrap()}")


def without_control_groups() -> list[str]:
    """Where none may be made, as for most users and on a Raspberry Pi as it comes."""
    return _hidden("mount -t tmpfs none /sys/fs/cgroup")


def as_user(number: int) -> list[str]:
    """Where the worker is an ordinary user; only root can try that."""
    return ["setpriv", f"--reuid={number}", f"--regid={number}", "--clear-groups"]


def _hidden(mount: str) -> list[str]:
    return ["unshare", *_USER, "--mount", "/bin/sh", "-c", f'{mount} && exec "$@"', "sh"]


def _bubblewrap() -> str:
    found = shutil.which("bwrap", path=SYSTEM_PATH)
    assert found, "bubblewrap is needed: apt install bubblewrap"
    return found
