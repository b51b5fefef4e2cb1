"""What a build sees and can do where the worker has bubblewrap: its own place, and nothing of the machine's or of others'.

One build looks around and tries everything; each test makes one claim about what it found.
"""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.builds import SLEEP, new_token, running, started, waiting
from support.scripted import scripted
from support.upstream import LoopbackUpstream
from support.worker import IN_MEMORY, ON_DISK, LocalWorker, Outcome, is_alive

LOOK_AROUND = """
import ctypes, errno, resource, signal, socket, stat, subprocess
asked = json.loads(ASKED)
libc = ctypes.CDLL(None, use_errno=True)

def attempt(action):
    try:
        return "done: %r" % (action(),)
    except OSError as error:
        return errno.errorcode[error.errno]

def call(function, *arguments):
    return "done" if function(*arguments) == 0 else errno.errorcode[ctypes.get_errno()]

def connect(kind, address):
    with socket.socket(kind, socket.SOCK_STREAM) as client:
        client.settimeout(3)
        client.connect(address)

def write(path):
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK, 0o600))

def folders(top, depth):
    found = [top]
    if depth:
        try:
            entries = list(os.scandir(top))
        except OSError:
            return []
        for each in entries:
            if each.is_dir(follow_symlinks=False):
                found += folders(each.path, depth - 1)
    return found

def writable_folders():
    found = []
    for place in folders("/", 4):
        if place == "/build" or place.startswith(("/build/", "/proc/")):
            continue
        probe = os.path.join(place, ".probe")
        if attempt(lambda: write(probe)).startswith("done"):
            found.append(place)
    return found

def writable_kernel_files():
    found = []
    for top, below, files in os.walk("/proc"):
        if top == "/proc":
            below[:] = [each for each in below if not each.isdigit() and not os.path.islink("/proc/" + each)]
        for each in files:
            path = os.path.join(top, each)
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
                found.append(path)
            except OSError:
                pass
    return found

def processes():
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with open("/proc/%s/cmdline" % name) as file:
                found[name] = file.read()
    return found

def status():
    with open("/proc/self/status") as file:
        return dict(line.strip().split(":", 1) for line in file)

def ancestors(path):
    parts = path.split("/")
    return {"/".join(parts[:n]): sorted(os.listdir("/".join(parts[:n]))) for n in range(2, len(parts))}

def mounts():
    with open("/proc/mounts") as file:
        return [line.split()[:4] for line in file]

def own_process_of_root():
    # The set-user-ID programs of the system, and what the kernel makes of one.
    child = subprocess.Popen(["su", "-c", "sleep 60"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        with open("/proc/%d/status" % child.pid) as file:
            return next(line.split()[1:] for line in file if line.startswith("Uid:"))
    except OSError:
        return []
    finally:
        child.kill()

CLONE_NEWUSER, CLONE_NEWNS, MS_REMOUNT, MS_BIND = 0x10000000, 0x20000, 32, 4096
facts({
    "mounts": mounts(),
    "top": sorted(os.listdir("/")),
    "etc": sorted(os.listdir("/etc")),
    "dev": sorted(os.listdir("/dev")),
    "special": sorted(each for each in os.listdir("/dev") if stat.S_ISBLK(os.lstat("/dev/" + each).st_mode)),
    "ancestors": ancestors(sys.base_prefix),
    "accounts": open("/etc/passwd").read(),
    "exists": {path: os.path.exists(path) for path in asked["hidden"]},
    "read": {path: attempt(lambda: open(path).read(10)) for path in asked["hidden"]},
    "environment": dict(os.environ),
    "environments": [open("/proc/%s/environ" % name).read() for name in processes()],
    "writable": writable_folders(),
    "kernel": writable_kernel_files(),
    "overwrite": {path: attempt(lambda: write(path)) for path in asked["seen"]},
    "processes": processes(),
    "kill": attempt(lambda: os.kill(asked["process"], 0)),
    "trace": call(libc.ptrace, 16, asked["process"], 0, 0),
    "interfaces": [name for _, name in socket.if_nameindex()],
    "loopback": attempt(lambda: connect(socket.AF_INET, ("127.0.0.1", asked["port"]))),
    "outside": attempt(lambda: connect(socket.AF_INET, ("192.0.2.1", 9))),
    "abstract": attempt(lambda: connect(socket.AF_UNIX, "\\0" + asked["abstract"])),
    "named": attempt(lambda: connect(socket.AF_UNIX, asked["named"])),
    "terminal": attempt(lambda: open("/dev/tty")),
    "host": os.uname().nodename,
    "user": [os.getuid(), os.getgid(), os.getgroups()],
    "status": status(),
    "unshare": [call(libc.unshare, CLONE_NEWUSER), call(libc.unshare, CLONE_NEWNS)],
    "command": subprocess.call(["unshare", "--user", "true"], stderr=subprocess.DEVNULL),
    "remount": call(libc.mount, None, b"/usr", None, MS_REMOUNT | MS_BIND, None),
    "mount": call(libc.mount, b"none", b"/build/tmp", b"tmpfs", 0, None),
    "unmount": call(libc.umount2, b"/proc/sys", 2),
    "su": own_process_of_root(),
    "limits": {name: resource.getrlimit(getattr(resource, name))[0] for name in dir(resource) if name.startswith("RLIMIT_")},
    "shared memory": os.statvfs("/dev/shm").f_blocks * os.statvfs("/dev/shm").f_frsize,
    "own place": os.statvfs("/build").f_blocks * os.statvfs("/build").f_frsize,
    "temporary": [os.path.realpath("/tmp"), os.path.realpath("/var/tmp")],
})
"""


