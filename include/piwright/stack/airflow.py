"""Airflow as the embedded stack runs it: its environment, and what we ask of its API.

environment = airflow_environment(settings, secrets, database_url)
api = AirflowApi(settings.airflow_url, "admin", secrets.airflow_password)
api.put_connection({...}); api.put_pool("pi_builds", 2, "..."); api.trigger("sync_pypi")
"""

import time
from datetime import UTC, datetime
from typing import Any

import requests

from piwright.database.migrate import sqlalchemy_url
from piwright.settings import ROOT, Settings
from piwright.stack.secrets import Secrets

DAGS = ("sync_pypi", "build_wheels", "publish_index", "count_downloads")

_FINISHED = ("success", "failed")


def airflow_environment(settings: Settings, secrets: Secrets, database_url: str) -> dict[str, str]:
    """The variables every Airflow component gets. `database_url` is Airflow's own database."""
    home = settings.home / "airflow"
    return settings.to_environment() | {
        "AIRFLOW_HOME": str(home),
        "PYTHONPATH": str(ROOT / "include"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": str(settings.parallelism),
        "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "500",
        # Paused until connections and the pool are there; `up` then lets them run.
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
        "AIRFLOW__CORE__FERNET_KEY": secrets.fernet_key,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{settings.airflow_url}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(secrets.airflow_passwords_file),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": sqlalchemy_url(database_url),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(settings.airflow_port),
        "AIRFLOW__API__BASE_URL": settings.airflow_url,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__SECRET_KEY": secrets.api_secret,
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.jwt_secret,
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        # A component that died is noticed in half a minute instead of five.
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "30",
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "30",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "10",
        "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "120",
        "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "30",
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "20",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }


class AirflowUnavailable(RuntimeError):
    """Airflow's API does not answer, or refuses."""


class AirflowApi:
    """Airflow's public API, as one user."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self._url = url
        self._credentials = {"username": user, "password": password}
        self._session = requests.Session()
        # Loopback only: a proxy of the machine has nothing to do with it.
        self._session.trust_env = False

    def wait(self, seconds: float, still_alive: "Any") -> None:
        """Wait until the API answers; `still_alive()` may raise to end the wait early."""
        deadline = time.monotonic() + seconds
        while True:
            still_alive()
            try:
                self._session.get(f"{self._url}/api/v2/monitor/health", timeout=5).raise_for_status()
                return
            except requests.RequestException as error:
                if time.monotonic() > deadline:
                    raise AirflowUnavailable(f"Airflow did not answer at {self._url}: {error}") from error
                time.sleep(0.3)

    def put_connection(self, connection: dict[str, Any]) -> None:
        """Create a connection or make it what it should be."""
        name = connection["connection_id"]
        if self.call("PATCH", f"connections/{name}", json=connection, accept=(404,)) is None:
            self.call("POST", "connections", json=connection)

    def delete_connection(self, name: str) -> None:
        """Remove a connection; a no-op when there is none."""
        self.call("DELETE", f"connections/{name}", accept=(404,))

    def put_pool(self, name: str, slots: int, description: str) -> None:
        """Create a pool that counts deferred tasks, or make it as large as it should be."""
        pool = {"slots": slots, "description": description, "include_deferred": True}
        # The API calls the same field `pool` when it changes one and `name` when it makes one.
        if self.call("PATCH", f"pools/{name}", json=pool | {"pool": name}, accept=(404,)) is None:
            self.call("POST", "pools", json=pool | {"name": name})

    def unpause(self, dag_id: str) -> bool:
        """Let a DAG run. False when Airflow does not know it yet."""
        return self.call("PATCH", f"dags/{dag_id}", json={"is_paused": False}, accept=(404,)) is not None

    def import_errors(self) -> str:
        """Why DAG files could not be loaded, for a person; empty when all could."""
        answer = self.call("GET", "importErrors") or {}
        return "\n".join(f"{each['filename']}: {each['stack_trace']}" for each in answer.get("import_errors", []))

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None) -> str:
        """Start a run by hand; answers its id."""
        body = {"logical_date": datetime.now(UTC).isoformat(), "conf": conf or {}}
        answer = self.call("POST", f"dags/{dag_id}/dagRuns", json=body)
        assert answer is not None
        return str(answer["dag_run_id"])

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """One run as Airflow describes it."""
        answer = self.call("GET", f"dags/{dag_id}/dagRuns/{requests.utils.quote(run_id, safe='')}")
        assert answer is not None
        return answer

    def last_runs(self, dag_id: str, limit: int = 20) -> list[dict[str, Any]]:
        """The newest runs of a DAG, newest first; none when Airflow does not know the DAG yet."""
        answer = self.call("GET", f"dags/{dag_id}/dagRuns?order_by=-run_after&limit={limit}", accept=(404,))
        return list(answer["dag_runs"]) if answer else []

    def failed_tasks(self, dag_id: str, run_id: str) -> list[str]:
        """Names of the tasks of a run that failed by themselves."""
        quoted = requests.utils.quote(run_id, safe="")
        answer = self.call("GET", f"dags/{dag_id}/dagRuns/{quoted}/taskInstances?state=failed&limit=100") or {}
        return sorted({str(task["task_id"]) for task in answer.get("task_instances", [])})

    def call(self, method: str, path: str, *, json: Any = None, accept: tuple[int, ...] = ()) -> dict[str, Any] | None:
        """A request to the API's version 2. Answers its JSON, or None for a status in `accept`.

        Raises `AirflowUnavailable` when there is no answer, or another refusal.
        """
        url = f"{self._url}/api/v2/{path}"
        try:
            if "Authorization" not in self._session.headers:
                self._log_in()
            answer = self._session.request(method, url, json=json, timeout=30)
            if answer.status_code == 401:
                self._log_in()
                answer = self._session.request(method, url, json=json, timeout=30)
        except requests.RequestException as error:
            raise AirflowUnavailable(f"Airflow does not answer at {self._url}: {error}") from error
        if answer.status_code in accept:
            return None
        if not answer.ok:
            raise AirflowUnavailable(f"Airflow answered {answer.status_code} to {method} {path}: {answer.text[:500]}")
        return dict(answer.json()) if answer.content else {}

    def _log_in(self) -> None:
        answer = self._session.post(f"{self._url}/auth/token", json=self._credentials, timeout=30)
        answer.raise_for_status()
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


def is_finished(run: dict[str, Any]) -> bool:
    """Whether a run has ended, well or not."""
    return run.get("state") in _FINISHED
