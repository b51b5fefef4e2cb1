"""Brings an embedded stack up, from nothing or from wherever it is.

stack = Stack(settings, say=print)
stack.start()                     # a no-op where it runs already
run_id = stack.api.trigger("sync_pypi")
stack.check()                     # raises ComponentDied, tells of restarts
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import psycopg2

from piwright.database.connection import connect
from piwright.database.provision import Access, provision
from piwright.settings import ROOT, Settings
from piwright.site.publication import publish_projects, write_shop
from piwright.stack.airflow import DAGS, AirflowApi, airflow_environment
from piwright.stack.components import AIRFLOW_COMPONENTS, components, embedded_cluster, pi_component
from piwright.stack.emulated.architecture import GUESTS
from piwright.stack.emulated.host import missing_for_emulation
from piwright.stack.emulated.shelf import Shelf
from piwright.stack.preflight import busy_ports, clashing_ports, missing_parts
from piwright.stack.secrets import Secrets, write_secret
from piwright.stack.supervise import Supervisor, tail
from piwright.stack.workers import register, stack_workers

_MOST_RESTARTS = 5
"""Of one component while somebody watches: beyond, it will not come back by itself."""


class ComponentDied(RuntimeError):
    """A component does not run and is not tried any more; the message has the end of its log."""


class NotReady(RuntimeError):
    """The machine or the settings stand in the way; one sentence a problem."""


class Stack:
    """The embedded stack of one home. `say` gets a sentence for people now and then."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self.settings = settings
        self.supervisor = Supervisor(settings)
        self.shelf = Shelf(settings)
        self._say = say
        self._pids: dict[str, int] = {}
        self._restarts: dict[str, int] = {}
        settings.home.mkdir(parents=True, exist_ok=True)
        self.secrets = Secrets.load(settings)
        self.api = AirflowApi(settings.airflow_url, "admin", self.secrets.airflow_password)

    @property
    def access(self) -> Access:
        """Addresses of the databases, as the last start left them."""
        return Access(**json.loads(self.secrets.databases_file.read_text()))

    @property
    def running(self) -> bool:
        """Whether its supervisor is there."""
        return self.supervisor.process() is not None

    def start(self) -> None:
        """Start everything that does not run, and set up what the DAGs need. Raises `NotReady` before it changes a thing."""
        settings = self.settings
        if self.running and self._started_with() != self._starts_with():
            self._say("The settings or the code changed: starting anew.")
            self.stop()
        if not self.running:
            if self.supervisor.stop():
                self._say("A supervisor was killed: ended what it left behind.")
            ports = self._ports()
            self._require(missing_parts() + clashing_ports(ports) + busy_ports(ports) + self._missing_for_pis())
            if settings.database_url is None:
                embedded_cluster(settings, self.secrets).create()
            settings.index_directory.mkdir(parents=True, exist_ok=True)
            self._make_roots()
            # Airflow's address of its database can be told before the database is there.
            self._say("Starting the database, the workers and the index.")
            self._pids.clear()
            self.supervisor.start(components(settings, self.secrets, self._airflow_database()))
            write_secret(self._start_file, self._starts_with().encode())
        else:
            self._make_roots()
            self.update_components()
        self._provision()
        self._migrate_airflow()
        for name in AIRFLOW_COMPONENTS:
            self.supervisor.start_component(name)
        self._set_up_shop()
        self._say("Starting Airflow.")
        self.api.wait(180, self.check)
        self._set_up_airflow()

    @property
    def has_these_settings(self) -> bool:
        """Whether what runs was started with the settings of now."""
        started = json.loads(self._started_with() or "{}")
        return bool(started.get("settings") == self.settings.to_environment())

    def check(self) -> None:
        """Tell of components that died and came back. Raises `ComponentDied` for one that does not come back."""
        if not self.running:
            raise ComponentDied(f"supervisord died:\n{tail(self.supervisor.log_of('supervisord'))}")
        try:
            states = self.supervisor.states()
        except OSError:
            return  # it is busy, or about to be found dead by the next look
        for each in states:
            log = self.supervisor.log_of(each.name)
            before = self._pids.get(each.name)
            if each.pid and before and each.pid != before:
                self._restarts[each.name] = self._restarts.get(each.name, 0) + 1
                self._say(f"{each.name} died and was started again. The end of its log ({log}):\n{tail(log, 5)}")
            if each.pid:
                self._pids[each.name] = each.pid
            if each.gave_up or self._restarts.get(each.name, 0) > _MOST_RESTARTS:
                raise ComponentDied(f"{each.name} died ({each.detail}). The end of its log ({log}):\n{tail(log)}")

    def update_components(self) -> None:
        """Start the emulated Pis that were added, end those that were removed, and try anew one that was given up."""
        self.supervisor.update(components(self.settings, self.secrets, self._airflow_database()))
        for each in self.shelf.pis():
            self.supervisor.start_component(pi_component(each.name))

    def update_workers(self) -> None:
        """Tell the shop and Airflow which workers there are."""
        with connect(self.access.application) as database:
            register(database, self.settings, self.shelf, anew=False)
        self._connect_workers()

    def stop(self) -> int:
        """End everything. Answers how many processes had to be killed because they did not end when told."""
        return self.supervisor.stop()

    @property
    def _start_file(self) -> Path:
        return self.settings.home / "started_with.json"

    def _starts_with(self) -> str:
        """What components know from their start only: settings, and the code they loaded."""
        code = hashlib.sha256()
        for path in sorted(path for place in ("include", "plugins") for path in (ROOT / place).rglob("*.py")):
            code.update(f"{path}\0".encode() + path.read_bytes())
        return json.dumps({"settings": self.settings.to_environment(), "code": code.hexdigest()})

    def _started_with(self) -> str:
        return self._start_file.read_text() if self._start_file.is_file() else ""

    def _require(self, problems: list[str]) -> None:
        if problems:
            raise NotReady("\n".join(problems))

    def _ports(self) -> list[tuple[str, int, str]]:
        settings = self.settings
        workers = stack_workers(settings, self.shelf)
        return [
            ("PIWRIGHT_AIRFLOW_PORT", settings.airflow_port, "Airflow"),
            ("PIWRIGHT_INDEX_PORT", settings.index_port, "the index"),
            *(("PIWRIGHT_WORKER_PORT", each.port, each.name) for each in workers),
        ]

    def _missing_for_pis(self) -> list[str]:
        machines = {each.machine for each in self.shelf.pis()}
        return [
            problem for each in sorted(machines) for problem in missing_for_emulation(GUESTS[each], self.shelf.folder)
        ]

    def _make_roots(self) -> None:
        """File systems of the emulated Pis; there already, unless piwright is newer than they are."""
        for each in self.shelf.pis():
            self.shelf.roots.ensure(each.suite, each.machine, self._say)

    def _admin_url(self) -> str:
        return self.settings.database_url or embedded_cluster(self.settings, self.secrets).admin_url

    def _airflow_database(self) -> str:
        parts = urlsplit(self._admin_url())
        host = parts.netloc.rpartition("@")[2]
        password = self.secrets.database_passwords["airflow"]
        query = f"?{parts.query}" if parts.query else ""
        return f"postgresql://piwright_airflow:{password}@{host}/piwright_airflow{query}"

    def _provision(self) -> None:
        """Databases, roles and the newest schema, as soon as the server answers."""
        deadline = time.monotonic() + 60
        while True:
            self.check()
            try:
                access = provision(self._admin_url(), self.secrets.database_passwords)
                break
            except psycopg2.OperationalError as error:
                if time.monotonic() > deadline or self.settings.database_url is not None:
                    raise NotReady(f"The database does not answer: {str(error).strip()}") from error
                time.sleep(0.2)
        write_secret(self.secrets.databases_file, json.dumps(asdict(access)).encode())

    def _migrate_airflow(self) -> None:
        """Airflow's own tables; once for each version of Airflow, for it takes ten seconds."""
        environment = airflow_environment(self.settings, self.secrets, self.access.airflow)
        mark = self.settings.home / "airflow" / "migrated"
        done = f"{version('apache-airflow')} {self.settings.database_url or 'embedded'}"
        if mark.is_file() and mark.read_text() == done:
            return
        self._say("Preparing Airflow's database.")
        mark.parent.mkdir(parents=True, exist_ok=True)
        migrated = subprocess.run(
            [str(Path(sys.executable).with_name("airflow")), "db", "migrate"],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
        )
        if migrated.returncode:
            raise NotReady(f"`airflow db migrate` failed:\n{(migrated.stdout + migrated.stderr).strip()[-3000:]}")
        mark.write_text(done)

    def _set_up_shop(self) -> None:
        """Targets, workers and a first page, so that the index answers from the start."""
        settings = self.settings
        with connect(self.access.application) as database:
            register(database, settings, self.shelf)
        with connect(self.access.application) as database:
            publish_projects(database, settings, settings.upstream_url)
            write_shop(database, settings)

    def _set_up_airflow(self) -> None:
        """Connections, the pool, and DAGs that may run."""
        self.api.put_connection(_database_connection(self.access.application))
        self._connect_workers()
        deadline = time.monotonic() + 120
        left = set(DAGS)
        while left:
            self.check()
            left = {dag for dag in left if not self.api.unpause(dag)}
            if left and time.monotonic() > deadline:
                why = self.api.import_errors() or tail(self.supervisor.log_of("dag-processor"))
                raise NotReady(f"Airflow does not find the DAGs {', '.join(sorted(left))}:\n{why}")
            time.sleep(0.3 if left else 0)

    def _connect_workers(self) -> None:
        workers = stack_workers(self.settings, self.shelf)
        for each in workers:
            self.api.put_connection(each.airflow_connection(self.secrets.worker_key))
        slots = sum(each.slots for each in workers)
        self.api.put_pool("pi_builds", slots, "Batches on workers at the same time, waiting ones included.")


def _database_connection(url: str) -> dict[str, object]:
    """Airflow's connection to the piwright database, from a libpq URL."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    connection: dict[str, object] = {
        "connection_id": "piwright_db",
        "conn_type": "postgres",
        "description": "The piwright database, as the application",
        "host": query.get("host", [parts.hostname or ""])[0],
        "login": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "schema": parts.path.lstrip("/"),
    }
    if parts.port:
        connection["port"] = parts.port
    more = {name: values[-1] for name, values in query.items() if name != "host"}
    if more:
        connection["extra"] = json.dumps(more)
    return connection
