"""Registers workers.

register_workers(connection, [WorkerEntry("pi-1", "piwright_worker_1", target_id, "/usr/bin/python3", "/srv/piwright", 1)])
"""

from collections.abc import Iterable
from dataclasses import astuple, dataclass

from piwright.database.connection import Connection, execute_values


@dataclass(frozen=True)
class WorkerEntry:
    """What is known of a worker before it was ever asked; `python` and `state_directory` are paths on it."""

    name: str
    connection_id: str
    target_id: int
    python: str
    state_directory: str
    slots: int


def register_workers(connection: Connection, entries: Iterable[WorkerEntry]) -> None:
    """Add workers, or bring known ones up to date: they count as live until somebody finds them lost."""
    with connection.cursor() as cursor:
        execute_values(
            cursor,
            """
            INSERT INTO worker (name, connection_id, target_id, python, state_directory, slots) VALUES %s
            ON CONFLICT (name) DO UPDATE
            SET connection_id = excluded.connection_id, target_id = excluded.target_id, python = excluded.python,
                state_directory = excluded.state_directory, slots = excluded.slots,
                state = CASE worker.state WHEN 'drained' THEN worker.state ELSE 'live' END, state_reason = NULL
            """,
            [astuple(each) for each in entries],
        )
