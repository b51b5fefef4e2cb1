"""An SSH and SFTP server of asyncssh for an embedded worker, where OpenSSH's sshd is not installed.

    python -m piwright.stack.ssh_server --port 2201 --host-key FILE --authorized-keys FILE

Key login only; it runs commands as whoever started it, in a session of their own, as sshd does.
"""

import argparse
import asyncio
import contextlib
import os
import signal

import asyncssh


class _KeyLoginOnly(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return False

    def kbdint_auth_supported(self) -> bool:
        return False


async def _run(process: "asyncssh.SSHServerProcess[bytes]") -> None:
    if process.command is None:
        process.stderr.write(b"This worker runs commands, no shell.\n")
        process.exit(1)
        return
    child = await asyncio.create_subprocess_shell(
        process.command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    feeding = asyncio.ensure_future(_feed(process, child.stdin))
    try:
        # asyncssh's own redirection may close the channel before what was said last, and how it ended, went out.
        await asyncio.gather(_pass_on(child.stdout, process.stdout), _pass_on(child.stderr, process.stderr))
        code = await child.wait()
    except (OSError, asyncssh.Error):
        return  # the client went; the command goes on, as it does below sshd
    finally:
        feeding.cancel()
    process.exit(code if code >= 0 else 128 - code)


async def _pass_on(source: asyncio.StreamReader, sink: "asyncssh.SSHWriter[bytes]") -> None:
    while block := await source.read(1 << 16):
        sink.write(block)
        await sink.drain()


async def _feed(process: "asyncssh.SSHServerProcess[bytes]", sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncssh.Error):
        while block := await process.stdin.read(1 << 16):
            sink.write(block)
            await sink.drain()
        sink.close()


async def serve(port: int, host_key: str, authorized_keys: str) -> None:
    """Serve on loopback until the process is told to end."""
    server = await asyncssh.create_server(
        _KeyLoginOnly,
        "127.0.0.1",
        port,
        server_host_keys=[host_key],
        authorized_client_keys=authorized_keys,
        process_factory=_run,
        sftp_factory=True,
        encoding=None,
        agent_forwarding=False,
        allow_pty=False,
    )
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    server.close()
    await server.wait_closed()


def main() -> None:
    """Parse arguments and serve."""
    parser = argparse.ArgumentParser(description="SSH server of an embedded worker")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host-key", required=True)
    parser.add_argument("--authorized-keys", required=True)
    arguments = parser.parse_args()
    os.umask(0o077)
    asyncio.run(serve(arguments.port, arguments.host_key, arguments.authorized_keys))


if __name__ == "__main__":
    main()
