"""The process in which an sdist is fetched and unpacked: `_fetch REQUEST ANSWER`, started by a build."""

from __future__ import annotations

import errno
import json
import resource
from pathlib import Path
from typing import Any

from .failure import BuildFailure, one_sentence
from .fetch import fetch
from .log import MARK
from .protocol import SdistSpec
from .strict import Members
from .unpack import unpack

MEMORY_BYTES = 1 << 30
"""Address space for decompressing: an archive that wants more is a bomb."""


def run_fetch(request_file: Path, answer_file: Path) -> int:
    """Do what the request says; the answer is `{"value": {"source": path}}` or a kind and a message in its place."""
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    memory = MEMORY_BYTES if most == resource.RLIM_INFINITY else min(MEMORY_BYTES, most)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    request = json.loads(request_file.read_text(encoding="utf-8"))
    value: dict[str, Any]
    try:
        archive = Path(request["archive"])
        sdist = SdistSpec.read(Members(request["sdist"], "sdist"))
        fetch(sdist, archive, _say)
        value = {"source": str(unpack(archive, sdist.filename, Path(request["target"])))}
        archive.unlink()
    except BuildFailure as failure:
        value = {"kind": failure.kind, "message": failure.message}
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        value = {"kind": "no_space", "message": "The disk filled up while the sdist was unpacked."}
    answer_file.write_text(json.dumps({"value": value}), encoding="utf-8")
    return 0


def _say(text: str) -> None:
    print(MARK.decode() + one_sentence(text), flush=True)
