"""The worker program as one file, and the command that runs it on a worker.

    app = build_worker_zipapp()
    sftp.putfo(io.BytesIO(app.content), app.path(state))
    worker_command("/usr/bin/python3", state, app.version, "status", "17-1")

Upload to another name first and rename: a runner may be reading the file.
"""

import hashlib
import io
import shlex
import zipfile
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

PACKAGE = "piwright_worker"
"""What the program's package is called inside the zipapp."""

MAIN = f"""\
import sys

if sys.version_info < (3, 9):
    print('{{"error": "the worker program needs Python 3.9 or newer, this is %d.%d"}}' % sys.version_info[:2])
    sys.exit(1)
import os

# Once unpacked beside the zipapp (program.py) the same files start faster: they are compiled.
sys.path.insert(0, os.path.splitext(os.path.abspath(sys.argv[0]))[0])
from {PACKAGE}.cli import main

sys.exit(main())
"""
"""The start of the program, in the grammar of any Python, so that an old one gets an answer and no traceback."""


@dataclass(frozen=True)
class WorkerZipapp:
    """The program. `version` is a hash of its sources, so equal versions are equal programs."""

    version: str
    content: bytes

    def path(self, state: str) -> str:
        """Where it belongs on a worker with this state directory."""
        return worker_path(state, self.version)


@cache
def build_worker_zipapp() -> WorkerZipapp:
    """Pack the program: the same bytes for the same sources, everywhere."""
    folder = files("piwright.worker.program")
    sources = {each.name: each.read_bytes() for each in folder.iterdir() if each.name.endswith(".py")}
    digest = hashlib.sha256(MAIN.encode())
    for name, source in sorted(sources.items()):
        digest.update(f"\0{name}\0{len(source)}\0".encode() + source)
    version = digest.hexdigest()[:12]
    members = {"__main__.py": MAIN.encode(), f"{PACKAGE}/VERSION": version.encode()}
    members |= {f"{PACKAGE}/{name}": source for name, source in sources.items()}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as bundle:
        for name, data in sorted(members.items()):
            # Stored, not deflated: compressed bytes differ between zlib versions.
            bundle.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)
    return WorkerZipapp(version, packed.getvalue())


def worker_path(state: str, version: str) -> str:
    """The program's file on a worker."""
    return f"{state.rstrip('/')}/worker-{version}.pyz"


def worker_command(python: str, state: str, version: str, *arguments: str) -> str:
    """One simple shell command: `PYTHON STATE/worker-VERSION.pyz --state STATE ARGUMENTS`."""
    return shlex.join([python, worker_path(state, version), "--state", state, *arguments])
