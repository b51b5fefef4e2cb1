"""What a machine lacks is said in one sentence with the remedy, before anything starts."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from piwright.settings import ROOT
from piwright.stack import preflight

SCRIPT = ROOT / "include" / "piwright" / "stack" / "preflight.py"


def run(python: str = sys.executable, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [python, str(SCRIPT)], env={**os.environ, **environment}, capture_output=True, text=True, timeout=60
    )


def test_a_machine_with_everything_passes() -> None:
    assert run().returncode == 0


def test_a_missing_compiler_is_named_with_its_remedy(tmp_path: Path) -> None:
    done = run(PATH=str(tmp_path), CC="no-such-compiler")
    assert done.returncode == 1
    assert done.stderr.startswith("piwright: There is no C compiler")
    assert "apt install gcc" in done.stderr


def test_missing_headers_are_named_with_their_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(preflight.sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    assert preflight.missing_parts() == [
        "Python's header files are missing (Python.h): install them "
        "(Debian: apt install python3-dev; Fedora: dnf install python3-devel)."
    ]


def test_a_compiler_without_a_c_library_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    done = run(CC=str(broken))
    assert done.returncode == 1
    assert "apt install libc6-dev" in done.stderr


def old_pythons() -> list[str]:
    """Interpreters on this machine that are too old, if there are any."""
    places = [Path(folder) for folder in os.environ.get("PATH", "").split(":")]
    places += sorted(Path.home().glob(".pyenv/versions/3.*/bin"))
    names = [str(place / name) for place in places for name in ("python3.8", "python3.9", "python3.10")]
    works = [name for name in names if Path(name).exists() and run(name).stderr.startswith("piwright")]
    return works[:1]


def test_an_old_python_says_so_instead_of_failing_in_its_grammar() -> None:
    found = old_pythons()
    if not found:
        pytest.skip("this machine has no Python older than 3.11")
    done = run(found[0])
    assert done.returncode == 1
    assert "piwright needs Python 3.11, 3.12 or 3.13" in done.stderr


def test_a_busy_port_is_named_with_the_variable_that_moves_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (problem,) = preflight.busy_ports([("PIWRIGHT_INDEX_PORT", port, "the index")])
    assert problem.startswith(f"Port {port}, for the index, cannot be used")
    assert "PIWRIGHT_INDEX_PORT" in problem


def test_two_of_ours_on_one_port_are_noticed() -> None:
    ports = [("PIWRIGHT_AIRFLOW_PORT", 8000, "Airflow"), ("PIWRIGHT_INDEX_PORT", 8000, "the index")]
    assert preflight.clashing_ports(ports) == [
        "Port 8000 is asked for twice, for Airflow and the index: change PIWRIGHT_INDEX_PORT."
    ]
