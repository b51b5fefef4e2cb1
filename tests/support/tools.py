"""Programs of other projects, each in a virtual environment of its own: rivals, judges and clients of certain versions.

    server = tool("pypiserver==2.4.2", "pypi-server")       # the program's path
    pip = tool("pip==23.0.1", "pip", python="3.11")

None of them belongs into our requirements: they would have to agree with Airflow's. An environment is made by uv once and
used again by later runs on the same machine.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def tool(requirements: str, program: str, python: str = sys.executable) -> Path:
    """The path of `program` from `requirements` (several with spaces between them), for an interpreter uv can find.

    Raises `RuntimeError` with what uv said when the environment cannot be made.
    """
    return environment(requirements, python) / "bin" / program


def environment(requirements: str, python: str = sys.executable) -> Path:
    """A virtual environment with these requirements and nothing else."""
    wanted = hashlib.sha256(f"{requirements} {python}".encode()).hexdigest()[:16]
    home = Path(os.environ.get("PIWRIGHT_TEST_TOOLS") or Path(tempfile.gettempdir()) / f"piwright-tools-{os.getuid()}")
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    place, done = home / wanted, home / wanted / ".done"
    with (home / f"{wanted}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test runs may want it at once
        if not done.exists():
            shutil.rmtree(place, ignore_errors=True)
            uv = str(Path(sys.executable).with_name("uv"))
            _run([uv, "venv", "--quiet", "--python", python, str(place)])
            _run([uv, "pip", "install", "--quiet", "--python", str(place / "bin" / "python"), *requirements.split()])
            done.touch()
    return place


def _run(command: list[str]) -> None:
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{made.stdout}{made.stderr}")
