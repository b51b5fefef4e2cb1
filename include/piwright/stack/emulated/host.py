"""Says in one sentence what this machine lacks for an emulated Pi, before anything is downloaded or changed.

problems = missing_for_emulation(GUESTS["armv7l"], folder)      # [] when there is nothing in the way

python -m piwright.stack.emulated.host MACHINE FOLDER           # tries it, as root of a namespace
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from piwright.stack.emulated import binfmt, namespace
from piwright.stack.emulated.architecture import GUESTS, HOSTS, Guest
from piwright.stack.emulated.mirror import KEYRING
from piwright.stack.emulated.namespace import NEW_MOUNTS, NEW_USER
from piwright.stack.emulated.root import free_bytes

_PROGRAMS = {"apt-get": "apt", "dpkg-deb": "dpkg", "tar": "tar"}
_NEEDED_BYTES = 2 << 30


def missing_for_emulation(guest: Guest, folder: Path) -> list[str]:
    """One sentence for each thing in the way of a guest whose files would be below `folder`."""
    if sys.platform != "linux" or os.uname().machine not in HOSTS:
        return [
            f"An emulated Pi runs on Linux on {' or '.join(HOSTS)}, and this is {sys.platform} {os.uname().machine}."
        ]
    programs = dict(_PROGRAMS)
    if os.geteuid() != 0:
        programs |= {"newuidmap": "uidmap", "newgidmap": "uidmap"}
    lacking = {program: package for program, package in programs.items() if shutil.which(program) is None}
    if guest.needs_emulator and guest.emulator is None:
        lacking[f"{guest.qemu}-static"] = "qemu-user-static"
    if not KEYRING.is_file():
        lacking[str(KEYRING)] = "debian-archive-keyring"
    if lacking:
        packages = " ".join(dict.fromkeys(lacking.values()))
        return [f"An emulated Pi needs {', '.join(lacking)}: install them (Debian: apt install {packages})."]
    problems = [reason for reason in [_refused(guest, folder)] if reason]
    if not problems and free_bytes(folder) < _NEEDED_BYTES:
        problems.append(
            f"An emulated Pi needs {_NEEDED_BYTES >> 30} GiB below {folder}, and {free_bytes(folder) >> 20} MiB are free: "
            "make room, or set PIWRIGHT_HOME to a folder elsewhere."
        )
    return problems


def _refused(guest: Guest, folder: Path) -> str:
    """Why namespaces, mounts or the emulator do not work here; nothing if they do. Leaves nothing behind."""
    try:
        while not folder.is_dir():
            folder = folder.parent
        # Left to root of a namespace to remove: an overlay's working folder is nobody's to enter.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".emulation-", ignore_cleanup_errors=True) as place:
            ran = subprocess.run(
                [sys.executable, "-m", "piwright.stack.emulated.host", guest.machine, place],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
    except OSError as error:
        return f"{folder} cannot be written to ({error.strerror}): set PIWRIGHT_HOME to a folder of your own."
    return "" if ran.returncode == 0 else ran.stderr.strip().splitlines()[-1].removeprefix("piwright: ")


def try_it(guest: Guest, place: Path) -> None:
    """Do what a guest's start does, in small. Raises `OSError`, `NotEmulated`."""
    namespace.enter(NEW_USER | NEW_MOUNTS)
    layers = [place / name for name in ("lower", "upper", "work", "view")]
    for each in layers:
        each.mkdir()
    os.chdir(place)
    try:
        options = "lowerdir=lower,upperdir=upper,workdir=work,userxattr"
        try:
            namespace.mount("overlay", layers[-1], "overlay", options=options)
        except OSError as error:
            raise OSError(
                f"The file system of {place.parent} cannot hold an emulated Pi ({error}): set PIWRIGHT_HOME to a folder on "
                "ext4, xfs or btrfs."
            ) from None
        os.chdir(layers[-1])
        binfmt.register(guest, layers[-1])
    finally:
        os.chdir("/")
        shutil.rmtree(place / "work", ignore_errors=True)


def main() -> None:
    """Exit code 0 when it works; otherwise why not, on standard error."""
    try:
        try_it(GUESTS[sys.argv[1]], Path(sys.argv[2]))
    except (OSError, binfmt.NotEmulated) as error:
        sys.exit(f"piwright: {error}")


if __name__ == "__main__":
    main()
