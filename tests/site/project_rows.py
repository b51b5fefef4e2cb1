"""A shop's rows for tests of project and build pages, each in one line, marked as anybody who writes them has to.

rows = ProjectRows(connection, tmp_path)
job = rows.job("spidev", "3.6", state="failed")
rows.attempt(job, "missing_header", log="fatal error: ffi.h: No such file or directory\n", evidence_line=1)
rows.wheel("spidev", "3.5", tag="cp311-cp311-linux_armv7l")
rows.render("spidev")["project/spidev/index.html"]
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from piwright.database.connection import Connection, Json, fetch_one
from piwright.index.page_sources import Rendered
from piwright.intake.store import FileStore
from piwright.planning.targets import Target, store_targets
from piwright.site.project_source import ProjectSite
from support.shop import add_file, add_project, add_release

BOOKWORM = Target("bookworm", (3, 11), "armv7l", ("glibc", 2, 36))
BOOKWORM_64 = Target("bookworm", (3, 11), "aarch64", ("glibc", 2, 36))
TRIXIE = Target("trixie", (3, 13), "armv7l", ("glibc", 2, 41))
TRIXIE_64 = Target("trixie", (3, 13), "aarch64", ("glibc", 2, 41))
TARGETS = (BOOKWORM, BOOKWORM_64, TRIXIE, TRIXIE_64)

SITE = "http://127.0.0.1:8000"
UPSTREAM = "https://upstream.invalid/simple/"
BUILT = datetime(2026, 11, 21, 5, 6, 7, tzinfo=UTC)


class ProjectRows:
    """Rows of a shop with four targets; logs are in a real store."""

    def __init__(self, connection: Connection, home: Path, targets: tuple[Target, ...] = TARGETS) -> None:
        self.connection = connection
        self.home = home
        self.store = FileStore(home / "store")
        self.site = ProjectSite(SITE, UPSTREAM, self.store.root)
        self.targets = store_targets(connection, targets)

    def execute(self, statement: str, *values: Any) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values)

    def value(self, statement: str, *values: Any) -> Any:
        row = fetch_one(self.connection, statement, values)
        return row[0] if row else None

    def insert(self, table: str, key: str, values: Mapping[str, Any]) -> int:
        names, places = ", ".join(values), ", ".join(["%s"] * len(values))
        statement = f"INSERT INTO {table} ({names}) VALUES ({places}) RETURNING {key}"
        return int(self.value(statement, *values.values()))

    def project(self, name: str, watch: str | None = "", **columns: Any) -> int:
        project = add_project(self.connection, name, watch)
        for column, value in columns.items():
            self.execute(f"UPDATE project SET {column} = %s WHERE project_id = %s", value, project)
        return project

    def release(self, name: str, version: str, files: tuple[str, ...] | None = None, **columns: Any) -> int:
        """A release, with its source distribution unless `files` says otherwise."""
        project = self.project(name)
        known = self.value("SELECT release_id FROM release WHERE project_id = %s AND version = %s", project, version)
        release = known or add_release(self.connection, project, version)
        if not known:
            for filename in (f"{name}-{version}.tar.gz",) if files is None else files:
                add_file(self.connection, release, filename)
        for column, value in columns.items():
            self.execute(f"UPDATE release SET {column} = %s WHERE release_id = %s", value, release)
        return int(release)

    def worker(self, name: str, target: Target = BOOKWORM) -> int:
        known = self.value("SELECT worker_id FROM worker WHERE name = %s", name)
        columns = {"name": name, "connection_id": f"c-{name}", "target_id": self.targets[target.name]}
        more = {"python": "/usr/bin/python3", "state_directory": "/srv"}
        return int(known or self.insert("worker", "worker_id", columns | more))

    def job(self, name: str, version: str, target: Target = BOOKWORM, state: str = "built", **columns: Any) -> int:
        release = self.release(name, version)
        find = "SELECT job_id FROM job WHERE release_id = %s AND target_id = %s"
        known = self.value(find, release, self.targets[target.name])
        values = {"release_id": release, "target_id": self.targets[target.name], "state": state}
        values |= {"priority": 20, "estimate_seconds": 60} | columns
        if known:
            return int(known)
        return self.insert("job", "job_id", values)

    def attempt(self, job: int, failure: str | None = None, log: bytes | str | None = None, **columns: Any) -> int:
        """A try of a job; what is in `log` is in the store."""
        number = self.value("SELECT coalesce(max(number), 0) + 1 FROM attempt WHERE job_id = %s", job)
        values: dict[str, Any] = {
            "job_id": job,
            "number": number,
            "outcome": "failed" if failure else "built",
            "failure_class": failure,
            "started_at": BUILT - timedelta(seconds=95),
            "finished_at": BUILT,
            "recorded_at": BUILT,
        }
        if log is not None:
            path = self.home / "log.txt"
            path.write_bytes(log.encode() if isinstance(log, str) else log)
            stored = self.store.put_log(path)
            values |= {"log_path": stored.path, "log_sha256": stored.sha256, "log_bytes": stored.bytes}
        for column in ("phases", "environment", "smoke", "sandbox", "captured"):
            if column in columns:
                columns[column] = Json(columns[column])
        return self.insert("attempt", "attempt_id", values | columns)

    def wheel(
        self,
        name: str,
        version: str,
        tag: str = "cp311-cp311-linux_armv7l",
        target: Target = BOOKWORM,
        *,
        attempt: int | None = None,
        **columns: Any,
    ) -> str:
        """A wheel of ours; its bytes are not wanted here. Answers its name."""
        filename = f"{name.replace('-', '_')}-{version}-{tag}.whl"
        values: dict[str, Any] = {
            "attempt_id": attempt or self.attempt(self.job(name, version, target)),
            "release_id": self.release(name, version),
            "filename": filename,
            "sha256": hashlib.sha256(filename.encode()).hexdigest(),
            "size": 43_210,
            "tags": [tag],
            "metadata_sha256": "0" * 64,
            "built_at": BUILT,
            "published_at": BUILT,
        }
        if "facts" in columns:
            columns["facts"] = Json(columns["facts"])
        self.insert("wheel", "wheel_id", values | columns)
        return filename

    def id_of(self, name: str) -> int:
        return int(self.value("SELECT project_id FROM project WHERE name = %s", name))

    def rendered(self, name: str, *, everything: bool = False) -> Rendered:
        """What the site makes of a project now."""
        project = self.id_of(name)
        return self.site.render(self.site.read(self.connection, [project], everything=everything)[project])
