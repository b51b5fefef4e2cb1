"""Where commands of a build run: in a bubblewrap sandbox, or, where the operator allows it, without one.

    sandbox = Sandbox.find(python_prefixes, state / "bin")      # .why says what is missing, if something is
    room = sandbox.room(space, network=False)
    archive = room.reads(scratch / "archive", "/input/archive")    # where the command will see it
    command = room.wrap(["python3", archive])

In the sandbox everything is unshared: user, processes, network, IPC, host name, cgroups, terminal. The system is there
to be read, a few files of /etc are, and one place can be written, of a bounded size; nothing of the worker's own is.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterable, Iterator, Mapping, Sequence

from .environment import SYSTEM_PATH
from .seccomp import filter_program

OLDEST = (0, 8)
"""The first bubblewrap that bounds a tmpfs (`--size`) and forbids further user namespaces (`--disable-userns`)."""
BUILD = "/build"
"""The place that can be written, always under this name: compilers write paths into what they make."""
ENVIRONMENT = "/env"
USER_ID = "1000"
PROBE_SECONDS = 30
_SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_FROM_ETC = (
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ssl/certs",
    "/etc/ca-certificates",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/services",
    "/etc/protocols",
    "/etc/debian_version",
    "/etc/os-release",
    "/etc/fonts",
    "/etc/python3",
)
_FOR_NETWORK = ("/etc/resolv.conf", "/etc/gai.conf")
_PASSWD = "root:x:0:0::/root:/usr/sbin/nologin\nbuilder:x:1000:1000::/build/home:/bin/sh\n"
_GROUP = "root:x:0:\nbuilder:x:1000:\n"
_HOSTS = "127.0.0.1 localhost builder\n::1 localhost\n"
_NSSWITCH = "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n"
_SHARED_MEMORY_BYTES = 64 << 20
REMEDY = "install it with `apt install bubblewrap`, or allow this worker by name in PIWRIGHT_ALLOW_UNSANDBOXED"


@dataclass
class Room:
    """One command's surroundings. Paths given to `reads` and `writes` are those of the worker; what comes back is where
    the command finds them."""

    sandbox: Sandbox
    root: Path
    """The writable place as the worker sees it; nothing of it with a tmpfs."""
    tmpfs_bytes: int
    """Size of the tmpfs that the writable place is; 0: it is the folder `root`."""
    network: bool
    _options: list[str] = field(default_factory=list)

    @property
    def build(self) -> str:
        """The writable place as the command sees it."""
        return BUILD if self.sandbox.works else str(self.root)

    def reads(self, source: Path | str, at: str) -> str:
        """Let the command read a file or folder."""
        if not self.sandbox.works:
            return str(source)
        self._options += ["--ro-bind", str(source), at]
        return at

    def writes(self, source: Path, at: str) -> str:
        """Let the command write a folder of the worker: only for what is none of the project's code."""
        if not self.sandbox.works:
            return str(source)
        self._options += ["--bind", str(source), at]
        return at

    def wrap(self, command: Sequence[str], environment: Mapping[str, str], filter_descriptor: int) -> list[str]:
        """The command to start from outside, with this environment and no other.

        `filter_descriptor`: where bubblewrap finds the filter of system calls; it is read to the end.
        """
        if not self.sandbox.works:
            return list(command)
        filtered = ["--seccomp", str(filter_descriptor)]
        base = self.sandbox.base_options(self.network)
        return [*base, *filtered, *self._place(), *self._options, *_close(environment), *command]

    def _place(self) -> list[str]:
        place = ["--size", str(self.tmpfs_bytes), "--tmpfs"] if self.tmpfs_bytes else ["--bind", str(self.root)]
        # Both of the usual temporary folders lead into the place that is bounded.
        return [
            *place,
            BUILD,
            "--symlink",
            "build/tmp",
            "/tmp",
            "--dir",
            "/var",
            "--symlink",
            "../build/tmp",
            "/var/tmp",
        ]


def _close(environment: Mapping[str, str]) -> list[str]:
    options = ["--remount-ro", "/", "--remount-ro", "/dev", "--chdir", "/build"]
    for name, value in environment.items():
        options += ["--setenv", name, value]
    return [*options, "--"]


