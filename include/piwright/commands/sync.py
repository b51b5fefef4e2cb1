"""`piwright sync`: look upstream now, and build what is missing."""

from rich.markup import escape

from piwright.commands.shop import load_settings
from piwright.commands.terminal import console, fail
from piwright.stack.airflow import AirflowUnavailable
from piwright.stack.bring_up import ComponentDied, Stack
from piwright.stack.first_run import RunFailed, follow, newest_attempt


def sync() -> None:
    """Run `sync_pypi` now and wait until what it queued is built and published."""
    settings = load_settings()
    stack = Stack(settings, say=lambda text: console.print(escape(text)))
    if not stack.running:
        fail("Nothing is running: `piwright up` starts it, and syncs.")
    try:
        before = newest_attempt(stack)
        follow(stack, stack.api.trigger("sync_pypi"), console, before)
    except (ComponentDied, RunFailed, AirflowUnavailable) as error:
        fail(str(error))
