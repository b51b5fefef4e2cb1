"""Asks a worker now, over SSH with its pinned host key, what it is and what it can.

    answer = ask(worker, key)            # the JSON line of the worker program's `probe`, not believed yet
    wait_for_server(worker.port, 60, still_alive=stack.check)

Without Airflow, so that it also works where Airflow does not.
"""

import base64
import posixpath
import socket
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import paramiko

from piwright.intake.worker_facts import MOST_BYTES
from piwright.stack.workers import StackWorker
from piwright.worker import build_worker_zipapp, worker_command

_SECONDS = 120.0
_FAULTS = (paramiko.SSHException, OSError, EOFError, ValueError)


class NoAnswer(RuntimeError):
    """The worker does not answer, or not with what was asked for; says what it said."""


def wait_for_server(port: int, seconds: float, still_alive: Callable[[], None]) -> None:
    """Wait until an SSH server introduces itself on loopback. `still_alive` may raise to end the wait early."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as probe:
                if probe.recv(4) == b"SSH-":
                    return
        except OSError:
            pass
        still_alive()
        if time.monotonic() > deadline:
            raise NoAnswer(f"No SSH server answered on port {port} within {seconds:.0f} s.")
        time.sleep(0.1)


def ask(worker: StackWorker, key: Path) -> bytes:
    """What the worker program's `probe` prints, bounded in size and time. Raises `NoAnswer`."""
    program = build_worker_zipapp()
    command = worker_command(worker.python, worker.state_directory, program.version, "probe", worker.python)
    try:
        with connected(worker, key) as client:
            _send_program(client, worker.state_directory, program.path(worker.state_directory), program.content)
            _, output, errors = client.exec_command(command, timeout=_SECONDS)
            answer = output.read(MOST_BYTES + 1)
            code = output.channel.recv_exit_status()
            said = errors.read(2000).decode(errors="replace").strip()
    except _FAULTS as error:
        raise NoAnswer(f"{worker.name} cannot be asked: {error or type(error).__name__}.") from error
    if code:
        words = (answer[:2000].decode(errors="replace").strip() or said)[-1000:]
        raise NoAnswer(f"{worker.name} failed at `probe` with exit code {code}: {words}")
    return answer


def connected(worker: StackWorker, key: Path) -> paramiko.SSHClient:
    """A connection that takes no other host key than the pinned one. Raises what paramiko raises."""
    client = paramiko.SSHClient()
    kind, data = worker.host_key.split()[:2]
    client.get_host_keys().add(f"[127.0.0.1]:{worker.port}", kind, paramiko.Ed25519Key(data=base64.b64decode(data)))
    client.connect(
        "127.0.0.1",
        worker.port,
        worker.user,
        key_filename=str(key),
        look_for_keys=False,
        allow_agent=False,
        timeout=30,
        banner_timeout=60,
        auth_timeout=60,
    )
    return client


def _send_program(client: paramiko.SSHClient, folder: str, path: str, content: bytes) -> None:
    """Put the worker program where it belongs, unless it is there; whole or not at all."""
    with client.open_sftp() as sftp:
        sftp.get_channel().settimeout(_SECONDS)
        try:
            sftp.stat(path)
            return
        except FileNotFoundError:
            pass
        for depth in range(1, folder.count("/") + 1):
            parent = "/".join(folder.split("/")[: depth + 1])
            try:
                sftp.stat(parent)
            except FileNotFoundError:
                sftp.mkdir(parent, 0o700)
        aside = posixpath.join(folder, f".{uuid.uuid4().hex}")
        with sftp.open(aside, "wb") as file:
            file.write(content)
        sftp.posix_rename(aside, path)
