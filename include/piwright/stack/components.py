"""The components of an embedded stack, in the order they start."""

import sys
from pathlib import Path

from piwright.settings import Settings
from piwright.stack.airflow import airflow_environment
from piwright.stack.emulated.shelf import Shelf
from piwright.stack.postgres import Cluster
from piwright.stack.secrets import Secrets
from piwright.stack.ssh_workers import embedded_workers, find_sshd, worker_command
from piwright.stack.supervise import Component

AIRFLOW_COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")


def embedded_cluster(settings: Settings, secrets: Secrets) -> Cluster:
    """The embedded PostgreSQL of a home."""
    return Cluster(settings.home / "postgres", secrets.database_passwords["postgres"])


def components(settings: Settings, secrets: Secrets, airflow_database_url: str) -> list[Component]:
    """Everything supervisord runs. Airflow waits to be started until its database is migrated."""
    return [
        *_postgres(settings, secrets),
        *_workers(settings, secrets),
        *_emulated_pis(settings, secrets),
        _index(settings),
        *_airflow(settings, secrets, airflow_database_url),
    ]


def _postgres(settings: Settings, secrets: Secrets) -> list[Component]:
    if settings.database_url is not None:
        return []
    cluster = embedded_cluster(settings, secrets)
    # SIGINT is its fast shutdown: sessions are ended, data is safe.
    return [Component("postgres", cluster.command(), priority=10, stop_signal="INT", start_seconds=1)]


def _workers(settings: Settings, secrets: Secrets) -> list[Component]:
    sshd = find_sshd(settings)
    return [
        Component(each.name, worker_command(each, sshd, secrets, str(settings.home)), priority=20, start_seconds=1)
        for each in embedded_workers(settings)
    ]


def _emulated_pis(settings: Settings, secrets: Secrets) -> list[Component]:
    shelf = Shelf(settings)
    return [
        # Its first process takes everything along; there is nothing to end in order.
        Component(pi_component(each.name), shelf.command(each, secrets), priority=20, start_seconds=2)
        for each in shelf.pis()
    ]


def pi_component(name: str) -> str:
    """What supervisord calls an emulated Pi: no name somebody gives one is another component's."""
    return f"emulated-{name}"


def _index(settings: Settings) -> Component:
    command = [sys.executable, "-m", "piwright.index.server", "--root", settings.storage_address]
    command += ["--port", str(settings.index_port), "--upstream", settings.upstream_url]
    command += ["--access-log", str(settings.access_log_file)]
    return Component("index", command, priority=30)


def _airflow(settings: Settings, secrets: Secrets, database_url: str) -> list[Component]:
    environment = airflow_environment(settings, secrets, database_url)
    airflow = str(Path(sys.executable).with_name("airflow"))
    arguments = {
        "api-server": ["api-server"],
        # Logs lie in one folder that the page reads itself: nobody has to serve them, or takes a port for it.
        "scheduler": ["scheduler", "--skip-serve-logs"],
        "dag-processor": ["dag-processor"],
        "triggerer": ["triggerer", "--skip-serve-logs"],
    }
    return [
        Component(name, [airflow, *arguments[name]], environment, start_seconds=3, priority=100, autostart=False)
        for name in AIRFLOW_COMPONENTS
    ]
