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
        self.home = root / "home"
        self.tmp = root / "tmp"
        self.run = root / "run"
        self.venv = root / "venv"
        self.control = root / "control"
        """The worker's own files for the build: scripts, requests, answers, the archive."""
        self.unpacked = root / "unpacked"
        self.wheels = root / "wheels"

    def create(self) -> None:
        for directory in (self.home, self.tmp, self.control, self.unpacked, self.wheels):
            directory.mkdir(parents=True, mode=0o755)
        self.run.mkdir(mode=0o700)

    @property
    def python(self) -> Path:
        """The interpreter of the build's virtual environment."""
        return self.venv / "bin" / "python"


def certificates(outer: Mapping[str, str]) -> dict[str, str]:
    """Which authorities to trust: the file the worker was given, else the system's (pip would bring its own)."""
    file = outer.get("SSL_CERT_FILE") or SYSTEM_CERTIFICATES
    if not os.path.exists(file):
        return {}
    return dict.fromkeys(("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"), file)


def build_environment(
    scratch: Scratch, mark: str, index_url: str, source_date_epoch: int, outer: Mapping[str, str]
) -> dict[str, str]:
    """All variables a build's process gets. Of `outer`, the runner's own, only the trusted certificates pass."""
    return {
        MARK_VARIABLE: mark,
        "PATH": f"{scratch.venv}/bin:{SYSTEM_PATH}",
        "HOME": str(scratch.home),
        "TMPDIR": str(scratch.tmp),
        "XDG_CACHE_HOME": str(scratch.home / ".cache"),
        "XDG_CONFIG_HOME": str(scratch.home / ".config"),
        "XDG_DATA_HOME": str(scratch.home / ".local" / "share"),
        "XDG_STATE_HOME": str(scratch.home / ".local" / "state"),
        "XDG_RUNTIME_DIR": str(scratch.run),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",  # or a busy setup.py would look silent
        "SOURCE_DATE_EPOCH": str(source_date_epoch),
        # Nobody is there to answer.
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "DEBIAN_FRONTEND": "noninteractive",
        "PIP_NO_INPUT": "1",
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_INDEX_URL": index_url,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        # A cache that outlives the build would be writable by the next build's hostile code, as all run as one user.
        "PIP_NO_CACHE_DIR": "1",
        **certificates(outer),
    }
