"""`piwright status`: jobs, workers, and the last runs of each DAG."""

from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from piwright.analysis.status import ShopStatus, read_status
from piwright.catalog.watch_list import read_watch_list
from piwright.commands.shop import load_settings, open_shop
from piwright.commands.terminal import console, print_json
from piwright.settings import Settings
from piwright.stack.airflow import DAGS, AirflowApi, AirflowUnavailable
from piwright.stack.supervise import Supervisor

_RUNS = 5


def status(as_json: Annotated[bool, typer.Option("--json", help="Print data for programs.")] = False) -> None:
    """How many jobs are in which state, the workers with their leases, and the last runs of each DAG."""
    settings = load_settings()
    with open_shop(settings) as database:
        found = read_status(database)
    components = _components(settings)
    runs = _last_runs(settings)
    problems = [str(problem) for problem in read_watch_list(settings.watch_file).problems]
    if as_json:
        print_json(
            found.to_json()
            | {"dags": runs, "components": components, "watch_list_problems": problems, "home": str(settings.home)}
        )
        return
    _show(found, runs, components, problems)


def _components(settings: Settings) -> dict[str, str]:
    """Component to its state; empty when nothing runs."""
    try:
        return {each.name: each.state.lower() for each in Supervisor(settings).states()}
    except OSError:
        return {}


def _last_runs(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """Newest runs of each DAG, newest first; empty lists when Airflow does not answer."""
    password_file = settings.secrets_directory / "airflow_admin"
    runs: dict[str, list[dict[str, Any]]] = {dag: [] for dag in DAGS}
    if not password_file.is_file():
        return runs
    api = AirflowApi(settings.airflow_url, "admin", password_file.read_text())
    keys = ("dag_run_id", "state", "run_type", "partition_key", "run_after", "start_date", "end_date")
    for dag in DAGS:
        try:
            runs[dag] = [{key: run.get(key) for key in keys} for run in api.last_runs(dag, _RUNS)]
        except AirflowUnavailable:
            break
    return runs


def _show(
    found: ShopStatus, runs: dict[str, list[dict[str, Any]]], components: dict[str, str], problems: list[str]
) -> None:
    jobs = ", ".join(f"{count} {state}" for state, count in found.jobs.items() if count) or "none"
    console.print(f"Jobs: {jobs}")
    held = f" ({found.held} held: `piwright why NAME` says why)" if found.held else ""
    console.print(f"{found.projects} projects, {found.wheels} wheels{held}, {found.stale_projects} pages out of date")
    down = ", ".join(f"{name} {state}" for name, state in components.items() if state != "running")
    console.print(
        f"Components: {down or ('all running' if components else 'none running (`piwright up` starts them)')}"
    )
    for problem in problems:
        console.print(f"Watch list: {escape(problem)}")
    for name, reason in found.skipped.items():
        console.print(f"Not read upstream: {name}: {escape(reason)}")
    workers = Table("worker", "target", "state", "slots", "building", box=None)
    for worker in found.workers:
        building = ", ".join(lease.building or lease.label for lease in worker.leases)
        state = f"{worker.state}: {worker.reason}" if worker.reason else worker.state
        workers.add_row(
            worker.name, worker.target, escape(state), f"{len(worker.leases)}/{worker.slots}", escape(building)
        )
    console.print(workers)
    table = Table("dag", "last runs", box=None)
    for dag, last in runs.items():
        table.add_row(dag, ", ".join(f"{run['state']} {(run['run_after'] or '')[:16]}" for run in last) or "none")
    console.print(table)
