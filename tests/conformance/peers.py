"""Other projects' index servers as processes of their own, each with the same wheels.

    with pypiserver(tmp_path) as url: ...
    with simple_repository_server(tmp_path) as url: ...

Their programs come from environments of their own (support/tools.py); a machine that cannot make one skips with the
reason, and with CI=true fails.
"""

import http.client
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from truthful_index import wheel

from support.ports import free_port
from support.tools import tool
from support.worker import wait_for

WHEELS = [("spi-dev", "3.6"), ("spi-dev", "1!2.0+pi.1"), ("spi-dev", "3.7rc1"), ("other", "1.0")]


def program_of(requirement: str, program: str) -> Path:
    """A peer's program."""
    try:
        return tool(requirement, program)
    except RuntimeError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"{requirement} cannot be installed here: {error}")


@contextmanager
def pypiserver(directory: Path) -> Iterator[str]:
    """The address of pypiserver's index, with wheels in one folder as it wants them."""
    for name, version in WHEELS:
        filename, content, _ = wheel(name, version)
        (directory / filename).write_bytes(content)
    port = free_port()
    program = program_of("pypiserver==2.4.2", "pypi-server")
    options = ["run", "--interface", "127.0.0.1", "--port", str(port), "--disable-fallback", str(directory)]
    with _running([str(program), *options], port):
        yield f"http://127.0.0.1:{port}/simple/"


@contextmanager
def simple_repository_server(directory: Path) -> Iterator[str]:
    """The address of simple-repository-server's index, with a folder for each project as it wants them."""
    for name, version in WHEELS:
        filename, content, _ = wheel(name, version)
        (directory / name).mkdir(exist_ok=True)
        (directory / name / filename).write_bytes(content)
    port = free_port()
    program = program_of("simple-repository-server==0.10.0", "simple-repository-server")
    with _running([str(program), "--host", "127.0.0.1", "--port", str(port), str(directory)], port):
        yield f"http://127.0.0.1:{port}/simple/"


@contextmanager
def _running(command: Sequence[str], port: int) -> Iterator[None]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: process.poll() is not None or _answers(port), seconds=60)
            assert process.poll() is None, f"{command[0]} ended with exit code {process.returncode}"
            yield
        finally:
            process.terminate()
            process.wait(timeout=30)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/simple/")
        connection.getresponse().read()
    except OSError:
        return False
    finally:
        connection.close()
    return True