@dataclass(frozen=True)
class Sandbox:
    """How this worker can sandbox. `program` is bubblewrap's path, `why` the reason if it does not work."""

    program: str
    version: str
    why: str
    prefixes: tuple[str, ...] = ()
    """Folders outside of /usr that the interpreter needs."""

    @property
    def works(self) -> bool:
        return not self.why

    @property
    def kind(self) -> str:
        return "bubblewrap" if self.works else "none"

    @classmethod
    def find(cls, prefixes: Iterable[str], tools: Path) -> Sandbox:
        """Look for bubblewrap and try it: what a kernel or a container forbids shows only then.

        The system's own comes first, then one in the worker's folder `tools`.
        """
        needed = tuple(each for each in sorted(set(prefixes)) if not _is_system(each))
        found = [cls._examine(each, needed) for each in _candidates(tools)]
        works = [each for each in found if each.works]
        return (works or found or [cls("", "", "bubblewrap is not installed")])[0]

    @classmethod
    def _examine(cls, program: str, prefixes: tuple[str, ...]) -> Sandbox:
        version = _version(program)
        if tuple(int(each) for each in re.findall(r"\d+", version)[:2]) < OLDEST:
            return cls(program, version, f"bubblewrap {version or '?'} is too old: 0.8 or newer is needed")
        return cls(program, version, _try(cls(program, version, "", prefixes)), prefixes)

    def room(self, root: Path, tmpfs_bytes: int, network: bool = False) -> Room:
        return Room(self, root, tmpfs_bytes if self.works else 0, network)

    def base_options(self, network: bool) -> list[str]:
        """bubblewrap with everything unshared and the system to be read."""
        options = [self.program, "--unshare-all", *(["--share-net"] if network else []), "--unshare-user"]
        options += ["--disable-userns", "--uid", USER_ID, "--gid", USER_ID, "--die-with-parent", "--new-session"]
        options += ["--hostname", "builder", "--clearenv", "--ro-bind", "/usr", "/usr"]
        for name in _SYSTEM:
            if os.path.islink(f"/{name}"):
                options += ["--symlink", os.readlink(f"/{name}"), f"/{name}"]
            elif os.path.isdir(f"/{name}"):
                options += ["--ro-bind", f"/{name}", f"/{name}"]
        for path in (*_FROM_ETC, *(_FOR_NETWORK if network else ())):
            if os.path.exists(path):
                # The file itself: a link's own target may be nowhere in the sandbox.
                options += ["--ro-bind", os.path.realpath(path), path]
        options += ["--proc", "/proc"]
        for name in _kernel_switches():
            options += ["--ro-bind", f"/proc/{name}", f"/proc/{name}"]
        options += ["--dev", "/dev", "--size", str(_SHARED_MEMORY_BYTES), "--tmpfs", "/dev/shm"]
        for prefix in self.prefixes:
            options += ["--ro-bind", prefix, prefix]
        return options


@contextmanager
def open_filter() -> Iterator[int]:
    """A descriptor from which the filter of system calls can be read once."""
    reading, writing = os.pipe()
    try:
        os.write(writing, filter_program())  # less than a pipe holds
        os.close(writing)
        yield reading
    finally:
        os.close(reading)


def etc_files(folder: Path) -> list[tuple[Path, str]]:
    """Files of /etc that are made up rather than shown, written into `folder`: (file, where it belongs)."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for name, text in (("passwd", _PASSWD), ("group", _GROUP), ("hosts", _HOSTS), ("nsswitch.conf", _NSSWITCH)):
        file = folder / name
        if not file.exists():
            part = folder / f"{name}.{os.getpid()}.part"
            part.write_text(text)
            part.replace(file)
        made.append((file, f"/etc/{name}"))
    return made


def _kernel_switches() -> list[str]:
    """What of /proc is no process and can be written by its owner, which a worker run by root is, in any namespace:
    through sys/kernel/core_pattern a build could have the kernel start programs outside. Bubblewrap hides only some."""
    found = []
    for each in os.scandir("/proc"):
        try:
            if each.name.isdigit() or each.is_symlink():
                continue
            if each.is_dir(follow_symlinks=False) or each.stat(follow_symlinks=False).st_mode & 0o222:
                found.append(each.name)
        except OSError:
            continue
    return sorted(found)


def _is_system(prefix: str) -> bool:
    return any((prefix + "/").startswith(f"{each}/") for each in ("/usr", *(f"/{name}" for name in _SYSTEM)))


def _candidates(tools: Path) -> list[str]:
    found = [shutil.which("bwrap", path=SYSTEM_PATH), shutil.which("bwrap", path=str(tools))]
    return [os.path.realpath(each) for each in found if each]


def _version(program: str) -> str:
    try:
        said = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=PROBE_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    found = re.search(r"\d+(\.\d+)+", said.stdout)
    return found[0] if found else ""


def _try(sandbox: Sandbox) -> str:
    """Why the sandbox does not work, or is none; empty if it is one."""
    room = Room(sandbox, Path("/nonexistent"), 1 << 20, network=False)
    # Three claims, one command: it starts, nothing but the build's place can be written, there is no way out.
    script = "! touch /usr/.x /etc/.x /.x 2>/dev/null && touch /build/.x && [ $(wc -l < /proc/net/route) = 1 ]"
    try:
        with open_filter() as descriptor:
            command = room.wrap(["/bin/sh", "-c", script], {"PATH": SYSTEM_PATH}, descriptor)
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=PROBE_SECONDS,
                check=False,
                env={},
                pass_fds=[descriptor],
            )
    except (OSError, subprocess.SubprocessError) as error:
        return f"bubblewrap does not start: {error}"
    if done.returncode == 0:
        return ""
    said = " ".join(done.stderr.decode("utf-8", "replace").split())[-300:]
    return f"bubblewrap does not work here: {said or f'its test ended with exit code {done.returncode}'}"


def interpreter_prefixes(facts: Mapping[str, str]) -> list[str]:
    """Folders that belong to the interpreter the worker builds for, and to the one that runs this."""
    return [each for each in (facts.get("prefix", ""), sys.base_prefix) if each and each != "/"]
