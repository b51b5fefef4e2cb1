"""Reads a remote file over SFTP as fast as the line is, in bounded memory.

    for block in blocks_of(sftp, remote_file, size):
        copy.write(block)

paramiko's own `prefetch` asks for 32 kB at a time, keeps all that arrived in memory, and falls back to one request at a
time as soon as answers come faster than it asks. Here a fixed number of large requests is on the way all the time.
"""

from collections.abc import Iterator
from typing import Any

import paramiko
from paramiko.sftp import CMD_DATA, CMD_READ, CMD_STATUS, SFTP_EOF, SFTPError, int64

REQUEST = 255 << 10
"""Bytes of a request: the most that OpenSSH's server answers at once. Others may answer with less."""

ON_THE_WAY = 32
"""Requests that wait for their answer: 8 MB, enough for 100 MB/s over a line with 80 ms."""

WINDOW = REQUEST * ON_THE_WAY
PACKET = 1 << 17
"""Of the SSH channel: with the defaults, 32 kB each, the work a packet makes is what limits the speed."""


def open_sftp(client: paramiko.SSHClient) -> paramiko.SFTPClient:
    """A channel for large files."""
    transport = client.get_transport()
    sftp = transport and paramiko.SFTPClient.from_transport(transport, window_size=WINDOW, max_packet_size=PACKET)
    if sftp is None:
        raise paramiko.SSHException("the connection has ended")
    return sftp


def blocks_of(sftp: paramiko.SFTPClient, file: paramiko.SFTPFile, size: int) -> Iterator[bytes]:
    """The first `size` bytes of an open remote file, in order; fewer if it ends before."""
    return _Download(sftp, file, size).blocks()


class _Download:
    """Requests on the way by their number, and answers that arrived before their turn by their offset."""

    def __init__(self, sftp: Any, file: Any, size: int) -> None:
        self._sftp = sftp
        self._handle = file.handle
        self._size = size
        self._asked: dict[int, tuple[int, int]] = {}
        self._arrived: dict[int, bytes] = {}

    def blocks(self) -> Iterator[bytes]:
        given = asked = 0
        while given < self._size:
            # What arrived out of turn counts as on the way: it takes memory too.
            while asked < self._size and len(self._asked) + len(self._arrived) < ON_THE_WAY:
                length = min(REQUEST, self._size - asked)
                self._ask(asked, length)
                asked += length
            self._sftp._read_response()
            while (block := self._arrived.pop(given, None)) is not None:
                if not block:
                    return
                given += len(block)
                yield block

    def _ask(self, offset: int, length: int) -> None:
        number = self._sftp._async_request(self, CMD_READ, self._handle, int64(offset), length)
        self._asked[number] = (offset, length)

    def _async_response(self, kind: int, message: Any, number: int) -> None:
        """Called by paramiko with each answer."""
        offset, length = self._asked.pop(number)
        if kind == CMD_STATUS:
            code = message.get_int()
            if code != SFTP_EOF:
                raise SFTPError(f"reading failed with status {code}")
            self._arrived[offset] = b""
            return
        if kind != CMD_DATA:
            raise SFTPError(f"an answer of kind {kind} to a read")
        data = message.get_string()
        if not 0 < len(data) <= length:
            raise SFTPError(f"{len(data)} bytes where {length} were asked for")
        self._arrived[offset] = data
        if len(data) < length:
            self._ask(offset + len(data), length - len(data))
