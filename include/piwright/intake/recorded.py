"""Reads what intake has to know before it records a build: what was asked for, and what is recorded already.

order = read_order(connection, job_id)
find_recorded(connection, job_id, number, batch_id)     # Received, or None
find_wheel(connection, order, checked)                  # Known, or None
earlier_tags(connection, order)                         # [("3.5", ["cp311-cp311-linux_armv7l"]), ...]
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from piwright.database.connection import Connection, fetch_all, fetch_one
from piwright.intake.wheel_check import CheckedWheel

# Primary keys of job, release, project and target.
_ORDER = """
SELECT j.job_id, j.forced, r.release_id, r.version, p.project_id, p.name AS project,
       t.target_id, t.tags, t.distribution, t.architecture, t.preinstalled
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
SELECT w.wheel_id, w.filename, w.sha256, w.removed_at IS NOT NULL AS removed, a.job_id, w.held_reason, w.held_by
FROM wheel w JOIN attempt a USING (attempt_id)
WHERE w.release_id = %s AND w.tags = %s AND w.build_tag = %s
ORDER BY w.wheel_id DESC LIMIT 1
"""

_EARLIER_VERSIONS = 5

# release_project_id_version_key, then wheel_release.
_EARLIER = """
SELECT r.version, w.tags FROM release r JOIN wheel w USING (release_id)
WHERE r.project_id = %s AND r.release_id <> %s AND w.removed_at IS NULL AND w.tags && %s
"""

# upstream_file_release_id_filename_key.
_UPSTREAM_WHEELS = "SELECT filename FROM upstream_file WHERE release_id = %s AND kind = 'wheel'"

_GLIBC_TAG = re.compile(r"-manylinux_([0-9]{1,3})_([0-9]{1,3})_")


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
    target_id: int
    tags: list[str]
    distribution: str
    architecture: str
    preinstalled: list[str]

    @property
    def libc(self) -> tuple[str, int, int] | None:
        """The target's glibc, as the newest of its tags says; None where no tag tells of one."""
        found = next((match for tag in self.tags if (match := _GLIBC_TAG.search(tag))), None)
        return ("glibc", int(found[1]), int(found[2])) if found else None


@dataclass(frozen=True)
class Known:
    """A wheel that is recorded already, and the job it was built for.

    `held_reason`: why it is not offered; `held_by`: the operator who holds it, None if we do ourselves.
    """

    wheel_id: int
    filename: str
    sha256: str
    removed: bool
    job_id: int
    held_reason: str | None = None
    held_by: str | None = None

    @property
    def held_by_us(self) -> bool:
        """It did not import, which may be otherwise on another target; nobody has said that it must not be offered."""
        return self.held_reason is not None and self.held_by is None


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


def earlier_tags(connection: Connection, order: Order) -> list[tuple[str, list[str]]]:
    """(version, tags) of our wheels for this target, of the nearest versions before this one."""
    rows = fetch_all(connection, _EARLIER, (order.project_id, order.release_id, order.tags))
    before = [row for row in rows if Version(row.version) < Version(order.version)]
    nearest = sorted({row.version for row in before}, key=Version, reverse=True)[:_EARLIER_VERSIONS]
    return [(row.version, row.tags) for row in before if row.version in nearest]


def upstream_tags(connection: Connection, order: Order) -> list[list[str]]:
    """The tags of each of upstream's own wheels of the release: for other machines, or there would be no order."""
    rows = fetch_all(connection, _UPSTREAM_WHEELS, (order.release_id,))
    return [tags for row in rows if (tags := _tags_of(row.filename))]


def libraries_of_target(connection: Connection, target_id: int, sonames: Collection[str]) -> dict[str, str]:
    """Which Debian package has each of these libraries, as far as workers of the target know. Walks target_library_pkey."""
    statement = "SELECT soname, package FROM target_library WHERE target_id = %s AND soname = ANY (%s)"
    return {row.soname: row.package for row in fetch_all(connection, statement, (target_id, list(sonames)))}


def _tags_of(filename: str) -> list[str]:
    try:
        return sorted(map(str, parse_wheel_filename(filename)[3]))
    except InvalidWheelFilename:
        return []
