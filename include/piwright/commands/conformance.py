"""`piwright conformance`: does an index keep to the standards?"""

import asyncio
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from piwright.commands.terminal import complaints, console, fail, print_json
from piwright.conformance.check import Level, Verdict
from piwright.conformance.index import is_name
from piwright.conformance.report import Outcome, Report, printable, shown_url
from piwright.conformance.runner import ALL_CHECKS, NotAnIndex, check_index, index_url
from piwright.conformance.web import Bounds

_SHOWN = {
    Verdict.PASS: ("pass", "green"),
    Verdict.FAIL: ("FAIL", "bold red"),
    Verdict.NOT_APPLICABLE: ("-", "dim"),
    Verdict.ERROR: ("error", "bold magenta"),
}

_SHORT = 2
"""Pieces of evidence that are shown unless all are asked for."""


def conformance(
    url: Annotated[str, typer.Argument(metavar="URL", help="A simple index, as pip is given it as --index-url.")],
    projects: Annotated[
        list[str] | None, typer.Option("--projects", metavar="NAME", help="Look at this project; may be repeated.")
    ] = None,
    sample: Annotated[int, typer.Option(min=1, max=1000, help="Look at so many projects that the root lists.")] = 10,
    timeout: Annotated[float, typer.Option(min=0.1, max=3600, help="Seconds for one request.")] = 30,
    within: Annotated[float, typer.Option(min=1, max=86400, help="Seconds for all requests.")] = 600,
    as_json: Annotated[bool, typer.Option("--json", help="Print data for programs.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show every check's standard, and more evidence.")] = False,
) -> None:
    """Check any simple index against the standards. Exit code 0 if nothing that they require fails, 1 if something does."""
    names = [name for given in projects or () for name in given.replace(",", " ").split()]
    for name in names:
        if not is_name(name):
            fail(f"--projects {printable(name)!r} is no project's name: give names such as spidev or RPi.GPIO", 2)
    try:
        url = index_url(url)
    except ValueError as error:
        fail(str(error), 2)
    bar = Progress(
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), console=complaints
    )
    with bar:
        task = bar.add_task("", total=len(ALL_CHECKS), visible=complaints.is_terminal)
        try:
            report = asyncio.run(
                check_index(
                    url,
                    names=names,
                    sample=sample,
                    bounds=Bounds(timeout=timeout, within=within),
                    progress=lambda what, done, total: bar.update(task, description=what, completed=done, total=total),
                )
            )
        except NotAnIndex as error:
            bar.stop()
            if as_json:
                print_json(error.report.to_json())
            fail(str(error))
    if as_json:
        print_json(report.to_json())
    else:
        _show(report, verbose)
    raise typer.Exit(0 if report.conforms else 1)


def _show(report: Report, verbose: bool) -> None:
    table = Table("check", "level", "verdict", "what was found", box=None, padding=(0, 2, 0, 0))
    group = ""
    for outcome in report.outcomes:
        if outcome.check.group != group:
            group = outcome.check.group
            table.add_row(Text(group, style="bold"))
        word, style = _SHOWN[outcome.verdict]
        table.add_row(
            Text(f"  {outcome.check.id}"),
            Text(outcome.check.level.value),
            Text(word, style=style),
            _said(outcome, verbose),
        )
    console.print(table)
    console.print(Text(_summary(report)))


def _said(outcome: Outcome, verbose: bool) -> Text:
    """What the last column says: on failure the evidence and the remedy, else the claim."""
    check, lines = outcome.check, [outcome.check.claim]
    if outcome.verdict is Verdict.NOT_APPLICABLE:
        lines = [outcome.evidence[0].found]
    elif outcome.verdict in (Verdict.FAIL, Verdict.ERROR):
        shown = outcome.evidence if verbose else outcome.evidence[:_SHORT]
        lines += [f"  {each.url}: {each.found}" for each in shown]
        if outcome.failures > len(shown):
            lines.append(f"  {outcome.failures - len(shown):,} more of {outcome.looked:,} that were looked at")
        if outcome.verdict is Verdict.FAIL:
            lines.append(f"  Remedy: {check.remedy}")
    if verbose or outcome.verdict is Verdict.FAIL:
        lines.append(f"  Standard: {check.standard}")
    return Text("\n".join(lines))


def _summary(report: Report) -> str:
    required = len(report.of(Verdict.FAIL, Verdict.ERROR, level=Level.REQUIRED))
    recommended = len(report.of(Verdict.FAIL, Verdict.ERROR, level=Level.RECOMMENDED))
    elsewhere = f" ({len(report.elsewhere)} more are redirected elsewhere)" if report.elsewhere else ""
    unanswered = f" ({len(report.unanswered)} more gave no answer)" if report.unanswered else ""
    conforms = "conforms" if report.conforms else "does not conform"
    return (
        f"{shown_url(report.url)} {conforms}. Failed: {required} required, {recommended} recommended"
        f" of {len(report.outcomes)} checks.\n"
        f"Looked at {len(report.projects)} projects{elsewhere}{unanswered} and {report.files} files:"
        f" {report.requests} requests, {report.received:,} bytes, {report.seconds:.1f} s."
    )
