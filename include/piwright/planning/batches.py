"""A batch through its life: what is left to build of it, where it is, and what becomes of it when nobody looks.

builds = open_builds(connection, batch_id)
begin_round(connection, batch_id, worker_id, remote_name)
finish_batch(connection, batch_id)
return_leftovers(connection, run_id)      # whatever a run did not finish waits again
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from piwright.database.connection import Connection, fetch_all, fetch_one
from piwright.database.stale_pages import mark_stale
from piwright.planning.needs import judge

_LONGEST_WAIT = timedelta(hours=24)
"""A planned batch nobody started for so long belongs to a run that is gone."""


@dataclass(frozen=True)
class Batch:
    """A batch as it stands; `remote_name` and `worker_id` are None until it was sent to a worker."""

    batch_id: int
    target_id: int
    label: str
    state: str
    round: int
    remote_name: str | None
    worker_id: int | None


def read_batch(connection: Connection, batch_id: int) -> Batch:
    """The batch. Raises `LookupError` for an id that is none."""
    row = fetch_one(
        connection,
        "SELECT batch_id, target_id, label, state, round, remote_name, worker_id FROM batch WHERE batch_id = %s",
        (batch_id,),
    )
    if row is None:
        raise LookupError(f"batch_id = {batch_id} is no batch: plan_batches makes them.")
    return Batch(*row)


@dataclass(frozen=True)
class Build:
    """One job of a batch, as the worker needs it. `number` is the attempt it will be; `network`: it may use the network."""

    job_id: int
    number: int
    project: str
    version: str
    filename: str
    url: str
    hashes: dict[str, str]
    size: int | None
    uploaded_at: datetime | None
    network: bool = False

    @property
    def name(self) -> str:
        """The worker's name for it: job and attempt."""
        return f"{self.job_id}-{self.number}"


def open_builds(connection: Connection, batch_id: int) -> list[Build]:
    """What is left to build of a batch, urgent first. Jobs it carries that wait (again) are leased to it."""
    rows = fetch_all(
        connection,
        """
        WITH taken AS (
            UPDATE job SET state = 'leased', changed_at = CASE state WHEN 'leased' THEN changed_at ELSE now() END
            WHERE batch_id = %s AND state IN ('leased', 'waiting')
            RETURNING job_id, release_id, target_id, priority, estimate_seconds, attempts
        )
        SELECT j.*, p.project_id, p.name AS project, r.version, t.python, t.tags, n.project_id IS NOT NULL AS network
        FROM taken j JOIN release r USING (release_id) JOIN project p USING (project_id) JOIN target t USING (target_id)
        LEFT JOIN network_exception n USING (project_id)
        ORDER BY j.priority DESC, j.estimate_seconds DESC, j.job_id
        """,
        (batch_id,),
    )
    files = defaultdict(list)
    for row in fetch_all(
        connection,
        "SELECT release_id, filename, kind, url, hashes, size, uploaded_at, requires_python FROM upstream_file "
        "WHERE release_id = ANY (%s)",
        ([row.release_id for row in rows],),
    ):
        files[row.release_id].append(row)
    builds = []
    for row in rows:
        # Wheels are left out: whether there is one was asked when the batch was planned.
        sdists = [each for each in files[row.release_id] if each.kind == "sdist"]
        sdist = judge(sdists, [], row.tags, row.python).sdist
        if sdist is None:
            with connection.cursor() as cursor:
                cursor.execute(
                    "UPDATE job SET state = 'removed', reason = 'upstream took its source distribution away', "
                    "changed_at = now() WHERE job_id = %s",
                    (row.job_id,),
                )
            mark_stale(connection, [row.project_id])
            continue
        file = (sdist.filename, sdist.url, sdist.hashes, sdist.size, sdist.uploaded_at)
        builds.append(Build(row.job_id, row.attempts + 1, row.project, row.version, *file, row.network))
    return builds


def begin_round(connection: Connection, batch_id: int, worker_id: int, remote_name: str) -> None:
    """Note where a batch is sent, before it is: whoever comes next looks for it there."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE batch SET state = 'running', worker_id = %s, remote_name = %s, round = round + 1, "
            "started_at = coalesce(started_at, now()), heartbeat_at = now() WHERE batch_id = %s",
            (worker_id, remote_name, batch_id),
        )


def forget_worker(connection: Connection, batch_id: int) -> None:
    """The batch is on no worker any more: the next round may go anywhere."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE batch SET worker_id = NULL, remote_name = NULL WHERE batch_id = %s", (batch_id,))


def finish_batch(connection: Connection, batch_id: int) -> None:
    """Every job of the batch is settled."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE batch SET state = 'done', finished_at = now() WHERE batch_id = %s", (batch_id,))


def return_leftovers(connection: Connection, run_id: str) -> list[str]:
    """At the end of a run: what its batches did not finish waits for the next run. Answers their labels."""
    rows = fetch_all(
        connection, "SELECT batch_id FROM batch WHERE run_id = %s AND state IN ('planned', 'running')", (run_id,)
    )
    return _abandon(connection, [row.batch_id for row in rows])


def sweep_abandoned(connection: Connection) -> list[str]:
    """Return what batches hold that nobody looks after: no lease, no heartbeat. Walks batch_open."""
    rows = fetch_all(
        connection,
        """
        SELECT b.batch_id FROM batch b LEFT JOIN lease l USING (batch_id)
        WHERE b.state IN ('planned', 'running') AND (l.batch_id IS NULL OR l.expires_at < now())
          AND b.heartbeat_at < now() - CASE b.state WHEN 'planned' THEN %s ELSE interval '30 minutes' END
        FOR UPDATE OF b SKIP LOCKED
        """,
        (_LONGEST_WAIT,),
    )
    return _abandon(connection, [row.batch_id for row in rows])


def _abandon(connection: Connection, batch_ids: Sequence[int]) -> list[str]:
    if not batch_ids:
        return []
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM lease WHERE batch_id = ANY (%s)", (batch_ids,))
    waiting = fetch_all(
        connection,
        "UPDATE job SET state = 'waiting', partition = NULL, reason = 'its batch ended early', changed_at = now() "
        "FROM release r WHERE r.release_id = job.release_id AND batch_id = ANY (%s) AND state = 'leased' RETURNING project_id",
        (batch_ids,),
    )
    mark_stale(connection, [row.project_id for row in waiting])
    rows = fetch_all(
        connection,
        "UPDATE batch SET state = 'abandoned', finished_at = now() WHERE batch_id = ANY (%s) RETURNING label",
        (batch_ids,),
    )
    return [row.label for row in rows]
