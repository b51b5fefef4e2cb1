"""The two web servers as processes of their own, and requests to them as bytes on the wire.

with IndexServer(root, upstream) as server:          # the embedded one; NginxServer takes the same
    answer = server.get("/simple/spidev/", Accept="text/html")
    answer.status, answer.headers["ETag"], answer.body
    server.raw(b"GET / HTTP/1.1\\r\\n...")             # what no client library would send
"""

import gzip
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

import pytest

from piwright.index.nginx_configuration import NginxSite, standalone_configuration
from piwright.index.storage import open_storage
from support.ports import free_port

UPSTREAM = "http://upstream.invalid/index/simple/"
JSON = "application/vnd.pypi.simple.v1+json"
VERSIONED_HTML = "application/vnd.pypi.simple.v1+html"
TARGET = "bookworm-cp311-armv7l"


@dataclass(frozen=True)
class Answer:
    """A response; header names as they came, looked up in any case."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


class RunningServer:
    """A server process on a port of 127.0.0.1, for as long as the block."""

    process: subprocess.Popen[str]
    port: int
    access_log: Path
    version: tuple[int, ...] = (99,)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "RunningServer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> tuple[int, str]:
        """End it with SIGTERM; its exit code and what it said since it started."""
        self.process.send_signal(signal.SIGTERM)
        said, _ = self.process.communicate(timeout=30)
        return self.process.returncode, said

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """One request; underscores in header names stand for dashes. Nothing is followed, decoded or normalised."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders()
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def raw(self, request: bytes) -> bytes:
        """All that is answered to these bytes until the connection ends."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(request)
            return b"".join(iter(lambda: connection.recv(65536), b""))


class IndexServer(RunningServer):
    """The embedded server; `root` may be the address of a bucket."""

    def __init__(self, root: Path | str, upstream: str, access_log: Path | None = None, **environment: str) -> None:
        command = [sys.executable, "-m", "piwright.index.server", "--root", str(root), "--port", "0"]
        command += ["--upstream", upstream]
        if access_log:
            self.access_log = access_log
            command += ["--access-log", str(access_log)]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:([0-9]+)/", line)
        assert found, line + self.process.stdout.read()
        self.port = int(found[1])


class NginxServer(RunningServer):
    """nginx with the configuration of production, run by whoever runs the tests."""

    def __init__(self, root: Path, upstream: str, access_log: Path | None = None) -> None:
        program = require_nginx()
        said = subprocess.run([program, "-v"], capture_output=True, text=True, check=True).stderr
        self.version = tuple(map(int, re.findall(r"[0-9]+", said.partition("/")[2])[:3]))
        self._folder = TemporaryDirectory(prefix="piwright-nginx-")
        folder = Path(self._folder.name)
        folder.chmod(0o755)  # started by root, nginx reads as somebody else
        self.port = free_port()
        self.access_log = access_log or folder / "access.log"
        site = NginxSite(root, upstream, self.access_log, listen=f"127.0.0.1:{self.port}")
        configuration = folder / "nginx.conf"
        configuration.write_text(_as_this_user(standalone_configuration(site, folder)))
        self.process = subprocess.Popen(
            [program, "-c", str(configuration), "-e", "stderr"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        deadline = time.monotonic() + 30
        while not self._listens():
            assert self.process.poll() is None, self.process.communicate()[0]
            assert time.monotonic() < deadline, "nginx does not listen"

    def _listens(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(0.1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def errors(self) -> str:
        """What nginx complained about so far."""
        return (Path(self._folder.name) / "error.log").read_text()

    def stop(self) -> tuple[int, str]:
        ended = super().stop()
        self._folder.cleanup()
        return ended


def _as_this_user(configuration: str) -> str:
    """Temporary folders of tests are closed to others, also to those nginx becomes when root starts it."""
    return ("user root;\n" if os.getuid() == 0 else "") + configuration


def require_nginx() -> str:
    """The program's path. Without it the test is skipped, but in CI it fails: there nginx is part of what is tested."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None and os.environ.get("CI") == "true":
        pytest.fail("nginx is not installed: apt-get install nginx-light")
    if program is None:
        pytest.skip("nginx is not installed (apt-get install nginx-light): production's configuration is not tested")
    return program


SERVERS = {"embedded": IndexServer, "nginx": NginxServer}

HASH = "ab" + "c" * 62
WHEEL = f"files/{HASH[:2]}/{HASH[2:]}/spidev-3.6+pi1-py3-none-linux_armv7l.whl"
WHEEL_ADDRESS = "/" + WHEEL.replace("+", "%2B")
WHEEL_BYTES = bytes(range(256)) * 1500
LOG = b"".join(b"line %d of the build \xc3\xa9\n" % number for number in range(20_000))


def write_served_tree(root: Path) -> None:
    """A tree with one of everything: the files themselves mean nothing, so that each is known by what it says."""
    pages = {}
    for index in ("simple", "extra/simple", f"{TARGET}/simple"):
        for page in (index, f"{index}/spidev"):
            pages[f"{page}/index.v1_json"] = f'{{"page": "{page}"}}'.encode() * 30
            pages[f"{page}/index.html"] = f"<h1>{page}</h1>".encode() * 40
    site = {
        "index.html": b"<h1>home</h1>" * 50,
        "json": b'{"home": 1}' * 50,
        "404.html": b"<h1>nothing here</h1>" * 20,
        "feed.atom": b"<feed/>" * 50,
        "sitemap.xml": b"<sitemapindex/>" * 50,
        "sitemap/1.xml": b"<urlset/>" * 50,
        "robots.txt": b"User-agent: *\n" * 50,
        "search/index.html": b"<h1>search</h1>" * 50,
        "search/names/sp.json": b'["spidev"]' * 50,
        "status/index.html": b"<h1>status</h1>" * 50,
        "status/json": b'{"status": 1}' * 50,
        "static/abcdef/style.css": b"body {}\n" * 50,
        "static/abcdef/search.js": b"'use strict';\n" * 50,
        "static/abcdef/icon.png": b"\x89PNG" * 50,
        "static/abcdef/icon.ico": b"icon" * 50,
        "static/abcdef/font.woff2": b"font" * 50,
        "static/abcdef/site.webmanifest": b"{}" * 50,
        "static/abcdef/archive.tar.bz2": b"BZh" * 50,
        "static/abcdef/README": b"read me" * 50,
        "project/spidev/index.html": b"<h1>spidev</h1>" * 50,
        "project/spidev/json": b'{"name": "spidev"}' * 50,
        "project/spidev/badge.svg": b"<svg/>" * 50,
        "project/spidev/feed.atom": b"<feed>spidev</feed>" * 50,
        "project/spidev/build/12/index.html": b"<h1>build</h1>" * 50,
        "project/spidev/build/12/json": b'{"build": 12}' * 50,
        "project/simple/index.html": b"<h1>a project named simple</h1>" * 50,
        f"{WHEEL}.metadata": b"Metadata-Version: 2.1\nName: spidev\n" * 20,
    }
    open_storage(root, ("gz", "zst")).write(pages | site)
    wheel = root / WHEEL
    wheel.write_bytes(WHEEL_BYTES)
    log = root / "project/spidev/build/12/log.txt.gz"
    log.write_bytes(gzip.compress(LOG))
    # What a publisher has in the making, and what has no business in the tree.
    (root / ".new").mkdir(exist_ok=True)
    (root / ".new/secret.html").write_text("secret")
    wheel.with_name(f".{wheel.name}.1.new").write_text("secret")
    (root.parent / "secret").write_text("secret")
    (root.parent / "secret.html").write_text("secret")
