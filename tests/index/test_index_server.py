"""The embedded server's command line, its end, and its pace. What it answers is in test_serving_*.py."""

import http.client
import socket
import time
from pathlib import Path

import pytest
from serving import LOG, UPSTREAM, WHEEL_ADDRESS, IndexServer

from piwright.index.server import main


def test_it_ends_when_told_and_says_nothing_about_requests(served_tree: Path) -> None:
    with IndexServer(served_tree, UPSTREAM) as server:
        idle = http.client.HTTPConnection("127.0.0.1", server.port)
        idle.request("GET", "/simple/")
        idle.getresponse().read()
        assert server.stop() == (0, "")
        idle.close()


def test_who_reads_slowly_keeps_nobody_waiting(served_tree: Path) -> None:
    with IndexServer(served_tree, UPSTREAM) as server:
        slow = []
        for path in (WHEEL_ADDRESS, "/project/spidev/build/12/log.txt") * 20:
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            slow.append(connection)
        began = time.monotonic()
        for _ in range(50):
            assert server.get("/simple/spidev/").status == 200
        assert server.get("/project/spidev/build/12/log.txt").body == LOG
        assert time.monotonic() - began < 10
        for connection in slow:
            connection.close()
        code, said = server.stop()  # those who left before the end are no news
        assert (code, said) == (0, "")


def test_a_broken_log_ends_the_connection_and_not_the_server(tmp_path: Path) -> None:
    log = tmp_path / "project/spidev/build/1/log.txt.gz"
    log.parent.mkdir(parents=True)
    log.write_bytes(b"\x1f\x8b\x08\x00 this is no gzip file")
    with IndexServer(tmp_path, UPSTREAM) as server:
        with pytest.raises((http.client.HTTPException, OSError)):
            server.get("/project/spidev/build/1/log.txt")
        assert server.get("/healthz").status == 200


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--port", "many"], "'many' is not a port"),
        (["--port", "70000"], "'70000' is not a port"),
        (["--upstream", "ftp://x"], "'ftp://x' cannot be used: it must be the http or https address of a simple index"),
        (["--upstream", ""], "--upstream: it is empty"),
        (["--root", __file__], "is not a directory"),
        (["--colour", "red"], "--colour"),
    ],
)
def test_a_wrong_argument_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    given = {"--root": str(tmp_path), "--port": "0", "--upstream": UPSTREAM} | dict([arguments])
    with pytest.raises(SystemExit) as ended:
        main([part for pair in given.items() for part in pair])
    assert ended.value.code == 2
    assert named in capsys.readouterr().err


@pytest.mark.parametrize("given", ["http://user:secret@x.invalid/simple/", "https://secret@x.invalid/", "u:secret@x"])
def test_no_visitor_and_no_log_is_told_a_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--root", str(tmp_path), "--port", "0", "--upstream", given])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert "argument --upstream: '" in said
    assert "***@x" in said
    assert "secret" not in said.replace("workers hold no secrets", "")


def test_a_port_in_use_is_named(served_tree: Path, tmp_path: Path) -> None:
    with (
        IndexServer(served_tree, UPSTREAM) as server,
        pytest.raises(SystemExit, match=f"cannot listen on 127.0.0.1 port {server.port}"),
    ):
        main(["--root", str(tmp_path), "--port", str(server.port), "--upstream", UPSTREAM])
