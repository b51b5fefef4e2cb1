"""Registers workers, and judges by what they say of themselves whether anything is built on them.

register_workers(connection, [WorkerEntry("pi-1", "piwright_worker_1", target_id, "/usr/bin/python3", "/srv/piwright", 1)])
if probe_is_due(connection, worker_id, program_version, allowed=settings.allow_unsandboxed):
    refusal = store_probe(connection, worker_id, facts, allowed=settings.allow_unsandboxed)     # a sentence, or None
"""

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from dataclasses import astuple, dataclass
from datetime import timedelta
from typing import Any, ClassVar, Protocol

from piwright.database.connection import Connection, Json, execute_values, fetch_one

_ALLOWANCE = "PIWRIGHT_ALLOW_UNSANDBOXED"

FRESH = timedelta(days=1)
"""How long what a worker said of itself counts: its system is updated, its disk fills."""


@dataclass(frozen=True)
class WorkerEntry:
    """What is known of a worker before it was ever asked; `python` and `state_directory` are paths on it."""

    name: str
    connection_id: str
    target_id: int
    python: str
    state_directory: str
    slots: int


class SandboxFacts(Protocol):
    """`kind` is "none" where a worker cannot shut a build in, and `why` says why."""

    @property
    def kind(self) -> str: ...

    @property
    def why(self) -> str: ...


class Facts(Protocol):
    """What a worker said of itself, cleaned: a data class ready for JSON, such as `intake.worker_facts.WorkerFacts`.

    `libraries` maps a soname to the Debian package that has it.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def worker_version(self) -> str: ...

    @property
    def sandbox(self) -> SandboxFacts: ...

    @property
    def libraries(self) -> Mapping[str, str]: ...


def register_workers(connection: Connection, entries: Iterable[WorkerEntry]) -> None:
    """Add workers, or bring known ones up to date: they count as live until somebody finds them lost.

    They are asked what they are before the next batch, so one that was refused has its second chance.
    """
    with connection.cursor() as cursor:
        execute_values(
            cursor,
            """
            INSERT INTO worker (name, connection_id, target_id, python, state_directory, slots) VALUES %s
            ON CONFLICT (name) DO UPDATE
            SET connection_id = excluded.connection_id, target_id = excluded.target_id, python = excluded.python,
                state_directory = excluded.state_directory, slots = excluded.slots, probed_at = NULL,
                state = CASE worker.state WHEN 'drained' THEN worker.state ELSE 'live' END, state_reason = NULL
            """,
            [astuple(each) for each in entries],
        )


def refusal(name: str, kind: str, why: str, allowed: Collection[str]) -> str | None:
    """Why nothing is built on a worker with this kind of sandbox; None when it may be used. Pure."""
    if kind != "none" or name in allowed:
        return None
    said = f"it cannot shut builds in ({why or 'it does not say why'})"
    if _ALLOWANCE in why:
        return said  # with what to do about it
    return f"{said}: install bubblewrap on it, or name {name} in {_ALLOWANCE} if it may build without"


def probe_is_due(connection: Connection, worker_id: int, program_version: str, *, allowed: Collection[str]) -> bool:
    """Whether a worker has to be asked before it is used: never asked, long ago, by another program, or to no good end."""
    row = fetch_one(
        connection,
        """
        SELECT name, facts #>> '{sandbox,kind}' AS kind,
               probed_at IS NULL OR probed_at < now() - %s OR facts ->> 'worker_version' IS DISTINCT FROM %s AS stale
        FROM worker WHERE worker_id = %s
        """,
        (FRESH, program_version, worker_id),
    )
    if row is None:
        raise LookupError(f"worker_id = {worker_id} is no worker.")
    return bool(row.stale) or refusal(row.name, row.kind or "none", "", allowed) is not None


def store_probe(connection: Connection, worker_id: int, facts: Facts, *, allowed: Collection[str]) -> str | None:
    """Keep what a worker said of itself, and refuse it or take it (back). Answers why it is refused, or None.

    `allowed` names the workers that may build without a sandbox. One that an operator drained stays drained.
    """
    row = fetch_one(connection, "SELECT name, target_id FROM worker WHERE worker_id = %s FOR UPDATE", (worker_id,))
    if row is None:
        raise LookupError(f"worker_id = {worker_id} is no worker.")
    reason = refusal(row.name, facts.sandbox.kind, facts.sandbox.why, allowed)
    kept = dataclasses.asdict(facts)
    libraries = kept.pop("libraries")  # thousands, and of the target rather than of one worker
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE worker SET facts = %(facts)s, probed_at = now(), seen_at = now(),
                state = CASE state WHEN 'drained' THEN state ELSE %(state)s END,
                state_reason = CASE state WHEN 'drained' THEN state_reason ELSE %(reason)s END
            WHERE worker_id = %(worker)s
            """,
            {
                "facts": Json(kept),
                "state": "refused" if reason else "live",
                "reason": reason,
                "worker": worker_id,
            },
        )
        if libraries:
            # In one order, so that two workers of a target that are asked at once do not wait for each other in a ring.
            execute_values(
                cursor,
                """
                INSERT INTO target_library (target_id, soname, package) VALUES %s
                ON CONFLICT (target_id, soname) DO UPDATE SET package = excluded.package
                WHERE target_library.package <> excluded.package
                """,
                [(row.target_id, soname, package) for soname, package in sorted(libraries.items())],
                page_size=1000,
            )
    return reason


def distrust(connection: Connection, worker_id: int) -> None:
    """What a worker said of itself proved wrong: ask it anew before it is used again."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE worker SET probed_at = NULL WHERE worker_id = %s", (worker_id,))
