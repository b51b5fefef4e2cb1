"""Two real SSH workers, a real database and the operator between them, as Airflow would drive it."""

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest
from airflow.sdk.exceptions import TaskDeferred

from piwright.catalog.update import update_catalog
from piwright.catalog.watch_list import parse_watch_list
from piwright.database.connection import Connection, connect, fetch_all
from piwright.database.provision import Access
from piwright.planning.jobs import queue_first_sight
from piwright.planning.plan import plan_batches
from piwright.planning.targets import machine_target, store_targets
from piwright.planning.workers import WorkerEntry, register_workers
from piwright.settings import Settings
from piwright.stack.secrets import Secrets
from piwright.stack.ssh_workers import EmbeddedWorker, embedded_workers, find_sshd, worker_command
from piwright.worker import build_worker_zipapp, worker_path
from support.ports import free_port
from support.upstream import Distribution, LoopbackUpstream
from support.worker import wait_for


@dataclass
class Pi:
    """An SSH worker whose server can be taken away and brought back."""

    worker: EmbeddedWorker
    command: list[str]
    log: Path
    server: "subprocess.Popen[bytes] | None" = None
    python: str = sys.executable
    original_python: str = sys.executable

    def plug_in(self) -> None:
        with self.log.open("ab") as log:
            self.server = subprocess.Popen(self.command, stdout=log, stderr=log)
        wait_for(self._listens)

    def unplug(self) -> None:
        """End the server and every session it holds, as a pulled plug would; the runner lives on in its own session."""
        if self.server is not None:
            for child in psutil.Process(self.server.pid).children(recursive=True):
                if "sshd" in child.name():  # sessions; not the runner, which is in a session of its own
                    child.kill()
            self.server.kill()
            self.server.wait()
            self.server = None

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.worker.port)) == 0

    @property
    def state(self) -> Path:
        return self.worker.directory / "state"


@dataclass
class Shop:
    """Everything one batch needs."""

    access: Access
    upstream: LoopbackUpstream
    pis: list[Pi]
    home: Path
    fired: list[dict[str, Any]] = field(default_factory=list)

    def plan(self, *sdists: Distribution) -> int:
        """Put sdists on the watch list and into one batch; answers its id. Every worker is live then."""
        batch_id = self.plan_more(*sdists)
        self.change("UPDATE worker SET state = 'live'")
        return batch_id

    def plan_more(self, *sdists: Distribution) -> int:
        """The same for the next batch, with `worker-1` live and the others drained."""
        for each in sdists:
            self.upstream.add(each)
        lines = "\n".join(each.project for each in sdists).encode()
        with connect(self.access.application) as database:
            update_catalog(database, upstream_url=self.upstream.url, watch_list=parse_watch_list(lines))
            queue_first_sight(database, None)
            # Planned as for one worker: one batch.
            with database.cursor() as cursor:
                cursor.execute("UPDATE worker SET state = 'drained' WHERE name <> 'worker-1'")
            (planned,) = plan_batches(database, f"run-{sdists[0].project}", None, batch_seconds=10_000)
        return planned.batch_id

    def database(self) -> AbstractContextManager[Connection]:
        """A connection as the application."""
        return connect(self.access.application)

    def change(self, statement: str) -> None:
        with connect(self.access.application) as database, database.cursor() as cursor:
            cursor.execute(statement)

    def put_last(self, project: str) -> None:
        """Make a project's job the last of its batch."""
        self.change(
            "UPDATE job SET priority = 0 FROM release r, project p WHERE r.release_id = job.release_id "
            f"AND p.project_id = r.project_id AND p.name = '{project}'"
        )

    def rows(self, statement: str) -> list[Any]:
        with connect(self.access.application) as database:
            return fetch_all(database, statement)

    def jobs(self) -> dict[str, str]:
        found = self.rows(
            "SELECT p.name, j.state FROM job j JOIN release r USING (release_id) JOIN project p USING (project_id)"
        )
        return {row.name: row.state for row in found}

    def attempts(self) -> list[tuple[str, int, str]]:
        found = self.rows(
            "SELECT p.name, a.number, coalesce(a.failure_class, 'built') FROM attempt a JOIN job USING (job_id) "
            "JOIN release r USING (release_id) JOIN project p USING (project_id) ORDER BY p.name, a.number"
        )
        return [tuple(row) for row in found]

    def pi_of(self, batch_id: int) -> Pi:
        (row,) = self.rows(f"SELECT w.name FROM batch JOIN worker w USING (worker_id) WHERE batch_id = {batch_id}")
        return next(pi for pi in self.pis if pi.worker.name == row.name)


