"""The worker program as a folder beside its zipapp: compiled once, and shown to sandboxes, which need files.

program_folder(state)       # STATE/worker-<version>, with piwright_worker/ in it
"""

from __future__ import annotations

import compileall
import os
import sys
import zipfile
from pathlib import Path

from .files import remove_tree
from .version import WORKER_VERSION

PACKAGE = "piwright_worker"


def program_folder(state: Path) -> Path:
    """The folder; made if it is not there. The zipapp's own start looks for it, and runs from it from then on."""
    folder = state / f"worker-{WORKER_VERSION}"
    if folder.is_dir():
        return folder
    half = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    if half.exists():
        remove_tree(half)
    with zipfile.ZipFile(sys.argv[0]) as bundle:
        for name in bundle.namelist():
            if name.startswith(f"{PACKAGE}/"):
                bundle.extract(name, half)
    compileall.compile_dir(half / PACKAGE, quiet=2)
    try:
        half.rename(folder)
    except OSError:  # another runner was quicker
        remove_tree(half)
    return folder
