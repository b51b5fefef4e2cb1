"""Every setting of piwright: one `PIWRIGHT_*` variable each, read here and nowhere else.

    settings = Settings.from_environment()
    settings.home               # pathlib.Path
    describe_settings()         # the table that docs/settings.md shows

A wrong value raises `SettingsError`, which names the variable, the value and what would be right.
"""

import dataclasses
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""


class SettingsError(ValueError):
    """Settings that cannot be used; `problems` has one sentence for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _path(value: str) -> Path:
    return Path(value).expanduser().absolute()


def _optional_log(value: str) -> Path | None:
    if value and _path(value).is_dir():
        raise ValueError("a file, which need not exist yet")
    return _path(value) if value else None


def _optional_file(value: str) -> Path | None:
    return _file(value) if value else None


def _file(value: str) -> Path:
    path = _path(value)
    if not path.is_file():
        raise ValueError("an existing file")
    return path


def parse_upstream_url(value: str) -> str:
    """The address of a simple index, with a slash at its end; the public one for an empty value."""
    if not value:
        from pypi_simple import PYPI_SIMPLE_ENDPOINT

        value = PYPI_SIMPLE_ENDPOINT
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("the http or https address of a simple index, such as http://127.0.0.1:3141/simple/")
    if parts.username or parts.password:
        raise ValueError("an address without user name and password: workers see it, and workers hold no secrets")
    return value.rstrip("/") + "/"


def _database(value: str) -> str | None:
    if value and urlsplit(value).scheme not in ("postgresql", "postgres"):
        raise ValueError("postgresql://USER:PASSWORD@HOST:PORT/DATABASE, a user who may create databases and roles")
    return value or None


def _port(value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", value) or not 1 <= int(value) <= 65535:
        raise ValueError("a port from 1 to 65535")
    return int(value)


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,15}", value) or not low <= int(value) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(value)

    return parse


def _none_or_whole(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if value == "0":
            return 0
        try:
            return _whole(low, high)(value)
        except ValueError:
            raise ValueError(f"0, or a whole number from {low} to {high}") from None

    return parse


def _worker_names(value: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
    if not all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name) for name in names):
        raise ValueError("names of workers with commas between them, such as worker-1,pi-zero")
    return names


def _mirror(value: str) -> str | None:
    parts = urlsplit(value)
    if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment):
        raise ValueError("the http or https address of a Debian mirror, the folder that has dists/ and pool/ in it")
    if parts.username or parts.password:
        raise ValueError("an address without user name and password: workers see it, and workers hold no secrets")
    return value.rstrip("/") or None


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in choices:
            raise ValueError("one of " + ", ".join(choices))
        return value

    return parse


def _storage(value: str) -> str:
    parts = urlsplit(value)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("an address without secrets, such as s3://bucket/prefix: keys come from AWS_* variables")
    if parts.scheme and not re.fullmatch(r"[a-z0-9][a-z0-9+.-]*://[^/]+(/.*)?", value):
        raise ValueError("a bucket such as s3://bucket/prefix, or nothing for a directory of the home")
    if value and not parts.scheme:
        raise ValueError("a bucket such as s3://bucket/prefix, or nothing for a directory of the home")
    return value.rstrip("/")


def _site_url(value: str) -> str | None:
    parts = urlsplit(value)
    if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment):
        raise ValueError("the http or https address readers use, such as https://wheels.example")
    if parts.username or parts.password:
        raise ValueError("an address without user name and password: it stands on every page")
    return value.rstrip("/") or None


def _encodings(value: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
    if "gz" not in names or not set(names) <= {"gz", "zst"}:
        raise ValueError("gz, or gz,zst where the web server hands out .zst files")
    return names


def _cron(value: str) -> str:
    # Airflow judges the fields; here only what is certainly no cron expression is refused early.
    if not re.fullmatch(r"@(hourly|daily|weekly|monthly)|([0-9*,/A-Za-z#?-]+ ){4}[0-9*,/A-Za-z#?-]+", value):
        raise ValueError("a cron expression of five fields, such as '0 0 * * *' or '*/15 * * * *'")
    from croniter import croniter

    if not croniter.is_valid(value):
        raise ValueError("a cron expression of five fields, such as '0 0 * * *' or '*/15 * * * *'")
    return value


def _setting(default: str, parse: Callable[[str], Any], about: str) -> Any:
    return field(metadata={"default": default, "parse": parse, "about": about})


@dataclass(frozen=True)
class Settings:
    """All settings. The variable of a field is `PIWRIGHT_` and its name in capitals."""

    home: Path = _setting(".piwright in the checkout", _path, "Where state lives: database, wheels, logs, pages, keys.")
    upstream_url: str = _setting(
        "the public index", parse_upstream_url, "The simple index that is read (JSON, API 1.x)."
    )
    watch_file: Path = _setting("config/watch.txt", _file, "The watch list: requirement specifiers, one a line.")
    scope: str = _setting("watch", _one_of("watch"), "What is looked at upstream: `watch`, the watch list.")
    targets_file: Path | None = _setting("", _optional_file, "More targets than the machine itself, as TOML.")
    sync_schedule: str = _setting("0 0 * * *", _cron, "Cron expression of `sync_pypi`, in UTC.")
    database_url: str | None = _setting(
        "", _database, "A PostgreSQL server to use instead of the embedded one, as somebody who may create databases."
    )
    airflow_port: int = _setting("8080", _port, "Port of Airflow's page and API, on loopback.")
    index_port: int = _setting("8000", _port, "Port of the index and the site, on loopback.")
    worker_port: int = _setting("2201", _port, "Port of the first embedded SSH worker; the others count up from it.")
    workers: int = _setting("2", _whole(1, 20), "How many embedded SSH workers to start.")
    worker_slots: int = _setting("1", _whole(1, 16), "Batches an embedded worker builds at the same time.")
    worker_grace: int = _setting(
        "60", _whole(5, 3600), "Seconds a worker may be out of reach before it counts as lost."
    )
    ssh_server: str = _setting(
        "auto", _one_of("auto", "openssh", "asyncssh"), "SSH server of the embedded workers; `auto`: sshd if installed."
    )
    parallelism: int = _setting("4", _whole(2, 64), "Airflow tasks that run at the same time.")
    batch_seconds: int = _setting("300", _whole(1, 86400), "Expected seconds of builds that one batch carries.")
    build_timeout: int = _setting("10800", _whole(1, 604800), "Seconds after which a build is ended.")
    build_silence: int = _setting("1800", _whole(1, 604800), "Seconds without output after which a build is ended.")
    log_limit: int = _setting("33554432", _whole(1024, 1 << 32), "Bytes of log after which a build is ended.")
    wheel_limit: int = _setting("536870912", _whole(1024, 1 << 34), "Bytes a wheel may have.")
    build_memory: int = _setting(
        "0",
        _none_or_whole(64 << 20, 1 << 44),
        "Bytes of memory a build may use; 0: the worker's memory divided by its slots.",
    )
    build_disk: int = _setting(
        "8589934592", _whole(1 << 20, 1 << 44), "Bytes a build may write: its home, its temporary files and its tree."
    )
    build_file: int = _setting("4294967296", _whole(1 << 20, 1 << 44), "Bytes a single file of a build may have.")
    build_processes: int = _setting("512", _whole(16, 1 << 20), "Processes and threads a build may have at a time.")
    build_cpu: int = _setting(
        "0", _none_or_whole(1, 1 << 32), "CPU seconds a build may use; 0: its timeout times its parallel jobs."
    )
    allow_unsandboxed: tuple[str, ...] = _setting(
        "", _worker_names, "Workers, by name with commas between, that may build without a sandbox."
    )
    index_storage: str = _setting(
        "",
        _storage,
        "A bucket to publish to, such as s3://bucket/prefix (keys: `AWS_*`); none: a directory of the home.",
    )
    public_url: str | None = _setting(
        "", _site_url, "Where readers and installers reach the index and the site; none: this machine, on loopback."
    )
    encodings: tuple[str, ...] = _setting(
        "gz,zst", _encodings, "Compressed twins of pages: `gz`, and `zst` where the web server hands it out."
    )
    publishers: int = _setting("0", _none_or_whole(1, 64), "Processes that write pages; 0: one for each processor.")
    access_log: Path | None = _setting(
        "", _optional_log, "The web server's access log (JSON lines); none: the embedded server's own."
    )
    debian_mirror: str | None = _setting(
        "", _mirror, "Where an emulated Pi gets Debian from; none: from where this machine's apt does."
    )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read all settings from `PIWRIGHT_*` variables (default: the process's own).

        Raises `SettingsError` with a sentence for every variable that is wrong.
        """
        environment = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        problems: list[str] = []
        for each in dataclasses.fields(cls):
            variable = "PIWRIGHT_" + each.name.upper()
            text = environment.get(variable, "").strip()
            try:
                values[each.name] = each.metadata["parse"](text or _default_text(each.name, each.metadata["default"]))
            except ValueError as error:
                problems.append(f"{variable}={text!r} cannot be used: it must be {error}.")
        if problems:
            raise SettingsError(problems)
        return cls(**values)

    def to_environment(self) -> dict[str, str]:
        """The variables that give these settings to another process."""
        pairs = ((each.name, getattr(self, each.name)) for each in dataclasses.fields(self))
        return {"PIWRIGHT_" + name.upper(): _as_text(value) for name, value in pairs if value is not None}

    # Places under `home`, named once.

    @property
    def store_directory(self) -> Path:
        """The file store: wheels and logs as they were accepted. With the database, all else can be made again."""
        return self.home / "store"

    @property
    def index_directory(self) -> Path:
        """What the index server serves."""
        return self.home / "index"

    @property
    def secrets_directory(self) -> Path:
        """Keys and passwords; nobody but the owner may read it."""
        return self.home / "secrets"

    @property
    def storage_address(self) -> str:
        """Where the served tree is published to: a directory's path, or the address of a bucket."""
        return self.index_storage or str(self.index_directory)

    @property
    def access_log_file(self) -> Path:
        """The access log that downloads are counted from."""
        return self.access_log or self.home / "logs" / "access.log"

    @property
    def index_url(self) -> str:
        """Where this machine serves the index, on loopback."""
        return f"http://127.0.0.1:{self.index_port}"

    @property
    def site_url(self) -> str:
        """Where readers and installers reach the index and the site."""
        return self.public_url or self.index_url

    @property
    def airflow_url(self) -> str:
        """Where Airflow is served."""
        return f"http://127.0.0.1:{self.airflow_port}"


INTERNAL = frozenset({"PIWRIGHT_STACK"})
"""Variables of our own making that are no settings: the mark by which `piwright down` knows its processes."""


def _as_text(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _default_text(name: str, default: str) -> str:
    places = {"home": str(ROOT / ".piwright"), "watch_file": str(ROOT / "config" / "watch.txt"), "upstream_url": ""}
    return places.get(name, default)


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """`PIWRIGHT_*` variables that no setting reads, most likely misspelt: worth a warning."""
    known = {"PIWRIGHT_" + each.name.upper() for each in dataclasses.fields(Settings)} | INTERNAL
    return sorted(name for name in environment if name.startswith("PIWRIGHT_") and name not in known)


def describe_settings() -> list[tuple[str, str, str]]:
    """(variable, default, what it is for), in the order of the table in docs/settings.md."""
    return [
        ("PIWRIGHT_" + each.name.upper(), each.metadata["default"], each.metadata["about"])
        for each in dataclasses.fields(Settings)
    ]
