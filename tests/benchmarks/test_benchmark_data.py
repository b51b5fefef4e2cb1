"""The benchmarks measure what they say: data that is the same each time, real wheels, and a proxy that counts right."""

import hashlib
import io
import sys
import threading
import urllib.request
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from packaging.utils import canonicalize_name, parse_wheel_filename

from piwright.settings import ROOT


@pytest.fixture(autouse=True)
def benchmarks_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])


def test_the_same_seed_makes_the_same_shop_of_the_size_asked_for() -> None:
    from made_up import made_up_projects

    first = list(made_up_projects(300, files=2000, padding=50))
    assert first == list(made_up_projects(300, files=2000, padding=50))
    assert first != list(made_up_projects(300, files=2000, padding=50, seed=5))
    assert len({project.name for project in first}) == 300
    wheels = [wheel for project in first for wheel in project.wheels]
    assert len({wheel.filename for wheel in wheels}) == len(wheels) == 2000
    hashes = {hashlib.sha256(wheel.content()).hexdigest() for wheel in wheels}
    assert len(hashes) == 2000


def test_a_made_up_wheel_is_a_wheel() -> None:
    from made_up import made_up_projects

    for project in made_up_projects(50, files=200):
        assert canonicalize_name(project.name) == project.name
        for wheel in project.wheels:
            name, version, _, tags = parse_wheel_filename(wheel.filename)
            assert (name, str(version)) == (project.name, wheel.version)
            assert {str(tag) for tag in tags} == set(wheel.tags)
            with zipfile.ZipFile(io.BytesIO(wheel.content())) as archive:
                member = next(each for each in archive.namelist() if each.endswith("METADATA"))
                assert archive.read(member) == wheel.metadata


def test_what_the_roots_require_exists() -> None:
    from made_up import resolvable_projects

    projects, roots = resolvable_projects(40, files=200, roots=10, padding=10)
    versions = {project.name: {wheel.version for wheel in project.wheels} for project in projects}
    assert len(roots) == 10
    requires = [each for project in projects for wheel in project.wheels for each in wheel.requires]
    assert len(requires) > 100
    for each in requires:
        name, version = each.split(">=")
        assert version in versions[name]


def test_the_proxy_counts_every_request_and_every_byte() -> None:
    from counting_proxy import counting_proxy

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = b"x" * 100_000
            self.send_response_only(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with counting_proxy(server.server_port) as proxy:
            for _ in range(3):
                with urllib.request.urlopen(f"http://127.0.0.1:{proxy.port}/x") as answer:
                    assert len(answer.read()) == 100_000
    finally:
        server.shutdown()
        server.server_close()
    head = len(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    assert (proxy.requests, proxy.connections) == (3, 3)
    assert proxy.bytes_received == 3 * (100_000 + head)
