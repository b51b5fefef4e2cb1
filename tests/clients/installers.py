"""Real installers, each in a virtual environment that a test may change: pip of every Raspberry Pi OS, newest pip, uv.

    installer = Installer.make("pip-23.0.1", tmp_path)
    done = installer.install("--index-url", url, "built-here")
    installer.versions()        # {"built-here": "1.5"}

An installer that cannot run on this machine skips its tests and says why; with CI=true it fails them.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pytest

from support.tools import environment, tool

UV = str(Path(sys.executable).with_name("uv"))

Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Kind:
    """What to install, and the Pythons it runs on: first that of the distribution which has it."""

    requirement: str
    pythons: tuple[str, ...]


NEWEST_PIP = "pip>=26.2"
ANY = ("3.11", "3.12", "3.13")

PIPS = {
    "pip-20.3.4": Kind("pip==20.3.4", ("3.9", "3.10", "3.11")),  # Bullseye
    "pip-23.0.1": Kind("pip==23.0.1", ANY),  # Bookworm
    "pip-25.1.1": Kind("pip==25.1.1", ("3.13", "3.12", "3.11")),  # Trixie
    "pip-newest": Kind(NEWEST_PIP, ANY),
}
INSTALLERS = [*PIPS, "uv"]


def missing(what: str) -> None:
    """Skip for want of something; where CI promises that everything is there, fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


@lru_cache(maxsize=100)
def interpreter(version: str) -> str | None:
    """The path of a Python such as "3.9" on this machine; None if there is none."""
    home = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates = [
        sys.executable,
        *filter(None, [shutil.which(f"python{version}")]),
        f"/usr/bin/python{version}",
        *sorted(map(str, home.glob(f"versions/{version}.*/bin/python{version}"))),
    ]
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    for candidate in candidates:
        try:
            said = subprocess.run([candidate, "-c", ask], capture_output=True, text=True, timeout=60, check=False)
        except OSError:
            continue
        if said.returncode == 0 and said.stdout.strip() == version:
            return candidate
    return None


@lru_cache(maxsize=100)
def seed(kind: Kind) -> Path | str:
    """A virtual environment with that pip to copy; or why there is none."""
    for version in kind.pythons:
        python = interpreter(version)
        if python is None:
            continue
        if version != kind.pythons[0]:
            sys.stderr.write(f"{kind.requirement} runs on Python {version}: there is no {kind.pythons[0]} here\n")
        try:
            return environment(kind.requirement, python)
        except RuntimeError as error:
            return f"{kind.requirement} cannot be installed here: {error}"
    return f"{kind.requirement} needs one of Python {', '.join(kind.pythons)}, and none is here"


def clean_environment(home: Path) -> dict[str, str]:
    """The environment without anything that names another index, an interpreter, or somebody's cache."""
    mine = ("PIP_", "UV_", "POETRY_", "PDM_", "VIRTUAL_ENV", "PYTHON", "XDG_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
    return kept | {
        "HOME": str(home),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "UV_NO_CONFIG": "1",
        "PDM_CHECK_UPDATE": "0",
        "NO_COLOR": "1",
    }


@dataclass(frozen=True)
class Installer:
    """An installer by its name in `INSTALLERS`, and the interpreter of an environment with nothing but pip in it."""

    name: str
    python: Path
    home: Path

    @classmethod
    def make(cls, name: str, directory: Path) -> "Installer":
        found = seed(PIPS.get(name, PIPS["pip-newest"]))
        if isinstance(found, str):
            missing(found)
        shutil.copytree(found, directory / "venv", symlinks=True)
        (directory / "home").mkdir()
        return cls(name, directory / "venv/bin/python", directory / "home")

    @property
    def is_uv(self) -> bool:
        return self.name == "uv"

    def run(self, *arguments: str | Path) -> Done:
        command = [UV, *arguments] if self.is_uv else [self.python, "-m", "pip", *arguments]
        environment = clean_environment(self.home)
        return subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=120, cwd=self.home, check=False
        )

    def install(self, *arguments: str | Path) -> Done:
        """Install into the environment, with nothing from a cache."""
        if self.is_uv:
            return self.run("pip", "install", "--no-cache", "--python", self.python, *arguments)
        return self.run("install", "--no-cache-dir", *arguments)

    def resolve(self, *arguments: str | Path) -> Done:
        """Say what would be installed, and install nothing."""
        if self.is_uv:
            return self.run("pip", "install", "--no-cache", "--python", self.python, "--dry-run", *arguments)
        return self.run("install", "--no-cache-dir", "--dry-run", *arguments)

    def check(self) -> Done:
        """What the environment's own pip thinks of what is installed."""
        command = [str(self.python), "-m", "pip", "check"]
        return subprocess.run(command, capture_output=True, text=True, env=clean_environment(self.home), check=False)

    def versions(self) -> dict[str, str]:
        """What is installed, besides pip."""
        names = "(f'{each.metadata[\"Name\"]} {each.version}' for each in distributions())"
        code = f"from importlib.metadata import distributions; print(*{names}, sep='\\n')"
        said = subprocess.run([self.python, "-c", code], capture_output=True, text=True, check=True).stdout
        found = dict(line.split(" ") for line in said.splitlines())
        return {name: version for name, version in found.items() if name not in ("pip", "setuptools", "wheel")}


def program(requirement: str, name: str, pythons: Sequence[str] = ANY) -> Path:
    """A program of another project, such as Poetry."""
    for version in pythons:
        if python := interpreter(version):
            try:
                return tool(requirement, name, python=python)
            except RuntimeError as error:
                missing(f"{requirement} cannot be installed here: {error}")
    missing(f"{requirement} needs one of Python {', '.join(pythons)}, and none is here")
    raise AssertionError
