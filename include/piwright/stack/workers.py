"""The workers a stack brings along, embedded and emulated: as the shop knows them, and as Airflow reaches them.

for each in stack_workers(settings, shelf): ...
register(connection, settings, shelf)         # targets and workers, in the piwright database
each.airflow_connection(key)                  # with its pinned host key
"""

import json
from dataclasses import dataclass
from pathlib import Path

from piwright.database.connection import Connection, fetch_all
from piwright.planning.targets import Target, machine_target, read_targets, store_targets
from piwright.planning.workers import WorkerEntry, register_workers
from piwright.settings import Settings
from piwright.stack.emulated.shelf import PYTHON, STATE, Shelf
from piwright.stack.ssh_workers import embedded_workers, worker_python

REMOVED = "removed"
"""Why a worker is drained that is not there any more; its builds keep its name."""

# The stack's own workers, by what their connections are called.
_OWN = "^piwright_(worker|emulated)_"


@dataclass(frozen=True)
class StackWorker:
    """A worker on loopback. `python` and `state_directory` are paths on it, `host_key` is its public line."""

    name: str
    connection_id: str
    target: Target
    python: str
    state_directory: str
    slots: int
    port: int
    user: str
    host_key: str
    description: str

    def airflow_connection(self, key: Path) -> dict[str, object]:
        """The SSH connection as Airflow's API wants it; `key` opens the worker."""
        extra = {"key_file": str(key), "host_key": " ".join(self.host_key.split()[:2]), "compress": "false"}
        return {
            "connection_id": self.connection_id,
            "conn_type": "ssh",
            "description": self.description,
            "host": "127.0.0.1",
            "port": self.port,
            "login": self.user,
            "extra": json.dumps(extra),
        }


def stack_workers(settings: Settings, shelf: Shelf) -> list[StackWorker]:
    """All of them, the embedded ones first."""
    machine, python = machine_target(), worker_python()
    embedded = [
        StackWorker(
            name=each.name,
            connection_id=each.connection_id,
            target=machine,
            python=python,
            state_directory=str(each.state_directory),
            slots=settings.worker_slots,
            port=each.port,
            user=each.user,
            host_key=each.host_key,
            description=f"Embedded worker {each.number}",
        )
        for each in embedded_workers(settings)
    ]
    emulated = [
        StackWorker(
            name=each.name,
            connection_id=each.connection_id,
            target=each.target,
            python=PYTHON,
            state_directory=STATE,
            slots=settings.worker_slots,
            port=shelf.port(each),
            user=each.user,
            host_key=shelf.host_key(each),
            description=f"Emulated Pi, {each.suite} {each.machine}",
        )
        for each in shelf.pis()
    ]
    return embedded + emulated


def stack_targets(settings: Settings, shelf: Shelf) -> list[Target]:
    """What is built for: this machine, what is configured, and what the emulated Pis are."""
    configured = read_targets(settings.targets_file) if settings.targets_file else []
    # What somebody configured is meant: it wins over what is known of the same target.
    found = [machine_target(), *(each.target for each in shelf.pis())]
    return list({each.name: each for each in [*found, *configured]}.values())


def register(connection: Connection, settings: Settings, shelf: Shelf, *, anew: bool = True) -> None:
    """Make the shop's targets and workers those of this stack; workers that are gone are drained.

    Every worker starts afresh, as after a start of the stack; without `anew` only those the shop has not as they are.
    """
    ids = store_targets(connection, stack_targets(settings, shelf))
    workers = stack_workers(settings, shelf)
    names = [each.name for each in workers]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE worker SET state = 'live' WHERE state = 'drained' AND state_reason = %s AND name = ANY (%s)",
            (REMOVED, names),
        )
        cursor.execute(
            "UPDATE worker SET state = 'drained', state_reason = %s WHERE connection_id ~ %s AND name <> ALL (%s)",
            (REMOVED, _OWN, names),
        )
    entries = [
        WorkerEntry(each.name, each.connection_id, ids[each.target.name], each.python, each.state_directory, each.slots)
        for each in workers
    ]
    known = fetch_all(
        connection,
        "SELECT name, connection_id, target_id, python, state_directory, slots FROM worker WHERE probed_at IS NOT NULL",
    )
    same = set() if anew else {WorkerEntry(*row) for row in known}
    register_workers(connection, [each for each in entries if each not in same])
