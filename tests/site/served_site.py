"""A published tree served with the policy that our servers send, also below a path, where the embedded server cannot be.

with ServedSite(tree, prefix="/wheels") as site:
    site.url      # "http://127.0.0.1:40123/wheels"
"""

import asyncio
import threading
from pathlib import Path
from types import TracebackType

from aiohttp import web

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_TYPES = {
    "": "application/json",
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".atom": "application/atom+xml",
    ".xml": "application/xml",
}


class ServedSite:
    """A server in a thread, for as long as the block."""

    def __init__(self, tree: Path, prefix: str = "") -> None:
        self.tree = tree
        self.prefix = prefix
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> "ServedSite":
        self._thread.start()
        self.url = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    async def _start(self) -> str:
        self._runner = web.ServerRunner(web.Server(self._respond), shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}{self.prefix}"

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
        path = request.path.removeprefix(self.prefix).lstrip("/")
        file = self.tree / path
        if not request.path.startswith(self.prefix + "/") or ".." in path:
            return web.Response(status=400)
        if file.is_dir():
            file = file / "index.html"
        status = 200
        if not file.is_file():
            file, status = self.tree / "404.html", 404
        headers["Content-Type"] = _TYPES[file.suffix]
        return web.Response(body=file.read_bytes(), status=status, headers=headers)
