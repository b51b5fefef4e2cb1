"""The environment of a build's processes: made from nothing, never copied from the runner's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Mapping

from .processes import MARK_VARIABLE

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SYSTEM_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


class Scratch:
    """The directories of one build that are thrown away at its end."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.control = root / "control"
        """The worker's own files for the build: scripts, requests, what came out."""
        self.links = root / "links"
        """Wheels of requirements that had to be built."""
        self._spaces = 0

    def create(self) -> None:
        for directory in (self.control, self.links):
            directory.mkdir(parents=True, mode=0o755)

    def space(self) -> Path:
        """A new empty folder for one command to write in, where that is on disk."""
        self._spaces += 1
        folder = self.root / f"space-{self._spaces}"
        folder.mkdir(mode=0o755)
        return folder


def certificates_file(outer: Mapping[str, str]) -> str:
    """Which authorities to trust: the file the worker was given, else the system's (pip would bring its own)."""
    file = outer.get("SSL_CERT_FILE") or SYSTEM_CERTIFICATES
    return file if os.path.exists(file) else ""


def base_environment(root: str, mark: str, certificates: str) -> dict[str, str]:
    """Variables of every command; `root` is its writable place, `certificates` a file where it will see it, or ""."""
    trusted = dict.fromkeys(("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"), certificates) if certificates else {}
    return {
        MARK_VARIABLE: mark,
        "PATH": SYSTEM_PATH,
        "HOME": f"{root}/home",
        "TMPDIR": f"{root}/tmp",
        "XDG_CACHE_HOME": f"{root}/home/.cache",
        "XDG_CONFIG_HOME": f"{root}/home/.config",
        "XDG_DATA_HOME": f"{root}/home/.local/share",
        "XDG_STATE_HOME": f"{root}/home/.local/state",
        "XDG_RUNTIME_DIR": f"{root}/run",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "USER": "builder",
        "LOGNAME": "builder",
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",  # or a busy setup.py would look silent
        # Nobody is there to answer.
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "DEBIAN_FRONTEND": "noninteractive",
        "PIP_NO_INPUT": "1",
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        # A cache that outlives the build would be writable by the next build's hostile code, as all run as one user.
        "PIP_NO_CACHE_DIR": "1",
        **trusted,
        # Which processor an emulated Pi shows to its programs.
        **{name: os.environ[name] for name in ("QEMU_CPU",) if name in os.environ},
    }


def build_environment(
    base: Mapping[str, str], env: str, index_url: str, source_date_epoch: int, jobs: int
) -> dict[str, str]:
    """Variables of a project's own code, with the build environment `env` first on the path and `jobs` at a time."""
    return {
        **base,
        "PATH": f"{env}/bin:{SYSTEM_PATH}",
        "VIRTUAL_ENV": env,
        "PIP_INDEX_URL": index_url,
        "SOURCE_DATE_EPOCH": str(source_date_epoch),
        "PYTHONDONTWRITEBYTECODE": "1",
        # What a slot may use, not what the machine has.
        "MAKEFLAGS": f"-j{jobs}",
        "CMAKE_BUILD_PARALLEL_LEVEL": str(jobs),
        "CARGO_BUILD_JOBS": str(jobs),
        "MAX_JOBS": str(jobs),
        "NPY_NUM_BUILD_JOBS": str(jobs),
        "GOMAXPROCS": str(jobs),
    }
