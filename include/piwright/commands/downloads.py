"""`piwright downloads`: count what was fetched, and show it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from piwright.commands.shop import load_settings, open_shop
from piwright.commands.terminal import complain, complaints, console, fail, print_json
from piwright.database.connection import Connection
from piwright.downloads.count import CountReport, count_downloads
from piwright.downloads.rotation import log_files
from piwright.downloads.summary import RECENT_DAYS, ProjectDownloads, read_downloads

app = typer.Typer(help="Count downloads in the access log, and show them.", no_args_is_help=True)

_SHOWN = 10

AsJson = Annotated[bool, typer.Option("--json", help="Print data for programs.")]


@app.command()
def count(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Access logs, also .gz; without one, the shop's own with what logrotate made of it."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Count what is new in access logs. No line counts twice, whatever is counted again."""
    settings = load_settings()
    logs = files or log_files(settings.access_log_file)
    with open_shop(settings) as database:
        report = _count(database, logs)
    if as_json:
        print_json(report.to_json())
    else:
        _say(report, settings.access_log_file)
    for problem in report.problems:
        complain(problem)
    if report.problems:
        raise typer.Exit(1)


def _count(database: Connection, logs: list[Path]) -> CountReport:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=complaints, transient=True) as bars:
        bar = bars.add_task("", total=1.0, visible=bool(logs))

        def progress(path: Path, part: float) -> None:
            bars.update(bar, description=path.name, completed=part)

        return count_downloads(database, logs, progress=progress)


def _say(report: CountReport, configured: Path) -> None:
    if not report.logs and not report.problems:
        console.print(escape(f"There is no access log yet: {configured} (PIWRIGHT_ACCESS_LOG)."))
        return
    console.print(
        f"{report.lines} new lines in {report.logs} logs: {report.downloads} downloads of {report.projects} projects"
    )
    if report.strangers:
        console.print(f"{report.strangers} fetches of files that the shop does not have in its database")
    if report.unreadable:
        console.print(f"{report.unreadable} lines cannot be read: docs/downloads.md has nginx's log format")


@app.command()
def show(name: Annotated[str, typer.Argument(help="A project.")], as_json: AsJson = False) -> None:
    """Say how often wheels of a project were fetched: by day, file, target, Python and installer."""
    with open_shop(load_settings()) as database:
        found = read_downloads(database, name, datetime.now(UTC).date())
    if found is None:
        fail(f"{name!r} is not in the catalog.")
    if as_json:
        print_json(found.to_json())
    else:
        _show(found)


def _show(found: ProjectDownloads) -> None:
    console.print(f"{found.name}: {found.recent} downloads in the last {RECENT_DAYS} days, {found.total} in all")
    for title, counts in (
        ("file", found.files),
        ("target", found.targets),
        ("python", found.pythons),
        ("installer", found.installers),
    ):
        if counts:
            table = Table(title, "downloads", box=None)
            for value, number in list(counts.items())[:_SHOWN]:
                table.add_row(escape(value) or "not said", str(number))
            console.print(table)
