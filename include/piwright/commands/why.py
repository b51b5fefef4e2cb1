"""`piwright why`: what became of a package, and why."""

from typing import Annotated, Any

import typer
from rich.markup import escape

from piwright.analysis.why import NotInCatalog, explain
from piwright.commands.shop import load_settings, open_shop
from piwright.commands.terminal import console, fail, print_json
from piwright.intake.store import FileStore


def why(
    name: Annotated[str, typer.Argument(help="A project.")],
    version: Annotated[
        str | None, typer.Argument(help="One of its versions; all that were looked at without it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print data for programs: a list.")] = False,
) -> None:
    """Say of every attempt and every job of a project how it stands, with the evidence."""
    settings = load_settings()
    try:
        with open_shop(settings) as database:
            rows = explain(database, name, version)
    except NotInCatalog as error:
        if as_json:
            print_json([])
        fail(str(error))
    except ValueError as error:
        fail(str(error), 2)
    store = FileStore(settings.store_directory)
    for row in rows:
        row["log"] = str(store.log_path(row["log"])) if row["log"] else None
    if as_json:
        print_json(rows)
        return
    for row in rows:
        _show(row)


def _show(row: dict[str, Any]) -> None:
    head = f"{row['project']} {row['version']} for {row['target']}: {row['state']}"
    if row["class"]:
        head += f" ({row['class']})"
    if row["seconds"] is not None:
        head += f", {row['seconds']:.0f} s on {row['worker']}"
    console.print(escape(head))
    if row["yanked"]:
        console.print(f"  yanked: {escape(row['yanked'])}")
    if row["reason"]:
        console.print(f"  {escape(row['reason'][:200])}")
    if row["evidence"]:
        line = f"line {row['evidence']['line']}: " if row["evidence"]["line"] else ""
        console.print(f"  {line}{escape(row['evidence']['text'])}")
    if row["log"]:
        console.print(f"  log: {escape(row['log'])}")
