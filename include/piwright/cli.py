"""The `piwright` command. Each verb is a file in `piwright.commands`; this gathers them and turns errors into words.

Exit codes: 0 done; 1 it could not be done, and why is on standard error; 2 an argument or a setting is wrong.
"""

import sys

import typer
from rich.console import Console

from piwright.commands import (
    add,
    airflow,
    conformance,
    database,
    down,
    downloads,
    network,
    offer,
    status,
    sync,
    up,
    why,
    worker,
)
from piwright.settings import SettingsError

app = typer.Typer(
    help="A wheel shop for Raspberry Pi, run by Apache Airflow.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("up")(up.up)
app.command("down")(down.down)
app.command("status")(status.status)
app.command("sync")(sync.sync)
app.command("add")(add.add)
app.command("why")(why.why)
app.command("offer")(offer.offer)
app.command("hold")(offer.hold)
app.command(
    "airflow", context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)(airflow.airflow)
app.command("conformance")(conformance.conformance)
app.add_typer(downloads.app, name="downloads")
app.add_typer(worker.app, name="worker")
app.add_typer(network.app, name="network")
app.add_typer(database.app, name="db")


def main() -> None:
    """The console script."""
    try:
        app()
    except SettingsError as error:
        _complain(str(error))
        sys.exit(2)
    except KeyboardInterrupt:
        _complain("Interrupted. What runs goes on; `piwright down` ends it.")
        sys.exit(130)


def _complain(text: str) -> None:
    console = Console(stderr=True)
    for line in text.splitlines():
        console.print(f"piwright: {line}", markup=False, highlight=False, soft_wrap=True)
