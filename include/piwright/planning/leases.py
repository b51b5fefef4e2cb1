"""Leases: which batch uses which slot of which worker. The table is the truth; every crash converges by expiry.

lease = take_lease(connection, batch_id, target_id)     # None: no slot is free
renew_lease(connection, batch_id, job_id=...)           # while the batch runs
release_lease(connection, batch_id)
"""

from dataclasses import dataclass

from piwright.database.connection import Connection, fetch_all, fetch_one

LEASE_SECONDS = 180
"""How long a lease lives without being renewed."""

_RETRY_LOST = "2 minutes"
"""After this long a lost worker is tried again."""


@dataclass(frozen=True)
class Worker:
    """A worker as the operator needs it; `connection_id` is Airflow's."""

    worker_id: int
    name: str
    connection_id: str
    python: str
    state_directory: str


def take_lease(connection: Connection, batch_id: int, target_id: int, *, only: int | None = None) -> Worker | None:
    """Lease a slot for a batch on a matching live worker, the least used first; None when there is none.

    A batch that holds a lease keeps it. `only` asks for one worker: the one where the batch already runs.
    """
    with connection.cursor() as cursor:
        cursor.execute("UPDATE batch SET heartbeat_at = now() WHERE batch_id = %s", (batch_id,))
        cursor.execute("DELETE FROM lease WHERE expires_at < now() AND batch_id <> %s", (batch_id,))
    held = fetch_one(
        connection,
        "UPDATE lease SET expires_at = now() + %s * interval '1 second' WHERE batch_id = %s RETURNING worker_id",
        (LEASE_SECONDS, batch_id),
    )
    if held is not None:
        if only in (None, held.worker_id):
            return read_worker(connection, held.worker_id)
        release_lease(connection, batch_id)
    row = fetch_one(
        connection,
        """
        SELECT w.worker_id, w.slots, used.slots AS used
        FROM worker w
        CROSS JOIN LATERAL (
            SELECT coalesce(array_agg(slot), '{}') AS slots FROM lease WHERE lease.worker_id = w.worker_id
        ) used
        WHERE w.target_id = %(target)s AND (%(only)s IS NULL OR w.worker_id = %(only)s)
          AND (w.state = 'live' OR %(only)s IS NOT NULL
               OR (w.state = 'lost' AND w.probed_at < now() - %(retry)s::interval))
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
    return read_worker(connection, row.worker_id) if taken else None


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
        "SELECT worker_id, name, connection_id, python, state_directory FROM worker WHERE worker_id = %s",
        (worker_id,),
    )
    if row is None:
        raise LookupError(f"worker_id = {worker_id} is no worker.")
    return Worker(*row)


def mark_worker(connection: Connection, worker_id: int, state: str, reason: str | None = None) -> None:
    """Note that a worker is `live` or `lost`; one an operator drained stays drained."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE worker SET state = CASE state WHEN 'drained' THEN state ELSE %s END, state_reason = %s, "
            "probed_at = now() WHERE worker_id = %s",
            (state, reason, worker_id),
        )


def remote_names_in_use(connection: Connection, worker_id: int) -> list[str]:
    """Batches on a worker that somebody still has to collect from: a sweep keeps them."""
    rows = fetch_all(
        connection,
        "SELECT remote_name FROM batch WHERE worker_id = %s AND state = 'running' AND remote_name IS NOT NULL",
        (worker_id,),
    )
    return [row.remote_name for row in rows]
