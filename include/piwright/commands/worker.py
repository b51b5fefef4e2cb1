"""`piwright worker`: the machines that build."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from piwright.commands.shop import load_settings, open_shop
from piwright.commands.terminal import complaints, console, fail, print_json
from piwright.database.connection import connect, fetch_all
from piwright.intake.worker_facts import read_facts
from piwright.planning.leases import mark_worker
from piwright.planning.targets import TargetError
from piwright.planning.workers import store_probe
from piwright.stack.airflow import AirflowUnavailable
from piwright.stack.bring_up import ComponentDied, NotReady, Stack
from piwright.stack.emulate import add_pi, find_worker, remove_pi
from piwright.stack.emulated.mirror import NoMirror
from piwright.stack.emulated.packages import PackagesUnavailable
from piwright.stack.emulated.root import RootNotMade
from piwright.stack.emulated.shelf import ShelfError
from piwright.stack.ssh_probe import NoAnswer, ask
from piwright.stack.workers import REMOVED, StackWorker, stack_workers

app = typer.Typer(help="The machines that build.", no_args_is_help=True, rich_markup_mode=None)

AsJson = Annotated[bool, typer.Option("--json", help="Print data for programs.")]

_FAILURES = (
    *(
        ComponentDied,
        NotReady,
        AirflowUnavailable,
        NoMirror,
        PackagesUnavailable,
        RootNotMade,
        NoAnswer,
        RuntimeError,
        OSError,
    ),
)


@app.command("emulate")
def emulate(
    name: Annotated[str, typer.Argument(help="What the new worker is called, such as pi-1.")],
    suite: Annotated[Literal["trixie", "bookworm"], typer.Option(help="Its Debian.")] = "trixie",
    architecture: Annotated[Literal["armv7l", "aarch64"], typer.Option(help="Its processor.")] = "armv7l",
    as_json: AsJson = False,
) -> None:
    """Add an emulated Raspberry Pi as a worker; a minute for the first of its kind, seconds for the next.

    Starts the stack if it does not run. Again with the same name: makes sure that it is there.
    """
    began = time.monotonic()
    say = _sayer(as_json)
    stack = Stack(load_settings(), say=say)
    try:
        worker = add_pi(stack, name, suite, architecture, say)
        (outcome,) = _probe(stack, [worker])
    except (ShelfError, TargetError) as error:
        fail(str(error), code=2)
    except _FAILURES as error:
        fail(str(error))
    facts = outcome | {
        "target": worker.target.name,
        "ssh": f"ssh -i {stack.secrets.worker_key} -p {worker.port} {worker.user}@127.0.0.1",
        "seconds": round(time.monotonic() - began, 1),
    }
    if as_json:
        print_json(facts)
    else:
        console.print(escape(f"{name} is a worker for {worker.target.name} ({facts['seconds']:.0f} s)."))
        console.print(escape(f"  Log in     {facts['ssh']}"))
        console.print("  Build      make up (or .venv/bin/piwright sync)")
    if outcome["state"] != "live":
        fail(f"{name} is {outcome['state']}: {outcome['reason']}")


@app.command("remove")
def remove(
    names: Annotated[list[str], typer.Argument(metavar="[NAME]...", help="Emulated Pis.")] = [],  # noqa: B006
    everyone: Annotated[
        bool, typer.Option("--all", help="Every emulated Pi, with the file systems they share.")
    ] = False,
) -> None:
    """End emulated Pis and forget them; what they were building goes elsewhere, or waits."""
    stack = Stack(load_settings(), say=_sayer(False))
    wanted = [each.name for each in stack.shelf.pis()] if everyone else names
    if not wanted and not everyone:
        fail("Name an emulated Pi, or --all.", code=2)
    try:
        for name in wanted:
            remove_pi(stack, name)
            console.print(escape(f"{name} is removed."))
        stack.shelf.clear()
    except LookupError as error:
        fail(str(error), code=2)
    except _FAILURES as error:
        fail(str(error))


@app.command("list")
def list_workers(as_json: AsJson = False) -> None:
    """Show the workers: what they build for, how they are, and how they shut builds in."""
    settings = load_settings()
    with open_shop(settings) as database:
        rows = fetch_all(
            database,
            """
            SELECT w.name, t.name AS target, w.state, w.state_reason AS reason, w.slots, w.facts, w.probed_at
            FROM worker w JOIN target t USING (target_id)
            WHERE w.state <> 'drained' OR w.state_reason IS DISTINCT FROM %s ORDER BY w.name
            """,
            (REMOVED,),
        )
    workers = [
        {
            "name": row.name,
            "target": row.target,
            "state": row.state,
            "reason": row.reason,
            "slots": row.slots,
            "sandbox": row.facts.get("sandbox"),
            "facts": row.facts,
            "probed": row.probed_at and row.probed_at.isoformat(timespec="seconds"),
        }
        for row in rows
    ]
    if as_json:
        print_json(workers)
        return
    table = Table("worker", "target", "state", "slots", "sandbox", "asked", box=None)
    for each in workers:
        state = f"{each['state']}: {each['reason']}" if each["reason"] else each["state"]
        table.add_row(
            *(each["name"], each["target"], escape(state), str(each["slots"])),
            *(escape(sandbox_in_words(each["sandbox"])), (each["probed"] or "never")[:16]),
        )
    # Into a pipe a row is a line.
    (console if console.is_terminal else Console(highlight=False, width=250)).print(table)


def sandbox_in_words(sandbox: dict[str, Any] | None) -> str:
    """Such as `bubblewrap 0.11.0; memory by watchdog, processes by rlimit, space by disk`."""
    if not sandbox:
        return "not asked yet"
    what = f"{sandbox.get('kind')} {sandbox.get('version', '')}".strip()
    if sandbox.get("kind") == "none":
        what += f" ({sandbox.get('why')})" if sandbox.get("why") else ""
    means = ", ".join(f"{each} by {sandbox[each]}" for each in ("memory", "processes", "space") if sandbox.get(each))
    return f"{what}; {means}" if means else what


@app.command("probe")
def probe(
    name: Annotated[str | None, typer.Argument(help="A worker; all of them without it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask workers over SSH what they are and what they can, now. Exit code 1 when one cannot be used."""
    stack = Stack(load_settings(), say=_sayer(as_json))
    try:
        workers = [find_worker(stack, name)] if name else stack_workers(stack.settings, stack.shelf)
        outcomes = _probe(stack, workers)
    except LookupError as error:
        fail(str(error), code=2)
    except _FAILURES as error:
        fail(str(error))
    if as_json:
        print_json(outcomes)
    else:
        for each in outcomes:
            said = sandbox_in_words(each["sandbox"]) if each["sandbox"] else ""
            console.print(
                escape(f"{each['name']}: {each['state']}{': ' + each['reason'] if each['reason'] else ''}  {said}")
            )
    if any(each["state"] not in ("live", "drained") for each in outcomes):
        raise typer.Exit(1)


