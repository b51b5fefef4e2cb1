"""`piwright add`: put requirements on the watch list."""

from typing import Annotated

import typer

from piwright.catalog.watch_list import WatchListError, append_line
from piwright.commands.shop import load_settings
from piwright.commands.sync import sync
from piwright.commands.terminal import complain, console


def add(
    requirements: Annotated[
        list[str], typer.Argument(metavar="REQUIREMENT...", help="Such as spidev or 'evdev>=1.6'.")
    ],
    look: Annotated[bool, typer.Option("--sync/--no-sync", help="Look upstream at once, and build.")] = True,
) -> None:
    """Put requirement specifiers on the watch list; the newest release each admits is built at high priority."""
    settings = load_settings()
    wrong = False
    for text in requirements:
        try:
            added = append_line(settings.watch_file, text)
        except WatchListError as error:
            complain(str(error))
            wrong = True
            continue
        console.print(f"{text}: {'added' if added else 'was there'}", markup=False)
    if wrong:
        raise typer.Exit(2)
    if look:
        sync()
