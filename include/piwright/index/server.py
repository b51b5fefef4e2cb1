"""The web server of the embedded stack: serves the published tree as nginx does in production.

    python -m piwright.index.server --root .piwright/index --port 8000 --upstream https://upstream.example/simple/
    python -m piwright.index.server --root s3://bucket/prefix --access-log access.log --port 8000 --upstream ...

It reads the tree alone, no database; what it answers is what was published. Ends on SIGTERM or SIGINT once the requests
under way are answered. On SIGUSR1 it writes to a new access log, because the old one was moved away.
"""

import argparse
import asyncio
import re
import signal
import sys
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from time import time as clock
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from piwright.index.access_log import AccessLog, Line
from piwright.index.responses import Responder
from piwright.index.served_tree import open_tree
from piwright.index.upstream import read_upstream

_TURN = 0.0005
"""Seconds for which the thread of the access log may keep an answer waiting; Python's own are ten times as many."""


def _root(value: str) -> str:
    if re.fullmatch(r"[a-z0-9][a-z0-9+.-]*://[^/]+(/.*)?", value) and not value.startswith("file:"):
        return value.rstrip("/")
    path = Path(value.removeprefix("file://")).absolute()
    if path.exists() and not path.is_dir():
        raise argparse.ArgumentTypeError(f"{value!r} is not a directory; give the directory that is published to")
    return str(path)


def _port(value: str) -> int:
    if not (value.isascii() and value.isdigit() and 0 <= int(value) <= 65535):
        raise argparse.ArgumentTypeError(f"{value!r} is not a port; give a number from 0 (any free one) to 65535")
    return int(value)


def _upstream(value: str) -> str:
    try:
        return read_upstream(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; ends the program with exit code 2 and a sentence that names what is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m piwright.index.server", description="Serve the published index and site."
    )
    parser.add_argument("--root", type=_root, required=True, help="the served tree, or s3://...; need not exist yet")
    parser.add_argument("--port", type=_port, required=True, help="0: any free one, named on standard output")
    parser.add_argument("--upstream", type=_upstream, required=True, help="where projects are that we have nothing of")
    parser.add_argument("--access-log", type=Path, help="file that gets a line of JSON for every answer (none: no log)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    return parser.parse_args(arguments)


class _Logger(AbstractAccessLogger):
    """What aiohttp calls when an answer is sent; `lines` takes the place of its logger."""

    lines: AccessLog

    def __init__(self, lines: Any, form: str) -> None:
        self.lines = lines

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Note an answer."""
        line = Line(
            clock(),
            request.method,
            request.raw_path,
            response.status,
            _body_size(request, response),
            request.headers.get("User-Agent", ""),
            request.headers.get("Range", ""),
        )
        self.lines.write(line)


def _body_size(request: web.BaseRequest, response: web.StreamResponse) -> int:
    """Bytes of the body that were sent; aiohttp counts the headers too."""
    if request.method == "HEAD" or response.status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        return 0
    length = response.content_length
    return response.body_length if length is None else min(length, response.body_length)


async def serve(root: str, host: str, port: int, upstream: str, log: AccessLog | None = None) -> None:
    """Serve until SIGTERM or SIGINT. Says the address on standard output; raises `OSError` if it cannot be used."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, log.reopen if log else lambda: None)
    server = web.Server(
        Responder(open_tree(root), upstream).respond,
        access_log=log,
        access_log_class=_Logger,
    )
    runner = web.ServerRunner(server, shutdown_timeout=10)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=1024).start()
        address = runner.addresses[0]
        shown = f"[{address[0]}]" if ":" in address[0] else address[0]
        sys.stdout.write(f"serving {root} on http://{shown}:{address[1]}/\n")
        sys.stdout.flush()
        await stop.wait()
    finally:
        await runner.cleanup()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the server; exit code 0 after a signal, 1 if the address cannot be used, 2 for wrong arguments."""
    options = parse_arguments(arguments)
    sys.setswitchinterval(_TURN)
    log = AccessLog(options.access_log.absolute()) if options.access_log else None
    try:
        asyncio.run(serve(options.root, options.host, options.port, options.upstream, log))
    except OSError as error:
        sys.exit(
            f"piwright index server: cannot listen on {options.host} port {options.port}: {error.strerror or error}"
        )
    finally:
        if log:
            log.close()


if __name__ == "__main__":
    main()
