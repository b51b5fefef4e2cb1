"""Talks to a worker over one SSH connection: sends the program and batches, fetches what was built.

    with WorkerSession(worker) as session:
        facts = session.probe()
        session.submit(spec)
        answer = session.status(spec.batch)
        session.fetch_build(spec.batch, "17-1", into=directory, limits=limits)

What comes back is hostile: every answer, file and list is bounded here, in size and in time, and believed nowhere (see
`piwright.intake`).
"""

import io
import logging
import posixpath
import re
import stat
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType

import paramiko
from airflow.providers.ssh.hooks.ssh import SSHHook

from piwright.intake.limits import Limits
from piwright.intake.worker_facts import WorkerFacts, read_facts
from piwright.planning.leases import Worker
from piwright.worker import BatchSpec, StatusAnswer, build_worker_zipapp, worker_command
from piwright_airflow.deadline import Deadline
from piwright_airflow.sftp_download import blocks_of, open_sftp

logging.getLogger("paramiko").setLevel(logging.WARNING)

_ANSWER_BYTES = 4 << 20
_COMMAND_SECONDS = 120
_FETCH_SECONDS = 120
"""For a build's files, apart from the time their bytes take at the slowest rate."""
_SLOWEST_RATE = 64 << 10
"""Bytes a second: a Pi Zero with a poor radio brings more."""
_LONGEST_FETCH = 2 * 3600
_WHEEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,239}\.whl")
_MOST_NAMES = 1000
"""Of a folder that are looked at; a worker could make a million, and list them for hours."""
_ALIVE_SECONDS = 30
_FAULTS = (paramiko.SSHException, OSError, EOFError, ValueError)
"""What a connection may fail with while the worker is unplugged, or talks nonsense."""


class WorkerUnreachable(Exception):
    """The worker does not answer, or answers nonsense: the batch has to wait, or go elsewhere."""


