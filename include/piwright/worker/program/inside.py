"""What runs first in the place where a project's code is run: lays out the tree, runs one script, sends what came of it.

    python -I -S inside.py REQUEST.json DESCRIPTOR

The request: `root` (the writable place), `archive` and `filename` (an sdist to unpack, or null), `python`, `script` and
`request` (the script gets its request and writes its answer as JSON files), `environment`, `send` (a folder below `root`
of which the files are sent, or null), `most_files` and `keep_cache`. What is sent (see output.py): `code`, `answer` (text or null),
`failure` (kind and message, or null), `connections`, `scratch_bytes` and `cpu_seconds`.

The script is a process of its own, so whatever it does to itself, somebody is left to report.
"""

from __future__ import annotations

import json
import os
import resource
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from piwright_worker.connections import read_connections
from piwright_worker.failure import BuildFailure
from piwright_worker.output import send

MAX_ANSWER_BYTES = 1 << 20
FOLDERS = ("home", "tmp", "control", "source", "wheels", "ccache")


def main(request_file: str, descriptor: int) -> int:
    os.set_inheritable(descriptor, False)  # the script has its own way to answer
    with open(request_file, encoding="utf-8") as file:
        request = json.load(file)
    root = Path(request["root"])
    for name in FOLDERS:
        (root / name).mkdir(mode=0o755, exist_ok=True)
    (root / "run").mkdir(mode=0o700, exist_ok=True)
    header: dict[str, Any] = {"code": None, "answer": None, "failure": None}
    try:
        directory = _source(request, root)
        header["code"] = _run(request, root, directory)
        header["answer"] = _read(root / "control" / "answer.json")
    except BuildFailure as failure:
        header["failure"] = {"kind": failure.kind, "message": failure.message}
    except OSError as error:
        header["failure"] = {
            "kind": "disk_limit" if error.errno in (27, 28, 122) else "internal",
            "message": str(error),
        }
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    space = os.statvfs(root)
    header["cpu_seconds"] = round(usage.ru_utime + usage.ru_stime, 3)
    header["scratch_bytes"] = (space.f_blocks - space.f_bfree) * space.f_frsize if request["bounded"] else 0
    header["connections"] = read_connections("self") if request["isolated"] else None
    files = _files(root / request["send"], request["most_files"]) if request["send"] else []
    header["packed"] = request["keep_cache"] and _pack_cache(root, header["cpu_seconds"])
    send(descriptor, header, [*files, root / "ccache.tar"] if header["packed"] else files)
    return 0


def _pack_cache(root: Path, seconds: float) -> bool:
    """Make a file of the compiler's cache; whether there is one worth keeping."""
    from piwright_worker.ccache import pack, worth_keeping

    try:
        return worth_keeping(seconds) and pack(root / "ccache", root / "ccache.tar") > 0
    except OSError:
        return False  # no room left for it, or the build made a mess of it


def _source(request: dict[str, Any], root: Path) -> Path:
    """Where the script is to run: the unpacked source, or an empty place."""
    if request["archive"] is None:
        return root / "tmp"
    # Imported late: archives need a dozen modules, a script without a source needs none of them.
    from piwright_worker.unpack import unpack

    return unpack(Path(request["archive"]), request["filename"], root / "source")


def _run(request: dict[str, Any], root: Path, directory: Path) -> int:
    asked, answer = root / "control" / "request.json", root / "control" / "answer.json"
    asked.write_text(json.dumps(request["request"]), encoding="utf-8")
    command = [request["python"], *request["options"], request["script"], str(asked), str(answer)]
    return subprocess.call(command, cwd=directory, env=request["environment"], stdin=subprocess.DEVNULL)


def _read(path: Path) -> str | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    with open(descriptor, "rb") as file:
        return file.read(MAX_ANSWER_BYTES).decode("utf-8", "replace")


def _files(folder: Path, most: int) -> list[Path]:
    """The files there, not more than a few: how many there are tells the reader that something is wrong."""
    try:
        return [Path(each.path) for each in sorted(os.scandir(folder), key=lambda each: each.name)[:most]]
    except OSError:
        return []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
