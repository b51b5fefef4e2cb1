"""Runs one emulated Pi in the foreground until it is told to end; supervisord keeps it.

    python -m piwright.stack.emulated.guest FOLDER MACHINE ROOT PORT STACK

FOLDER has the guest's keys, and what it writes; ROOT is the file system it shares with others, which it only reads.
The guest has users, processes, mounts and a host name of its own. Its first process is this program: it reaps what
loses its parent, and ends with sshd. When the process outside dies, by whatever, the kernel ends everything inside.
"""

import contextlib
import os
import shutil
import signal
import socket
import sys
import traceback
from pathlib import Path
from types import FrameType

from piwright.stack.emulated import binfmt
from piwright.stack.emulated.architecture import GUESTS, Guest
from piwright.stack.emulated.namespace import (
    NEW_HOSTNAME,
    NEW_IPC,
    NEW_MOUNTS,
    NEW_PIDS,
    NEW_USER,
    NO_DEVICES,
    NO_PROGRAMS,
    NO_SUID,
    PRIVATE,
    RECURSIVE,
    bind,
    change_root,
    die_with_parent,
    enter,
    mount,
)
from piwright.stack.emulated.settle import USER

CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
SSHD_CONFIG = "/etc/ssh/sshd_config_pi"
HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"
AUTHORIZED_KEYS = "/etc/ssh/authorized_keys"

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def sshd_lines(guest: Guest, port: int, stack: str) -> list[str]:
    """What sshd in the guest reads. Root cannot log in, and the user cannot change who can."""
    environment = {"PIWRIGHT_STACK": stack, "SSL_CERT_FILE": CERTIFICATES, "PIP_CERT": CERTIFICATES}
    if guest.needs_emulator:
        environment["QEMU_CPU"] = guest.cpu
    return [
        "ListenAddress 127.0.0.1",
        f"Port {port}",
        f"HostKey {HOST_KEY}",
        f"AuthorizedKeysFile {AUTHORIZED_KEYS}",
        f"AllowUsers {USER}",
        "PidFile none",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PermitRootLogin no",
        "UsePAM no",
        "UseDNS no",
        "MaxStartups 100:30:200",
        "MaxSessions 50",
        "AllowAgentForwarding no",
        "AllowTcpForwarding no",
        "X11Forwarding no",
        "PrintMotd no",
        "PrintLastLog no",
        "Subsystem sftp internal-sftp",
        "SetEnv " + " ".join(f'"{name}={value}"' for name, value in environment.items()),
    ]


def build_view(folder: Path, root: Path, guest: Guest) -> Path:
    """Put the guest's file system together; answers where it is. Runs as root of the guest's namespaces."""
    view = folder / "view"
    mount("", "/", flags=PRIVATE | RECURSIVE)
    # Names are relative: an overlay's options have commas and colons of their own.
    os.chdir(folder)
    layers = f"lowerdir={os.path.relpath(root, folder)},upperdir=upper,workdir=work,userxattr"
    mount("overlay", view, "overlay", NO_SUID | NO_DEVICES, layers)
    mount("proc", view / "proc", "proc", NO_SUID | NO_DEVICES | NO_PROGRAMS)
    for name, options in (("run", "mode=755"), ("tmp", "mode=1777"), ("dev", "mode=755")):
        mount("tmpfs", view / name, "tmpfs", NO_SUID | (NO_DEVICES if name != "dev" else 0), options)
    (view / "run/sshd").mkdir(mode=0o755)
    _fill_dev(view / "dev")
    # Registered while the emulator can still be seen, in a place that covers nothing.
    binfmt.register(guest, view / "proc/sys/fs/binfmt_misc")
    return view


