"""Leases: which batch uses which slot of which worker. The table is the truth; every crash converges by expiry.

lease = take_lease(connection, batch_id, target_id)     # None: no slot is free
renew_lease(connection, batch_id, job_id=...)           # while the batch runs
release_lease(connection, batch_id)
"""

from dataclasses import dataclass
from datetime import timedelta

from piwright.database.connection import Connection, fetch_all, fetch_one

LEASE_SECONDS = 180
"""How long a lease lives without being renewed."""

_RETRY_LOST = timedelta(minutes=2)
"""After this long a lost worker is tried again."""


@dataclass(frozen=True)
class Worker:
    """A worker as the operator needs it; `connection_id` is Airflow's."""

    worker_id: int
    name: str
    connection_id: str
    python: str
    state_directory: str
    slots: int = 1


@dataclass(frozen=True)
class Lease:
    """A slot (from 1) of a worker, for a batch."""

    worker: Worker
    slot: int


def take_lease(connection: Connection, batch_id: int, target_id: int, *, only: int | None = None) -> Lease | None:
    """Lease a slot for a batch on a matching live worker, the least used first; None when there is none.

    A batch that holds a lease keeps it. `only` asks for one worker: the one where the batch already runs. A refused
    worker is never leased, whoever asks.
    """
    with connection.cursor() as cursor:
        cursor.execute("UPDATE batch SET heartbeat_at = now() WHERE batch_id = %s", (batch_id,))
        cursor.execute("DELETE FROM lease WHERE expires_at < now() AND batch_id <> %s", (batch_id,))
    held = fetch_one(
        connection,
        """
        UPDATE lease SET expires_at = now() + %s * interval '1 second' FROM worker w
        WHERE batch_id = %s AND w.worker_id = lease.worker_id RETURNING lease.worker_id, lease.slot, w.state
        """,
        (LEASE_SECONDS, batch_id),
    )
    if held is not None:
        if only in (None, held.worker_id) and held.state != "refused":
            return Lease(read_worker(connection, held.worker_id), held.slot)
        release_lease(connection, batch_id)
    row = fetch_one(
        connection,
        """
        SELECT w.worker_id, w.slots, used.slots AS used
        FROM worker w
        CROSS JOIN LATERAL (
            SELECT coalesce(array_agg(slot), '{}') AS slots FROM lease WHERE lease.worker_id = w.worker_id
        ) used
        WHERE w.target_id = %(target)s AND (%(only)s IS NULL OR w.worker_id = %(only)s) AND w.state <> 'refused'
          AND (w.state = 'live' OR %(only)s IS NOT NULL OR (w.state = 'lost' AND w.seen_at < now() - %(retry)s))
          AND cardinality(used.slots) < w.slots
        ORDER BY w.state, cardinality(used.slots), w.worker_id
        LIMIT 1
        FOR UPDATE OF w SKIP LOCKED
        """,
        {"target": target_id, "only": only, "retry": _RETRY_LOST},
    )
    if row is None:
        return None
    slot = min(set(range(1, row.slots + 1)) - set(row.used))
    taken = fetch_one(
        connection,
        "INSERT INTO lease (worker_id, slot, batch_id, expires_at) VALUES (%s, %s, %s, now() + %s * interval '1 second') "
        "ON CONFLICT DO NOTHING RETURNING worker_id",
        (row.worker_id, slot, batch_id, LEASE_SECONDS),
    )
    return Lease(read_worker(connection, row.worker_id), slot) if taken else None


def renew_lease(connection: Connection, batch_id: int, job_id: int | None = None) -> bool:
    """Keep the lease, and note the job its worker builds now. False when the batch holds none any more."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE lease SET expires_at = now() + %s * interval '1 second', job_id = %s WHERE batch_id = %s",
            (LEASE_SECONDS, job_id, batch_id),
        )
        held = cursor.rowcount > 0
        cursor.execute("UPDATE batch SET heartbeat_at = now() WHERE batch_id = %s", (batch_id,))
    return held


def release_lease(connection: Connection, batch_id: int) -> None:
    """Give the slot back; a no-op when it was given back before."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM lease WHERE batch_id = %s", (batch_id,))


def read_worker(connection: Connection, worker_id: int) -> Worker:
    """The worker. Raises `LookupError` for an id that is none."""
    row = fetch_one(
        connection,
        "SELECT worker_id, name, connection_id, python, state_directory, slots FROM worker WHERE worker_id = %s",
        (worker_id,),
    )
    if row is None:
        raise LookupError(f"worker_id = {worker_id} is no worker.")
    return Worker(*row)


def mark_worker(connection: Connection, worker_id: int, state: str, reason: str | None = None) -> None:
    """Note that a worker is `live` or `lost`; one that an operator drained, or that was refused, stays so."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE worker SET seen_at = now(),
                state = CASE WHEN state IN ('drained', 'refused') THEN state ELSE %(state)s END,
                state_reason = CASE state WHEN 'refused' THEN state_reason ELSE %(reason)s END
            WHERE worker_id = %(worker)s
            """,
            {"state": state, "reason": reason, "worker": worker_id},
        )


def nobody_may_build(connection: Connection, target_id: int) -> str | None:
    """Who is refused and why, when that leaves nobody for a target; None while a worker is live, or may come back."""
    rows = fetch_all(
        connection, "SELECT name, state, state_reason FROM worker WHERE target_id = %s ORDER BY name", (target_id,)
    )
    refused = [row for row in rows if row.state == "refused"]
    if not refused or any(row.state in ("live", "lost") for row in rows):
        return None
    return "; ".join(f"{row.name} is refused: {row.state_reason}" for row in refused)


def refused_workers(connection: Connection, target_id: int, *, unseen_for: timedelta) -> list[Worker]:
    """The refused workers of a target that nobody asked again for so long. They are the caller's to ask: nobody else
    is given them for as long."""
    rows = fetch_all(
        connection,
        "UPDATE worker SET seen_at = now() WHERE target_id = %s AND state = 'refused' "
        "AND (seen_at IS NULL OR seen_at <= now() - %s) "
        "RETURNING worker_id, name, connection_id, python, state_directory, slots",
        (target_id, unseen_for),
    )
    return [Worker(*row) for row in rows]


def remote_names_in_use(connection: Connection, worker_id: int) -> list[str]:
    """Batches on a worker that somebody still has to collect from: a sweep keeps them."""
    rows = fetch_all(
        connection,
        "SELECT remote_name FROM batch WHERE worker_id = %s AND state = 'running' AND remote_name IS NOT NULL",
        (worker_id,),
    )
    return [row.remote_name for row in rows]
