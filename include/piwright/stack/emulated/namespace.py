"""Linux namespaces in which the caller is root, and the few system calls that Python has not.

    enter(NEW_USER | NEW_MOUNTS)            # this process, from now on
    mount("overlay", target, "overlay", NO_SUID, "lowerdir=...")

    python -m piwright.stack.emulated.namespace rm -rf FOLDER      # one command, as root of a namespace

Root inside is the caller outside, as files' owner too; 1 to 65535 inside are the caller's subordinate ids
(/etc/subuid). Root has none and takes numbers that nobody uses.
"""

import ctypes
import getpass
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

NEW_MOUNTS = 0x00020000
NEW_HOSTNAME = 0x04000000
NEW_IPC = 0x08000000
NEW_USER = 0x10000000
NEW_PIDS = 0x20000000

NO_SUID, NO_DEVICES, NO_PROGRAMS = 0x2, 0x4, 0x8
BIND, RECURSIVE, PRIVATE = 0x1000, 0x4000, 0x40000

_DETACH = 2
_SET_PARENT_DEATH_SIGNAL = 1
_IDS = 65535
_UNUSED_IDS = 1_000_000_000
"""For root: far above what accounts and their subordinate ids reach."""

_libc = ctypes.CDLL(None, use_errno=True)

Map = tuple[int, int, int]
"""First id inside, first id outside, how many."""


class NoNamespace(OSError):
    """The machine or the account cannot have a namespace; says why and what to do."""


def id_map(own: int, account: str, subordinate: str, reachable: str) -> list[Map]:
    """How ids inside map to ids outside, for one kind of id.

    `own` is the caller's, `account` its name, `subordinate` the text of /etc/subuid or /etc/subgid, `reachable` that of
    /proc/self/uid_map or gid_map. Raises `NoNamespace` when there are not enough.
    """
    for line in subordinate.splitlines():
        found = re.fullmatch(r"([^:]+):(\d+):(\d+)", line)
        if found and found[1] in (account, str(own)) and int(found[3]) >= _IDS:
            return [(0, own, 1), (1, int(found[2]), _IDS)]
    if own == 0:
        for start in (_UNUSED_IDS, 1):
            # A container's root may reach fewer ids than that.
            if any(first <= start and start + _IDS <= first + count for first, count in _ranges(reachable)):
                return [(0, 0, 1), (1, start, _IDS)]
    raise NoNamespace(
        f"{account} has no {_IDS} subordinate ids in /etc/subuid and /etc/subgid: give some "
        f"(`usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {account}`, with numbers nobody else has)."
    )


def _ranges(text: str) -> list[tuple[int, int]]:
    rows = (line.split() for line in text.splitlines())
    return [(int(row[0]), int(row[2])) for row in rows]


def own_maps() -> tuple[list[Map], list[Map]]:
    """The caller's maps for users and for groups. Raises `NoNamespace`."""

    def read(path: str) -> str:
        try:
            return Path(path).read_text()
        except FileNotFoundError:
            return ""

    account = getpass.getuser() if os.geteuid() else "root"
    users = id_map(os.geteuid(), account, read("/etc/subuid"), read("/proc/self/uid_map"))
    # An account's own group is no member of anything it could give away: it is its number that counts.
    groups = id_map(os.getegid(), account, read("/etc/subgid"), read("/proc/self/gid_map"))
    return users, groups


def enter(kinds: int) -> None:
    """Move this process into new namespaces, as root of them. Raises `NoNamespace`. It must have no threads."""
    users, groups = own_maps()
    _in_helper(lambda: unshare(kinds), lambda parent: _write_maps(parent, users, groups))
    os.setgroups([])
    os.setgid(0)
    os.setuid(0)


def _in_helper(then: Callable[[], None], work: Callable[[int], None]) -> None:
    """Do `then` here and after it `work(pid of this process)` in a child that stays in the old namespaces."""
    parent = os.getpid()
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(writable)
            if os.read(readable, 1):
                work(parent)
                code = 0
        except (OSError, subprocess.SubprocessError) as error:
            sys.stderr.write(f"piwright: {error}\n")
        finally:
            os._exit(code)
    os.close(readable)
    try:
        then()
        os.write(writable, b"1")
    finally:
        os.close(writable)
        _, status = os.waitpid(child, 0)
    if status:
        raise NoNamespace("Ids could not be mapped into a user namespace.")


def _write_maps(process: int, users: list[Map], groups: list[Map]) -> None:
    for kind, program, rows in (("uid_map", "newuidmap", users), ("gid_map", "newgidmap", groups)):
        if os.geteuid() == 0:
            Path(f"/proc/{process}/{kind}").write_text("".join(f"{a} {b} {c}\n" for a, b, c in rows))
        else:
            numbers = [str(number) for row in rows for number in row]
            done = subprocess.run([program, str(process), *numbers], capture_output=True, text=True)
            if done.returncode:
                raise NoNamespace(f"{program} refused ({done.stderr.strip()}): check /etc/subuid and /etc/subgid.")


def unshare(kinds: int) -> None:
    """unshare(2). Raises `NoNamespace`."""
    if _libc.unshare(kinds):
        why = os.strerror(ctypes.get_errno())
        raise NoNamespace(
            f"This machine allows no user namespace ({why}): see user.max_user_namespaces, "
            "kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns in `sysctl -a`."
        )


def mount(source: str, target: Path | str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """mount(2). Raises `OSError` that names what should have been mounted where."""
    if _libc.mount(
        os.fsencode(source), os.fsencode(target), kind.encode() or None, ctypes.c_ulong(flags), os.fsencode(options)
    ):
        number = ctypes.get_errno()
        raise OSError(number, f"mounting {kind or source} on {target}: {os.strerror(number)}")


def bind(source: str, target: Path) -> None:
    """Show a file or folder at another place too."""
    mount(source, target, flags=BIND)


def change_root(new: Path) -> None:
    """Make `new`, which must be a mount, the root of everything; the old root is gone afterwards."""
    os.chdir(new)
    # Both on one spot: the old root lies on top of the new one until it is taken away (pivot_root(2)).
    if _libc.pivot_root(b".", b".") or _libc.umount2(b".", _DETACH):
        number = ctypes.get_errno()
        raise OSError(number, f"changing the root to {new}: {os.strerror(number)}")
    os.chdir("/")


def die_with_parent(signal_number: int) -> None:
    """Have the kernel send this process a signal when its parent ends."""
    _libc.prctl(_SET_PARENT_DEATH_SIGNAL, signal_number, 0, 0, 0)


def command(words: Iterable[str]) -> list[str]:
    """A command line that runs another as root of a namespace of its own."""
    return [sys.executable, "-m", "piwright.stack.emulated.namespace", *words]


def main() -> None:
    """Become the given command, inside."""
    try:
        enter(NEW_USER | NEW_MOUNTS)
        os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606
    except OSError as error:
        sys.exit(f"piwright: {error}")


if __name__ == "__main__":
    main()
