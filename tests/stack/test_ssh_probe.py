"""Asking a worker over SSH without Airflow: the real server, the real worker program."""

import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from piwright.intake.worker_facts import read_facts
from piwright.settings import Settings
from piwright.stack.emulated.shelf import Shelf
from piwright.stack.secrets import Secrets, make_key
from piwright.stack.ssh_probe import NoAnswer, ask, wait_for_server
from piwright.stack.ssh_workers import embedded_workers, find_sshd, worker_command
from piwright.stack.workers import StackWorker, stack_workers
from support.ports import free_port


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[StackWorker, Secrets]]:
    variables = {
        "PIWRIGHT_HOME": str(tmp_path / "home"),
        "PIWRIGHT_WORKERS": "1",
        "PIWRIGHT_WORKER_PORT": str(free_port()),
    }
    settings = Settings.from_environment(variables)
    settings.home.mkdir()
    secrets = Secrets.load(settings)
    (embedded,) = embedded_workers(settings)
    with (tmp_path / "log").open("wb") as log:
        command = worker_command(embedded, find_sshd(settings), secrets, "test")
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_for_server(embedded.port, 30, lambda: None)
        yield stack_workers(settings, Shelf(settings))[0], secrets
    finally:
        server.terminate()
        server.wait(30)


def test_a_worker_says_what_it_is_whether_or_not_it_has_the_program(served: tuple[StackWorker, Secrets]) -> None:
    worker, secrets = served
    state = Path(worker.state_directory)
    assert (state / "bin" / "uv").exists()  # ours, for it to find
    first = read_facts(ask(worker, secrets.worker_key))
    assert list(state.glob("worker-*.pyz")) != []
    assert first.python.startswith(worker.target.python_version)
    assert first.tools["uv"] != ""
    assert read_facts(ask(worker, secrets.worker_key)).worker_version == first.worker_version


def test_a_worker_with_another_host_key_or_none_at_all_gives_no_answer(
    served: tuple[StackWorker, Secrets], tmp_path: Path
) -> None:
    worker, secrets = served
    with pytest.raises(NoAnswer, match="worker-1 cannot be asked"):
        ask(replace(worker, host_key=make_key(tmp_path / "imposter")), secrets.worker_key)
    with pytest.raises(NoAnswer, match="worker-1 cannot be asked"):
        ask(replace(worker, port=free_port()), secrets.worker_key)


def test_a_worker_whose_python_is_gone_says_so(served: tuple[StackWorker, Secrets]) -> None:
    worker, secrets = served
    with pytest.raises(NoAnswer, match="exit code 127"):
        ask(replace(worker, python="/no/such/python"), secrets.worker_key)


def test_waiting_ends_when_what_is_waited_for_has_died() -> None:
    class Died(Exception):
        pass

    def died() -> None:
        raise Died

    with pytest.raises(Died):
        wait_for_server(free_port(), 30, died)


def test_somebody_else_on_the_port_is_no_ssh_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def answer() -> None:
            while True:
                try:
                    caller, _ = other.accept()
                except OSError:
                    return
                caller.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                caller.close()

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(NoAnswer, match="No SSH server answered"):
            wait_for_server(other.getsockname()[1], 0.3, lambda: None)
