"""Other indexes, each in an environment of its own, over one folder of wheels.

    with serving("pypiserver", folder, home) as rival:
        rival.url                       # http://127.0.0.1:PORT/simple/

`folder` has a folder for each project with its wheels in it. Rivals are set up as their own documentation says.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from measure import free_port, running, say  # noqa: E402

from support.tools import tool  # noqa: E402

RIVALS = ("pypiserver", "simple-repository-server", "devpi-server")

VERSIONS = {
    "dumb-pypi": "dumb-pypi==1.15.0",
    # With its cache and the server that its documentation recommends, which make it five to ten times faster. The cache hangs
    # after a few pages with the watchdogs of today, which tell of every file that is opened; this one does not.
    "pypiserver": "pypiserver==2.4.2 watchdog==2.1.9 waitress==3.0.2",
    "simple-repository-server": "simple-repository-server==0.10.0",
    "devpi-server": "devpi-server==6.20.3 devpi-client==7.2.0",
}


@dataclass(frozen=True)
class Index:
    """A running index; `url` is the address of its root page."""

    name: str
    url: str
    port: int


@contextmanager
def serving(name: str, folder: Path, home: Path) -> Iterator[Index]:
    """One of `RIVALS`, until the block ends."""
    home.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = {"pypiserver": _pypiserver, "simple-repository-server": _simple_repository, "devpi-server": _devpi}[name](
        folder, home, port
    )
    with running(command, port, home / "server.log", cwd=home):
        path = "root/bench/+simple" if name == "devpi-server" else "simple"
        if name == "devpi-server":
            _upload_to_devpi(folder, home, port)
        yield Index(name, f"http://127.0.0.1:{port}/{path}/", port)


def _pypiserver(folder: Path, home: Path, port: int) -> list[str | Path]:
    program = tool(VERSIONS["pypiserver"], "pypi-server")
    options = ["--disable-fallback", "-a", ".", "-P", ".", "--server", "auto", "--hash-algo", "sha256"]
    return [program, "run", "-i", "127.0.0.1", "-p", str(port), *options, "--log-stream", "none", folder]


def _simple_repository(folder: Path, home: Path, port: int) -> list[str | Path]:
    program = tool(VERSIONS["simple-repository-server"], "simple-repository-server")
    return [program, "--host", "127.0.0.1", "--port", str(port), folder]


def _devpi(folder: Path, home: Path, port: int) -> list[str | Path]:
    server = home / "devpi"
    if not server.exists():
        init = [tool(VERSIONS["devpi-server"], "devpi-init"), "--serverdir", server, "--no-root-pypi"]
        subprocess.run(init, check=True, capture_output=True)
    return [
        tool(VERSIONS["devpi-server"], "devpi-server"),
        "--serverdir",
        server,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]


def _upload_to_devpi(folder: Path, home: Path, port: int) -> None:
    done = home / "uploaded"
    if done.exists():
        return
    say("  (devpi-server gets its files by upload, which takes minutes)")
    client = tool(VERSIONS["devpi-server"], "devpi")
    aside = {**os.environ, "HOME": str(home), "PIP_CONFIG_FILE": os.devnull}
    files = sorted(str(path) for path in folder.glob("*/*.whl"))
    steps: list[list[str]] = [
        ["use", f"http://127.0.0.1:{port}"],
        ["login", "root", "--password="],
        ["index", "-c", "root/bench", "bases=", "volatile=True"],
        ["use", "root/bench"],
    ]
    steps += [["upload", *files[start : start + 100]] for start in range(0, len(files), 100)]
    for step in steps:
        subprocess.run([client, *step], check=True, capture_output=True, env=aside)
    done.touch()
