"""The embedded server on a bucket of a real S3 server."""

import gzip
import hashlib
import http.client
import os
import socket
import time
from collections.abc import Iterator

import fsspec
import pytest
from s3_server import S3Server
from serving import JSON, LOG, TARGET, UPSTREAM, IndexServer

from piwright.index.bucket_parts import Replaced, read_part, version_of

WHEEL = bytes(range(256)) * 30_000
SHA256 = hashlib.sha256(WHEEL).hexdigest()
FILE = f"files/{SHA256[:2]}/{SHA256[2:]}/big-1.0-py3-none-any.whl"
LARGE_PAGE = b'{"projects": []}' * 400_000


class Store(S3Server):
    """An S3 server with a bucket of pages, at `address`."""

    def __enter__(self) -> "Store":
        super().__enter__()
        self.address = self.new_bucket()
        return self

    def put(self, path: str, content: bytes) -> None:
        self.files.pipe_file(f"{self.address}/{path}", content)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with Store() as store:
        for path in ("simple", "simple/spidev", f"{TARGET}/simple"):
            store.put(f"{path}/index.html", f"<h1>{path}</h1>".encode())
            store.put(f"{path}/index.html.gz", gzip.compress(f"<h1>{path}</h1>".encode()))
        store.put("simple/spidev/index.v1_json", b'{"name": "spidev"}')
        store.put("simple/index.v1_json", LARGE_PAGE)
        store.put("project/spidev/build/1/log.txt.gz", gzip.compress(LOG))
        store.put("404.html", b"nothing here")
        store.put(FILE, WHEEL)
        yield store


@pytest.fixture(scope="module")
def bucket_server(store: Store) -> Iterator[IndexServer]:
    with IndexServer(store.address, UPSTREAM, **store.environment) as server:
        yield server


def test_pages_come_from_the_bucket(bucket_server: IndexServer) -> None:
    html = bucket_server.get("/simple/spidev/")
    assert (html.status, html.body) == (200, b"<h1>simple/spidev</h1>")
    packed = bucket_server.get("/simple/spidev/", Accept_Encoding="gzip")
    assert gzip.decompress(packed.body) == html.body
    assert packed.headers["Content-Encoding"] == "gzip"
    assert bucket_server.get("/simple/spidev/", Accept=JSON).body == b'{"name": "spidev"}'
    assert bucket_server.get("/simple/spidev/", If_None_Match=html.headers["ETag"]).status == 304
    assert bucket_server.get("/simple/spidev/", If_Modified_Since=html.headers["Last-Modified"]).status == 304
    assert bucket_server.get("/simple/spidev/", Accept="image/png").status == 406
    assert bucket_server.get("/healthz").body == b'{"status": "ok", "published": true}'


def test_a_page_of_any_size_is_sent_whole(bucket_server: IndexServer) -> None:
    answer = bucket_server.get("/simple/", Accept=JSON)
    assert answer.body == LARGE_PAGE
    assert bucket_server.get("/simple/", Accept=JSON, If_None_Match=answer.headers["ETag"]).status == 304


def test_what_is_not_in_the_bucket_is_upstreams_or_nowhere(bucket_server: IndexServer) -> None:
    assert bucket_server.get("/simple/numpy/").headers["Location"] == f"{UPSTREAM}numpy/"
    assert bucket_server.get(f"/{TARGET}/simple/numpy/").status == 302
    assert bucket_server.get("/elsewhere/simple/numpy/").status == 404
    assert bucket_server.get("/nothing").body == b"nothing here"
    assert bucket_server.get("/project/spidev").status == 404


def test_a_wheel_comes_from_the_bucket_in_parts(bucket_server: IndexServer) -> None:
    whole = bucket_server.get(f"/{FILE}")
    assert whole.body == WHEEL
    assert whole.headers["ETag"] == f'"{SHA256}"'
    part = bucket_server.get(f"/{FILE}", Range="bytes=-1000")
    assert (part.status, part.body) == (206, WHEEL[-1000:])
    assert bucket_server.get(f"/{FILE}", Range=f"bytes={len(WHEEL)}-").status == 416


def test_a_log_is_unpacked(bucket_server: IndexServer) -> None:
    assert bucket_server.get("/project/spidev/build/1/log.txt").body == LOG


