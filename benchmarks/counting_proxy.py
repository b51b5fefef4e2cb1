"""Counts what a client and an index say to each other: a proxy on loopback that hands every byte on.

with counting_proxy(index.port) as proxy:
    ...                                     # the client asks http://127.0.0.1:{proxy.port}/
proxy.requests, proxy.bytes_received        # as the client sees it, heads included
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

_END_OF_REQUEST_LINE = b" HTTP/1.1\r\n"


@dataclass
class CountingProxy:
    """The port it listens on, and what went through it so far."""

    upstream_port: int
    port: int = 0
    requests: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(asyncio.CancelledError):  # connections that stay open when the counting ends
            from_index, to_index = await asyncio.open_connection("127.0.0.1", self.upstream_port)
            await asyncio.gather(self._send(reader, to_index), self._receive(from_index, writer))

    async def _send(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tail = b""
        with suppress(ConnectionError):
            while block := await reader.read(1 << 16):
                self.bytes_sent += len(block)
                self.requests += (tail + block).count(_END_OF_REQUEST_LINE)
                tail = block[-len(_END_OF_REQUEST_LINE) + 1 :]
                writer.write(block)
                await writer.drain()
        writer.close()

    async def _receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while block := await reader.read(1 << 16):
                self.bytes_received += len(block)
                writer.write(block)
                await writer.drain()
        writer.close()


@contextmanager
def counting_proxy(upstream_port: int) -> Iterator[CountingProxy]:
    """A proxy in a thread of its own, until the block ends."""
    proxy = CountingProxy(upstream_port)
    started = threading.Event()
    loop = asyncio.new_event_loop()

    def run() -> None:
        asyncio.set_event_loop(loop)
        server = loop.run_until_complete(asyncio.start_server(proxy.serve, "127.0.0.1", 0))
        proxy.port = server.sockets[0].getsockname()[1]
        started.set()
        loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0.05))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    started.wait()
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
