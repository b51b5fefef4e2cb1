"""Phase `fetch` for Rust and Go: the manifests of an sdist, apart from all code.

    python -I manifests_task.py REQUEST.json ANSWER.json

Runs without network. The request: `archive`, `filename`, `place` (an empty folder to unpack in) and `copied` (where the
manifests go). The answer: `{"value": {"cargo", "go", "locked", "notes"}}` or `{"value": {"kind", "message"}}`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from piwright_worker.failure import BuildFailure
from piwright_worker.unpack import unpack
from piwright_worker.vendor_manifests import UnusableManifest, copy_manifests, find_manifests


def main(request_file: str, answer_file: str) -> int:
    request = json.loads(Path(request_file).read_text(encoding="utf-8"))
    value: dict[str, Any]
    try:
        place = Path(request["place"])
        place.mkdir(parents=True)
        source = unpack(Path(request["archive"]), request["filename"], place)
        found = find_manifests(source)
        copy_manifests(source, found, Path(request["copied"]))
        value = {"cargo": found.cargo, "go": found.go, "locked": found.locked, "notes": found.notes}
    except BuildFailure as failure:
        value = {"kind": failure.kind, "message": failure.message}
    except UnusableManifest as error:
        value = {"kind": "requirements", "message": f"Its sources of Rust or Go cannot be fetched: {error}."}
    Path(answer_file).write_text(json.dumps({"value": value}), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
