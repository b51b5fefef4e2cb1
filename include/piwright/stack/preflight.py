"""Says in one sentence what a machine lacks, before anything is installed or started.

Runs as a program of its own, with whatever Python there is, before the virtual environment exists:

    python3 include/piwright/stack/preflight.py
"""

import os
import shutil
import socket
import subprocess
import sys
import sysconfig


def missing_parts():
    """One sentence for each thing without which the set-up cannot work. Shape: list of str."""
    problems = []
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        problems.append(
            "piwright needs Python 3.11, 3.12 or 3.13, and %s is %d.%d: install one of them "
            "and name it, as in `make up PYTHON=python3.12`." % ((sys.executable,) + tuple(sys.version_info[:2]))
        )
        return problems
    if not sys.platform.startswith("linux"):
        problems.append("piwright runs on Linux, and this is %s: use a Linux machine, or a container." % sys.platform)
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        problems.append(
            "This Python cannot make virtual environments: install its venv package (Debian: apt install python3-venv)."
        )
    # What Python itself was built with comes first: setuptools will call that.
    names = [(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0], "cc", "gcc", "clang"]
    if not any(shutil.which(name) for name in names):
        problems.append(
            "There is no C compiler, and building wheels needs one: install it "
            "(Debian: apt install gcc libc6-dev; Fedora: dnf install gcc)."
        )
    if not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")):
        problems.append(
            "Python's header files are missing (Python.h): install them "
            "(Debian: apt install python3-dev; Fedora: dnf install python3-devel)."
        )
    return problems


def busy_ports(ports):
    """One sentence for each port that somebody else listens on. `ports`: list of (variable, port, what for)."""
    problems = []
    for variable, port, purpose in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                problems.append(
                    "Port %d, for %s, cannot be used (%s): stop what listens there, or set %s to another port."
                    % (port, purpose, error.strerror, variable)
                )
    return problems


def clashing_ports(ports):
    """One sentence for each port that two of ours would share."""
    seen = {}
    problems = []
    for variable, port, purpose in ports:
        if port in seen:
            problems.append(
                "Port %d is asked for twice, for %s and %s: change %s." % (port, seen[port], purpose, variable)
            )
        seen[port] = purpose
    return problems


def works_as_compiler():
    """Whether the compiler there is can compile, for a message that is better than a traceback. None: not tried."""
    name = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    name = name if shutil.which(name) else "cc"
    if not shutil.which(name):
        return None
    ran = subprocess.run(
        [name, "-E", "-x", "c", "-"],
        input=b"#include <stdio.h>\n",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return ran.returncode == 0


def main():
    """Exit code 0 when nothing is missing, 1 otherwise."""
    problems = missing_parts()
    if not problems and works_as_compiler() is False:
        problems.append(
            "The C compiler finds no stdio.h: install the C library's headers (Debian: apt install libc6-dev)."
        )
    for problem in problems:
        print("piwright: " + problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
