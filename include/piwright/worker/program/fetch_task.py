"""Phase `fetch` for the source: download an sdist, check its hashes, and read what it says about its build.

    python -I fetch_task.py REQUEST.json ANSWER.json

Runs with network and none of the project's code. The request: `sdist` (as in the spec) and `target`, the file to write.
The answer: `{"value": {"build_system": [build-system] or null, "manifests": whether Rust or Go may want sources}}`, or
`{"value": {"kind", "message"}}`.
"""

from __future__ import annotations

import errno
import importlib
import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from piwright_worker.failure import BuildFailure, one_sentence
from piwright_worker.fetch import fetch
from piwright_worker.log import MARK
from piwright_worker.protocol import SdistSpec
from piwright_worker.strict import Members
from piwright_worker.unpack import glance

MEMORY_BYTES = 1 << 30
"""Address space for decompressing: an archive that wants more is a bomb."""
MAX_PYPROJECT_BYTES = 1 << 20
MANIFESTS = ("Cargo.toml", "go.mod")


def main(request_file: str, answer_file: str) -> int:
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    memory = MEMORY_BYTES if most == resource.RLIM_INFINITY else min(MEMORY_BYTES, most)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    request = json.loads(Path(request_file).read_text(encoding="utf-8"))
    value: dict[str, Any]
    try:
        target = Path(request["target"])
        sdist = SdistSpec.read(Members(request["sdist"], "sdist"))
        fetch(sdist, target, _say)
        seen = glance(target, sdist.filename, "pyproject.toml", MAX_PYPROJECT_BYTES, MANIFESTS)
        value = {"build_system": _build_system(seen.text), "manifests": bool(seen.names)}
    except BuildFailure as failure:
        value = {"kind": failure.kind, "message": failure.message}
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        value = {"kind": "no_space", "message": "The disk filled up while the sdist was fetched."}
    Path(answer_file).write_text(json.dumps({"value": value}), encoding="utf-8")
    return 0


def _build_system(text: bytes | None) -> Any:
    """[build-system] as JSON; None without a pyproject.toml or without that table. Raises `BuildFailure` (bad_sdist)."""
    if text is None:
        return None
    try:
        parser = importlib.import_module("tomllib")
    except ImportError:  # before Python 3.11: the parser that pip brings
        parser = importlib.import_module("pip._vendor.tomli")
    try:
        table = parser.loads(text.decode("utf-8").replace("\r\n", "\n")).get("build-system")
        json.dumps(table)
    except (ValueError, TypeError, RecursionError) as error:
        raise BuildFailure("bad_sdist", f"pyproject.toml cannot be read: {type(error).__name__}: {error}") from None
    return table


def _say(text: str) -> None:
    print(MARK.decode() + one_sentence(text), flush=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
