"""`piwright db`: the piwright database."""

import os
from typing import Annotated, Literal

import typer

from piwright.commands.shop import access, load_settings
from piwright.commands.terminal import console, fail, print_json
from piwright.database.migrate import current_revision, newest_revision
from piwright.database.provision import bring_up_to_date
from piwright.stack.postgres import client_program

app = typer.Typer(help="The piwright database.", no_args_is_help=True, rich_markup_mode=None)

Role = Literal["owner", "application", "analyst"]


@app.command("upgrade")
def upgrade() -> None:
    """Bring the schema to the newest revision."""
    found = access(load_settings())
    before = current_revision(found.owner)
    bring_up_to_date(found)
    after = current_revision(found.owner)
    console.print(f"The schema is at {after}." if before == after else f"The schema went from {before} to {after}.")


@app.command("revision")
def revision(as_json: Annotated[bool, typer.Option("--json", help="Print data for programs.")] = False) -> None:
    """Show the schema's revision, and the newest this checkout knows. Exit code 1 when they differ."""
    current, newest = current_revision(access(load_settings()).owner), newest_revision()
    if as_json:
        print_json({"current": current, "newest": newest})
    else:
        console.print(f"at {current}, newest {newest}")
    if current != newest:
        fail("The schema is not the newest: `piwright db upgrade` brings it there.")


@app.command("url")
def url(role: Annotated[Role, typer.Option(help="Whose address.")] = "analyst") -> None:
    """Print the database's address (with its password) as a role."""
    typer.echo(getattr(access(load_settings()), role))


@app.command("shell")
def shell(role: Annotated[Role, typer.Option(help="As whom.")] = "analyst") -> None:
    """Open psql as a role."""
    program = client_program("psql")
    address = getattr(access(load_settings()), role)
    os.execv(program, [program, address])  # noqa: S606
