"""The file system that all emulated Pis of a suite and architecture share: made once, only read afterwards.

    Roots(Path(".piwright/emulated"), mirror_override="").ensure("trixie", "armv7l", say)     # -> its folder

A minute the first time; at once when it is there. Made aside and renamed, so what is there is whole.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from piwright.stack.emulated import namespace, unpack
from piwright.stack.emulated.architecture import GUESTS, HOSTS, Guest
from piwright.stack.emulated.byte_code import compile_library
from piwright.stack.emulated.installer import fetch_uv
from piwright.stack.emulated.mirror import find_mirror
from piwright.stack.emulated.packages import Archive, package_names

_RECIPE = 1
"""To be raised when this room makes something else of the same packages."""

Say = Callable[[str], None]


class RootNotMade(RuntimeError):
    """A step that makes the file system failed; has the step's own words."""


@dataclass(frozen=True)
class Roots:
    """The shared file systems below a folder."""

    folder: Path
    mirror_override: str

    def path(self, suite: str, machine: str) -> Path:
        """Where the file system of a suite and architecture is, or will be: another recipe is another place."""
        words = [str(_RECIPE), unpack.LEFT_OUT, package_names(GUESTS[machine])]
        recipe = hashlib.sha256(repr(words).encode()).hexdigest()[:8]
        return self.folder / "roots" / f"{suite}-{GUESTS[machine].debian}-{recipe}"

    def ensure(self, suite: str, machine: str, say: Say) -> Path:
        """Make the file system if it is not there. Raises `NoMirror`, `PackagesUnavailable`, `RootNotMade`."""
        place = self.path(suite, machine)
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _only_one(place.with_name("lock")):
            if not place.is_dir():
                self._make(place, suite, GUESTS[machine], say)
        return place

    def prune(self, used: Collection[Path]) -> None:
        """Remove file systems nobody uses, and what a make that was cut off left."""
        if not (self.folder / "roots").is_dir():
            return
        with _only_one(self.folder / "roots" / "lock"):
            for each in sorted((self.folder / "roots").iterdir()):
                if each.is_dir() and each not in used:
                    remove_tree(each)

    def _make(self, place: Path, suite: str, guest: Guest, say: Say) -> None:
        mirror = find_mirror(suite, self.mirror_override)
        aside, downloads = place.with_name(place.name + ".part"), place.with_name(place.name + ".apt")
        remove_tree(aside)
        packages = Archive(downloads, guest, mirror, suite).download(say)
        say(f"Unpacking {len(packages)} packages.")
        aside.mkdir(mode=0o755)
        native = HOSTS[os.uname().machine]
        _step("unpack", str(aside), native, *map(str, packages))
        _step("settle", str(aside), guest.machine)
        say("Compiling Python's library.")
        compile_library(aside, guest)
        say(fetch_uv(aside, guest))
        aside.rename(place)
        remove_tree(downloads)


def remove_tree(folder: Path) -> None:
    """Remove a folder with files of the caller's subordinate ids in it. Raises `RootNotMade`."""
    if folder.is_dir():
        _run(namespace.command(["rm", "-rf", "--one-file-system", "--", str(folder)]), "removing")


def _step(name: str, *arguments: str) -> None:
    _run(namespace.command([sys.executable, "-m", f"piwright.stack.emulated.{name}", *arguments]), name)


def _run(command: list[str], what: str) -> None:
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if ran.returncode:
        raise RootNotMade(f"Making an emulated Pi's file system failed ({what}):\n{ran.stdout.strip()[-2000:]}")


def free_bytes(folder: Path) -> int:
    """What may still be written beside `folder`."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


@contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
