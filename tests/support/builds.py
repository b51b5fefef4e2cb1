"""Processes of builds, as the host sees them: a build shares no file with it, but its command lines can be read.

sdist = scripted("slow", waiting("some-token"))     # stays until it is let go
pid = started("some-token")
let_go("some-token")
"""

import os
import signal
import uuid
from pathlib import Path

from support.worker import is_alive, wait_for

SLEEP = "import time; time.sleep(600)"


def new_token() -> str:
    """An argument that no other process has."""
    return f"token-{uuid.uuid4().hex}"


def waiting(token: str) -> str:
    """Script of a build that goes on when the child it waits for is gone."""
    return f"import subprocess\nsubprocess.call([sys.executable, '-c', {SLEEP!r}, {token!r}])"


def staying(token: str) -> str:
    """Script of a build that becomes a process that stays, and is found by its token."""
    return f"os.execv(sys.executable, [sys.executable, '-c', {SLEEP!r}, {token!r}])"


def daemon(token: str) -> str:
    """Script that leaves a daemon: its own session, no parent, an empty environment, deaf to SIGTERM."""
    return (
        "import signal\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork():\n"
        "        os._exit(0)\n"
        "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    os.chdir('/')\n"
        f"    os.execve(sys.executable, [sys.executable, '-c', {SLEEP!r}, {token!r}], {{}})\n"
        "time.sleep(0.3)\n"
    )


def running(token: str) -> list[int]:
    """Living processes that have the token among their arguments."""
    found = []
    for name in (each.name for each in Path("/proc").iterdir()):
        if name.isdigit():
            try:
                arguments = Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if token.encode() in arguments and is_alive(int(name)):
                found.append(int(name))
    return found


def started(token: str, seconds: float = 60) -> int:
    """The process with the token, as soon as there is one."""
    return wait_for(lambda: running(token), seconds)[0]


def let_go(token: str) -> None:
    """End what a `waiting` build waits for."""
    for pid in running(token):
        os.kill(pid, signal.SIGKILL)


def wait_gone(token: str, seconds: float = 10) -> None:
    """AssertionError if processes with the token remain: SIGKILL needs a moment to be carried out."""
    wait_for(lambda: not running(token), seconds)