@dataclass(frozen=True)
class Look:
    """What a build found, whether its neighbour's processes lived on, and which services of the host it reached."""

    found: dict[str, Any]
    outcome: Outcome
    undisturbed: bool
    connected: list[str]


@pytest.fixture(scope="module")
def look(
    tmp_path_factory: pytest.TempPathFactory, make_worker: Callable[..., LocalWorker], upstream: LoopbackUpstream
) -> Look:
    """A worker with secrets all around, another build's process beside, and services of the host on three sockets."""
    place = tmp_path_factory.mktemp("sandbox")
    worker = make_worker(place / "state", SECRET_TOKEN="hunter2")
    token = new_token()
    other = upstream.add(scripted("neighbour", waiting(token)))
    worker.upload(worker.batch("neighbour", upstream, [upstream.add(scripted("earlier")), other]))
    worker.run("neighbour")
    neighbour = started(token)
    secret = place / "secret"
    secret.write_text("hunter2")
    (place / "home" / ".ssh").mkdir(parents=True)
    (place / "home" / ".ssh" / "id_ed25519").write_text("hunter2")
    connected: list[str] = []
    abstract, named = f"piwright-{token}", str(place / "socket")
    hidden = [
        *(str(secret), str(place / "home" / ".ssh" / "id_ed25519"), str(worker.state), named),
        *(str(worker.directory("neighbour", "b0") / "result.json"), str(worker.state / "tools")),
        *(str(worker.state / "environments"), "/etc/shadow", "/etc/ssh", "/root/.ssh", "/home", "/sys", "/run"),
        *("/mnt", "/media", "/opt", "/srv", "/boot", str(Path(__file__)), "/proc/kcore", "/etc/hostname"),
    ]
    seen = [
        *("/env/pyvenv.cfg", "/usr/bin/env", "/etc/passwd", "/program/piwright_worker/inside.py", "/input/archive"),
        os.__file__,
    ]
    try:
        with (
            listening(("127.0.0.1", 0), connected) as port,
            listening("\0" + abstract, connected),
            listening(named, connected),
        ):
            asked = {"hidden": hidden, "port": port, "abstract": abstract, "named": named, "process": neighbour}
            script = LOOK_AROUND.replace("ASKED", repr(json.dumps({**asked, "seen": seen})))
            outcome = worker.build_one(upstream, scripted("looker", script))
        assert outcome.result["outcome"] == "built", outcome.log
        undisturbed = running(token) == [neighbour]
    finally:
        worker.cancel("neighbour")
    return Look(outcome.facts, outcome, undisturbed, connected)


