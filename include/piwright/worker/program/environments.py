"""Virtual environments for builds: made once for a list of requirements, then read by every build that has the same.

    environments = Environments(commands, state, identity, installer, index_url)
    environment = environments.provide(["setuptools>=61"])
    environment.path, environment.locked

Nothing of a build can change one: they are shown to builds to be read. What a list of requirements comes to is looked up
in the index again after an hour; the environment that holds just these wheels is then found by them. Whoever uses one
holds a lock on it, so that `prune` leaves it alone.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, Sequence

from .commands import BuildCommands
from .failure import BuildFailure
from .files import read_bounded, remove_tree, write_whole
from .installers import Installer, write_requirements
from .sandbox import ENVIRONMENT
from .space import usage

FRESH_SECONDS = 3600.0
UNUSED_SECONDS = 86400.0
MOST_KEPT = 100
MOST_BYTES = 8 << 30
"""All environments together."""
CACHE_BYTES = 4 << 30
"""What the installer may keep of what it fetched."""
_MAX_LOCKED = 500
_READY = "locked.txt"
"""Written last: what has none is not ready, or a runner died over it."""
_USED = "used"
_SIZE = "size"


class NoWheel(Exception):
    """A requirement exists only as an sdist."""

    def __init__(self, project: str, failure: BuildFailure) -> None:
        super().__init__(project)
        self.project = project
        self.failure = failure


@dataclass
class Environment:
    """A virtual environment at `path`. `locked`: what is in it, as lines of a requirements file with hashes."""

    path: Path
    locked: list[str]
    bytes_made: int
    """Bytes that had to be installed just now; 0 if it was there."""
    _held: int

    def discard(self) -> None:
        """Nobody needs it any more."""
        self.release()
        _remove_unless_held(self.path.parent)

    def release(self) -> None:
        """It may be pruned from now on."""
        if self._held >= 0:
            os.close(self._held)
            self._held = -1


class Environments:
    """The environments of one interpreter, below `state`."""

    def __init__(
        self,
        commands: BuildCommands,
        state: Path,
        identity: str,
        installer: Installer,
        index_url: str,
    ) -> None:
        self._commands = commands
        self._folder = state / "environments"
        self._cache = state / "cache" / installer.name
        self._identity = identity
        self._installer = installer
        self._index_url = index_url

    def provide(self, requirements: Sequence[str], links: Path, direct: Path | None = None) -> Environment:
        """An environment with these requirements; wheels in the folder `links` count as in the index.

        `direct` is a wheel to install beside them: then the environment is this build's alone. Raises `BuildFailure`
        (requirements, no_space, ...) and `NoWheel`.
        """
        request = self._key(self._index_url, sorted(set(requirements)), _digests(links), _digests(direct))
        self._folder.mkdir(parents=True, exist_ok=True)
        found = self._remembered(request)
        if found is not None:
            return found
        with only_one(self._folder / f"{request}.lock", self._commands):
            found = self._remembered(request)  # another slot may have made it while we waited
            if found is None:
                found = self._resolve_and_make(request, requirements, links, direct)
                if direct is None:
                    write_whole(self._folder / f"{request}.request", found.path.parent.name.encode())
            return found

    def _key(self, *parts: object) -> str:
        wanted = json.dumps([self._identity, self._commands.sandbox.kind, self._installer.name, *parts])
        return hashlib.sha256(wanted.encode()).hexdigest()[:32]

    def _remembered(self, request: str) -> Environment | None:
        """What an equal list came to within the hour."""
        file = self._folder / f"{request}.request"
        try:
            fresh = time.time() - file.stat().st_mtime < FRESH_SECONDS
            name = (read_bounded(file, 200) or b"").decode("ascii")
        except (OSError, ValueError):
            return None
        return self._take(name) if fresh and re.fullmatch("[0-9a-f-]+", name) else None

    def _take(self, name: str) -> Environment | None:
        """Hold an environment that is ready; None if there is none."""
        folder = self._folder / name
        if not (folder / _READY).exists():
            return None
        try:
            held = _hold(folder)
        except OSError:
            return None  # it is being pruned
        os.utime(folder / _USED)
        return Environment(folder / "env", _read_locked(folder), 0, held)

    def _resolve_and_make(
        self, request: str, requirements: Sequence[str], links: Path, direct: Path | None
    ) -> Environment:
        scratch = self._commands.scratch
        work = _Work(requirements, links, direct, scratch.control / "requirements.txt", scratch.space())
        locked: list[str] = []
        if self._installer.resolves_first and work.something:
            probe = scratch.space() / "env"
            self._empty(probe)
            self._run(self._installer.resolve_command, work, probe)
            locked = self._installer.locked(work.out / self._installer.lock_name())
            # What different lists come to is often the same; exact wheels never grow old.
            name = self._key(locked, _digests(links), _digests(direct))
        else:
            name = f"{request}-{int(time.time())}" if work.something else self._key("empty")
        with only_one(self._folder / f"{name}.lock", self._commands):
            return self._take(name) or self._make(name, work, locked)

    def _make(self, name: str, work: _Work, locked: list[str]) -> Environment:
        folder = self._folder / name
        if folder.exists():  # of a runner that died
            remove_tree(folder)
        folder.mkdir()
        held = _hold(folder)  # so that nobody takes it for such a leftover
        try:
            env = folder / "env"
            self._empty(env)
            if work.something:
                self._run(self._installer.install_command, work, env)
                if work.direct is None:  # what is imported once is compiled as it is
                    self._compile(env)
                locked = locked or self._installer.locked(work.out / self._installer.lock_name())
            made = sum(each.lstat().st_size for each in env.rglob("*"))
            (folder / _SIZE).write_text(str(made))
            write_whole(folder / _READY, "\n".join(locked).encode())
        except BaseException:
            os.close(held)
            remove_tree(folder)
            raise
        return Environment(env, locked[:_MAX_LOCKED], made, held)

    def _empty(self, env: Path) -> None:
        """What `python -m venv --without-pip` makes, in a hundredth of the time."""
        # What runs in the end: the interpreter may be a script in front of it, which nobody sees in a sandbox.
        real = os.path.realpath(self._commands.facts["executable"])
        version = self._commands.facts["python"].split(".")
        (env / "bin").mkdir(parents=True)
        (env / "lib" / f"python{version[0]}.{version[1]}" / "site-packages").mkdir(parents=True)
        (env / "pyvenv.cfg").write_text(
            f"home = {os.path.dirname(real)}\ninclude-system-site-packages = false\n"
            f"version = {self._commands.facts['python']}\nexecutable = {real}\n"
        )
        for each in ("python", "python3", f"python{version[0]}.{version[1]}"):
            (env / "bin" / each).symlink_to(real)

    def _run(self, command: Callable[..., list[str]], work: _Work, env: Path) -> None:
        """With network, and none of the project's code: installers unpack wheels and run nothing of them."""
        self._cache.mkdir(parents=True, exist_ok=True)
        commands = self._commands
        room = commands.room(network=True)
        seen_links = room.reads(work.links, "/links")
        direct = [room.reads(work.direct, f"/direct/{work.direct.name}")] if work.direct else []
        write_requirements(work.asked, [*work.requirements, *direct])
        line = command(
            commands.installer_in(room, self._installer),
            room.writes(env, ENVIRONMENT),
            room.reads(work.asked, "/input/requirements.txt"),
            seen_links,
            self._index_url,
            f"{room.writes(work.out, '/out')}/{self._installer.lock_name()}",
            commands.program_in(room),
        )
        variables = {"UV_CACHE_DIR": room.writes(self._cache, "/cache"), "UV_NO_CONFIG": "1"}
        variables |= {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_ENV_FILE": "1", "UV_HTTP_TIMEOUT": "60"}
        start = commands.log.bytes
        if commands.run_tool(room, line, variables, watched=(env, work.out)) != 0:
            failure = BuildFailure(
                "fetch_failed" if commands.network_failed(start) else "requirements",
                f"The build requirements {', '.join(work.requirements)} cannot be installed: {commands.last_line(start)}",
            )
            said = commands.log.since(start, 1 << 16).decode("utf-8", "replace")
            lacking = self._installer.lacking(said)
            raise NoWheel(lacking, failure) if lacking else failure

    def _compile(self, env: Path) -> None:
        """Bytecode, which builds can only read. By the interpreter itself: the environment's runs what is in it."""
        commands = self._commands
        room = commands.room()
        command = [commands.facts["executable"], "-I", "-S", "-m", "compileall", "-q", f"-j{commands.jobs}"]
        # What cannot be compiled, such as a template, is left as it is.
        commands.run_tool(room, [*command, f"{room.writes(env, ENVIRONMENT)}/lib"], {}, watched=(env,))


@dataclass(frozen=True)
class _Work:
    """What is to be installed: requirements, wheels that count as in the index, a wheel by its file; and where the
    requirements file and the lock file go."""

    requirements: Sequence[str]
    links: Path
    direct: Path | None
    asked: Path
    out: Path

    @property
    def something(self) -> bool:
        return bool(self.requirements or self.direct)


def _digests(place: Path | None) -> list[str]:
    """Names and hashes of the files in a folder, or of one file."""
    files = [] if place is None else sorted(place.iterdir()) if place.is_dir() else [place]
    return [f"{each.name} {hashlib.sha256(each.read_bytes()).hexdigest()}" for each in files]


def prune(state: Path) -> None:
    """Remove environments nobody used for a day, the oldest if there are too many, and what was never finished.

    An installer's cache that grew too large is thrown away.
    """
    _prune_cache(state / "cache")
    folder = state / "environments"
    if not folder.is_dir():
        return
    for each in (*folder.glob("*.request"), *folder.glob("*.lock")):
        if time.time() - each.stat().st_mtime > UNUSED_SECONDS:
            each.unlink(missing_ok=True)
    found = sorted((each for each in folder.iterdir() if each.is_dir()), key=_used, reverse=True)
    total = 0
    for position, each in enumerate(found):
        total += _size(each)
        old = time.time() - _used(each) > UNUSED_SECONDS
        if position >= MOST_KEPT or total > MOST_BYTES or old or not (each / _READY).exists():
            _remove_unless_held(each)


def _prune_cache(cache: Path) -> None:
    for part in cache.glob("*.part"):
        remove_tree(part)
    for each in cache.glob("*"):
        if usage([each], CACHE_BYTES) > CACHE_BYTES:
            aside = each.with_name(f"{each.name}.{os.getpid()}.part")
            each.rename(aside)  # whoever uses it now has it open, and goes on
            remove_tree(aside)


def _size(folder: Path) -> int:
    try:
        return int((folder / _SIZE).read_text())
    except (OSError, ValueError):
        return 0


def _hold(folder: Path) -> int:
    """A shared lock on an environment. Raises OSError where somebody removes it."""
    descriptor = os.open(folder / _USED, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _read_locked(folder: Path) -> list[str]:
    text = (read_bounded(folder / _READY, 1 << 20) or b"").decode("utf-8", "replace")
    return text.splitlines()[:_MAX_LOCKED]


def _remove_unless_held(folder: Path) -> None:
    try:
        held = os.open(folder / _USED, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError:
        return
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Under another name it is not ready any more for whoever looks just now.
        aside = folder.with_name(f"{folder.name}.{os.getpid()}.part")
        folder.rename(aside)
        remove_tree(aside)
    except OSError:
        pass  # somebody builds with it, or the disk does not let us: the next sweep tries again
    finally:
        os.close(held)


def _used(folder: Path) -> float:
    try:
        return (folder / _USED).stat().st_mtime
    except OSError:
        return folder.stat().st_mtime


@contextmanager
def only_one(path: Path, commands: BuildCommands) -> Iterator[None]:
    """Be the only one of this worker's runners here."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    os.utime(path)  # `prune` removes those that nobody took for long
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                commands.check()  # somebody may tell this runner to stop
                time.sleep(0.1)
        yield
    finally:
        os.close(descriptor)
