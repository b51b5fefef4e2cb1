"""Finds an access log and what logrotate made of its predecessors.

log_files(Path("access.log"))       # [access.log.2.gz, access.log.1, access.log], oldest first
"""

import re
from pathlib import Path

_ROTATED = re.compile(r"[.-][0-9]{1,14}(?:\.gz)?")
"""`.1` and `.2.gz`, or with `dateext` `-20261122` and `-20261121.gz`."""


def log_files(current: Path) -> list[Path]:
    """The logs there are, oldest first; none before the first request."""
    found: list[tuple[bool, float, Path]] = []
    folder = current.parent
    for path in folder.iterdir() if folder.is_dir() else ():
        if path == current or (
            path.name.startswith(current.name) and _ROTATED.fullmatch(path.name[len(current.name) :])
        ):
            try:
                found.append((path == current, path.stat().st_mtime, path))
            except FileNotFoundError:
                continue  # rotated away just now
    return [path for _, _, path in sorted(found)]
