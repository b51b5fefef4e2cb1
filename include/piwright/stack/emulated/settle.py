"""Does to an unpacked file system what packages' own scripts would do, as far as a guest needs it.

    python -m piwright.stack.emulated.settle ROOT MACHINE

Runs as root of a namespace: accounts, the links of update-alternatives, the loader's cache.
"""

import os
import subprocess
import sys
from pathlib import Path

from piwright.stack.emulated.architecture import GUESTS, Guest

USER, USER_ID = "pi", 1000
HOME = f"/home/{USER}"

_LINKS = {
    "usr/bin/cc": "gcc",
    "usr/bin/c++": "g++",
    "usr/bin/awk": "mawk",
    "usr/bin/which": "which.debianutils",
    "usr/bin/c99": "c99-gcc",
    "usr/bin/c89": "c89-gcc",
}
_NAMES = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n"


def make_accounts(root: Path) -> None:
    """Debian's accounts, sshd's, and the one wheels are built by. Nobody has a password."""
    etc, masters = root / "etc", root / "usr/share/base-passwd"
    accounts = (masters / "passwd.master").read_text()
    accounts += "sshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n"
    accounts += f"{USER}:x:{USER_ID}:{USER_ID}::{HOME}:/bin/bash\n"
    (etc / "passwd").write_text(accounts)
    (etc / "group").write_text((masters / "group.master").read_text() + f"{USER}:x:{USER_ID}:\n")
    names = [line.partition(":")[0] for line in accounts.splitlines()]
    (etc / "shadow").write_text("".join(f"{name}:*:19000:0:99999:7:::\n" for name in names))
    (etc / "shadow").chmod(0o640)
    (etc / "nsswitch.conf").write_text(_NAMES)
    home = root / HOME.lstrip("/")
    home.mkdir(parents=True)
    os.chown(home, USER_ID, USER_ID)


def make_links(root: Path) -> None:
    """What update-alternatives would have chosen."""
    for name, target in _LINKS.items():
        link = root / name
        # A link into /etc/alternatives is looked at as such: it would be followed on this machine.
        if link.with_name(target).exists() and (link.is_symlink() or not link.exists()):
            link.unlink(missing_ok=True)
            link.symlink_to(target)


def make_loader_cache(root: Path, guest: Guest) -> None:
    """/etc/ld.so.cache, by the guest's own ldconfig: another architecture's writes another format's flags."""
    emulator = [guest.emulator or guest.qemu] if guest.needs_emulator else []
    ldconfig = root / "usr/sbin/ldconfig"
    subprocess.run([*emulator, ldconfig, "-r", root], check=True, capture_output=True)


def main() -> None:
    """All of it."""
    root, guest = Path(sys.argv[1]), GUESTS[sys.argv[2]]
    make_accounts(root)
    make_links(root)
    for folder in ("dev", "proc", "run", "tmp", "var/tmp", "etc/ssl/certs", "root"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for folder in ("tmp", "var/tmp"):
        (root / folder).chmod(0o1777)
    (root / "etc/pip.conf").write_text("[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n")
    make_loader_cache(root, guest)


if __name__ == "__main__":
    main()
