"""What comes from a worker is bounded in time and size, and comes as fast as the line is."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest
from airflow.providers.ssh.hooks.ssh import SSHHook

from piwright.intake.limits import Limits
from piwright.planning.leases import Worker, read_worker
from piwright_airflow import remote, sftp_download
from piwright_airflow.deadline import Deadline
from piwright_airflow.remote import WorkerSession, WorkerUnreachable
from plugins.conftest import Pi, Shop

LIMITS = Limits(result_bytes=1000, log_bytes=2000, wheel_bytes=64 << 20, wheels=2)


@pytest.fixture
def worker(shop: Shop) -> Worker:
    with shop.database() as database:
        return read_worker(database, 1)


def build_folder(pi: Pi) -> Path:
    folder = pi.state / "batches" / "b" / "builds" / "1-1"
    (folder / "wheels").mkdir(parents=True)
    (folder / "result.json").write_text("{}")
    (folder / "log.txt").write_text("a log")
    return folder


def names(folder: Path) -> list[str]:
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file())


def test_a_build_comes_byte_for_byte(shop: Shop, worker: Worker, tmp_path: Path) -> None:
    folder = build_folder(shop.pis[0])
    # Sizes around those of a request and of all that is on the way at once.
    sizes = [0, 1, sftp_download.REQUEST, sftp_download.REQUEST * sftp_download.ON_THE_WAY + 1]
    for size in sizes:
        (folder / "wheels" / f"{size}.whl").write_bytes(os.urandom(size))
    with WorkerSession(worker) as session:
        session.fetch_build("b", "1-1", into=tmp_path / "in", limits=Limits(wheels=8))
    assert names(tmp_path / "in") == names(folder)
    for name in names(folder):
        assert (tmp_path / "in" / name).read_bytes() == (folder / name).read_bytes()


def test_what_is_longer_than_its_limit_is_cut_one_byte_later(shop: Shop, worker: Worker, tmp_path: Path) -> None:
    folder = build_folder(shop.pis[0])
    (folder / "log.txt").write_bytes(bytes(1 << 20))
    (folder / "result.json").unlink()
    with WorkerSession(worker) as session:
        session.fetch_build("b", "1-1", into=tmp_path / "in", limits=LIMITS)
    assert names(tmp_path / "in") == ["log.txt"]
    assert (tmp_path / "in" / "log.txt").stat().st_size == LIMITS.log_bytes + 1


def test_of_a_folder_with_too_many_names_only_some_are_read(shop: Shop, worker: Worker, tmp_path: Path) -> None:
    folder = build_folder(shop.pis[0])
    for number in range(20_000):
        (folder / "wheels" / f"{number}.whl").touch()
    (folder / "wheels" / "link").symlink_to("/etc/passwd")
    os.mkfifo(folder / "wheels" / "pipe")
    began = time.monotonic()
    with WorkerSession(worker) as session:
        sftp = session._sftp
        assert sftp is not None
        asked = sftp.request_number
        session.fetch_build("b", "1-1", into=tmp_path / "in", limits=LIMITS)
        assert sftp.request_number - asked < 100
    assert len(names(tmp_path / "in" / "wheels")) == LIMITS.wheels + 1
    assert time.monotonic() - began < 30


class Throttle:
    """A way to a worker that passes its bytes on until it is told to let only one through now and then."""

    def __init__(self, port: int) -> None:
        self.slow = False
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._to))
            for source, sink, slows in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pass, args=(source, sink, slows), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, slows: bool) -> None:
        try:
            while data := source.recv(1 if slows and self.slow else 1 << 16):
                if slows and self.slow:
                    for each in data:
                        sink.sendall(bytes([each]))
                        time.sleep(0.2)
                else:
                    sink.sendall(data)
        except OSError:
            pass
        finally:
            for each in (source, sink):
                each.close()


@pytest.fixture
def throttle(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Throttle]:
    """Between us and the first worker."""
    pi = shop.pis[0]
    through = Throttle(pi.worker.port)
    name = f"AIRFLOW_CONN_{pi.worker.connection_id.upper()}"
    monkeypatch.setenv(name, os.environ[name].replace(str(pi.worker.port), str(through.port)))
    yield through
    through.close()


def test_a_worker_that_sends_a_byte_now_and_then_is_given_up(
    shop: Shop, worker: Worker, throttle: Throttle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_FETCH_SECONDS", 2)
    folder = build_folder(shop.pis[0])
    (folder / "wheels" / "a.whl").write_bytes(os.urandom(1 << 20))
    began = time.monotonic()
    with WorkerSession(worker) as session:
        throttle.slow = True
        with pytest.raises(WorkerUnreachable, match="broke off while sending 1-1: it took longer than"):
            session.fetch_build("b", "1-1", into=tmp_path / "in", limits=LIMITS)
    assert time.monotonic() - began < 20


def test_a_worker_whose_answer_drags_on_is_given_up(
    worker: Worker, throttle: Throttle, monkeypatch: pytest.MonkeyPatch
) -> None:
    with WorkerSession(worker) as session:
        session.send_program()
        monkeypatch.setattr(remote, "_COMMAND_SECONDS", 2)
        throttle.slow = True
        began = time.monotonic()
        with pytest.raises(WorkerUnreachable, match="broke off at `status`: it took longer than 2 s"):
            session.status("b")
        assert time.monotonic() - began < 20


def test_bytes_that_keep_coming_give_a_fetch_its_time_and_say_that_it_lives() -> None:
    alive: list[int] = []
    with Deadline(remote._FETCH_SECONDS, lambda: None) as deadline:
        meter = remote._Meter(deadline, lambda: alive.append(1))
        meter._told -= remote._ALIVE_SECONDS
        meter.count(remote._SLOWEST_RATE * 1000)
        assert deadline.seconds == remote._FETCH_SECONDS + 1000
        meter.count(remote._SLOWEST_RATE * 1_000_000)
        assert deadline.seconds == remote._LONGEST_FETCH
    assert alive == [1]


def test_a_full_disk_of_ours_is_no_fault_of_the_worker(shop: Shop, worker: Worker, tmp_path: Path) -> None:
    folder = build_folder(shop.pis[0])
    (folder / "wheels" / "a.whl").write_bytes(bytes(1 << 20))
    (tmp_path / "in" / "wheels").mkdir(parents=True)
    (tmp_path / "in" / "wheels" / "a.whl").symlink_to("/dev/full")
    with WorkerSession(worker) as session, pytest.raises(OSError, match="No space left on device"):
        session.fetch_build("b", "1-1", into=tmp_path / "in", limits=LIMITS)


def test_large_files_come_much_faster_than_paramiko_fetches_them_by_itself(
    shop: Shop, worker: Worker, tmp_path: Path
) -> None:
    # Figures are for benchmarks/worker.py; here only that the fast way is the one that is used.
    folder = build_folder(shop.pis[0])
    wheel = folder / "wheels" / "a.whl"
    wheel.write_bytes(os.urandom(48 << 20))
    with WorkerSession(worker) as session:
        assert session._client is not None
        transport = session._client.get_transport()
        assert transport is not None
        assert transport.remote_compression == "none"
        began = time.monotonic()
        session.fetch_build("b", "1-1", into=tmp_path / "in", limits=LIMITS)
        ours = time.monotonic() - began
    hook = SSHHook(ssh_conn_id=worker.connection_id)  # as the provider would have it: compressed
    with hook.get_conn() as client, client.open_sftp() as sftp:
        assert isinstance(sftp, paramiko.SFTPClient)
        began = time.monotonic()
        sftp.get(str(wheel), str(tmp_path / "theirs"))
        theirs = time.monotonic() - began
    assert ours < theirs
