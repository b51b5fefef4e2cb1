"""The index server of the embedded stack: serves the published tree as nginx does in production.

    python -m piwright.index.server --root .piwright/index --port 8000 --upstream https://upstream.example/simple/

It reads the tree alone, no database; what it answers is what was published. Ends on SIGTERM or SIGINT once the requests
under way are answered.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from piwright.index.responses import Responder


def _directory(value: str) -> Path:
    path = Path(value).absolute()
    if path.exists() and not path.is_dir():
        raise argparse.ArgumentTypeError(f"{value!r} is not a directory; give the directory that is published to")
    return path


def _port(value: str) -> int:
    if not (value.isascii() and value.isdigit() and 0 <= int(value) <= 65535):
        raise argparse.ArgumentTypeError(f"{value!r} is not a port; give a number from 0 (any free one) to 65535")
    return int(value)


def _upstream(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise argparse.ArgumentTypeError(
            f"{value!r} is not the address of a simple index, such as http://127.0.0.1:3141/simple/"
        )
    return value.rstrip("/") + "/"


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; ends the program with exit code 2 and a sentence that names what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m piwright.index.server", description="Serve the published index.")
    parser.add_argument("--root", type=_directory, required=True, help="the served tree; need not exist yet")
    parser.add_argument("--port", type=_port, required=True, help="0: any free one, named on standard output")
    parser.add_argument("--upstream", type=_upstream, required=True, help="where projects are that we have nothing of")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    return parser.parse_args(arguments)


async def serve(root: Path, host: str, port: int, upstream: str) -> None:
    """Serve until SIGTERM or SIGINT. Says the address on standard output; raises `OSError` if it cannot be used."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = web.Server(Responder(root, upstream).respond, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=10)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
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
    try:
        asyncio.run(serve(options.root, options.host, options.port, options.upstream))
    except OSError as error:
        sys.exit(
            f"piwright index server: cannot listen on {options.host} port {options.port}: {error.strerror or error}"
        )


if __name__ == "__main__":
    main()
