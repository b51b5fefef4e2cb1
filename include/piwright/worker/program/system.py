"""What a machine is, for `probe` and for the record of an attempt: what was there to build with.

    system_facts(state, "/usr/bin/python3")["libraries"]["libusb-1.0.so.0"]      # "libusb-1.0-0"

Asking costs a Pi seconds, so the slow part is kept in `<state>/system.json` until a file changes that it depends on:
the list of installed packages, the loader's cache, any of the tools. Nothing here raises: what cannot be found out is
empty. The answer goes to a controller that cleans and bounds it again.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

from .environment import SYSTEM_PATH
from .failure import one_sentence
from .files import read_bounded, write_whole
from .libraries import LOADER_CACHE, shared_libraries
from .version import WORKER_VERSION

PACKAGE_STATUS = "/var/lib/dpkg/status"
TOOLS = ("uv", "ccache", "cargo", "go", "git")
MAX_PACKAGES = 500
COMMAND_SECONDS = 20
_MAX_KEPT_BYTES = 4 << 20
_BUILDING = re.compile(
    # What a build may use. Every `-dev` package is among them; libraries come with those, by exact version.
    r".*-dev|(gcc|g\+\+|cpp|clang|llvm|lld|gfortran|golang|python3|rustc|cargo)(-?\d[\d.]*)?(-go)?"
    r"|binutils(-.*)?|libc6|libstdc\+\+6|(c|g)?make|ninja-build|meson|git|ccache|pkg-config|pkgconf|patchelf|bubblewrap"
    r"|autoconf|automake|libtool(-bin)?|swig(4\.\d)?|nasm|yasm|bison|flex|protobuf-compiler|libgcc-s1|cython3"
)
_VERSION = re.compile(r"\d+(\.\d+)+[\w.+-]{0,40}|\d+\.\d+")


def system_facts(state: Path, python: str) -> Dict[str, Any]:
    """`cores`, `memory_bytes`, `kernel`, `compiler`, `apt`, `libraries` and `tools`, as in `facts` of `probe`."""
    return {
        "cores": _cores(),
        "memory_bytes": _memory(),
        "kernel": platform.release(),
        **_installed(state, python),
    }


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except OSError:
        return os.cpu_count() or 1


def _memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


def _installed(state: Path, python: str) -> Dict[str, Any]:
    """What is kept until one of the files it depends on changes."""
    file = state / "system.json"
    kept = _kept(file, python)
    if kept is not None:
        return kept
    pip = _ask_for_pip(python)
    facts = {
        "compiler": _first_line(["cc", "--version"]),
        "apt": apt_packages(),
        "libraries": shared_libraries(python),
        "tools": {"pip": pip.get("version", ""), **{name: _tool_version(state, name) for name in TOOLS}},
    }
    watched = {path: _stamp(path) for path in (*_dependencies(state, python), pip.get("place", "")) if path}
    value = {"worker_version": WORKER_VERSION, "python": python, "watched": watched, "facts": facts}
    try:
        write_whole(file, json.dumps(value).encode())
    except OSError:
        pass  # it will be asked again
    return facts


def _kept(file: Path, python: str) -> Optional[Dict[str, Any]]:
    """The facts of last time, if nothing has changed since."""
    try:
        value = json.loads(read_bounded(file, _MAX_KEPT_BYTES) or b"null")
        if value["worker_version"] != WORKER_VERSION or value["python"] != python:
            return None
        if any(_stamp(path) != stamp for path, stamp in value["watched"].items()):
            return None
        facts = value["facts"]
        return {name: facts[name] for name in ("compiler", "apt", "libraries", "tools")}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _dependencies(state: Path, python: str) -> List[str]:
    """The files that decide; those that are not there too, since they may come."""
    tools = [os.path.join(place, name) for name in (*TOOLS, "cc") for place in _places(state)]
    return [PACKAGE_STATUS, LOADER_CACHE, os.path.realpath(python), *tools]


def _stamp(path: str) -> Optional[List[int]]:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns]


def apt_packages() -> List[str]:
    """`name=version` of installed packages that matter for building, sorted; empty where there is no dpkg."""
    said = _run(["dpkg-query", "-W", "-f=${db:Status-Abbrev} ${Package} ${Version}\\n"])
    fields = (line.split() for line in said.splitlines())
    found = {f"{each[1]}={each[2]}" for each in fields if len(each) == 3 and each[0][1:2] == "i"}
    return sorted(each for each in found if _BUILDING.fullmatch(each.partition("=")[0]))[:MAX_PACKAGES]


def find_tool(state: Path, name: str) -> str:
    """Where a tool is: the worker's own before the system's; empty if nowhere."""
    paths = (os.path.join(place, name) for place in _places(state))
    return next((path for path in paths if os.path.isfile(path) and os.access(path, os.X_OK)), "")


def _places(state: Path) -> List[str]:
    return [str(state / "bin"), *SYSTEM_PATH.split(":")]


def _tool_version(state: Path, name: str) -> str:
    """Such as `0.13.9`; empty if the tool is not there or does not run."""
    path = find_tool(state, name)
    line = _first_line([path, "version" if name == "go" else "--version"]) if path else ""
    found = _VERSION.search(line)
    return found[0] if found else ""


def _ask_for_pip(python: str) -> Dict[str, str]:
    """The version of an interpreter's pip, and the folder that changes when it does. Asked without starting pip."""
    said = _run([python, "-I", "-c", _PIP])
    try:
        answer = json.loads(said)
    except ValueError:
        return {}
    return {name: str(answer.get(name, ""))[:1000] for name in ("version", "place")} if isinstance(answer, dict) else {}


_PIP = """
import json, os
try:
    from importlib.metadata import distribution
    found = distribution("pip")
    print(json.dumps({"version": found.version, "place": os.path.realpath(str(found.locate_file("")))}))
except Exception:
    print("{}")
"""


def _first_line(command: Sequence[str]) -> str:
    lines = _run(command).splitlines()
    return one_sentence(lines[0])[:200] if lines else ""


def _run(command: Sequence[str]) -> str:
    """What a command prints; empty if it fails, is not there or takes too long."""
    environment = {"PATH": SYSTEM_PATH, "LANG": "C.UTF-8", "HOME": os.environ.get("HOME", "/")}
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=COMMAND_SECONDS,
            check=False,
            env=environment,
            cwd="/",
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""
