"""`piwright network`: projects whose builds may use the network."""

from typing import Annotated

import typer
from packaging.utils import canonicalize_name
from rich.markup import escape
from rich.table import Table

from piwright.commands.operator import Reason, operator_name, parse_reason
from piwright.commands.shop import load_settings, open_shop
from piwright.commands.terminal import console, fail, print_json
from piwright.planning.network import NoSuchProject, allow_network, forbid_network, network_exceptions

app = typer.Typer(
    help="Projects whose builds may use the network: nobody's, unless an operator writes down why.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A project.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print data for programs.")]


@app.command("allow")
def allow(name: Name, reason: Reason, as_json: AsJson = False) -> None:
    """Let a project's builds use the network. Its page in the index tells so, with the reason."""
    name, said, by = canonicalize_name(name), parse_reason(reason), operator_name()
    try:
        with open_shop(load_settings()) as database:
            allow_network(database, name, reason=said, by=by)
    except NoSuchProject as error:
        fail(str(error))
    if as_json:
        print_json({"project": name, "network": True, "reason": said, "by": by})
        return
    console.print(
        f"Builds of {name} that start from now on may use the network, and its page says so from the next publication "
        f"on. `piwright network forbid {name}` takes it back.",
        markup=False,
    )


@app.command("forbid")
def forbid(name: Name, as_json: AsJson = False) -> None:
    """Build a project without the network again."""
    name = canonicalize_name(name)
    try:
        with open_shop(load_settings()) as database:
            existed = forbid_network(database, name)
    except NoSuchProject as error:
        fail(str(error))
    if as_json:
        print_json({"project": name, "network": False, "changed": existed})
    else:
        console.print(f"{name} had no exception." if not existed else f"{name} builds without it again.", markup=False)


@app.command("list")
def list_exceptions(as_json: AsJson = False) -> None:
    """List every exception: who allowed it, when and why."""
    with open_shop(load_settings()) as database:
        found = network_exceptions(database)
    if as_json:
        print_json(
            [
                {
                    "project": each.project,
                    "reason": each.reason,
                    "by": each.allowed_by,
                    "since": each.allowed_at.isoformat(),
                }
                for each in found
            ]
        )
        return
    if not found:
        console.print("No build may use the network.")
        return
    table = Table("project", "since", "by", "reason", box=None)
    for each in found:
        table.add_row(each.project, f"{each.allowed_at:%Y-%m-%d}", escape(each.allowed_by), escape(each.reason))
    console.print(table)
