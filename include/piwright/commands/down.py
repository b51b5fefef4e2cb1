"""`piwright down`: end the embedded stack."""

from piwright.commands.shop import load_settings
from piwright.commands.terminal import console
from piwright.stack.supervise import Supervisor


def down() -> None:
    """End every process of the embedded stack, builds included. State stays, and `piwright up` continues from it."""
    settings = load_settings()
    supervisor = Supervisor(settings)
    was_running = supervisor.process() is not None
    killed = supervisor.stop()
    if was_running:
        console.print("The stack is down.")
    elif killed:
        console.print(f"Ended {killed} processes of a stack whose supervisor was gone.")
    else:
        console.print("Nothing was running.")