def _probe(stack: Stack, workers: list[StackWorker]) -> list[dict[str, Any]]:
    """Ask workers at the same time, and keep what they say. One that does not answer is `lost`."""

    def answer_of(worker: StackWorker) -> bytes | NoAnswer:
        try:
            return ask(worker, stack.secrets.worker_key)
        except NoAnswer as error:
            return error

    with ThreadPoolExecutor(max_workers=8) as threads:
        answers = list(threads.map(answer_of, workers))
    return [_store(stack, worker, answer) for worker, answer in zip(workers, answers, strict=True)]


def _store(stack: Stack, worker: StackWorker, answer: bytes | NoAnswer) -> dict[str, Any]:
    with connect(stack.access.application) as database:
        (row,) = fetch_all(database, "SELECT worker_id FROM worker WHERE name = %s", (worker.name,))
        reason: str | None = None
        if isinstance(answer, bytes):
            try:
                allowed = stack.settings.allow_unsandboxed
                reason = store_probe(database, row.worker_id, read_facts(answer), allowed=allowed)
            except ValueError as error:
                answer = NoAnswer(f"{worker.name} answered nonsense to `probe`: {error}")
        if isinstance(answer, NoAnswer):
            mark_worker(database, row.worker_id, "lost", str(answer))
        (now,) = fetch_all(
            database, "SELECT state, state_reason, facts FROM worker WHERE worker_id = %s", (row.worker_id,)
        )
    return {
        "name": worker.name,
        "state": now.state,
        "reason": reason or now.state_reason,
        "sandbox": now.facts.get("sandbox"),
    }


def _sayer(as_json: bool) -> Callable[[str], None]:
    """Progress for people; beside the data when there is data."""
    where = complaints if as_json else console
    return lambda text: where.print(escape(text))
