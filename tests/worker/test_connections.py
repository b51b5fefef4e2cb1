"""A build has no network unless an operator wrote down that it may; what it tries all the same is counted."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.scripted import make_wheel, scripted
from support.upstream import LoopbackUpstream
from support.worker import LocalWorker

TRY = """
import socket
def tries(family, kind, address):
    with socket.socket(family, kind) as one:
        one.settimeout(1)
        try:
            one.connect(address)
            one.send(b"x")
            return "reached"
        except OSError as error:
            return type(error).__name__
"""


@pytest.fixture
def server() -> Iterator[tuple[int, list[bytes]]]:
    """A service on the host's loopback: its port, and what was said to it."""
    said: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    said.append(client.recv(100))

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1], said
        listener.shutdown(socket.SHUT_RDWR)


def reach(port: int) -> str:
    """A script that says whether it reached a service of the host's loopback."""
    return f"{TRY}\nfacts(tries(socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', {port})))"


def test_by_default_a_service_of_the_host_is_out_of_reach(
    shared_worker: LocalWorker, upstream: LoopbackUpstream, server: tuple[int, list[bytes]]
) -> None:
    port, said = server
    outcome = shared_worker.build_one(upstream, scripted("closed", reach(port)))
    assert (outcome.facts, said) == ("ConnectionRefusedError", [])
    assert outcome.result["connections"] == {"outside": 0, "loopback": 1, "lookups": 0}


def test_with_an_exception_it_is_reached_and_only_while_building(
    shared_worker: LocalWorker, upstream: LoopbackUpstream, server: tuple[int, list[bytes]]
) -> None:
    port, said = server
    asks = f"{TRY}\ntries(socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', {port}))\nreturn []"
    outcome = shared_worker.build_one(upstream, scripted("open", reach(port), dynamic=asks), network=True)
    assert (outcome.facts, said) == ("reached", [b"x"])  # and not a second time, by the hook that is asked first
    assert outcome.result["connections"]["loopback"] == 1  # the hook's; with a network there is nothing to count


def test_each_kind_of_attempt_is_counted(shared_worker: LocalWorker, upstream: LoopbackUpstream) -> None:
    script = f"""{TRY}
found = [
    *[tries(socket.AF_INET, socket.SOCK_STREAM, ("192.0.2.1", 443)) for _ in range(3)],
    tries(socket.AF_INET6, socket.SOCK_STREAM, ("2001:db8::1", 443)),
    *[tries(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 9)) for _ in range(5)],
    *[tries(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.53", 53)) for _ in range(2)],
]
facts(found)
"""
    outcome = shared_worker.build_one(upstream, scripted("restless", script))
    assert "reached" not in outcome.facts[:9]
    counted = outcome.result["connections"]
    assert counted["outside"] >= 4
    assert counted["loopback"] == 5
    assert counted["lookups"] >= 2


def test_looking_up_a_name_is_counted(shared_worker: LocalWorker, upstream: LoopbackUpstream) -> None:
    script = """
    import socket
    try:
        socket.getaddrinfo("licence.example.org", 443)
    except OSError as error:
        facts(type(error).__name__)
    """
    outcome = shared_worker.build_one(upstream, scripted("curious", script))
    assert outcome.facts == "gaierror"
    counted = outcome.result["connections"]
    assert counted["lookups"] + counted["outside"] >= 1


def test_a_build_that_tries_nothing_has_a_count_of_nothing(
    shared_worker: LocalWorker, upstream: LoopbackUpstream
) -> None:
    outcome = shared_worker.build_one(upstream, scripted("modest"))
    assert outcome.result["connections"] == {"outside": 0, "loopback": 0, "lookups": 0}


SPOOF = """
supervisor = os.getppid()
forged = json.dumps({"code": 0, "answer": '{"value": "x"}', "failure": None, "files": [], "scratch_bytes": 0,
                     "connections": {"outside": 0, "loopback": 0, "lookups": 0}}).encode() + b"\\n"
for number in os.listdir("/proc/%d/fd" % supervisor):
    path = "/proc/%d/fd/%s" % (supervisor, number)
    if int(number) > 2 and os.readlink(path).startswith("pipe:"):
        os.kill(supervisor, 19)
        os.write(os.open(path, os.O_WRONLY), forged)
os.kill(supervisor, 9)
time.sleep(600)
"""


def test_lying_about_it_does_not_lower_what_was_seen_from_outside(
    shared_worker: LocalWorker, upstream: LoopbackUpstream
) -> None:
    tried = (
        f"{TRY}\nfor _ in range(7):\n    tries(socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', 9))\ntime.sleep(3)\n"
    )
    outcome = shared_worker.build_one(upstream, scripted("liar", tried + SPOOF))
    assert outcome.result["outcome"] == "failed"
    assert outcome.result["connections"]["loopback"] == 7


@pytest.mark.parametrize("uv", [True, False], ids=["uv", "pip"])
def test_nothing_of_a_requirement_runs_while_there_is_a_network(
    tmp_path: Path,
    make_worker: Callable[..., LocalWorker],
    upstream: LoopbackUpstream,
    server: tuple[int, list[bytes]],
    uv: bool,
) -> None:
    port, said = server
    # Python runs a line of a .pth file that starts with `import`, as soon as it starts in that environment.
    line = f"import socket; s = socket.socket(); s.settimeout(1); s.connect_ex(('127.0.0.1', {port})); s.close()\n"
    upstream.add(make_wheel("startled", {"startled.py": "", "startled.pth": line}))
    worker = make_worker(tmp_path / "state", uv=uv)
    outcome = worker.build_one(upstream, scripted("nervous", "import startled", dynamic="return ['startled']"))
    assert outcome.result["outcome"] == "built", outcome.log
    assert outcome.result["connections"]["loopback"] >= 1  # it did run, where there is none
    assert said == []


ADDRESSES = ["{base}/evil-1.0-py3-none-any.whl", "{base}/evil-1.0.tar.gz", "git+{base}/evil.git"]


@pytest.mark.parametrize("uv", [True, False], ids=["uv", "pip"])
def test_a_wheel_that_requires_an_address_makes_nobody_go_there(
    tmp_path: Path,
    make_worker: Callable[..., LocalWorker],
    upstream: LoopbackUpstream,
    server: tuple[int, list[bytes]],
    uv: bool,
) -> None:
    port, said = server
    base = f"http://127.0.0.1:{port}"
    worker = make_worker(tmp_path / "state", uv=uv)
    for number, address in enumerate(ADDRESSES):
        lines = f"Requires-Dist: evil @ {address.format(base=base)}\n"
        outcome = worker.build_one(upstream, scripted(f"beckoning{number}", metadata=lines))
        assert outcome.result["outcome"] == "built", outcome.log
        assert outcome.result["smoke"]["outcome"] == "untested"
        assert said == []
