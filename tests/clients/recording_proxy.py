"""Stands between an installer and the index, passes everything on as it is, and remembers what went over the wire.

with RecordingProxy(port) as proxy:
    ... --index-url {proxy.url}/simple/ ...
proxy.fetched         # [Passed("GET", "/simple/app/", 200, 913), ...]
"""

import http.client
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

_OF_A_CONNECTION = {"connection", "transfer-encoding", "keep-alive", "host"}


@dataclass(frozen=True)
class Passed:
    """A request and what came back: `size` is the bytes of the body on the wire."""

    method: str
    path: str
    status: int
    size: int

    @property
    def is_wheel(self) -> bool:
        """Whether bytes of a wheel came, all or some."""
        return self.path.endswith(".whl") and self.method == "GET" and self.status in (200, 206)

    @property
    def is_metadata(self) -> bool:
        return self.path.endswith(".metadata")


class RecordingProxy:
    """A proxy in front of the server on a port of loopback, for as long as the block."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.fetched: list[Passed] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def received(self) -> int:
        """Bytes of all bodies."""
        return sum(each.size for each in self.fetched)

    def __enter__(self) -> "RecordingProxy":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=30)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.pass_on()

            def do_HEAD(self) -> None:
                self.pass_on()

            def pass_on(self) -> None:
                connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=60)
                try:
                    connection.putrequest(self.command, self.path, skip_accept_encoding=True)
                    for name, value in self.headers.items():
                        if name.lower() not in _OF_A_CONNECTION:
                            connection.putheader(name, value)
                    connection.endheaders()
                    response = connection.getresponse()
                    body = response.read()
                finally:
                    connection.close()
                proxy.fetched.append(Passed(self.command, self.path, response.status, len(body)))
                self.send_response_only(response.status, response.reason)
                for name, value in response.headers.items():
                    if name.lower() not in _OF_A_CONNECTION | {"content-length"}:
                        self.send_header(name, value)
                length = response.headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(body))
                self.send_header("Content-Length", length)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing: `fetched` has it all."""

        return Handler
