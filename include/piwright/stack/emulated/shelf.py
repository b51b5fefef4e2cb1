"""The emulated Pis of a home: which there are, where their files are, and how they are reached.

    shelf = Shelf(settings)
    pi = shelf.add("pi-1", "trixie", "armv7l")
    shelf.pis(), shelf.command(pi, secrets)
    shelf.forget("pi-1"); shelf.clear()

They are remembered in a file, so that they are there again after `make down` and `make up`.
"""

import json
import re
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from piwright.planning.targets import Target, known_target
from piwright.settings import Settings
from piwright.stack.emulated.root import Roots, remove_tree
from piwright.stack.emulated.settle import HOME, USER
from piwright.stack.secrets import Secrets, make_key

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST_NAME = 40
_EMBEDDED_NAME = re.compile(r"worker-\d+")

PYTHON = "/usr/bin/python3"
STATE = f"{HOME}/piwright"


class ShelfError(ValueError):
    """A name that cannot be used; says what would be right."""


@dataclass(frozen=True)
class EmulatedPi:
    """One guest. `number` counts from 0 and gives it its port; it keeps it while it is on the shelf."""

    name: str
    suite: str
    machine: str
    number: int

    @property
    def target(self) -> Target:
        """What it builds for."""
        return known_target(self.suite, self.machine)

    @property
    def connection_id(self) -> str:
        """Airflow's name for the way there."""
        return "piwright_emulated_" + self.name.replace("-", "_")

    @property
    def user(self) -> str:
        """Who logs in."""
        return USER


class Shelf:
    """The emulated Pis of the home that the settings name."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.folder = settings.home / "emulated"
        self._file = self.folder / "pis.json"
        self.roots = Roots(self.folder, settings.debian_mirror or "")

    def pis(self) -> list[EmulatedPi]:
        """All of them, in the order they were added."""
        try:
            return [EmulatedPi(**each) for each in json.loads(self._file.read_text())]
        except FileNotFoundError:
            return []

    def check(self, name: str, suite: str, machine: str) -> None:
        """Raises `ShelfError` or `TargetError` when such a Pi cannot be added."""
        if not NAME.fullmatch(name) or len(name) > _LONGEST_NAME or _EMBEDDED_NAME.fullmatch(name):
            raise ShelfError(
                f"{name!r} cannot be a Pi's name: small letters, digits and single hyphens such as pi-1, at most "
                f"{_LONGEST_NAME}; worker-N are the embedded workers."
            )
        known_target(suite, machine)
        for each in self.pis():
            if each.name == name and (each.suite, each.machine) != (suite, machine):
                raise ShelfError(
                    f"{name} is there and is {each.suite} {each.machine}: take another name, or remove it first "
                    f"(`piwright worker remove {name}`)."
                )

    def add(self, name: str, suite: str, machine: str) -> EmulatedPi:
        """Remember a Pi; answers the one that is there already if there is."""
        self.check(name, suite, machine)
        there = self.pis()
        for each in there:
            if each.name == name:
                return each
        numbers = {each.number for each in there}
        added = EmulatedPi(name, suite, machine, min(set(range(len(there) + 1)) - numbers))
        self._write([*there, added])
        return added

    def forget(self, name: str) -> None:
        """Take a Pi off the shelf; what it wrote stays until `clear`."""
        self._write([each for each in self.pis() if each.name != name])

    def clear(self) -> None:
        """Remove what forgotten Pis wrote, and file systems that none is left to use. None of them may run."""
        left = self.pis()
        names = {each.name for each in left}
        for place in [*self._places.iterdir()] if self._places.is_dir() else []:
            if place.name not in names:
                remove_tree(place)
        self.roots.prune({self.roots.path(each.suite, each.machine) for each in left})

    def place(self, name: str) -> Path:
        """The folder of a Pi."""
        return self._places / name

    @property
    def _places(self) -> Path:
        return self.folder / "pis"

    def port(self, pi: EmulatedPi) -> int:
        """Where its sshd listens, on loopback: after the embedded workers."""
        return self._settings.worker_port + self._settings.workers + pi.number

    def host_key(self, pi: EmulatedPi) -> str:
        """Its public host key, made on this machine so that it can be pinned before it is ever seen."""
        self.place(pi.name).mkdir(mode=0o700, parents=True, exist_ok=True)
        return make_key(self.place(pi.name) / "host_key")

    def command(self, pi: EmulatedPi, secrets: Secrets) -> list[str]:
        """What supervisord runs for a Pi whose file system is there."""
        self.host_key(pi)
        authorized = self.place(pi.name) / "authorized_keys"
        authorized.write_text(secrets.worker_key.with_name("worker_key.pub").read_text())
        root = self.roots.path(pi.suite, pi.machine)
        return [
            *(sys.executable, "-m", "piwright.stack.emulated.guest"),
            *(str(self.place(pi.name)), pi.machine, str(root), str(self.port(pi)), str(self._settings.home)),
        ]

    def _write(self, pis: list[EmulatedPi]) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside = self._file.with_suffix(".new")
        aside.write_text(json.dumps([asdict(each) for each in pis], indent=2) + "\n")
        aside.replace(self._file)
