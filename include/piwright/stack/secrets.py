"""Keys and passwords of an embedded stack: made once, kept in `<home>/secrets`, readable by its owner only.

secrets = Secrets.load(settings)      # makes what is not there
"""

import base64
import json
import os
import secrets as random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from piwright.database.provision import ROLES
from piwright.settings import Settings


@dataclass(frozen=True)
class Secrets:
    """What an embedded stack needs to know and nobody else may. Paths are files, the rest is the thing itself."""

    directory: Path
    database_passwords: dict[str, str]
    airflow_password: str
    fernet_key: str
    api_secret: str
    jwt_secret: str

    @classmethod
    def load(cls, settings: Settings) -> "Secrets":
        """Read the secrets of a stack; those that do not exist are made."""
        directory = settings.secrets_directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)

        def word(name: str) -> str:
            return read_or_make(directory / name, lambda: random.token_urlsafe(24).encode()).decode()

        fernet = read_or_make(directory / "fernet", lambda: base64.urlsafe_b64encode(os.urandom(32)))
        made = cls(
            directory=directory,
            database_passwords={role: word(f"database_{role}") for role in (*ROLES, "postgres")},
            airflow_password=word("airflow_admin"),
            fernet_key=fernet.decode(),
            api_secret=word("airflow_api"),
            jwt_secret=word("airflow_jwt"),
        )
        # The file Airflow's own user list reads its passwords from.
        write_secret(made.airflow_passwords_file, json.dumps({"admin": made.airflow_password}).encode() + b"\n")
        make_key(made.worker_key)
        return made

    @property
    def airflow_passwords_file(self) -> Path:
        """User to password, in the form Airflow's simple user list wants."""
        return self.directory / "airflow_users.json"

    @property
    def worker_key(self) -> Path:
        """The private key that opens the embedded workers."""
        return self.directory / "worker_key"

    @property
    def databases_file(self) -> Path:
        """Addresses of the databases, one for each role."""
        return self.directory / "databases.json"


def read_or_make(path: Path, make: Callable[[], bytes]) -> bytes:
    """The content of a secret file; made if it does not exist."""
    if not path.exists():
        write_secret(path, make())
    return path.read_bytes()


def write_secret(path: Path, content: bytes) -> None:
    """Write a file nobody else may read, whole or not at all."""
    aside = path.with_name(path.name + ".new")
    aside.unlink(missing_ok=True)
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    aside.replace(path)


def make_key(path: Path) -> str:
    """An Ed25519 key pair at `path` and `path.pub`, made if it does not exist. Answers the public key's line."""
    public = path.with_name(path.name + ".pub")
    if not path.exists() or not public.exists():
        key = asyncssh.generate_private_key("ssh-ed25519", comment="piwright")
        write_secret(path, key.export_private_key())
        write_secret(public, key.export_public_key())
    return public.read_text().strip()
