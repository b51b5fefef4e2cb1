"""Wheels that can be downloaded, and lines of an access log about them.

    shop = DownloadShop(connection)
    wheel = shop.wheel("spidev", "3.6", "cp311-cp311-linux_armv7l")
    log.write_bytes(request(wheel.path, agent=PIP))

The agents are what the programs sent on Debian 12, and a Pi's: only the parts of its machine were changed.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from piwright.database.connection import Connection, fetch_all, fetch_one
from support.shop import add_sdist, add_worker

PIP = (
    'pip/26.3 {"ci":null,"cpu":"armv7l","distro":{"id":"bookworm","libc":{"lib":"glibc","version":"2.36"},'
    '"name":"Raspbian GNU/Linux","version":"12"},"implementation":{"name":"CPython","version":"3.11.2"},"installer":'
    '{"name":"pip","version":"26.3"},"openssl_version":"OpenSSL 3.0.19 27 Jan 2026","python":"3.11.2",'
    '"rustc_version":"1.95.0","system":{"name":"Linux","release":"6.12.25+rpt-rpi-v7"}}'
)
OLD_PIP = (
    'pip/20.3.4 {"ci":null,"cpu":"x86_64","distro":{"id":"bookworm","libc":{"lib":"glibc","version":"2.36"},'
    '"name":"Debian GNU/Linux","version":"12"},"implementation":{"name":"CPython","version":"3.11.7"},"installer":'
    '{"name":"pip","version":"20.3.4"},"openssl_version":"OpenSSL 3.0.19 27 Jan 2026","python":"3.11.7",'
    '"system":{"name":"Linux","release":"6.1.0"}}'
)
UV = (
    'uv/0.13.9 {"installer":{"name":"uv","version":"0.13.9","subcommand":["pip","compile"]},"python":"3.13.5",'
    '"implementation":{"name":"CPython","version":"3.13.5"},"distro":{"name":"Debian GNU/Linux","version":"13",'
    '"id":"trixie","libc":{"lib":"glibc","version":"2.41"}},"system":{"name":"Linux","release":"6.12.25+rpt-rpi-v8"},'
    '"cpu":"aarch64","openssl_version":null,"setuptools_version":null,"rustc_version":null,"ci":null}'
)
POETRY = "poetry/2.5.1 CPython/3.11.7 Linux/6.12.25+rpt-rpi-v8"
PDM = "pdm/2.28.0 CPython/3.11.7 Linux/6.12.25+rpt-rpi-v8"
FIREFOX = "Mozilla/5.0 (X11; Linux aarch64; rv:140.0) Gecko/20100101 Firefox/140.0"

MOMENT = "2026-11-20T14:00:00+00:00"


@dataclass(frozen=True)
class ServedWheel:
    """A wheel in the database; `path` is where it is served."""

    wheel_id: int
    filename: str
    sha256: str

    @property
    def path(self) -> str:
        return f"/files/{self.sha256[:2]}/{self.sha256[2:]}/{self.filename.replace('+', '%2B')}"


class DownloadShop:
    """The rows, and what was counted."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        add_worker(connection)
        connection.commit()

    def wheel(self, name: str, version: str, tag: str = "py3-none-any") -> ServedWheel:
        filename = f"{name.replace('-', '_')}-{version}-{tag}.whl"
        sha256 = hashlib.sha256(filename.encode()).hexdigest()
        known = fetch_one(
            self.connection,
            "SELECT release_id FROM release JOIN project USING (project_id) WHERE name = %s AND version = %s",
            (name, version),
        )
        release = known.release_id if known else add_sdist(self.connection, name, version)
        row = fetch_one(
            self.connection,
            """
            WITH j AS (INSERT INTO job (release_id, target_id, priority, estimate_seconds, state)
                       SELECT %(release)s, target_id, 1, 1, 'built' FROM target
                       ON CONFLICT (release_id, target_id) DO UPDATE SET state = 'built' RETURNING job_id),
                 a AS (INSERT INTO attempt (job_id, number, outcome, started_at, finished_at)
                       SELECT job_id, 1 + (SELECT count(*) FROM attempt), 'built', now(), now() FROM j
                       RETURNING attempt_id)
            INSERT INTO wheel (attempt_id, release_id, filename, sha256, size, tags, metadata_sha256, built_at)
            SELECT attempt_id, %(release)s, %(filename)s, %(sha256)s, 1, '{py3-none-any}', repeat('0', 64), now() FROM a
            RETURNING wheel_id
            """,
            {"release": release, "filename": filename, "sha256": sha256},
        )
        assert row is not None
        with self.connection.cursor() as cursor:
            cursor.execute("UPDATE project SET stale_since = NULL")
        self.connection.commit()
        return ServedWheel(row.wheel_id, filename, sha256)

    def counted(self) -> dict[tuple[str, str, str, str, str], int]:
        """(file name, day, target, Python, installer) to the number of downloads."""
        rows = fetch_all(self.connection, "SELECT * FROM download JOIN wheel USING (wheel_id)")
        self.connection.commit()
        return {(row.filename, str(row.day), row.target, row.python, row.installer): row.downloads for row in rows}

    def total(self) -> int:
        """Downloads of all wheels; the sums by project are the same."""
        row = fetch_one(
            self.connection,
            "SELECT (SELECT coalesce(sum(downloads), 0) FROM download) AS wheels, "
            "(SELECT coalesce(sum(downloads), 0) FROM project_download) AS projects",
        )
        self.connection.commit()
        assert row is not None
        assert row.wheels == row.projects
        return int(row.wheels)

    def stale(self) -> set[str]:
        """Projects whose pages are out of date."""
        rows = fetch_all(self.connection, "SELECT name FROM project WHERE stale_since IS NOT NULL")
        self.connection.commit()
        return {row.name for row in rows}


def request(path: str, *, agent: str = PIP, **more: Any) -> bytes:
    """A line as the servers write it."""
    said = {"time": MOMENT, "method": "GET", "path": path, "status": 200, "bytes": 1234, "agent": agent, "range": ""}
    return json.dumps(said | more).encode() + b"\n"
