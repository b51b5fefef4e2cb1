"""`piwright why`: what became of a package, and why."""

from collections.abc import Iterator
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
    if exception := rows[0]["network_exception"] if rows else None:
        console.print(
            escape(
                f"Builds of {rows[0]['project']} may use the network, by {exception['by']} since "
                f"{exception['since'][:10]}: {exception['reason']}"
            )
        )


def _show(row: dict[str, Any]) -> None:
    head = f"{row['project']} {row['version']} for {row['target']}: {row['state']}"
    if row["class"]:
        head += f" ({row['class']})"
    if row["seconds"] is not None:
        head += f", {row['seconds']:.0f} s on {row['worker']}"
    if row["peak_memory_bytes"]:
        head += f", at most {row['peak_memory_bytes'] / (1 << 20):.0f} MiB of memory"
    console.print(escape(head))
    for line in _details(row):
        console.print(f"  {escape(line)}")


def _details(row: dict[str, Any]) -> Iterator[str]:
    if row["yanked"]:
        yield f"yanked: {row['yanked']}"
    if row["reason"]:
        yield row["reason"][:200]
    if row["evidence"]:
        line = f"line {row['evidence']['line']}: " if row["evidence"]["line"] else ""
        yield line + row["evidence"]["text"]
    if row["class"] == "wants_network" and not row["network_exception"]:
        yield f"Builds have no network. If you trust it: `piwright network allow {row['project']} --reason TEXT`."
    for wheel in row["wheels"]:
        yield from _wheel(wheel)
    if smoke := row["smoke"]:
        yield f"import test: {_SMOKE.get(smoke['outcome'], smoke['outcome'])}" + _after(": ", smoke["detail"])
    if tried := row["connections"]:
        yield (
            f"connections it tried without a network: {tried['outside']} to other machines, {tried['lookups']} look-ups, "
            f"{tried['loopback']} to itself"
        )
    if sandbox := row["sandbox"]:
        means = ", ".join(f"{name} by {sandbox[name]}" for name in ("memory", "processes", "space"))
        yield ("no sandbox" if sandbox["kind"] == "none" else f"sandbox: {sandbox['kind']}") + f"; bounded: {means}"
    if row["log"]:
        yield f"log: {row['log']}"


_SMOKE = {
    "imported": "it imports",
    "needs_package": "it needs a package that is no part of it",
    "needs_hardware": "it needs hardware",
    "broken": "it does not import",
    "untested": "not tested",
}


def _wheel(wheel: dict[str, Any]) -> Iterator[str]:
    yield f"wheel: {wheel['filename']}"
    if held := wheel["held"]:
        by = f" by {held['by']}" if held["by"] else ""
        yield f"  held{by}, not offered: {held['reason']}"
        yield f"  to offer it all the same: `piwright offer {wheel['filename']} --reason TEXT`"
    if released := wheel["released"]:
        yield f"  offered by {released['by']} although it was held: {released['reason']}"
    if wheel["removed"]:
        yield f"  removed: {wheel['removed']}"
    if wheel["note"]:
        yield f"  {wheel['note']}"
    for correction in wheel["corrections"]:
        yield f"  corrected: {correction}"
    if wheel["apt_packages"]:
        yield f"  needs at run time: apt install {' '.join(wheel['apt_packages'])}"


def _after(separator: str, text: str) -> str:
    return separator + text if text else ""
