"""The access log: what stands in it, and that it never stands in the way."""

import json
import os
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import SERVERS, UPSTREAM, WHEEL_ADDRESS, WHEEL_BYTES, RunningServer

from piwright.downloads.log_line import parse_line
from piwright.index.access_log import WAITING_LIMIT, AccessLog, Line, as_json

PIP = 'pip/26.3 {"implementation":{"name":"CPython","version":"3.11.2"},"cpu":"armv7l"}'


@pytest.fixture(params=SERVERS)
def logging_server(request: pytest.FixtureRequest, served_tree: Path, tmp_path: Path) -> Iterator[RunningServer]:
    with SERVERS[request.param](served_tree, UPSTREAM, tmp_path / "logs" / "access.log") as server:
        yield server


@pytest.fixture(autouse=True)
def _folder_of_logs(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()


def lines_of(log: Path, wanted: int) -> list[dict[str, object]]:
    """The first `wanted` lines, as soon as they are there."""
    deadline = time.monotonic() + 20
    while not log.exists() or log.read_bytes().count(b"\n") < wanted:
        assert time.monotonic() < deadline, log.read_text() if log.exists() else "no log"
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_every_answer_is_a_line(logging_server: RunningServer) -> None:
    server = logging_server
    answers = [
        server.get(WHEEL_ADDRESS, User_Agent=PIP),
        server.get(WHEEL_ADDRESS, User_Agent="uv/0.13.9", Range="bytes=0-99"),
        server.get("/simple/spidev/?secret=1", Accept_Encoding="gzip", Referer="http://private.invalid/"),
        server.get("/simple/spidev/", "HEAD"),
        server.get("/simple/spidev/", If_None_Match="*"),
        server.get("/nothing/%22quoted%22"),
        server.get("/project/spidev/build/12/log.txt", Accept_Encoding="gzip"),
    ]
    lines = lines_of(server.access_log, len(answers))
    assert (
        [line["status"] for line in lines]
        == [answer.status for answer in answers]
        == [200, 206, 200, 200, 304, 404, 200]
    )
    assert [line["bytes"] for line in lines] == [len(answer.body) for answer in answers]
    assert lines[0]["bytes"] == len(WHEEL_BYTES)
    assert [line["path"] for line in lines[:4]] == [WHEEL_ADDRESS] * 2 + ["/simple/spidev/"] * 2
    assert [line["agent"] for line in lines[:3]] == [PIP, "uv/0.13.9", ""]
    assert [line["range"] for line in lines[:3]] == ["", "bytes=0-99", ""]
    assert lines[3]["method"] == "HEAD"
    assert lines[5]["path"] == "/nothing/%22quoted%22"
    for line in lines:
        assert list(line) == ["time", "method", "path", "status", "bytes", "agent", "range"]
        assert str(line["time"])[10] == "T"
    said = server.access_log.read_text()
    assert "secret" not in said
    assert "private" not in said
    assert "127.0.0.1" not in said


def test_what_clients_say_is_bounded_and_cannot_make_a_line(logging_server: RunningServer) -> None:
    evil = 'x"}\\n{"method": "' + "é" * 3000
    logging_server.raw(
        f"GET /{'a' * 3000} HTTP/1.1\r\nHost: x\r\nUser-Agent: {evil}\r\nConnection: close\r\n\r\n".encode()
    )
    logging_server.raw(b"GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: \x80\xff\x1b[31m\r\nConnection: close\r\n\r\n")
    logging_server.raw(b"GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: \x80\xffpip\r\nConnection: close\r\n\r\n")
    lines_of_bytes = []
    deadline = time.monotonic() + 20
    while len(lines_of_bytes) < 3:
        assert time.monotonic() < deadline
        if logging_server.access_log.exists():
            lines_of_bytes = logging_server.access_log.read_bytes().splitlines()
    first, _, third = [parse_line(line) for line in lines_of_bytes]
    assert first.path == "/" + "a" * 1023
    assert first.agent.startswith('x"}\\n{"method": "')
    assert len(first.agent) <= 2048
    assert third.agent.endswith("pip")


def test_a_rotated_log_is_let_go(logging_server: RunningServer) -> None:
    server = logging_server
    server.get("/json")
    lines_of(server.access_log, 1)
    moved = server.access_log.with_name("access.log.1")
    server.access_log.rename(moved)
    server.process.send_signal(signal.SIGUSR1)
    deadline = time.monotonic() + 20
    while not server.access_log.exists() or not server.access_log.read_bytes():
        assert server.get("/status/json").status == 200
        assert time.monotonic() < deadline
    paths = {str(json.loads(line)["path"]) for line in server.access_log.read_text().splitlines()}
    assert paths == {"/status/json"}
    assert str(json.loads(moved.read_text().splitlines()[0])["path"]) == "/json"


def line(path: str = "/simple/") -> Line:
    return Line(1_800_000_000.7, "GET", path, 200, 5, "agent", "")


def test_a_line_has_the_time_of_its_answer() -> None:
    [text] = as_json([line()])
    assert json.loads(text)["time"] == "2027-01-15T08:00:00+00:00"


def test_a_log_that_cannot_be_written_costs_lines_and_nothing_else(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("no folder")
    log = AccessLog(tmp_path / "file" / "access.log")
    for _ in range(WAITING_LIMIT + 5):
        log.write(line())
    log.close()
    assert log.lost >= WAITING_LIMIT
    assert capfd.readouterr().err.count("cannot be written") == 1


def test_after_a_full_disk_the_next_line_stands_on_its_own(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "access.log"
    pid = os.fork()
    if pid == 0:  # the limit is that of a process of its own
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, limits[1]))
        log = AccessLog(path)
        log.write(line("/first"))
        log.write(line("/torn"))
        while not log.lost:
            time.sleep(0.01)
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        log.write(line("/later"))
        log.close()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    whole = []
    for text in path.read_text().splitlines():
        try:
            whole.append(json.loads(text)["path"])
        except ValueError:
            pass
    assert whole == ["/first", "/later"]
