"""A shop for a benchmark: a PostgreSQL of its own, filled with made-up projects, and a store with their wheels.

    with made_up_shop(home) as shop:
        shop.fill(made_up_projects(3150, files=20_000), store=True)
        shop.publish(...)

Rows go in by COPY, with numbers given here. Nothing of the shop's own code is asked to make them, so that filling takes a
minute where building would take a year.
"""

import hashlib
import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from made_up import MadeUpProject  # noqa: E402

from piwright.database.connection import connect  # noqa: E402
from piwright.database.provision import Access, provision  # noqa: E402
from piwright.index.compression import compress  # noqa: E402
from piwright.intake.store import FileStore  # noqa: E402
from piwright.planning.targets import known_targets, store_targets  # noqa: E402
from piwright.stack.postgres import Cluster  # noqa: E402
from support.postgres import PASSWORDS  # noqa: E402

UPSTREAM = "http://127.0.0.1:9/simple/"
"""Nothing listens there: benchmarks ask nobody."""

BUILT = "2026-11-01 12:00:00+00"

_COLUMNS = {
    "project": "project_id, name, display_name, summary, first_seen_at, changed_at, stale_since, listed",
    "release": "release_id, project_id, version, original_version, uploaded_at",
    "job": "job_id, release_id, target_id, state, priority, attempts, estimate_seconds",
    "attempt": "attempt_id, job_id, number, outcome, started_at, finished_at, peak_memory_bytes, recorded_at, log_path, "
    "log_sha256, log_bytes",
    "wheel": "wheel_id, attempt_id, release_id, filename, sha256, size, tags, requires_python, metadata_sha256, built_at",
}
_KEYS = {
    "project": "project_id",
    "release": "release_id",
    "job": "job_id",
    "attempt": "attempt_id",
    "wheel": "wheel_id",
}


class Rows:
    """Rows on their way into the tables, a few thousand at a time."""

    def __init__(self, owner_url: str) -> None:
        self._connection = psycopg2.connect(owner_url)
        self._waiting = {table: io.StringIO() for table in _COLUMNS}
        self.numbers = dict.fromkeys(_COLUMNS, 0)

    def add(self, table: str, *values: object) -> int:
        self.numbers[table] += 1
        cells = (self.numbers[table], *values)
        self._waiting[table].write("\t".join("\\N" if cell is None else str(cell) for cell in cells) + "\n")
        if self._waiting["wheel"].tell() > 4_000_000 or self._waiting["project"].tell() > 4_000_000:
            self.flush()
        return self.numbers[table]

    def flush(self) -> None:
        with self._connection.cursor() as cursor:
            for table, columns in _COLUMNS.items():
                self._waiting[table].seek(0)
                cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN", self._waiting[table])
                self._waiting[table] = io.StringIO()
        self._connection.commit()

    def finish(self) -> None:
        self.flush()
        with self._connection.cursor() as cursor:
            for table, key in _KEYS.items():
                cursor.execute(
                    f"SELECT setval(pg_get_serial_sequence('{table}', '{key}'), (SELECT max({key}) FROM {table}))"
                )
        self._connection.commit()
        self._connection.close()


@dataclass(frozen=True)
class MadeUpShop:
    """Its places, and the addresses of its database."""

    home: Path
    access: Access

    @property
    def store_root(self) -> Path:
        return self.home / "store"

    def fill(self, projects: Iterable[MadeUpProject], *, bare: Iterable[str] = (), targets: int = 0) -> int:
        """Put projects with their wheels into database and store, then `bare` names; answers the number of wheels.

        So many targets have an index of their own. Bare names are those of projects we have nothing of; they are listed.
        """
        known = known_targets()
        with connect(self.access.owner) as owner:
            target_ids = store_targets(owner, known)
            with owner.cursor() as cursor:
                cursor.execute("UPDATE target SET active = name = ANY (%s)", ([each.name for each in known[:targets]],))
        chosen = {tag: target_ids[target.name] for target in reversed(known) for tag in target.tags}
        any_target = next(iter(target_ids.values()))
        store = FileStore(self.store_root)
        rows = Rows(self.access.owner)
        log = self._put_log()
        for project in projects:
            project_id = rows.add(
                "project", project.name, project.name, f"The {project.name}", BUILT, BUILT, BUILT, "f"
            )
            releases: dict[str, int] = {}
            jobs: dict[tuple[int, int], int] = {}
            attempts: dict[int, int] = {}
            for wheel in project.wheels:
                if wheel.version not in releases:
                    releases[wheel.version] = rows.add("release", project_id, wheel.version, wheel.version, BUILT)
                release = releases[wheel.version]
                target = next((chosen[tag] for tag in wheel.tags if tag in chosen), any_target)
                if (release, target) not in jobs:
                    jobs[release, target] = rows.add("job", release, target, "built", 0, 1, 12)
                    attempts[jobs[release, target]] = rows.add(
                        "attempt",
                        jobs[release, target],
                        1,
                        "built",
                        BUILT,
                        "2026-11-01 12:00:42+00",
                        50_000_000,
                        BUILT,
                        *log,
                    )
                content = wheel.content()
                sha256 = hashlib.sha256(content).hexdigest()
                metadata_path = store.metadata_path(sha256, wheel.filename)
                metadata_path.parent.mkdir(parents=True)
                metadata_path.write_bytes(wheel.metadata)
                Path(f"{metadata_path}.gz").write_bytes(compress(wheel.metadata, ".gz"))
                store.wheel_path(sha256, wheel.filename).write_bytes(content)
                tags = "{" + ",".join(wheel.tags) + "}"
                metadata = hashlib.sha256(wheel.metadata).hexdigest()
                attempt = attempts[jobs[release, target]]
                rows.add("wheel", attempt, release, wheel.filename, sha256, len(content), tags, wheel.requires_python,
                         metadata, BUILT)  # fmt: skip
        for name in bare:
            rows.add("project", name, name, None, BUILT, BUILT, None, "t")
        rows.finish()
        vacuum(self.access.owner)
        return rows.numbers["wheel"]

    def _put_log(self) -> tuple[str, str, int]:
        """The log that all builds have: path in the store, hash, size."""
        lines = (f"  copying build/lib/module_{number}.py -> build/bdist\n" for number in range(400))
        with tempfile.NamedTemporaryFile("w", suffix=".log") as file:
            file.writelines(["$ pip wheel\n", *lines, "Successfully built\n"])
            file.flush()
            stored = FileStore(self.store_root).put_log(Path(file.name))
        return stored.path, stored.sha256, stored.bytes


def vacuum(owner_url: str) -> None:
    """What the database does by itself when it has time: benchmarks do not wait for it."""
    connection = psycopg2.connect(owner_url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"VACUUM ANALYZE {', '.join(_COLUMNS)}")
    connection.close()


@contextmanager
def made_up_shop(home: Path) -> Iterator[MadeUpShop]:
    """An empty shop below `home`. Its database runs as in production: what it committed is on the disk."""
    cluster = Cluster(home / "postgres", password="benchmark")
    cluster.create()
    with (home / "postgres.log").open("wb") as log:
        server = subprocess.Popen(cluster.command(), stdout=log, stderr=log)
    try:
        _wait_for(cluster.admin_url, server)
        yield MadeUpShop(home, provision(cluster.admin_url, PASSWORDS, prefix="piwright"))
    finally:
        server.terminate()
        server.wait(timeout=60)


def _wait_for(url: str, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg2.connect(url).close()
            return
        except psycopg2.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