def test_a_new_page_is_seen_within_seconds(bucket_server: IndexServer, store: Store) -> None:
    before = bucket_server.get(f"/{TARGET}/simple/")
    store.put(f"{TARGET}/simple/index.html", b"newer")
    deadline = time.monotonic() + 20
    while (after := bucket_server.get(f"/{TARGET}/simple/")).body != b"newer":
        assert after.body == before.body
        assert time.monotonic() < deadline
    assert after.headers["ETag"] != before.headers["ETag"]


def test_a_large_page_that_was_replaced_is_whole_at_once(bucket_server: IndexServer, store: Store) -> None:
    store.put(f"{TARGET}/simple/index.v1_json", LARGE_PAGE)
    before = bucket_server.get(f"/{TARGET}/simple/", Accept=JSON)
    for newer in (LARGE_PAGE + b"and more", LARGE_PAGE[:-8], LARGE_PAGE[::-1]):
        store.put(f"{TARGET}/simple/index.v1_json", newer)
        after = bucket_server.get(f"/{TARGET}/simple/", Accept=JSON)
        assert (after.status, after.body) == (200, newer)
        assert after.headers["ETag"] != before.headers["ETag"]
        assert bucket_server.get(f"/{TARGET}/simple/", Accept=JSON, If_None_Match=before.headers["ETag"]).status == 200
        assert bucket_server.get(f"/{TARGET}/simple/", Accept=JSON, If_None_Match=after.headers["ETag"]).status == 304


@pytest.mark.parametrize("newer", [b"new" * 5_000_000, b"n" * 12_000_000, b"new" * 2_000_000])
def test_a_large_page_that_is_replaced_while_it_is_read_breaks_off(
    bucket_server: IndexServer, store: Store, newer: bytes
) -> None:
    older = b"older page, " * 1_000_000
    store.put(f"{TARGET}/simple/index.v1_json", older)
    connection = http.client.HTTPConnection("127.0.0.1", bucket_server.port, timeout=30)
    connection.sock = socket.socket()
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # so that the server cannot run ahead
    connection.sock.connect(("127.0.0.1", bucket_server.port))
    connection.request("GET", f"/{TARGET}/simple/", headers={"Accept": JSON})
    response = connection.getresponse()
    assert response.status == 200
    first = response.read(100_000)
    store.put(f"{TARGET}/simple/index.v1_json", newer)
    with pytest.raises(http.client.IncompleteRead) as broken:
        response.read()
    assert older.startswith(first + broken.value.partial)
    connection.close()


def test_a_wheel_that_is_another_one_all_of_a_sudden_is_not_sent_as_the_old_one(
    bucket_server: IndexServer, store: Store
) -> None:
    wheel = f"files/ab/{'c' * 62}/big-1.0-py3-none-any.whl"
    store.put(wheel, WHEEL)
    assert bucket_server.get(f"/{wheel}").body == WHEEL
    store.put(wheel, WHEEL[::-1])
    refused = bucket_server.get(f"/{wheel}")
    assert (refused.status, refused.headers["Cache-Control"]) == (503, "no-store")
    assert bucket_server.get(f"/{wheel}").body == WHEEL[::-1]


def test_parts_from_a_store_without_conditions_are_of_one_version_too() -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/bucket/page", b"older")
    version = version_of(memory.info("/bucket/page"))
    assert read_part(memory, "/bucket/page", range(1, 4), version) == b"lde"
    memory.pipe_file("/bucket/page", b"newer")
    with pytest.raises(Replaced, match="/bucket/page was replaced while it was read"):
        read_part(memory, "/bucket/page", range(1, 4), version)


def test_a_store_that_is_down_is_not_noticed_by_those_who_read_what_is_known() -> None:
    with Store() as store:
        store.put("simple/spidev/index.html", b"known")
        fast = {"PATH": os.environ["PATH"], **store.environment, "AWS_MAX_ATTEMPTS": "1"}
        with IndexServer(store.address, UPSTREAM, **fast) as server:
            assert server.get("/simple/spidev/").body == b"known"
            store.stop()
            unknown = server.get("/simple/other/")
            assert (unknown.status, unknown.headers["Cache-Control"]) == (503, "no-store")
            deadline = time.monotonic() + 7  # long enough for what is known to have to be asked for again
            while time.monotonic() < deadline:
                assert server.get("/simple/spidev/").body == b"known"