class WorkerSession:
    """One SSH connection to a worker, with its pinned host key. Use as a context manager."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._client: paramiko.SSHClient | None = None
        self._sftp: paramiko.SFTPClient | None = None

    def __enter__(self) -> "WorkerSession":
        hook = SSHHook(ssh_conn_id=self._worker.connection_id, banner_timeout=60, conn_retry_attempts=2)
        hook.compress = False  # wheels are compressed; doing it again costs most of the speed
        try:
            self._client = hook.get_conn()
            with self._bounded("does not offer SFTP", _COMMAND_SECONDS):
                self._sftp = open_sftp(self._client)
                self._sftp.get_channel().settimeout(_COMMAND_SECONDS)
        except WorkerUnreachable:
            self.close()
            raise
        except _FAULTS as error:
            self.close()
            raise self._unreachable("cannot be reached", error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; what runs on the worker goes on."""
        if self._client is not None:
            self._client.close()

    def submit(self, spec: BatchSpec) -> StatusAnswer:
        """Send a batch and start it; re-attaches when it is there already."""
        self.send_program()
        folder = posixpath.join(self._worker.state_directory, "batches", spec.batch)
        self._make_folder(folder)
        path = posixpath.join(folder, "spec.json")
        if not self._exists(path):
            self._send(path, spec.to_json())
        return self.run(spec.batch)

    def send_program(self) -> None:
        """Send the worker program, once per version of itself."""
        program = build_worker_zipapp()
        path = posixpath.join(self._worker.state_directory, f"worker-{program.version}.pyz")
        if not self._exists(path):
            self._make_folder(self._worker.state_directory)
            self._send(path, program.content)

    def probe(self) -> WorkerFacts:
        """Ask the worker what it is and what it can; sends the program if it is not there."""
        self.send_program()
        answer = self._command("probe", self._worker.python)
        try:
            return read_facts(answer)
        except ValueError as error:
            raise self._unreachable("answered nonsense to `probe`", error) from error

    def run(self, batch: str) -> StatusAnswer:
        """Start a batch whose spec is there, or attach to it."""
        return self._ask("run", batch)

    def status(self, batch: str) -> StatusAnswer:
        """Where a batch stands."""
        return self._ask("status", batch)

    def cancel(self, batch: str) -> StatusAnswer:
        """End a batch: when this returns its processes are gone."""
        return self._ask("cancel", batch)

    def sweep(self, keep: list[str]) -> None:
        """Remove finished batches that nobody has to collect any more."""
        kept = [argument for name in keep for argument in ("--keep", name)]
        self._command("sweep", *kept, "--older-than", "0")

    def fetch_build(
        self, batch: str, build: str, *, into: Path, limits: Limits, alive: Callable[[], None] = lambda: None
    ) -> None:
        """Copy a finished build's result, log and wheels into an empty folder, as far as they are there.

        What is longer than its limit is cut off one byte later, so that intake sees that it is. A worker that sends
        less than `_SLOWEST_RATE` is unreachable. `alive` is called now and then while bytes arrive. Raises OSError when
        our own disk fails.
        """
        source = posixpath.join(self._worker.state_directory, "batches", batch, "builds", build)
        (into / "wheels").mkdir(parents=True, exist_ok=True)
        with self._bounded(f"broke off while sending {build}", _FETCH_SECONDS) as deadline:
            meter = _Meter(deadline, alive)
            self._fetch(posixpath.join(source, "result.json"), into / "result.json", limits.result_bytes, meter)
            self._fetch(posixpath.join(source, "log.txt"), into / "log.txt", limits.log_bytes, meter)
            for name in self._plain_names(posixpath.join(source, "wheels"))[: limits.wheels + 1]:
                path = posixpath.join(source, "wheels", name)
                self._fetch(path, into / "wheels" / name, limits.wheel_bytes, meter)

    def _ask(self, *arguments: str) -> StatusAnswer:
        answer = self._command(*arguments)
        try:
            return StatusAnswer.from_json(answer)
        except ValueError as error:
            raise self._unreachable(f"answered nonsense to `{arguments[0]}`", error) from error

    def _command(self, *arguments: str) -> bytes:
        assert self._client is not None
        version = build_worker_zipapp().version
        command = worker_command(self._worker.python, self._worker.state_directory, version, *arguments)
        with self._bounded(f"broke off at `{arguments[0]}`", _COMMAND_SECONDS):
            _, output, errors = self._client.exec_command(command, timeout=_COMMAND_SECONDS)
            answer = output.read(_ANSWER_BYTES)
            code = output.channel.recv_exit_status()
            if code < 0:
                raise EOFError("the connection ended")
            said = "" if code == 0 else (answer or errors.read(2000)).decode(errors="replace").strip()
        if code:
            raise self._unreachable(f"failed at `{arguments[0]}` with exit code {code}", said[-2000:])
        return answer

    def _exists(self, path: str) -> bool:
        assert self._sftp is not None
        with self._bounded(f"does not show {path}", _COMMAND_SECONDS):
            try:
                self._sftp.stat(path)
            except FileNotFoundError:
                return False
        return True

    def _make_folder(self, path: str) -> None:
        assert self._sftp is not None
        if path in ("", "/") or self._exists(path):
            return
        self._make_folder(posixpath.dirname(path))
        try:
            with self._bounded(f"does not let us make {path}", _COMMAND_SECONDS):
                self._sftp.mkdir(path, 0o700)
        except WorkerUnreachable:
            if not self._exists(path):  # another task may have made it meanwhile
                raise

    def _send(self, path: str, content: bytes) -> None:
        """Write a file whole: under another name first, so that nobody reads half of it."""
        assert self._sftp is not None
        aside = f"{path}.{uuid.uuid4().hex}"
        with self._bounded(f"does not take {path}", _COMMAND_SECONDS):
            self._sftp.putfo(io.BytesIO(content), aside, file_size=len(content))
            self._sftp.posix_rename(aside, path)

    def _plain_names(self, folder: str) -> list[str]:
        """Names of the wheels in a folder. Other names are left where they are: some no disk of ours would take."""
        assert self._sftp is not None
        try:
            # One request ahead: what was asked for beyond the last name we want would arrive all the same.
            entries = list(islice(self._sftp.listdir_iter(folder, read_aheads=1), _MOST_NAMES))
        except (FileNotFoundError, UnicodeDecodeError):
            return []
        names = (each.filename for each in entries if stat.S_ISREG(each.st_mode or 0))
        return sorted(name for name in names if _WHEEL_NAME.fullmatch(name))

    def _fetch(self, path: str, into: Path, limit: int, meter: "_Meter") -> None:
        assert self._sftp is not None
        try:
            source = self._sftp.open(path, "rb")
        except FileNotFoundError:
            return
        with source:
            blocks = blocks_of(self._sftp, source, min(source.stat().st_size or 0, limit + 1))
            with _OwnDisk(into) as copy:
                for block in blocks:
                    copy.write(block)
                    meter.count(len(block))

    @contextmanager
    def _bounded(self, failing: str, seconds: float) -> Iterator[Deadline]:
        """What takes longer, or fails on the way, is a worker that `failing`."""
        assert self._client is not None
        with Deadline(seconds, self._client.close) as deadline:
            try:
                yield deadline
            except _OwnDiskFailed as failed:
                raise failed.error from None
            except _FAULTS as error:
                why = f"it took longer than {deadline.seconds:.0f} s" if deadline.passed else error
                raise self._unreachable(failing, why or type(error).__name__) from error

    def _unreachable(self, what: str, why: object) -> WorkerUnreachable:
        return WorkerUnreachable(f"Worker {self._worker.name} {what}: {why}")


class _Meter:
    """Counts what arrives: it gives a fetch more time, and a sign of life to whoever waits for it."""

    def __init__(self, deadline: Deadline, alive: Callable[[], None]) -> None:
        self._deadline = deadline
        self._alive = alive
        self._arrived = 0
        self._told = time.monotonic()

    def count(self, arrived: int) -> None:
        self._arrived += arrived
        self._deadline.allow(min(_FETCH_SECONDS + self._arrived / _SLOWEST_RATE, _LONGEST_FETCH))
        if time.monotonic() - self._told >= _ALIVE_SECONDS:
            self._told = time.monotonic()
            self._alive()


class _OwnDiskFailed(Exception):
    """Writing here failed: no fault of the worker's."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


class _OwnDisk:
    """A new file of ours, whose errors are told from those of the connection."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> "_OwnDisk":
        with self._told_apart():
            self._file = self._path.open("wb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._told_apart():
            self._file.close()

    def write(self, block: bytes) -> None:
        with self._told_apart():
            self._file.write(block)

    @contextmanager
    def _told_apart(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise _OwnDiskFailed(error) from error
