"""The loopback workers, with OpenSSH's server and with asyncssh's: key login, pinned host keys, SFTP."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from piwright.settings import Settings
from piwright.stack.secrets import Secrets
from piwright.stack.ssh_workers import EmbeddedWorker, embedded_workers, find_sshd, worker_command
from support.ports import free_port
from support.worker import wait_for


@pytest.fixture(params=["openssh", "asyncssh"])
def worker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[EmbeddedWorker, Secrets]]:
    variables = {"PIWRIGHT_HOME": str(tmp_path / "home"), "PIWRIGHT_SSH_SERVER": request.param, "PIWRIGHT_WORKERS": "1"}
    settings = Settings.from_environment(variables)
    settings.home.mkdir()
    try:
        sshd = find_sshd(settings)
    except RuntimeError as error:
        pytest.skip(str(error))
    secrets = Secrets.load(settings)
    found = replace(embedded_workers(settings)[0], port=free_port())
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(worker_command(found, sshd, secrets, "test"), stdout=log, stderr=log)
    try:
        wait_for(lambda: b"SSH-2.0" in banner(found.port))
        yield found, secrets
    finally:
        server.terminate()
        server.wait(30)


def banner(port: int) -> bytes:
    import socket

    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as probe:
            return probe.recv(100)
    except OSError:
        return b""


def client(worker: EmbeddedWorker, key: Path, host_key: str) -> paramiko.SSHClient:
    opened = paramiko.SSHClient()
    kind, _, data = host_key.partition(" ")
    known = paramiko.Ed25519Key(data=paramiko.util.b(__import__("base64").b64decode(data.split()[0])))
    opened.get_host_keys().add(f"[127.0.0.1]:{worker.port}", kind, known)
    opened.connect(
        "127.0.0.1", worker.port, worker.user, key_filename=str(key), look_for_keys=False, allow_agent=False, timeout=20
    )
    return opened


def test_the_key_opens_it_commands_tell_their_exit_code_and_files_travel(
    worker: tuple[EmbeddedWorker, Secrets],
) -> None:
    found, secrets = worker
    with client(found, secrets.worker_key, found.host_key) as opened:
        for _ in range(20):  # how a command ends never overtakes what it said
            _, output, errors = opened.exec_command("echo out; echo err >&2; exit 7", timeout=20)
            assert (output.read(), errors.read(), output.channel.recv_exit_status()) == (b"out\n", b"err\n", 7)
        given, output, _ = opened.exec_command("cat", timeout=20)
        given.write(b"x" * 300_000)
        given.channel.shutdown_write()
        assert len(output.read()) == 300_000
        sftp = opened.open_sftp()
        with sftp.open(str(found.directory / "file"), "wb") as file:
            file.write(b"x" * 100_000)
        sftp.posix_rename(str(found.directory / "file"), str(found.directory / "renamed"))
        assert sftp.stat(str(found.directory / "renamed")).st_size == 100_000


def test_another_key_does_not_open_it(worker: tuple[EmbeddedWorker, Secrets], tmp_path: Path) -> None:
    from piwright.stack.secrets import make_key

    found, _ = worker
    make_key(tmp_path / "other")
    with pytest.raises(paramiko.AuthenticationException):
        client(found, tmp_path / "other", found.host_key)


def test_a_server_with_another_host_key_is_not_believed(worker: tuple[EmbeddedWorker, Secrets], tmp_path: Path) -> None:
    from piwright.stack.secrets import make_key

    found, secrets = worker
    with pytest.raises(paramiko.BadHostKeyException):
        client(found, secrets.worker_key, make_key(tmp_path / "imposter"))


def test_keys_are_made_once_and_nobody_else_can_read_them(tmp_path: Path) -> None:
    settings = Settings.from_environment({"PIWRIGHT_HOME": str(tmp_path / "home")})
    settings.home.mkdir()
    first = Secrets.load(settings)
    assert Secrets.load(settings) == first
    assert {path.stat().st_mode & 0o077 for path in first.directory.iterdir()} == {0}
    assert first.directory.stat().st_mode & 0o077 == 0


def test_a_missing_sshd_that_was_asked_for_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("piwright.stack.ssh_workers.shutil.which", lambda *_, **__: None)
    with pytest.raises(RuntimeError, match="apt install openssh-server"):
        find_sshd(Settings.from_environment({"PIWRIGHT_SSH_SERVER": "openssh"}))
    assert find_sshd(Settings.from_environment({})) is None
