"""pip as an installer that starts nothing: what would have to be built is refused. Runs alone, with network.

    python -I pip_wheels.py ENVIRONMENT_PYTHON install --only-binary=:all: ...       # `python` is one that has pip

`--only-binary` is about what the index has. A wheel that requires a project by an address, as any wheel may, has pip
fetch an sdist from there and run it. All of pip's ways to run something start a process, and none of wheels do.
"""

import importlib.util
import os
import runpy
import sys
from typing import Any, List, Tuple

_STARTS = (
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
    "os.forkpty",
    "pty.spawn",
)
_INNER = "--with-pip-of"


def refuse(event: str, arguments: Tuple[Any, ...]) -> None:
    """An audit hook: once added, nothing in the process can take it away."""
    if event in _STARTS:
        raise OSError("only wheels can be installed: pip wanted to start a process")


def main(arguments: List[str]) -> None:
    if arguments[0] == _INNER:
        runner = arguments[1]
        sys.argv = [runner, *arguments[2:]]
        sys.addaudithook(refuse)
        runpy.run_path(runner, run_name="__main__")
        return
    # As `pip --python` does: pip's own files, in the environment's interpreter.
    found = importlib.util.find_spec("pip")
    if found is None or not found.origin:
        sys.exit("ERROR: this Python has no pip")
    runner = os.path.join(os.path.dirname(found.origin), "__pip-runner__.py")
    command = [arguments[0], "-I", os.path.abspath(__file__), _INNER, runner, *arguments[1:]]
    os.execv(arguments[0], command)  # noqa: S606 - an interpreter by its path


if __name__ == "__main__":
    main(sys.argv[1:])
