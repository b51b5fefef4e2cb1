"""The index server as its own process, and requests to it as bytes on the wire.

with IndexServer(root, upstream) as server:
    answer = server.get("/simple/spidev/", Accept="text/html")
    answer.status, answer.headers["ETag"], answer.body
"""

import http.client
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType


@dataclass(frozen=True)
class Answer:
    """A response; header names as they came, looked up in any case."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


class IndexServer:
    """A server process on a free port of 127.0.0.1, for as long as the block."""

    def __init__(self, root: Path, upstream: str) -> None:
        command = [sys.executable, "-m", "piwright.index.server", "--root", str(root), "--port", "0"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen(
            [*command, "--upstream", upstream],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:([0-9]+)/", line)
        assert found, line + self.process.stdout.read()
        self.port = int(found[1])
        self.url = found[0].rstrip("/")

    def __enter__(self) -> "IndexServer":
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