def step(operator: Any, deferred: Any = None, event: dict[str, Any] | None = None) -> Any:
    """Run the operator as a task process would: answers its result, or the `TaskDeferred` it raised."""
    try:
        if deferred is None:
            return operator.execute({})
        return getattr(operator, deferred.method_name)({}, event=event, **(deferred.kwargs or {}))
    except TaskDeferred as again:
        return again


def fire(trigger: Any) -> dict[str, Any]:
    """Run a trigger, as stored and loaded again, until its event."""
    path, arguments = trigger.serialize()
    module, _, name = path.rpartition(".")
    loaded = getattr(import_module(module), name)(**json.loads(json.dumps(arguments)))

    async def first() -> dict[str, Any]:
        async for event in loaded.run():
            return dict(event.payload)
        raise AssertionError("the trigger ended without an event")

    return asyncio.run(first())


def drive(operator: Any, shop: Shop | None = None) -> Any:
    """Run a task to its end, triggers included; answers what it returns."""
    deferred: Any = None
    event: dict[str, Any] | None = None
    while True:
        outcome = step(operator, deferred, event)
        if not hasattr(outcome, "trigger"):
            return outcome
        deferred, event = outcome, fire(outcome.trigger)
        if shop is not None:
            shop.fired.append(event)


@pytest.fixture
def upstream() -> Iterator[LoopbackUpstream]:
    with LoopbackUpstream(redirect_to=None) as running:
        yield running


@pytest.fixture(scope="session")
def shared_tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A worker's virtual environment with pip, for all of them: the first build of the session makes it."""
    return tmp_path_factory.mktemp("tools")


@pytest.fixture
def shop(
    tmp_path: Path,
    shared_tools: Path,
    database: Access,
    connection: Connection,
    upstream: LoopbackUpstream,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Shop]:
    port = free_port()
    variables = {
        "PIWRIGHT_HOME": str(tmp_path / "home"),
        "PIWRIGHT_UPSTREAM_URL": upstream.url,
        "PIWRIGHT_WORKER_PORT": str(port),
        "PIWRIGHT_WORKER_GRACE": "5",
        "PIWRIGHT_BUILD_TIMEOUT": "20",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = Settings.from_environment()
    settings.home.mkdir()
    secrets = Secrets.load(settings)
    workers = embedded_workers(settings)
    workers = [EmbeddedWorker(each.number, free_port(), each.directory, each.host_key, each.user) for each in workers]
    pis = [
        Pi(each, worker_command(each, find_sshd(settings), secrets, "test"), tmp_path / f"{each.name}.log")
        for each in workers
    ]
    ids = store_targets(connection, [machine_target()])
    (target,) = ids.values()
    register_workers(
        connection,
        [
            WorkerEntry(each.name, each.connection_id, target, sys.executable, str(each.directory / "state"), 1)
            for each in workers
        ],
    )
    connection.commit()
    for pi in pis:
        pi.state.mkdir(exist_ok=True)
        (pi.state / "tools").symlink_to(shared_tools)
        pi.plug_in()
        extra = {"key_file": str(secrets.worker_key), "host_key": " ".join(pi.worker.host_key.split()[:2])}
        described = {
            "conn_type": "ssh",
            "host": "127.0.0.1",
            "port": pi.worker.port,
            "login": pi.worker.user,
            "extra": extra,
        }
        monkeypatch.setenv(f"AIRFLOW_CONN_{pi.worker.connection_id.upper()}", json.dumps(described))
    monkeypatch.setenv("AIRFLOW_CONN_PIWRIGHT_DB", database_connection(database.application))
    opened = Shop(database, upstream, pis, settings.home)
    try:
        yield opened
    finally:
        for pi in pis:
            end_runners(pi)
            pi.unplug()


def database_connection(url: str) -> str:
    """Airflow's JSON form of a libpq URL with a socket folder for a host."""
    parts = urlsplit(url)
    return json.dumps(
        {
            "conn_type": "postgres",
            "host": parse_qs(parts.query)["host"][0],
            "login": parts.username,
            "password": parts.password,
            "schema": parts.path.lstrip("/"),
        }
    )


def end_runners(pi: Pi) -> None:
    """Cancel whatever batches a test left on a worker."""
    program = worker_path(str(pi.state), build_worker_zipapp().version)
    for batch in (pi.state / "batches").glob("*"):
        subprocess.run(
            [sys.executable, program, "--state", str(pi.state), "cancel", batch.name], capture_output=True, timeout=60
        )
