"""The kernel refuses what no build needs, in a real sandbox."""

import json
import subprocess
from pathlib import Path

import pytest

from piwright.worker.program.sandbox import Sandbox, open_filter

ASKS = """
import ctypes, json, os, socket
def family(number):
    try:
        socket.socket(number, socket.SOCK_DGRAM).close()
    except OSError as error:
        return error.errno
    return 0
library = ctypes.CDLL(None, use_errno=True)
def call(name):
    ctypes.set_errno(0)
    getattr(library, name)(0, 0, 0, 0)
    return ctypes.get_errno()
print(json.dumps({"families": {number: family(number) for number in (1, 2, 10, 16, 17, 31, 38, 40)},
                  "calls": {name: call(name) for name in ("unshare", "shmget", "setns", "mount")}}))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, int]]:
    sandbox = Sandbox.find([], tmp_path_factory.mktemp("tools"))
    assert sandbox.works, sandbox.why
    room = sandbox.room(Path("/nonexistent"), 1 << 20)
    with open_filter() as descriptor:
        command = room.wrap(["/usr/bin/python3", "-c", ASKS], {"PATH": "/usr/bin"}, descriptor)
        done = subprocess.run(command, pass_fds=[descriptor], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_only_sockets_that_a_network_namespace_shuts_in_can_be_made(said: dict[str, dict[str, int]]) -> None:
    allowed = {number for number, error in said["families"].items() if error == 0}
    assert allowed == {"1", "2", "10", "16"}
    assert said["families"]["40"] == 1  # AF_VSOCK reaches the host of a virtual machine, past any namespace


def test_calls_that_no_build_needs_are_denied(said: dict[str, dict[str, int]]) -> None:
    assert said["calls"] == dict.fromkeys(("unshare", "shmget", "setns", "mount"), 1)
