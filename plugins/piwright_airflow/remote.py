"""Talks to a worker over one SSH connection: sends the program and batches, fetches what was built.

    with WorkerSession(worker) as session:
        session.submit(spec)
        answer = session.status(spec.batch)
        session.fetch_build(spec.batch, "17-1", into=directory, limits=limits)

What comes back is hostile: every answer and file is bounded here, and believed nowhere (see `piwright.intake`).
"""

import io
import logging
import posixpath
import stat
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any

import paramiko
from airflow.providers.ssh.hooks.ssh import SSHHook

from piwright.intake.limits import Limits
from piwright.planning.leases import Worker
from piwright.worker import BatchSpec, StatusAnswer, build_worker_zipapp, worker_command

logging.getLogger("paramiko").setLevel(logging.WARNING)

_ANSWER_BYTES = 4 << 20
_COMMAND_SECONDS = 120


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
        try:
            self._client = hook.get_conn()
            self._sftp = self._client.open_sftp()
            self._sftp.get_channel().settimeout(_COMMAND_SECONDS)
        except (paramiko.SSHException, OSError, EOFError) as error:
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

    def fetch_build(self, batch: str, build: str, *, into: Path, limits: Limits) -> None:
        """Copy a finished build's result, log and wheels into an empty folder, as far as they are there.

        What is longer than its limit is cut off one byte later, so that intake sees that it is.
        """
        source = posixpath.join(self._worker.state_directory, "batches", batch, "builds", build)
        (into / "wheels").mkdir(parents=True, exist_ok=True)
        self._fetch(posixpath.join(source, "result.json"), into / "result.json", limits.result_bytes)
        self._fetch(posixpath.join(source, "log.txt"), into / "log.txt", limits.log_bytes)
        for name in self._plain_names(posixpath.join(source, "wheels"))[: limits.wheels + 1]:
            self._fetch(posixpath.join(source, "wheels", name), into / "wheels" / name, limits.wheel_bytes)

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
        try:
            _, output, errors = self._client.exec_command(command, timeout=_COMMAND_SECONDS)
            answer = output.read(_ANSWER_BYTES)
            code = output.channel.recv_exit_status()
            if code:
                said = (answer or errors.read(2000)).decode(errors="replace").strip()
                raise self._unreachable(f"failed at `{arguments[0]}` with exit code {code}", said[-2000:])
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise self._unreachable(f"broke off at `{arguments[0]}`", error) from error
        return answer

    def _exists(self, path: str) -> bool:
        assert self._sftp is not None
        try:
            self._sftp.stat(path)
        except FileNotFoundError:
            return False
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise self._unreachable(f"does not show {path}", error) from error
        return True

    def _make_folder(self, path: str) -> None:
        assert self._sftp is not None
        if path in ("", "/") or self._exists(path):
            return
        self._make_folder(posixpath.dirname(path))
        try:
            self._sftp.mkdir(path, 0o700)
        except (paramiko.SSHException, OSError, EOFError) as error:
            if not self._exists(path):  # another task may have made it meanwhile
                raise self._unreachable(f"does not let us make {path}", error) from error

    def _send(self, path: str, content: bytes) -> None:
        """Write a file whole: under another name first, so that nobody reads half of it."""
        assert self._sftp is not None
        aside = f"{path}.{uuid.uuid4().hex}"
        try:
            self._sftp.putfo(io.BytesIO(content), aside, file_size=len(content))
            self._sftp.posix_rename(aside, path)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise self._unreachable(f"does not take {path}", error) from error

    def _plain_names(self, folder: str) -> list[str]:
        """Names of the regular files in a folder; names that are more than a name are left where they are."""
        assert self._sftp is not None
        try:
            entries: list[Any] = self._sftp.listdir_attr(folder)
        except FileNotFoundError:
            return []
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise self._unreachable(f"does not list {folder}", error) from error
        names = (each.filename for each in entries if stat.S_ISREG(each.st_mode or 0))
        return sorted(name for name in names if "/" not in name and "\0" not in name and len(name) < 250)

    def _fetch(self, path: str, into: Path, limit: int) -> None:
        assert self._sftp is not None
        try:
            with self._sftp.open(path, "rb") as source, into.open("wb") as copy:
                source.prefetch(min(source.stat().st_size or 0, limit + 1))
                left = limit + 1
                while left > 0 and (block := source.read(min(left, 1 << 18))):
                    copy.write(block)
                    left -= len(block)
        except FileNotFoundError:
            into.unlink(missing_ok=True)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise self._unreachable(f"broke off while sending {path}", error) from error

    def _unreachable(self, what: str, why: object) -> WorkerUnreachable:
        return WorkerUnreachable(f"Worker {self._worker.name} {what}: {why}")