def _fill_dev(dev: Path) -> None:
    for name in _DEVICES:
        (dev / name).touch()
        bind(f"/dev/{name}", dev / name)
    for name in ("pts", "shm"):
        (dev / name).mkdir()
    mount("devpts", dev / "pts", "devpts", NO_SUID | NO_PROGRAMS, "newinstance,ptmxmode=0666,mode=620,gid=5")
    mount("tmpfs", dev / "shm", "tmpfs", NO_SUID | NO_DEVICES, "mode=1777")
    links = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
    for name, target in links.items():
        (dev / name).symlink_to(target)


def bring_facts(folder: Path, view: Path, lines: list[str]) -> None:
    """What a guest takes over from this machine each time it starts: keys, names, certificates."""
    name = folder.name
    (view / "etc/hostname").write_text(f"{name}\n")
    (view / "etc/hosts").write_text(f"127.0.0.1\tlocalhost {name}\n::1\tlocalhost\n")
    with contextlib.suppress(OSError):
        (view / "etc/resolv.conf").write_text(Path("/etc/resolv.conf").read_text())
    certificates = Path(os.environ.get("SSL_CERT_FILE") or CERTIFICATES)
    if certificates.is_file():
        shutil.copyfile(certificates, view / CERTIFICATES.lstrip("/"))
    (view / "etc/ssh").mkdir(exist_ok=True)
    for source, target, mode in (("host_key", HOST_KEY, 0o600), ("authorized_keys", AUTHORIZED_KEYS, 0o644)):
        copy = view / target.lstrip("/")
        shutil.copyfile(folder / source, copy)
        copy.chmod(mode)
    (view / SSHD_CONFIG.lstrip("/")).write_text("\n".join(lines) + "\n")


def _be_first_process(folder: Path, root: Path, guest: Guest, lines: list[str]) -> int:
    """The guest's process 1: set the guest up, start sshd, reap until it ends. Answers the exit code."""
    os.setsid()
    os.umask(0o022)
    view = build_view(folder, root, guest)
    bring_facts(folder, view, lines)
    socket.sethostname(folder.name)
    change_root(view)
    sshd = os.fork()
    if sshd == 0:
        os.execve("/usr/sbin/sshd", ["/usr/sbin/sshd", "-D", "-e", "-f", SSHD_CONFIG], {"PATH": _PATH})  # noqa: S606
    while True:
        ended, status = os.wait()
        if ended == sshd:
            return os.waitstatus_to_exitcode(status) or 1


def _run_first_process(ready: int, folder: Path, root: Path, guest: Guest, lines: list[str]) -> int:
    die_with_parent(signal.SIGKILL)
    if not os.read(ready, 1):  # the parent died before it could be noticed
        return 1
    try:
        return _be_first_process(folder, root, guest, lines)
    except (OSError, binfmt.NotEmulated) as error:
        sys.stderr.write(f"piwright: {folder.name}: {error}\n")
    except BaseException:
        traceback.print_exc()
    return 1


def main() -> None:
    """Run a guest until it ends or SIGTERM comes."""
    folder, machine, root, port, stack = sys.argv[1:]
    guest, place = GUESTS[machine], Path(folder)
    for name in ("upper", "work", "view"):
        (place / name).mkdir(parents=True, exist_ok=True)
    lines = sshd_lines(guest, int(port), stack)
    try:
        enter(NEW_USER | NEW_MOUNTS | NEW_PIDS | NEW_HOSTNAME | NEW_IPC)
    except OSError as error:
        sys.exit(f"piwright: {place.name}: {error}")
    ready, go = os.pipe()
    first = os.fork()
    if first == 0:
        os.close(go)
        os._exit(_run_first_process(ready, place, Path(root), guest, lines))
    os.close(ready)

    def end(number: int, frame: FrameType | None) -> None:
        os.kill(first, signal.SIGKILL)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    os.write(go, b"1")
    _, status = os.waitpid(first, 0)
    code = os.waitstatus_to_exitcode(status)
    sys.exit(0 if code == -signal.SIGKILL else code)


if __name__ == "__main__":
    main()
