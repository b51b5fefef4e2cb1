"""Who gives an operator's word, and why: what `offer`, `hold` and `network allow` have in common."""

import getpass
from typing import Annotated

import typer

from piwright.commands.terminal import fail
from piwright.intake.untrusted import clean_text

_LONGEST = 500

Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for whoever wonders later.")]


def operator_name() -> str:
    """The user who runs this command, by the operating system."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in a container
        return "unknown"


def parse_reason(text: str) -> str:
    """The reason as one line; ends the command with exit code 2 when it says nothing or too much."""
    if len(text) > _LONGEST:
        fail(f"--reason has {len(text)} characters: give at most {_LONGEST}.", 2)
    reason = clean_text(text, _LONGEST)
    if not reason:
        fail(f"--reason={text!r} cannot be used: say in a few words why.", 2)
    return reason
