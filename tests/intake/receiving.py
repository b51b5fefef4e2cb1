"""A shop to hand build directories to, as the operator does, and the wheels in them.

shop = open_shop(connection, tmp_path)
received = shop.receive(shop.build(shop.job(), wheel=pure))
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from intake.hostile_wheels import CODE, TAG, make_wheel, wheel_info
from intake.tiny_elf import shared_object
from piwright.database.connection import Connection, fetch_all, fetch_one
from piwright.intake.limits import Limits
from piwright.intake.receive import Received, receive_build
from piwright.intake.store import FileStore

ARMV7 = [TAG, "cp311-abi3-linux_armv7l", "py3-none-any"]
TRIXIE = ["cp313-cp313-linux_armv7l", "cp311-abi3-linux_armv7l", "py3-none-any"]
ABI3 = {"spidev.py": b"def open():\n    return 3\n", "_spidev.abi3.so": shared_object("PyInit__spidev")}
LOG = "=== piwright: phase build\nrunning bdist_wheel\n"
HEADER_LOG = LOG + "a.c:1:10: fatal error: ffi.h: No such file or directory\n"


@dataclass
class Shop:
    """A project with one release, wanted for targets; directories as an operator downloads them; a store."""

    connection: Connection
    directory: Path
    store: FileStore
    release_id: int
    worker_id: int
    batch_id: int

    def job(
        self, name: str = "bookworm-cp311-armv7l", tags: list[str] = ARMV7, state: str = "leased", **more: Any
    ) -> int:
        """A job of this shop's batch for a target of its own."""
        distribution, python, architecture = name.split("-")
        target = self.one(
            "INSERT INTO target (name, distribution, python, architecture, tags) VALUES (%s, %s, %s, %s, %s) "
            "ON CONFLICT (name) DO UPDATE SET rank = 0 RETURNING target_id",
            (name, distribution, python, architecture, tags),
        )
        job = self.one(
            "INSERT INTO job (release_id, target_id, priority, estimate_seconds, batch_id, state, forced, partition) "
            "VALUES (%s, %s, 1, 1, %s, %s, %s, '2026-11-21') RETURNING job_id",
            (self.release_id, target.target_id, self.batch_id, state, more.get("forced", False)),
        )
        return int(job.job_id)

    def build(
        self,
        job_id: int,
        number: int = 1,
        wheel: Callable[[Path], Path] | None = make_wheel,
        *,
        log: str | None = LOG,
        kind: str = "backend",
        **change: Any,
    ) -> Path:
        """A build directory with a result that describes it; one that failed where `wheel` is None."""
        directory = self.directory / "incoming" / "17-1" / f"{job_id}-{number}"
        (directory / "wheels").mkdir(parents=True)
        started = datetime.now(UTC) - timedelta(minutes=5)
        wheels = []
        if wheel is not None:
            path = wheel(directory / "wheels")
            content = path.read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            wheels = [{"filename": path.name, "size": len(content), "sha256": digest}]
        result = {
            "format": 1,
            "build": directory.name,
            "outcome": "built" if wheels else "failed",
            "failure": None if wheels else {"kind": kind, "message": f"the worker says {kind}"},
            "started": started.isoformat(),
            "finished": (started + timedelta(seconds=90)).isoformat(),
            "phases": [{"name": "build", "started": started.isoformat(), "seconds": 80.5, "peak_memory_bytes": 9}],
            "peak_memory_bytes": 4096,
            "log": {"bytes": len(log or ""), "truncated": False},
            "wheels": wheels,
            "environment": {"python": "3.11.7", "requirements": ["setuptools==80.9.0"]},
        } | change
        (directory / "result.json").write_text(json.dumps(result))
        if log is not None:
            (directory / "log.txt").write_text(log)
        return directory

    def receive(self, directory: Path, **more: Any) -> Received:
        """Hand a build directory to intake, as the operator does."""
        job_id, number = map(int, directory.name.split("-"))
        values: dict[str, Any] = {
            "connection": self.connection,
            "batch_id": self.batch_id,
            "limits": Limits(ratio_free_bytes=8 << 20),
        }
        return receive_build(
            job_id=job_id,
            attempt_number=number,
            worker_id=self.worker_id,
            directory=directory,
            store=self.store,
            **(values | more),
        )

    def one(self, statement: str, values: Any = None) -> Any:
        """The first row."""
        return fetch_one(self.connection, statement, values)

    def all(self, statement: str, values: Any = None) -> list[Any]:
        """Every row."""
        return fetch_all(self.connection, statement, values)

    def state(self, job_id: int) -> str:
        """A job's state."""
        return str(self.one("SELECT state FROM job WHERE job_id = %s", (job_id,)).state)

    def stored(self) -> list[str]:
        """Wheels in the store."""
        return sorted(path.name for path in (self.store.root / "wheels").rglob("*.whl"))


def open_shop(connection: Connection, directory: Path) -> Shop:
    """A shop in an empty database."""
    row = fetch_one(
        connection,
        """
        WITH p AS (INSERT INTO project (name, display_name) VALUES ('spidev', 'spidev') RETURNING project_id),
             r AS (INSERT INTO release (project_id, version, original_version)
                   SELECT project_id, '3.6', '3.6' FROM p RETURNING release_id),
             t AS (INSERT INTO target (name, distribution, python, architecture, tags)
                   VALUES ('any', 'd', 'p', 'a', '{py3-none-any}') RETURNING target_id),
             w AS (INSERT INTO worker (name, connection_id, target_id, python, state_directory)
                   SELECT 'pi1', 'pi1', target_id, 'python3', 'state' FROM t RETURNING worker_id),
             b AS (INSERT INTO batch (target_id, run_id, label, expected_seconds)
                   SELECT target_id, 'run', 'label', 1 FROM t RETURNING batch_id)
        SELECT release_id, worker_id, batch_id FROM r, w, b
        """,
    )
    assert row is not None
    connection.commit()
    return Shop(connection, directory, FileStore(directory / "store"), *row)


def other_batch(shop: Shop) -> int:
    statement = (
        "INSERT INTO batch (target_id, run_id, label, expected_seconds) "
        "SELECT target_id, 'other', 'other', 1 FROM target LIMIT 1 RETURNING batch_id"
    )
    return int(shop.one(statement).batch_id)


def different(directory: Path) -> Path:
    """The same wheel with other content."""
    return make_wheel(directory, code=CODE | {"spidev.py": b"different\n"})


def pure(directory: Path, **more: Any) -> Path:
    code = {"spidev.py": CODE["spidev.py"]}
    return make_wheel(directory, "spidev-3.6-py3-none-any.whl", info=wheel_info(["py3-none-any"]), code=code, **more)


def abi3(directory: Path) -> Path:
    tag = "cp311-abi3-linux_armv7l"
    return make_wheel(directory, f"spidev-3.6-{tag}.whl", info=wheel_info([tag]), code=ABI3)
