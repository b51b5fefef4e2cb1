"""Reads what intake has to know before it records a build: what was asked for, and what is recorded already.

order = read_order(connection, job_id)
find_recorded(connection, job_id, number, batch_id)     # Received, or None
find_wheel(connection, order, checked)                  # Known, or None
"""

from dataclasses import dataclass

from piwright.database.connection import Connection, fetch_all, fetch_one
from piwright.intake.wheel_check import CheckedWheel

# Primary keys of job, release, project and target.
_ORDER = """
SELECT j.job_id, j.forced, r.release_id, r.version, p.project_id, p.name AS project,
       t.tags, t.distribution, t.architecture
FROM job j JOIN release r USING (release_id) JOIN project p USING (project_id) JOIN target t USING (target_id)
WHERE j.job_id = %s
"""

# attempt_job_id_number_key, then wheel_attempt.
_RECORDED = """
SELECT a.outcome, a.failure_class,
       a.outcome = 'failed' AND j.state = 'waiting' AND j.batch_id = %(batch)s AND j.attempts = a.number AS retry,
       ARRAY(SELECT wheel_id FROM wheel w WHERE w.attempt_id = a.attempt_id ORDER BY wheel_id) AS wheel_ids
FROM attempt a JOIN job j USING (job_id)
WHERE a.job_id = %(job)s AND a.number = %(number)s
"""

# wheel_release. Release, tags and build number are what an installer tells wheels apart by; the spelling of the name
# in front of them may change with the backend's version.
_SAME_WHEEL = """
SELECT w.wheel_id, w.filename, w.sha256, w.removed_at IS NOT NULL AS removed, a.job_id
FROM wheel w JOIN attempt a USING (attempt_id)
WHERE w.release_id = %s AND w.tags = %s AND w.build_tag = %s
ORDER BY w.wheel_id DESC LIMIT 1
"""


@dataclass(frozen=True)
class Received:
    """What was recorded. `retry`: the job waits again in the same batch; `wheel_ids`: the wheels that serve it."""

    outcome: str
    failure_class: str | None
    retry: bool
    wheel_ids: tuple[int, ...]


@dataclass(frozen=True)
class Order:
    """What a job asked for, and for which kind of machine."""

    job_id: int
    forced: bool
    release_id: int
    version: str
    project_id: int
    project: str
    tags: list[str]
    distribution: str
    architecture: str


@dataclass(frozen=True)
class Known:
    """A wheel that is recorded already, and the job it was built for."""

    wheel_id: int
    filename: str
    sha256: str
    removed: bool
    job_id: int


def read_order(connection: Connection, job_id: int) -> Order:
    """What the job asked for. Raises LookupError for an id that is none."""
    row = fetch_one(connection, _ORDER, (job_id,))
    if row is None:
        raise LookupError(f"job_id = {job_id} is no job.")
    return Order(**row._asdict())


def find_recorded(connection: Connection, job_id: int, number: int, batch_id: int) -> Received | None:
    """What was recorded for this attempt before; None when nothing was."""
    row = fetch_one(connection, _RECORDED, {"job": job_id, "number": number, "batch": batch_id})
    return row and Received(row.outcome, row.failure_class, row.retry, tuple(row.wheel_ids))


def find_wheel(connection: Connection, order: Order, wheel: CheckedWheel) -> Known | None:
    """The recorded wheel that an installer could not tell from this one."""
    row = fetch_one(connection, _SAME_WHEEL, (order.release_id, list(wheel.tags), wheel.build_tag))
    return row and Known(**row._asdict())


def wheel_names(connection: Connection, order: Order, wheel: CheckedWheel) -> list[str]:
    """Names of all wheels of the release with these tags, removed ones too: a name is taken for ever."""
    statement = "SELECT filename FROM wheel WHERE release_id = %s AND tags = %s"
    return [row.filename for row in fetch_all(connection, statement, (order.release_id, list(wheel.tags)))]
