"""Follows a run of the pipeline from the sync to the last page, and shows how it goes.

follow(stack, sync_run_id, console)     # returns when all is published; raises RunFailed
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg2 import OperationalError
from rich.console import Console
from rich.markup import escape
from rich.status import Status

from piwright.analysis.status import Outcome, ShopStatus, outcomes_since, read_status
from piwright.database.connection import connect, fetch_one
from piwright.stack.airflow import DAGS, AirflowUnavailable, is_finished
from piwright.stack.bring_up import Stack

_POLL_SECONDS = 1.0
_PATIENCE_SECONDS = 180
"""How long Airflow may take to begin what follows from a finished sync."""


class RunFailed(RuntimeError):
    """A stage of the pipeline failed (not a build: those are data)."""


def newest_attempt(stack: Stack) -> int:
    """The id of the newest attempt there is: what comes later is news."""
    with connect(stack.access.application) as database:
        row = fetch_one(database, "SELECT coalesce(max(attempt_id), 0) AS newest FROM attempt")
    assert row is not None
    return int(row.newest)


def follow(stack: Stack, run_id: str, console: Console, attempt_id: int) -> None:
    """Wait until the sync run, the builds and the pages that follow from it are done, and tell of every build."""
    view = _View(console, attempt_id)
    quiet_since: float | None = None
    with view.showing():
        while True:
            _keep_running(stack)
            try:
                status = view.update(stack)
                state = _sync_state(stack, run_id)
                done = state and _nothing_left(stack, run_id, status)
            except (AirflowUnavailable, OperationalError):
                # A component was restarted: supervisord has it, and check() says so.
                state, done = False, False
            if done:
                view.update(stack)
                return
            busy = not state or status.jobs["leased"] > 0 or _runs_under_way(stack)
            quiet_since = None if busy else (quiet_since or time.monotonic())
            if quiet_since and time.monotonic() - quiet_since > _PATIENCE_SECONDS:
                raise RunFailed(
                    "Airflow began nothing after the sync: `piwright status` shows its DAGs, .piwright/logs why."
                )
            time.sleep(_POLL_SECONDS)


def _keep_running(stack: Stack) -> None:
    """Components come back through supervisord; supervisord itself comes back through us."""
    if stack.running:
        stack.check()
    else:
        stack.start()


def _sync_state(stack: Stack, run_id: str) -> bool:
    run = stack.api.run("sync_pypi", run_id)
    if run["state"] == "failed":
        raise _failure(stack, "sync_pypi", run_id)
    return is_finished(run)


def _runs_under_way(stack: Stack) -> bool:
    try:
        return any(not is_finished(run) for dag in DAGS for run in stack.api.last_runs(dag))
    except AirflowUnavailable:
        return True


def _nothing_left(stack: Stack, run_id: str, status: ShopStatus) -> bool:
    """The sync's build run is over, nothing runs, no job is under way and no page is out of date."""
    if status.jobs["leased"]:
        return False
    began = stack.api.run("sync_pypi", run_id)["start_date"] or ""
    builds = [run for run in stack.api.last_runs("build_wheels") if (run["run_after"] or "") >= began]
    if not builds or _runs_under_way(stack):
        return False
    for run in builds:
        if run["state"] == "failed":
            raise _failure(stack, "build_wheels", run["dag_run_id"])
    newest = stack.api.last_runs("publish_index", 1)
    if newest and newest[0]["state"] == "failed":
        raise _failure(stack, "publish_index", newest[0]["dag_run_id"])
    return status.stale_projects == 0


def _failure(stack: Stack, dag_id: str, run_id: str) -> RunFailed:
    tasks = ", ".join(stack.api.failed_tasks(dag_id, run_id)) or "no task of its own"
    return RunFailed(
        f"{dag_id} failed in {tasks}: see {stack.settings.airflow_url}/dags/{dag_id}/runs/{run_id} "
        f"or {stack.settings.home}/airflow/logs/dag_id={dag_id}."
    )


class _View:
    """A line for every build that ends, and one that changes: what is synced, queued, building, built, failed."""

    def __init__(self, console: Console, attempt_id: int) -> None:
        self._console = console
        self._attempt_id = attempt_id
        self._line: Status | None = None
        self._shown = ""

    @contextmanager
    def showing(self) -> Iterator[None]:
        if not self._console.is_terminal:
            yield
            return
        with self._console.status("Beginning") as self._line:
            yield

    def update(self, stack: Stack) -> ShopStatus:
        with connect(stack.access.application) as database:
            status = read_status(database)
            news = outcomes_since(database, self._attempt_id)
        for each in news:
            self._attempt_id = each.attempt_id
            self._console.print(_told(each), soft_wrap=True)
        jobs = status.jobs
        text = (
            f"{status.projects} projects synced, {jobs['waiting']} queued, {jobs['leased']} in batches, "
            f"{jobs['built']} built, {jobs['failed']} failed"
        )
        if status.building:
            text += ": building " + ", ".join(status.building)
        if self._line is not None:
            self._line.update(escape(text))
        elif text != self._shown:
            self._console.print(escape(text), soft_wrap=True)
        self._shown = text
        return status


def _told(each: Outcome) -> str:
    what = f"{each.name} {each.version} ({each.seconds:.0f} s, {each.worker})"
    if each.outcome == "built":
        return f"[green]built[/green]   {escape(what)}"
    return (
        f"[red]failed[/red]  {escape(what)}: {escape(each.failure_class or '')}: {escape((each.evidence or '')[:160])}"
    )
