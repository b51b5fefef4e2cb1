"""How the verbs print, complain and stop."""

import json
from typing import Any, NoReturn

import typer
from rich.console import Console

console = Console(highlight=False, soft_wrap=True)
complaints = Console(stderr=True, highlight=False, soft_wrap=True)


def complain(text: str) -> None:
    """A sentence on standard error."""
    complaints.print(f"piwright: {text}", markup=False)


def fail(text: str, code: int = 1) -> NoReturn:
    """A sentence on standard error, and out."""
    complain(text)
    raise typer.Exit(code)


def print_json(data: Any) -> None:
    """Data on standard output, for programs."""
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False))
