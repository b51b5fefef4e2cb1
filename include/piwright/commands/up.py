"""`piwright up`: start everything, run the pipeline once, say how to install from it."""

import time
from pathlib import Path

from rich.markup import escape

from piwright.catalog.watch_list import read_watch_list
from piwright.commands.shop import load_settings
from piwright.commands.terminal import complain, console, fail
from piwright.database.connection import connect, fetch_one
from piwright.stack.airflow import AirflowUnavailable
from piwright.stack.bring_up import ComponentDied, NotReady, Stack
from piwright.stack.first_run import RunFailed, follow, newest_attempt


def up() -> None:
    """Start the embedded stack, run the pipeline over the watch list, and print how to install from the index.

    Continues where it was. Ends with exit code 0 when the run is complete; builds that fail are data. The stack stays up.
    """
    settings = load_settings()
    began = time.monotonic()
    watch_list = read_watch_list(settings.watch_file)
    for problem in watch_list.problems:
        complain(f"{settings.watch_file}: {problem}")
    stack = Stack(settings, say=lambda text: console.print(escape(text)))
    try:
        stack.start()
        before = newest_attempt(stack)
        run_id = stack.api.trigger("sync_pypi")
        follow(stack, run_id, console, before)
    except (ComponentDied, NotReady, RunFailed, AirflowUnavailable, RuntimeError) as error:
        fail(str(error))
    _say_how_to_install(stack, time.monotonic() - began)


def _say_how_to_install(stack: Stack, seconds: float) -> None:
    settings = stack.settings
    with connect(stack.access.application) as database:
        row = fetch_one(
            database,
            "SELECT p.name FROM wheel w JOIN release r USING (release_id) JOIN project p USING (project_id) "
            "WHERE w.published_at IS NOT NULL AND w.removed_at IS NULL AND w.held_reason IS NULL ORDER BY w.built_at DESC LIMIT 1",
        )
        skipped = fetch_one(database, "SELECT count(*) AS projects FROM project WHERE skip_reason IS NOT NULL")
    name = row.name if row else "NAME"
    index = f"{settings.index_url}/simple/"

    def line(text: str = "") -> None:
        console.print(escape(text))

    line()
    line(f"Done in {seconds:.0f} s. Everything stays up; `make down` ends it.")
    if skipped and skipped.projects:
        line(f"{skipped.projects} projects could not be read upstream: `{_command()} status` says why.")
    line()
    line(f"  Index and site   {settings.index_url}/")
    line(
        f"  Airflow          {settings.airflow_url}/  (user admin, password in {stack.secrets.directory}/airflow_admin)"
    )
    line(f"  Why it failed    {_command()} why NAME")
    line()
    line("Install from it:")
    line()
    line(f"  pip install --index-url {index} {name}")
    line(f"  uv pip install --default-index {index} {name}")


def _command() -> str:
    return str(Path(".venv") / "bin" / "piwright")