class listening:
    """A service of the host that notes who connects."""

    def __init__(self, address: object, connected: list[str]) -> None:
        kind = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
        self._server = socket.socket(kind, socket.SOCK_STREAM)
        self._server.bind(address)
        self._server.listen()
        self._connected = connected

    def __enter__(self) -> int:
        threading.Thread(target=self._accept, daemon=True).start()
        name = self._server.getsockname()
        return name[1] if isinstance(name, tuple) else 0

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            self._connected.append(str(self._server.getsockname()))
            client.close()

    def __exit__(self, *ignored: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


def test_nothing_is_mounted_to_be_written_but_bounded_memory_and_the_kernels_own(look: Look) -> None:
    writable = {point: kind for _, point, kind, options in look.found["mounts"] if "rw" in options.split(",")}
    devices = {f"/dev/{name}": "devtmpfs" for name in ("null", "zero", "full", "random", "urandom", "tty")}
    for each in devices:
        writable.pop(each, None)
    assert writable == {"/proc": "proc", "/dev/pts": "devpts", "/dev/shm": "tmpfs", "/build": "tmpfs"}
    assert all("nosuid" in options.split(",") for *_, options in look.found["mounts"])


def test_no_folder_but_its_own_place_takes_a_file(look: Look) -> None:
    assert look.found["writable"] == ["/dev/shm"]
    assert set(look.found["overwrite"].values()) == {"EROFS"}


def test_no_switch_of_the_kernel_can_be_set_even_if_root_runs_the_worker(look: Look) -> None:
    assert look.found["kernel"] == []
    assert look.found["unmount"] == "EPERM"


def test_it_sees_nothing_of_the_worker_of_other_builds_and_of_people(look: Look) -> None:
    assert {path: there for path, there in look.found["exists"].items() if there} == {}
    assert set(look.found["read"].values()) <= {"ENOENT", "EACCES", "ENOTDIR"}


def test_of_the_folders_above_the_interpreter_it_sees_only_the_way_there(look: Look) -> None:
    for folder, content in look.found["ancestors"].items():
        if not folder.startswith("/usr"):
            assert content == [Path(sys.base_prefix).relative_to(folder).parts[0]], folder


def test_the_top_of_its_world_is_short_and_has_no_accounts_of_the_machine(look: Look) -> None:
    system = {"usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "etc", "proc", "dev", "tmp", "var"}
    own = {"build", "env", "program", "input", "certificates.pem", Path(sys.base_prefix).parts[1]}
    assert set(look.found["top"]) <= system | own
    assert [line.split(":")[0] for line in look.found["accounts"].splitlines()] == ["root", "builder"]
    assert not {"shadow", "gshadow", "ssh", "machine-id", "fstab", "hostname"} & set(look.found["etc"])


def test_its_environment_has_no_secret_of_the_worker(look: Look) -> None:
    assert any("PIWRIGHT_BUILD=" in each for each in look.found["environments"])  # bubblewrap's own
    assert "hunter2" not in str((look.found["environment"], look.found["environments"]))
    assert "SECRET_TOKEN" not in look.found["environment"]


def test_it_sees_and_reaches_no_process_but_its_own(look: Look) -> None:
    commands = list(look.found["processes"].values())
    assert not any("token-" in each for each in commands)
    assert len(commands) <= 6
    assert look.found["kill"] == "ESRCH"
    assert look.found["trace"] in ("ESRCH", "EPERM")
    assert look.undisturbed


def test_it_has_a_loopback_of_its_own_and_no_other_network(look: Look) -> None:
    assert look.found["interfaces"] == ["lo"]
    assert look.found["loopback"] == "ECONNREFUSED"
    assert look.found["outside"] == "ENETUNREACH"


def test_unix_sockets_of_the_host_are_out_of_reach(look: Look) -> None:
    assert look.found["abstract"] == "ECONNREFUSED"
    assert look.found["named"] == "ENOENT"
    assert look.connected == []


def test_it_has_no_terminal_and_no_name_of_the_machine(look: Look) -> None:
    assert look.found["terminal"] == "ENXIO"
    assert look.found["host"] == "builder"


def test_it_is_an_ordinary_user_without_a_way_to_more_rights(look: Look) -> None:
    assert look.found["user"][:2] == [1000, 1000]
    state = {name: value.strip() for name, value in look.found["status"].items()}
    assert state["NoNewPrivs"] == "1"
    assert {state[name] for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")} == {"0" * 16}
    assert look.found["su"] in ([], ["1000"] * 4)


def test_it_makes_no_namespace_and_no_mount(look: Look) -> None:
    assert set(look.found["unshare"]) <= {"ENOSPC", "EPERM"}
    assert look.found["command"] != 0
    assert (look.found["remount"], look.found["mount"]) == ("EPERM", "EPERM")


def test_its_devices_are_the_harmless_ones(look: Look) -> None:
    links = {"core", "fd", "stdin", "stdout", "stderr", "ptmx", "pts", "shm"}
    assert set(look.found["dev"]) <= links | {"null", "zero", "full", "random", "urandom", "tty", "console"}
    assert look.found["special"] == []


def test_its_place_and_shared_memory_are_bounded_and_temporary_folders_lead_into_it(look: Look) -> None:
    assert look.found["own place"] <= 256 << 20
    assert look.found["shared memory"] <= 64 << 20
    assert look.found["temporary"] == ["/build/tmp", "/build/tmp"]


def test_the_result_says_which_means_were_in_force(look: Look) -> None:
    sandbox = look.outcome.result["sandbox"]
    assert (sandbox["kind"], sandbox["space"]) == ("bubblewrap", "tmpfs")
    assert sandbox["memory"] in ("cgroup1", "cgroup2", "watchdog")
    assert sandbox["processes"] in ("cgroup1", "cgroup2", "rlimit", "watchdog")


SUICIDE = """
import signal
# Should the sandbox ever fail, this must not be how we learn of it: -1 is everybody who can be seen.
names = [open("/proc/%s/comm" % each).read().strip() for each in os.listdir("/proc") if each.isdigit()]
if os.readlink("/proc/self/ns/pid") == OUTSIDE or os.getpid() > 100 or len(names) > 20:
    raise SystemExit("would have ended the machine")
with open("/proc/1/comm") as file:
    if file.read().strip() != "bwrap":
        raise SystemExit("would have ended the machine")
os.kill(-1, signal.SIGKILL)
time.sleep(600)
"""


@pytest.mark.parametrize("slots", [IN_MEMORY, ON_DISK])
def test_it_can_end_only_itself(shared_worker: LocalWorker, upstream: LoopbackUpstream, slots: int) -> None:
    token = new_token()
    beside = subprocess.Popen([sys.executable, "-c", SLEEP, token])
    try:
        name = f"suicidal{slots}"
        script = SUICIDE.replace("OUTSIDE", repr(os.readlink("/proc/self/ns/pid")))  # noqa: PTH115
        outcome = shared_worker.build_one(upstream, scripted(name, script), slots=slots)
        assert "would have ended the machine" not in outcome.log
        assert outcome.failure in ("killed", "backend")
        assert is_alive(beside.pid)
    finally:
        beside.kill()
        beside.wait()


def test_a_key_of_the_operators_session_is_neither_read_nor_is_one_left_for_the_next_build(
    tmp_path: Path, make_worker: Callable[..., LocalWorker], upstream: LoopbackUpstream
) -> None:
    numbers = {"x86_64": (248, 250), "aarch64": (217, 219)}.get(os.uname().machine)
    if numbers is None or sys.maxsize < 1 << 32:
        pytest.skip("the numbers of the system calls for keys are not known here")
    add, control = numbers
    keeper = tmp_path / "keeper.py"
    keeper.write_text(KEEPER.format(add=add, control=control))
    worker = make_worker(tmp_path / "state")
    worker.around = [sys.executable, str(keeper)]
    if worker.call("sweep").returncode == 77:
        pytest.skip("this system has no keys")
    script = FINDS_KEY.format(add=add, control=control)
    first = worker.build_one(upstream, scripted("keys1", script)).facts
    second = worker.build_one(upstream, scripted("keys2", script)).facts
    assert (first, second) == ({"secret": -1, "left": -1}, {"secret": -1, "left": -1})


KEEPER = """
import ctypes, os, sys
call = ctypes.CDLL(None).syscall
call.restype = ctypes.c_long
if call({control}, 1, b"piwright-test") < 0 or call({add}, b"user", b"operator", b"hunter2", 7, -3) < 0:
    sys.exit(77)
os.execvp(sys.argv[1], sys.argv[1:])
"""
FINDS_KEY = """
import ctypes
call = ctypes.CDLL(None).syscall
call.restype = ctypes.c_long
facts({{"secret": call({control}, 10, -3, b"user", b"operator", 0), "left": call({control}, 10, -3, b"user", b"left", 0)}})
call({add}, b"user", b"left", b"x", 1, -3)
"""


def test_what_one_hook_leaves_behind_does_not_reach_the_other(
    shared_worker: LocalWorker, upstream: LoopbackUpstream
) -> None:
    trap = """
    for place in (os.environ['HOME'], os.environ['TMPDIR'], '/build/control', '/build/wheels', '/dev/shm', '.'):
        open(place + '/trap', 'w')
    return []
    """
    look = "facts([name for top in ('/build', '/dev/shm', '.') for _, _, names in os.walk(top) for name in names])"
    found = shared_worker.build_one(upstream, scripted("ambush", look, dynamic=trap)).facts
    assert "backend.py" in found
    assert "trap" not in found
