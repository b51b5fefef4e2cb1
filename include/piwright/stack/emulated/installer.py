"""Puts `uv` into a guest, from wherever this machine's pip gets its packages: it installs requirements in a tenth of
pip's time, which counts most where everything is emulated.

    sentence = fetch_uv(root, guest)       # a guest without it works too
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from piwright.stack.emulated import namespace
from piwright.stack.emulated.architecture import Guest

_PLATFORMS = ("manylinux_2_17", "manylinux2014", "manylinux_2_28", "linux")


def fetch_uv(root: Path, guest: Guest) -> str:
    """Download uv's wheel for the guest and put the program at /usr/local/bin; answers what became of it."""
    with tempfile.TemporaryDirectory() as folder:
        platforms = [word for each in _PLATFORMS for word in ("--platform", f"{each}_{guest.machine}")]
        download = subprocess.run(
            [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"),
                *("--only-binary", ":all:", *platforms, "--dest", folder, "uv"),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        wheels = sorted(Path(folder).glob("uv-*.whl"))
        if download.returncode or not wheels:
            why = (download.stderr.strip().splitlines() or ["pip said nothing"])[-1]
            return f"The guest goes without uv, with pip alone ({why})."
        with zipfile.ZipFile(wheels[0]) as wheel:
            (member,) = [name for name in wheel.namelist() if name.endswith(".data/scripts/uv")]
            program = Path(folder) / "uv"
            program.write_bytes(wheel.read(member))
        words = ["install", "-D", "-m", "755", str(program), str(root / "usr/local/bin/uv")]
        subprocess.run(namespace.command(words), check=True)
        return f"The guest has {wheels[0].name.split('-')[0]} {wheels[0].name.split('-')[1]}."
