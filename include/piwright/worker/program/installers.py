"""uv where the worker has it, pip otherwise: the commands that fill a virtual environment with wheels, never sdists.

installer = find_installer(state, tools_python)
installer.commands(room, environment, requirements, links)      # run them one after the other
installer.locked(environment)                                   # ["setuptools==80.0 --hash=sha256:..."]
installer.lacking(log)                                          # a project that has no wheel to install
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

from .environment import SYSTEM_PATH
from .files import read_bounded

MAX_LOCK_BYTES = 8 << 20
_SAYS_SECONDS = 60
_LACKS = (
    # uv's hint; pip's last word.
    re.compile(r"Wheels are required for `([A-Za-z0-9._-]+)`"),
    re.compile(r"No matching distribution found for ([A-Za-z0-9][A-Za-z0-9._-]*)"),
)


@dataclass(frozen=True)
class Installer:
    """`program` is uv's path, or that of a Python that has pip."""

    name: str
    version: str
    program: str

    @property
    def description(self) -> str:
        """Such as `uv 0.13.9`."""
        return f"{self.name} {self.version}"

    @property
    def resolves_first(self) -> bool:
        """Whether it can say what it would install before it does; pip says it afterwards."""
        return self.name == "uv"

    def resolve_command(
        self, program: str, env: str, requirements: str, links: str, index_url: str, lock: str, scripts: str
    ) -> list[str]:
        """Write down in `lock` what a requirements file comes to in the virtual environment `env`.

        All paths are as the command sees them; wheels in the folder `links` count as in the index.
        """
        index = ["--index-url", index_url, "--find-links", links, "--quiet", "-o", lock]
        return [program, "pip", "compile", *_uv_options(env), *index, requirements]

    def install_command(
        self, program: str, env: str, requirements: str, links: str, index_url: str, lock: str, scripts: str
    ) -> list[str]:
        """Install into the empty virtual environment `env`: what was resolved, or else what is asked for.

        `scripts` is the folder of the worker program's files.
        """
        if self.name == "uv":
            # Not `--compile-bytecode`: that starts the environment's Python, and so code of requirements, with a network.
            return [program, "pip", "install", *_uv_options(env), "--link-mode", "copy", "-r", lock]
        return [
            *(program, "-I", f"{scripts}/pip_wheels.py", f"{env}/bin/python", "install", "--no-warn-script-location"),
            # Sdists would be run by pip itself, with a network. An older wheel beats compiling the newest numpy.
            *("--only-binary=:all:", "--progress-bar=off", f"--index-url={index_url}", f"--find-links={links}"),
            *(f"--report={lock}", "-r", requirements),
        ]

    def check_command(self, program: str, env: str) -> list[str]:
        """A command that looks whether all that is installed in `env` has what it requires."""
        if self.name == "uv":
            return [program, "pip", "check", "--python", f"{env}/bin/python", "--color", "never"]
        return [program, "-m", "pip", f"--python={env}/bin/python", "check"]

    def lock_name(self) -> str:
        """What the file is called in which the choice is written down; uv insists."""
        return "pylock.toml" if self.name == "uv" else "report.json"

    def locked(self, lock: Path) -> list[str]:
        """What was chosen, as lines of a requirements file with the hash of the very wheel, sorted."""
        try:
            text = (read_bounded(lock, MAX_LOCK_BYTES) or b"").decode("utf-8", "replace")
        except OSError:
            return []
        return sorted(_from_pylock(text) if self.name == "uv" else _from_report(text))

    def lacking(self, said: str) -> str:
        """The project of which there is no wheel, from what the installer said; empty if that was not the trouble."""
        found = [match[1] for pattern in _LACKS for match in pattern.finditer(said)]
        return re.sub(r"[-_.]+", "-", found[-1]).lower() if found else ""


def _uv_options(env: str) -> list[str]:
    return ["--python", f"{env}/bin/python", "--no-build", "--no-progress", "--color", "never"]


def find_uv(state: Path) -> str:
    """uv's path; empty without one. The worker's own `bin` folder comes first."""
    home = os.path.expanduser("~")
    places = [str(state / "bin"), SYSTEM_PATH, f"{home}/.local/bin", f"{home}/.cargo/bin"]
    found = shutil.which("uv", path=os.pathsep.join(places))
    return os.path.realpath(found) if found else ""


def uv_installer(program: str) -> Installer | None:
    """uv, if it runs here and is new enough to write a lock file."""
    try:
        said = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=_SAYS_SECONDS, check=True, env={}
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < _OLDEST_UV:
        return None
    return Installer("uv", found[0], program)


_OLDEST_UV = (0, 7)
"""The first that can write and install pylock.toml."""


def _from_pylock(text: str) -> list[str]:
    lines = []
    for package in text.split("[[packages]]")[1:]:
        name = re.search(r'^name = "([^"]+)"', package, re.MULTILINE)
        version = re.search(r'^version = "([^"]+)"', package, re.MULTILINE)
        digest = re.search(r'sha256 = "([0-9a-f]{64})"', package)
        if name and version:
            lines.append(_line(name[1], version[1], digest[1] if digest else ""))
    return lines


def _from_report(text: str) -> list[str]:
    try:
        report = json.loads(text)
        return [
            _line(
                re.sub(r"[-_.]+", "-", each["metadata"]["name"]).lower(),
                each["metadata"]["version"],
                each["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256", ""),
            )
            for each in report["install"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def _line(name: str, version: str, digest: str) -> str:
    return f"{name}=={version}" + (f" --hash=sha256:{digest}" if digest else "")


def write_requirements(path: Path, requirements: Sequence[str]) -> None:
    """A requirements file; what is in it has been checked, so no line is an option."""
    path.write_text("".join(f"{each.strip()}\n" for each in requirements), encoding="utf-8")
