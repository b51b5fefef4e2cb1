"""One embedded stack for all end-to-end tests, on ports and in a home of its own, over an upstream the test made."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from piwright.analysis.status import read_status
from piwright.database.connection import connect, fetch_all
from piwright.database.provision import Access
from piwright.settings import Settings
from piwright.stack.airflow import DAGS, AirflowApi, is_finished
from piwright.stack.supervise import Supervisor
from support.ports import free_port
from support.upstream import LoopbackUpstream, make_sdist
from support.worker import wait_for

PIWRIGHT = str(Path(sys.executable).with_name("piwright"))
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
DAYS = [TODAY - timedelta(days=back) for back in (12, 11, 10)]
"""What the backfill is about; the releases `past` 1.0, 1.1 and 1.2 were uploaded at noon of one each."""

WATCH_LIST = """\
# the end-to-end test's
quick         # pure Python
compiled>=1   # a C extension
broken        # fails
stuck         # hangs and must time out
taken-back    # its only release is yanked
past          # its history comes by backfill
this is no requirement
no-such-project-anywhere
"""


@dataclass
class Stack:
    """The stack under test, seen from outside: its command, its database, its API, its processes."""

    environment: dict[str, str]
    settings: Settings
    upstream: LoopbackUpstream
    up_output: list[str] = field(default_factory=list)

    def command(self, *arguments: str, timeout: float = 600) -> "subprocess.CompletedProcess[str]":
        """Run `piwright` to its end."""
        return subprocess.run(
            [PIWRIGHT, *arguments], env=self.environment, capture_output=True, text=True, timeout=timeout
        )

    def begin_up(self) -> "subprocess.Popen[str]":
        """Start `piwright up`; its output is kept."""
        process = subprocess.Popen(
            [PIWRIGHT, "up"], env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

        def keep() -> None:
            assert process.stdout is not None
            self.up_output.extend(process.stdout)

        threading.Thread(target=keep, daemon=True).start()
        return process

    @property
    def access(self) -> Access:
        return Access(**json.loads((self.settings.secrets_directory / "databases.json").read_text()))

    def rows(self, statement: str) -> list[Any]:
        with connect(self.access.application) as database:
            return fetch_all(database, statement)

    def building(self) -> list[str]:
        with connect(self.access.application) as database:
            return read_status(database).building

    def attempts(self) -> dict[str, str]:
        """`name version` to its class or `built`. Every build was tried once, or this fails."""
        found = self.rows(
            "SELECT p.name || ' ' || r.version AS what, count(*) AS tries, "
            "string_agg(coalesce(a.failure_class, 'built'), ', ') AS outcome "
            "FROM attempt a JOIN job USING (job_id) JOIN release r USING (release_id) JOIN project p USING (project_id) "
            "GROUP BY 1"
        )
        assert {row.what: row.tries for row in found} == {row.what: 1 for row in found}
        return {row.what: row.outcome for row in found}

    @property
    def api(self) -> AirflowApi:
        password = (self.settings.secrets_directory / "airflow_admin").read_text()
        return AirflowApi(self.settings.airflow_url, "admin", password)

    def wait_until_idle(self, seconds: float = 300) -> None:
        """Until no run of any DAG is under way."""

        def idle() -> bool:
            runs = [run for dag in DAGS for run in self.api.last_runs(dag, 50)]
            return all(is_finished(run) for run in runs)

        wait_for(idle, seconds)

    def run_dag(self, dag_id: str) -> None:
        """Run a DAG to its end, as a person would by hand; fails if it does."""
        run_id = self.api.trigger(dag_id)
        wait_for(lambda: is_finished(self.api.run(dag_id, run_id)), 120)
        assert self.api.run(dag_id, run_id)["state"] == "success"

    def kill(self, component: str) -> int:
        """kill -9 a component; answers the process that died."""
        (state,) = [each for each in Supervisor(self.settings).states() if each.name == component]
        process = psutil.Process(state.pid)
        if component.startswith("worker"):  # every connection of it, as a pulled plug would
            for child in process.children(recursive=True):
                if "sshd" in child.name():
                    child.kill()
        process.kill()
        return state.pid

    def processes(self) -> list[psutil.Process]:
        """The supervisor and everything below it."""
        boss = Supervisor(self.settings).process()
        return [boss, *boss.children(recursive=True)] if boss else []


@pytest.fixture(scope="module")
def upstream() -> Iterator[LoopbackUpstream]:
    """Five projects of the test's own; everything else is redirected to the real upstream."""
    recent = TODAY - timedelta(days=100)
    with LoopbackUpstream() as running:
        running.add(make_sdist("quick", "1.0"), upload_time=recent)
        running.add(make_sdist("compiled", "0.9", "c-extension"), upload_time=recent)
        running.add(make_sdist("compiled", "1.1", "c-extension"), upload_time=recent)
        running.add(make_sdist("broken", "2.0", "failing"), upload_time=recent)
        running.add(make_sdist("stuck", "3.0", "hanging"), upload_time=recent)
        running.add(make_sdist("taken-back", "1.0"), upload_time=recent, yanked="leaks <memory>")
        for minor, day in enumerate(DAYS):
            running.add(make_sdist("past", f"1.{minor}"), upload_time=day + timedelta(hours=12))
        running.add(make_sdist("past", "2.0"), upload_time=recent)
        yield running


@pytest.fixture(scope="module")
def stack(upstream: LoopbackUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that is not started yet, and is taken down at the end whatever happened."""
    running = new_stack(tmp_path_factory.mktemp("stack"), upstream, WATCH_LIST, PIWRIGHT_BUILD_TIMEOUT="45")
    try:
        yield running
    finally:
        running.command("down")


def new_stack(place: Path, upstream: LoopbackUpstream, watch_list: str, **more: str) -> Stack:
    """A stack of its own, in a folder of its own; nothing of it runs yet."""
    (place / "watch.txt").write_text(watch_list)
    variables = {
        "PIWRIGHT_HOME": str(place / "home"),
        "PIWRIGHT_UPSTREAM_URL": upstream.url,
        "PIWRIGHT_WATCH_FILE": str(place / "watch.txt"),
        "PIWRIGHT_AIRFLOW_PORT": str(free_port()),
        "PIWRIGHT_INDEX_PORT": str(free_port()),
        "PIWRIGHT_WORKER_PORT": str(free_port()),
        "PIWRIGHT_WORKER_GRACE": "20",
    } | more
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PIWRIGHT"))}
    return Stack(inherited | variables, Settings.from_environment(variables), upstream)


@pytest.fixture
def fresh_venv(tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run a command in a new virtual environment that knows no index but the one it is given."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    trust = {name: value for name, value in os.environ.items() if name == "PIP_CERT"}
    environment = inherited | trust | {"PIP_CONFIG_FILE": os.devnull, "VIRTUAL_ENV": str(tmp_path / "venv")}

    def run(program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        found = tmp_path / "venv" / "bin" / program
        path = str(found if found.exists() else Path(sys.executable).with_name(program))
        return subprocess.run([path, *arguments], env=environment, capture_output=True, text=True, timeout=180)

    return run
