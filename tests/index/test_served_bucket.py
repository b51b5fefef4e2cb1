"""The embedded server on a bucket of a real S3 server."""

import gzip
import hashlib
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import fsspec
import pytest
from serving import JSON, LOG, TARGET, UPSTREAM, IndexServer

from support.ports import free_port
from support.tools import tool

ADDRESS = "s3://wheels/index"
WHEEL = bytes(range(256)) * 30_000
SHA256 = hashlib.sha256(WHEEL).hexdigest()
FILE = f"files/{SHA256[:2]}/{SHA256[2:]}/big-1.0-py3-none-any.whl"
LARGE_PAGE = b'{"projects": []}' * 400_000


class Store:
    """An S3 server on a port of 127.0.0.1, with a bucket `wheels`."""

    def __init__(self) -> None:
        self.port = free_port()
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        program = str(tool("moto[s3,server]>=5", "moto_server"))
        self.process = subprocess.Popen(
            [program, "-H", "127.0.0.1", "-p", str(self.port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while not self._answers():
            assert self.process.poll() is None
            assert time.monotonic() < deadline
        self.files = fsspec.filesystem(
            "s3",
            key="test",
            secret="test",
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            client_kwargs={"region_name": "us-east-1"},
            use_listings_cache=False,
            skip_instance_cache=True,
        )
        self.files.call_s3("create_bucket", Bucket="wheels")

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(self.environment["AWS_ENDPOINT_URL"], timeout=1).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    def put(self, path: str, content: bytes) -> None:
        self.files.pipe_file(f"wheels/index/{path}", content)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(30)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    store = Store()
    for path in ("simple", "simple/spidev", f"{TARGET}/simple"):
        store.put(f"{path}/index.html", f"<h1>{path}</h1>".encode())
        store.put(f"{path}/index.html.gz", gzip.compress(f"<h1>{path}</h1>".encode()))
    store.put("simple/spidev/index.v1_json", b'{"name": "spidev"}')
    store.put("simple/index.v1_json", LARGE_PAGE)
    store.put("project/spidev/build/1/log.txt.gz", gzip.compress(LOG))
    store.put("404.html", b"nothing here")
    store.put(FILE, WHEEL)
    yield store
    store.stop()


@pytest.fixture(scope="module")
def bucket_server(store: Store) -> Iterator[IndexServer]:
    with IndexServer(ADDRESS, UPSTREAM, **store.environment) as server:
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


def test_a_store_that_is_down_is_not_noticed_by_those_who_read_what_is_known() -> None:
    store = Store()
    store.put("simple/spidev/index.html", b"known")
    fast = {"PATH": os.environ["PATH"], **store.environment, "AWS_MAX_ATTEMPTS": "1"}
    with IndexServer(ADDRESS, UPSTREAM, **fast) as server:
        assert server.get("/simple/spidev/").body == b"known"
        store.stop()
        unknown = server.get("/simple/other/")
        assert (unknown.status, unknown.headers["Cache-Control"]) == (503, "no-store")
        deadline = time.monotonic() + 7  # long enough for what is known to have to be asked for again
        while time.monotonic() < deadline:
            assert server.get("/simple/spidev/").body == b"known"
