"""Phases `requirements` and `prepare`: a virtual environment for one build, and what the build asks to have in it.

environment = make_environment(commands, state, spec)      # without pip, empty
environment.install(["setuptools>=61"])
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Sequence

from .commands import BuildCommands
from .failure import BuildFailure
from .protocol import BatchSpec
from .strict import quote
from .tools import REMEDY, tools_python

MAX_REQUIREMENTS = 500
MAX_LISTED = 500
_DIST_INFO = re.compile(r"([A-Za-z0-9][A-Za-z0-9._]{0,199})-([A-Za-z0-9][A-Za-z0-9.!+_]{0,99})\.dist-info")


class BuildEnvironment:
    """The virtual environment of one build. `python_with_pip` is who installs into it."""

    def __init__(self, commands: BuildCommands, python_with_pip: str, index_url: str) -> None:
        self._commands = commands
        self._index_url = index_url
        self.python_with_pip = python_with_pip

    def install(self, requirements: Sequence[str]) -> None:
        """Install from the index alone. Raises `BuildFailure` (requirements)."""
        if not requirements:
            return
        start = self._commands.log.bytes
        code = self._commands.run(
            [
                self.python_with_pip,
                "-m",
                "pip",
                f"--python={self._commands.scratch.python}",
                "install",
                "--no-warn-script-location",
                "--no-compile",  # most of it is never imported here, and on a Pi compiling it takes seconds
                # An older wheel beats compiling the newest numpy in order to compile something else.
                "--prefer-binary",
                f"--index-url={self._index_url}",
                "--",  # what follows is never an option, whatever the sdist calls its requirements
                *requirements,
            ]
        )
        if code != 0:
            raise BuildFailure(
                "requirements",
                f"The build requirements {', '.join(requirements)} cannot be installed: "
                f"{self._commands.last_line(start)}",
            )


def make_environment(commands: BuildCommands, state: Path, spec: BatchSpec) -> BuildEnvironment:
    """An empty virtual environment in the build's scratch directory. Raises `BuildFailure` (internal)."""
    python_with_pip = tools_python(commands, state, spec.python, spec.index_url)
    start = commands.log.bytes
    if commands.run([spec.python, "-I", "-m", "venv", "--without-pip", str(commands.scratch.venv)]) != 0:
        raise BuildFailure(
            "internal", f"{spec.python} cannot make a virtual environment: {commands.last_line(start)}; {REMEDY}."
        )
    return BuildEnvironment(commands, python_with_pip, spec.index_url)


def check_requirements(value: object, source: str, kind: str) -> list[str]:
    """A list of requirement strings out of JSON. Raises `BuildFailure` of this kind naming `source`."""
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise BuildFailure(kind, f"{source} must be a list of requirements, not {quote(value)}.")
    if len(value) > MAX_REQUIREMENTS or any(len(each) > 1000 or "\0" in each for each in value):
        raise BuildFailure(kind, f"{source} must be at most {MAX_REQUIREMENTS} requirements of 1000 characters.")
    return list(value)


def installed_requirements(venv: Path) -> list[str]:
    """`name==version` of what is installed in a virtual environment, sorted, as `pip freeze --all` would say."""
    found = set()
    try:
        for directory in venv.glob("lib*/python*/site-packages/*.dist-info"):
            match = _DIST_INFO.fullmatch(directory.name)
            if match:
                found.add(f"{re.sub('[._]+', '-', match[1]).lower()}=={match[2]}")
    except OSError:
        pass  # the build took away the right to look
    return sorted(found)[:MAX_LISTED]
