"""`piwright offer` and `piwright hold`: an operator's word on a wheel."""

from typing import Annotated

import typer

from piwright.commands.operator import Reason, operator_name, parse_reason
from piwright.commands.shop import load_settings, open_shop
from piwright.commands.terminal import console, fail, print_json
from piwright.index.offer import NoSuchWheel, hold_wheel, offer_wheel

Filename = Annotated[str, typer.Argument(metavar="FILENAME", help="A wheel of ours, by its file name.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print data for programs.")]

_WHEN = "`publish_index` does it, within 30 minutes (at once: `piwright airflow dags trigger publish_index`)."


def offer(filename: Filename, reason: Reason, as_json: AsJson = False) -> None:
    """Offer a wheel although it is held, because it does not import or somebody held it."""
    said, by = parse_reason(reason), operator_name()
    try:
        with open_shop(load_settings()) as database:
            changed = offer_wheel(database, filename, reason=said, by=by)
    except NoSuchWheel as error:
        fail(str(error))
    if as_json:
        print_json({"filename": filename, "offered": True, "changed": changed, "reason": said, "by": by})
    elif changed:
        console.print(f"{filename} is offered from the next publication on: {_WHEN}", markup=False)
    else:
        console.print(f"{filename} was not held.", markup=False)


def hold(filename: Filename, reason: Reason, as_json: AsJson = False) -> None:
    """Take a wheel off the pages and out of reach; it stays in the store, and `offer` brings it back."""
    said, by = parse_reason(reason), operator_name()
    try:
        with open_shop(load_settings()) as database:
            changed = hold_wheel(database, filename, reason=said, by=by)
    except NoSuchWheel as error:
        fail(str(error))
    if as_json:
        print_json({"filename": filename, "offered": False, "changed": changed, "reason": said, "by": by})
    elif changed:
        console.print(f"{filename} is no longer offered from the next publication on: {_WHEN}", markup=False)
    else:
        console.print(f"{filename} was held already; the reason is yours now.", markup=False)
