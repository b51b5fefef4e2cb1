"""What there is to know about an interpreter and the system below it. Runs alone, with that interpreter.

python facts.py      # one line of JSON on standard output
"""

import json
import os
import platform
import sys
import sysconfig
from typing import Dict

NARROWED = {"aarch64": "armv7l", "x86_64": "i686"}
"""What a 32-bit Python on a 64-bit kernel builds for: the kernel says the key."""


def machine() -> str:
    found = platform.machine()
    return NARROWED.get(found, found) if sys.maxsize < 1 << 32 else found


def libc() -> str:
    """Such as `glibc 2.36`; empty if unknown."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError, AttributeError):
        return " ".join(platform.libc_ver()).strip()


def distribution(text: str) -> str:
    """Such as `debian 12 bookworm`, from the content of os-release; empty if unknown."""
    lines = (line.partition("=") for line in text.splitlines())
    values = {name.strip(): value.strip().strip("\"'") for name, _, value in lines}
    return " ".join(values[name] for name in ("ID", "VERSION_ID", "VERSION_CODENAME") if values.get(name))


def os_release() -> str:
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                return file.read(1 << 16)
        except OSError:
            continue
    return ""


def collect() -> Dict[str, str]:
    system, _, _ = sysconfig.get_platform().partition("-")
    return {
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "platform": "{}-{}".format(system, machine()),
        "machine": machine(),
        "libc": libc(),
        "distribution": distribution(os_release()),
        # Below a virtual environment: the interpreter itself, and the folder it lives in.
        "executable": os.path.realpath(getattr(sys, "_base_executable", sys.executable)),
        "prefix": os.path.realpath(sys.base_prefix),
    }


if __name__ == "__main__":
    print(json.dumps(collect()))
