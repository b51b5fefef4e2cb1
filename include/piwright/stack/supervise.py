"""Runs components under supervisord: start it, ask how they are, stop all of it.

supervisor = Supervisor(settings)
supervisor.start(components)
supervisor.update(components)         # starts what is new, ends what is not named any more
for state in supervisor.states(): ...
supervisor.stop()                     # nothing is left afterwards
"""

import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

import psutil
from supervisor.xmlrpc import SupervisorTransport

from piwright.settings import Settings
from piwright.stack.secrets import write_secret

MARK = "PIWRIGHT_STACK"
"""Variable by which a stack's processes are known, even when their supervisor is gone."""

_STOP_SECONDS = 60


@dataclass(frozen=True)
class Component:
    """A program that is kept running. `start_seconds`: how long it has to live to count as started."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    start_seconds: int = 2
    priority: int = 500
    stop_signal: str = "TERM"
    autostart: bool = True


@dataclass(frozen=True)
class ComponentState:
    """What supervisord says of a component; `pid` is 0 when it does not run."""

    name: str
    state: str
    pid: int
    detail: str

    @property
    def gave_up(self) -> bool:
        """Whether it is not tried any more. One that has just died is EXITED for a moment, and then started again."""
        return self.state in ("FATAL", "UNKNOWN")


class Supervisor:
    """supervisord for one home directory."""

    def __init__(self, settings: Settings) -> None:
        self._home = settings.home
        self.log_directory = settings.home / "logs"
        self.mark = str(settings.home)

    @property
    def _socket(self) -> Path:
        # A socket's name may have 107 bytes; a home may be deeper than that.
        mark = hashlib.sha256(os.fsencode(self._home)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"piwright-{os.getuid()}-{mark}" / "supervisor.sock"

    @property
    def _configuration(self) -> Path:
        return self._home / "supervisord.conf"

    @property
    def _pid_file(self) -> Path:
        return self._home / "supervisord.pid"

    def log_of(self, name: str) -> Path:
        """The log of a component."""
        return self.log_directory / f"{name}.log"

    def process(self) -> psutil.Process | None:
        """supervisord itself, if it runs."""
        try:
            process = psutil.Process(int(self._pid_file.read_text()))
            if process.status() != psutil.STATUS_ZOMBIE and "piwright.stack.launch" in process.cmdline():
                return process
        except (OSError, ValueError, psutil.Error):
            pass
        return None

    def start(self, components: Iterable[Component]) -> None:
        """Start supervisord with these components; leftovers of an earlier one are ended first."""
        self._kill(self._left_behind())
        self.log_directory.mkdir(parents=True, exist_ok=True)
        self._socket.parent.mkdir(mode=0o700, exist_ok=True)
        if self._socket.parent.stat().st_uid != os.getuid():
            raise RuntimeError(f"{self._socket.parent} belongs to somebody else: remove it, or set TMPDIR.")
        self._socket.unlink(missing_ok=True)
        self._write_configuration(components)
        with self.log_of("supervisord").open("ab") as log:
            subprocess.Popen(
                [sys.executable, "-m", "piwright.stack.launch", str(self._configuration)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self._home,
                env={**os.environ, MARK: self.mark},
            )
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError, Fault):
                if self._call("getState")["statename"] == "RUNNING":
                    return
            if time.monotonic() > deadline:
                raise RuntimeError(f"supervisord did not start:\n{tail(self.log_of('supervisord'))}")
            time.sleep(0.1)

    def update(self, components: Iterable[Component]) -> None:
        """Run exactly these components from now on; one that is what it was goes on undisturbed."""
        self._write_configuration(components)
        ((added, changed, removed),) = self._call("reloadConfig")
        for name in [*removed, *changed]:
            self._call("stopProcessGroup", name)
            self._call("removeProcessGroup", name)
        for name in [*changed, *added]:
            self._call("addProcessGroup", name)

    def states(self) -> list[ComponentState]:
        """How every component is. Raises `OSError` when supervisord does not answer."""
        rows: list[dict[str, Any]] = self._call("getAllProcessInfo")
        return [
            ComponentState(row["name"], row["statename"], row["pid"], row["spawnerr"] or row["description"])
            for row in rows
        ]

    def start_component(self, name: str) -> None:
        """Start one component that does not start by itself; a no-op when it runs."""
        with contextlib.suppress(Fault):
            self._call("startProcess", name, False)

    def stop(self) -> int:
        """End every component and whatever they left behind. Answers how many processes had to be killed."""
        process = self.process()
        ours = self._below(process) if process else []
        if process is not None:
            with contextlib.suppress(OSError, Fault):
                self._call("shutdown")
            # Builds live in sessions of their own: supervisord does not know them.
            with contextlib.suppress(psutil.TimeoutExpired):
                process.wait(_STOP_SECONDS)
            ours += [process]
        killed = self._kill([*ours, *self._left_behind()])
        self._pid_file.unlink(missing_ok=True)
        self._socket.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._socket.parent.rmdir()
        return killed

    def _below(self, process: psutil.Process) -> list[psutil.Process]:
        with contextlib.suppress(psutil.Error):
            return process.children(recursive=True)
        return []

    def _left_behind(self) -> list[psutil.Process]:
        """What an earlier supervisor of this home left: known by its mark, or by the session they all shared.

        The mark is in the environment, which programs that rename themselves overwrite; the session's number is the
        dead supervisor's, and nobody else's while one of them lives. Never the caller, nor who called it.
        """
        spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
        session = self._session()
        found: dict[int, psutil.Process] = {}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                ours = process.environ().get(MARK) == self.mark or (session and os.getsid(process.pid) == session)
                if ours and process.pid not in spared:
                    found[process.pid] = process
                    found.update((child.pid, child) for child in process.children(recursive=True))
        return list(found.values())

    def _session(self) -> int | None:
        """The session of a supervisor that was killed; None where its number is another process's by now."""
        try:
            number = int(self._pid_file.read_text())
            # Whoever started it may not have asked yet how it ended.
            return number if psutil.Process(number).status() == psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return number
        except (OSError, ValueError):
            return None

    def _kill(self, processes: Iterable[psutil.Process]) -> int:
        alive = [process for process in processes if process.is_running()]
        for process in alive:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(alive, timeout=10)
        return len(alive)

    def _call(self, method: str, *arguments: Any) -> Any:
        transport = SupervisorTransport(None, None, serverurl=f"unix://{self._socket}")
        with ServerProxy("http://localhost", transport=transport) as proxy:
            return getattr(proxy.supervisor, method)(*arguments)

    def _write_configuration(self, components: Iterable[Component]) -> None:
        # The environment of components has passwords in it.
        write_secret(self._configuration, "\n".join(self._lines(components)).encode())

    def _lines(self, components: Iterable[Component]) -> Iterator[str]:
        yield "[supervisord]"
        yield f"pidfile={_escaped(str(self._pid_file))}"
        yield f"logfile={_escaped(str(self.log_of('supervisord')))}"
        yield f"childlogdir={_escaped(str(self.log_directory))}"
        yield "minfds=1024"
        if os.getuid() == 0:
            yield "user=root"
        yield "[unix_http_server]"
        yield f"file={_escaped(str(self._socket))}"
        yield "chmod=0700"
        yield "[rpcinterface:supervisor]"
        yield "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface"
        for each in components:
            yield f"[program:{each.name}]"
            yield f"command={_escaped(' '.join(_quoted(part) for part in each.command))}"
            variables = {**each.environment, MARK: self.mark}
            yield "environment=" + ",".join(
                f"{name}={_escaped(_bare(name, value))}" for name, value in variables.items()
            )
            yield f"directory={_escaped(str(self._home))}"
            yield f"priority={each.priority}"
            yield f"autostart={'true' if each.autostart else 'false'}"
            yield "autorestart=true"
            yield f"startsecs={each.start_seconds}"
            yield "startretries=4"
            yield f"stopsignal={each.stop_signal}"
            yield "stopwaitsecs=20"
            yield "stopasgroup=true"
            yield "killasgroup=true"
            yield "redirect_stderr=true"
            yield f"stdout_logfile={_escaped(str(self.log_of(each.name)))}"
            yield "stdout_logfile_maxbytes=20MB"
            yield "stdout_logfile_backups=1"


def tail(path: Path, lines: int = 15) -> str:
    """The end of a log, for a person."""
    try:
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - 65536, 0))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
    except OSError as error:
        return f"({path}: {error.strerror})"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _bare(name: str, value: str) -> str:
    """A variable's value in quotes; supervisord reads such values without any way to escape."""
    if '"' in value or "\n" in value:
        raise ValueError(
            f"{name}={value!r} cannot be handed to a component: use a value without double quotes or line ends."
        )
    return f'"{value}"'


def _escaped(value: str) -> str:
    """supervisord expands %(names)s in what it reads."""
    return value.replace("%", "%%")
