"""An sdist arrives whole and as announced, or there is a reason."""

import hashlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from piwright.worker import SdistSpec
from piwright.worker.program import fetch as room
from piwright.worker.program.failure import BuildFailure
from piwright.worker.program.fetch import fetch
from support.upstream import Distribution, LoopbackUpstream, make_sdist

SDIST = make_sdist("parcel", "1.0")


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PAUSES", (0.01, 0.01, 0.01))
    monkeypatch.setattr(room, "SOCKET_SECONDS", 5.0)


@pytest.fixture
def own() -> Iterator[LoopbackUpstream]:
    with LoopbackUpstream(redirect_to=None) as running:
        running.add(SDIST)
        yield running


def spec(upstream: LoopbackUpstream, sdist: Distribution = SDIST) -> SdistSpec:
    return SdistSpec(sdist.filename, upstream.file_url(sdist), {"sha256": sdist.sha256}, len(sdist.content))


def failure_of(sdist: SdistSpec, target: Path) -> BuildFailure:
    with pytest.raises(BuildFailure) as caught:
        fetch(sdist, target, lambda text: None)
    return caught.value


def test_every_given_hash_is_checked(own: LoopbackUpstream, tmp_path: Path) -> None:
    hashes = {name: hashlib.new(name, SDIST.content).hexdigest() for name in ("sha256", "sha384", "sha512")}
    fetch(replace(spec(own), hashes=hashes), tmp_path / "sdist", print)
    assert (tmp_path / "sdist").read_bytes() == SDIST.content
    for name in hashes:
        wrong = replace(spec(own), hashes={**hashes, name: "0" * len(hashes[name])})
        assert failure_of(wrong, tmp_path / "sdist").kind == "hash_mismatch"


def test_a_server_in_trouble_is_asked_again(own: LoopbackUpstream, tmp_path: Path) -> None:
    own.plan(f"/files/{SDIST.filename}", 503, 500, 429)
    said: list[str] = []
    fetch(spec(own), tmp_path / "sdist", said.append)
    assert own.count(f"/files/{SDIST.filename}") == 4
    assert said[0].startswith("upstream answers 503; trying again in")


@pytest.mark.parametrize(
    ("status", "kind", "requests"),
    [(404, "upstream_gone", 1), (410, "upstream_gone", 1), (403, "fetch_failed", 1), (502, "fetch_failed", 4)],
)
def test_other_answers_have_their_kind(
    own: LoopbackUpstream, tmp_path: Path, status: int, kind: str, requests: int
) -> None:
    own.plan(f"/files/{SDIST.filename}", *[status] * 4)
    failure = failure_of(spec(own), tmp_path / "sdist")
    assert failure.kind == kind
    assert str(status) in failure.message
    assert own.count(f"/files/{SDIST.filename}") == requests


def test_a_server_that_is_away_is_a_failed_fetch(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    away = SdistSpec("a-1.tar.gz", f"http://127.0.0.1:{port}/a-1.tar.gz", {"sha256": "0" * 64})
    failure = failure_of(away, tmp_path / "sdist")
    assert (failure.kind, "4 tries" in failure.message) == ("fetch_failed", True)


@pytest.mark.parametrize("difference", [-1, 1])
def test_another_size_than_announced_is_another_file(own: LoopbackUpstream, tmp_path: Path, difference: int) -> None:
    other = replace(spec(own), size=len(SDIST.content) + difference)
    assert failure_of(other, tmp_path / "sdist").kind == "hash_mismatch"


def test_more_than_an_sdist_may_have_is_refused(
    own: LoopbackUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MAX_SDIST_BYTES", 100)
    assert failure_of(replace(spec(own), size=None), tmp_path / "sdist").kind == "bad_sdist"


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x"])
def test_a_redirect_leaves_the_web_never(tmp_path: Path, location: str) -> None:
    answer = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with serving(answer.encode()) as url:
        failure = failure_of(SdistSpec("a-1.tar.gz", url, {"sha256": "0" * 64}), tmp_path / "sdist")
    assert failure.kind == "fetch_failed"


def test_a_connection_that_breaks_off_is_tried_again(tmp_path: Path) -> None:
    cut = f"HTTP/1.1 200 OK\r\nContent-Length: {len(SDIST.content)}\r\nConnection: close\r\n\r\n".encode()
    whole = cut + SDIST.content
    said: list[str] = []
    with serving(cut + SDIST.content[:10], whole) as url:
        fetch(SdistSpec(SDIST.filename, url, {"sha256": SDIST.sha256}), tmp_path / "sdist", said.append)
    assert (tmp_path / "sdist").read_bytes() == SDIST.content
    assert "10 of" in said[0]


@pytest.mark.parametrize("url", ["http://127.0.0.1:port/x", "http://[::1/x", "http://127.0.0.1:1/\u20ac"])
def test_an_address_that_is_none_is_a_failed_fetch(tmp_path: Path, url: str) -> None:
    assert failure_of(SdistSpec("a-1.tar.gz", url, {"sha256": "0" * 64}), tmp_path / "sdist").kind == "fetch_failed"


class serving:
    """A server that sends these bytes, one answer a connection, the last one again and again."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)
        self._server = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._server.getsockname()[1]}/a-1.tar.gz"

    def __exit__(self, *ignored: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(self._answers.pop(0) if len(self._answers) > 1 else self._answers[0])
