"""A Go project's build has no network, and has the module it needs: the worker fetched it before."""

import io
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from support.scripted import scripted
from support.upstream import LoopbackUpstream
from support.worker import LocalWorker

pytestmark = pytest.mark.skipif(shutil.which("go", path="/usr/bin:/usr/local/bin") is None, reason="no go here")

MODULE = "example.org/tiny"
GO_MOD = f"module {MODULE}\n\ngo 1.16\n"
MAIN = f"""\
package main

import (
\t"fmt"

\t"{MODULE}"
)

func main() {{ fmt.Println(tiny.Add(40, 2)) }}
"""


def module_files() -> dict[str, bytes]:
    """What a Go proxy has of one module in one version, by path."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as bundle:
        bundle.writestr(f"{MODULE}@v1.0.0/go.mod", GO_MOD)
        bundle.writestr(f"{MODULE}@v1.0.0/tiny.go", "package tiny\n\nfunc Add(a, b int) int { return a + b }\n")
    return {
        f"/{MODULE}/@v/list": b"v1.0.0\n",
        f"/{MODULE}/@v/v1.0.0.info": b'{"Version": "v1.0.0", "Time": "2024-01-01T00:00:00Z"}',
        f"/{MODULE}/@v/v1.0.0.mod": GO_MOD.encode(),
        f"/{MODULE}/@v/v1.0.0.zip": packed.getvalue(),
    }


@pytest.fixture
def proxy() -> Iterator[str]:
    files = module_files()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = files.get(self.path)
            self.send_response(200 if content is not None else 404)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(10)


def test_a_go_module_is_fetched_before_the_build_and_there_in_it(
    tmp_path: Path, make_worker: Callable[..., LocalWorker], upstream: LoopbackUpstream, proxy: str
) -> None:
    script = """
    import subprocess
    said = subprocess.run(["go", "run", "."], capture_output=True, text=True)
    print("go said", said.stdout, said.stderr)
    assert said.stdout == "42\\n"
    """
    files = {"go.mod": f"module example.org/app\n\ngo 1.16\n\nrequire {MODULE} v1.0.0\n", "main.go": MAIN}
    sdist = upstream.add(scripted("gopher", script, files=files))
    worker = make_worker(tmp_path / "state", GOPROXY=proxy, GOSUMDB="off", GONOSUMDB="*", GOINSECURE="*")
    result = worker.build(worker.batch("go", upstream, [sdist]))["b0"]
    assert result["outcome"] == "built", worker.log("go", "b0")
    assert result["connections"]["outside"] == 0
    assert "go said 42" in worker.log("go", "b0")
