"""Which package each shared library of the system comes from, as Debian's package manager knows it.

    shared_libraries("/usr/bin/python3")["libusb-1.0.so.0"]      # "libusb-1.0-0"

The loader's own cache says which libraries there are, `/var/lib/dpkg/info/*.list` whose they are. The lists are read
once, in place of a process for each library.
"""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
from typing import Dict, Iterator, List, Tuple

LOADER_CACHE = "/etc/ld.so.cache"
PACKAGE_LISTS = "/var/lib/dpkg/info"
MAX_LIBRARIES = 5000
MAX_LIST_BYTES = 64 << 20
SECONDS = 20
_MACHINES = {3: "", 40: "hard-float", 62: "x86-64", 183: "AArch64", 243: "double-float"}
"""How ldconfig marks what an ELF machine number (e_machine) can load, beside `libc6`."""
_LINE = re.compile(r"\s+(\S+) \(libc6((?:, ?[^),]*)*)\) => (/.*)")


def shared_libraries(python: str) -> Dict[str, str]:
    """Soname -> Debian package, of the libraries that this interpreter could load; empty without dpkg or ldconfig."""
    wanted: Dict[str, List[str]] = {}
    for soname, path in _loadable(python):
        wanted.setdefault(soname, []).append(path)
    # A library may be a link that no package has, such as those of update-alternatives: then what it leads to counts.
    places = {place for paths in wanted.values() for path in paths for place in (_one_name(path), _target(path))}
    owners = _owners(places)
    found: Dict[str, str] = {}
    for soname, paths in sorted(wanted.items()):
        for path in paths:
            owner = owners.get(_one_name(path)) or owners.get(_target(path))
            # The links by which compilers find libraries, libz.so -> libz.so.1.3, are nothing a program needs to run.
            if owner and not (owner.endswith("-dev") and soname.endswith(".so") and os.path.islink(path)):
                found.setdefault(soname, owner)
        if len(found) >= MAX_LIBRARIES:
            break
    return found


def _loadable(python: str) -> Iterator[Tuple[str, str]]:
    """Sonames and paths in the loader's cache, in the order in which it would take them."""
    mark = _MACHINES.get(_machine(python), "")
    for line in _ldconfig().splitlines():
        match = _LINE.fullmatch(line)
        if not match or not re.search(r"\.so(\.|$)", match[1]):
            continue
        marks = [each.strip() for each in match[2].split(",")]
        kinds = [each for each in marks if each and not each.startswith(("OS ABI", "hwcap"))]
        if kinds == ([mark] if mark else []):
            yield match[1], match[3]


def _machine(python: str) -> int:
    """The ELF machine of an interpreter, or of our own where that is a script."""
    for path in (python, sys.executable):
        try:
            with open(path, "rb") as file:
                start = file.read(20)
        except OSError:
            continue
        if start[:4] == b"\x7fELF" and len(start) == 20:
            order = ">" if start[5] == 2 else "<"
            return int(struct.unpack_from(order + "H", start, 18)[0])
    return 0


def _ldconfig() -> str:
    for program in ("/sbin/ldconfig", "/usr/sbin/ldconfig"):
        try:
            done = subprocess.run(
                [program, "-p"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=SECONDS,
                check=False,
                env={"LANG": "C"},
            )
        except (OSError, subprocess.SubprocessError):
            continue
        return done.stdout.decode("utf-8", "replace")
    return ""


def _owners(places: "set[str]") -> Dict[str, str]:
    """Which package each of these paths belongs to, where one does."""
    found: Dict[str, str] = {}
    try:
        lists = sorted(each.path for each in os.scandir(PACKAGE_LISTS) if each.name.endswith(".list"))
    except OSError:
        return found
    if not places:
        return found
    for path in lists:
        try:
            with open(path, "rb") as file:
                data = file.read(MAX_LIST_BYTES)
        except OSError:
            continue
        if b".so" not in data:
            continue
        package = os.path.basename(path)[: -len(".list")].partition(":")[0]
        for line in data.split(b"\n"):
            if b".so" in line:
                place = _one_name(os.fsdecode(line))
                if place in places:
                    found.setdefault(place, package)
    return found


def _target(path: str) -> str:
    return os.path.realpath(path)


_FOLDERS: Dict[str, str] = {}


def _one_name(path: str) -> str:
    """A path with its folder resolved: /lib and /usr/lib are one on a merged system, and packages name either."""
    folder, _, name = path.rpartition("/")
    if folder not in _FOLDERS:
        _FOLDERS[folder] = os.path.realpath(folder)
    return f"{_FOLDERS[folder]}/{name}"
