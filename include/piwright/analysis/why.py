"""Why a package is built, failed, waiting, or not built at all.

explain(connection, "spidev")           # [{"project": "spidev", "version": "3.6", "state": "built", ...}, ...]
explain(connection, "spidev", "3.6")
"""

from dataclasses import dataclass
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from piwright.database.connection import Connection, fetch_all, fetch_one
from piwright.planning.needs import judge


class NotInCatalog(LookupError):
    """A project or version the catalog does not have; the message says what to do."""


# Walks project_name_key, release_project_id_version_key, job_release_id_target_id_key, attempt_job_id_number_key.
_ROWS = """
SELECT p.name AS project, r.release_id, r.version, r.yanked, r.yanked_reason, t.name AS target, j.job_id, j.state,
       j.reason, j.changed_at, a.number, a.outcome, a.failure_class, a.message, a.evidence_line, a.evidence_text,
       a.captured, a.started_at, extract(epoch FROM a.finished_at - a.started_at)::float AS seconds, a.log_path,
       a.attempt_id, a.peak_memory_bytes, a.smoke, a.sandbox, a.connections,
       a.environment -> 'connections' AS connections_by_kind, w.name AS worker, b.label
FROM project p JOIN release r USING (project_id) JOIN job j USING (release_id) JOIN target t USING (target_id)
LEFT JOIN attempt a USING (job_id)
LEFT JOIN batch b ON b.batch_id = j.batch_id
LEFT JOIN worker w ON w.worker_id = coalesce(a.worker_id, b.worker_id)
WHERE p.name = %(name)s AND (%(version)s::text IS NULL OR r.version = %(version)s)
"""

# Walks wheel_attempt.
_WHEELS = """
SELECT attempt_id, filename, held_reason, held_by, released_reason, released_by, note, apt_packages,
       facts -> 'corrections' AS corrections, published_at, removed_at, removed_reason
FROM wheel WHERE attempt_id = ANY (%s) ORDER BY wheel_id
"""

_NETWORK = "SELECT reason, allowed_by, allowed_at FROM network_exception WHERE project_id = %s"


def explain(connection: Connection, name: str, version: str | None = None) -> list[dict[str, Any]]:
    """One object for each attempt, and one for each job that has none or waits again; newest version first.

    Keys: `project, version, target, state, class, evidence {line, text}, worker, started, seconds, log`, with `reason`,
    `attempt`, `captured` and `yanked` beside them. Of an attempt also `wheels` (with what is held, noted and corrected),
    `smoke`, `sandbox`, `connections` it tried while it had no network, and `peak_memory_bytes`; of the project
    `network_exception`. Where there is neither attempt nor job, the release asked for (or the newest) is there with state
    `skipped` and why nobody builds it.
    Raises `NotInCatalog` for a project or version that is not there, `ValueError` for what is no version.
    """
    normalised = canonicalize_name(name)
    try:
        asked = Version(version) if version is not None else None
    except InvalidVersion:
        raise ValueError(f"VERSION={version!r} is no version: give one such as 1.2.3.") from None
    project = fetch_one(connection, "SELECT project_id, skip_reason FROM project WHERE name = %s", (normalised,))
    if project is None:
        raise NotInCatalog(
            f"{normalised} is not in the catalog: `piwright add {normalised}` puts it on the watch list."
        )
    wanted = _spelling(connection, project.project_id, asked) if asked is not None else None
    rows = fetch_all(connection, _ROWS, {"name": normalised, "version": wanted})
    found = [_attempt(row) for row in rows if row.number is not None]
    found += [_job(row) for row in _jobs_to_show(rows)]
    if not found:
        found = _unneeded(connection, project.project_id, normalised, wanted)
    if not found:
        if wanted is not None:
            raise NotInCatalog(f"{normalised} has no version {wanted} in the catalog: `piwright sync` looks again.")
        if project.skip_reason:
            raise NotInCatalog(f"{normalised} could not be read upstream: {project.skip_reason}")
    _add_wheels(connection, found)
    exception = _exception(connection, project.project_id)
    for each in found:
        each["network_exception"] = exception
    return sorted(found, key=lambda row: (Version(row["version"]), row["started"] or "~"), reverse=True)


def _spelling(connection: Connection, project_id: int, asked: Version) -> str:
    """How the catalog spells a version: 3.6.0 asks for 3.6."""
    rows = fetch_all(connection, "SELECT version FROM release WHERE project_id = %s", (project_id,))
    return next((row.version for row in rows if Version(row.version) == asked), str(asked))


def _jobs_to_show(rows: list[Any]) -> list[Any]:
    """Jobs whose last attempt does not say it all: not tried yet, waiting again, or settled without one."""
    last: dict[int, Any] = {}
    for row in rows:
        if row.job_id not in last or (row.number or 0) > (last[row.job_id].number or 0):
            last[row.job_id] = row
    told = ("built", "failed")
    return [row for row in last.values() if row.number is None or row.state not in told]


def _object(row: Any, state: str) -> dict[str, Any]:
    return {
        "project": row.project,
        "version": row.version,
        "target": row.target,
        "state": state,
        "class": None,
        "evidence": None,
        "worker": row.worker,
        "started": None,
        "seconds": None,
        "log": None,
        "attempt": None,
        "reason": row.reason,
        "captured": {},
        "yanked": (row.yanked_reason or "yanked") if row.yanked else None,
        "wheels": [],
        "smoke": None,
        "sandbox": None,
        "connections": None,
        "peak_memory_bytes": None,
    }


def _add_wheels(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Tell each attempt's wheels with it; takes the ids out again, which are nobody's business."""
    by_attempt = {row.pop("attempt_id"): row for row in rows if "attempt_id" in row}
    for wheel in fetch_all(connection, _WHEELS, (list(by_attempt),)):
        by_attempt[wheel.attempt_id]["wheels"].append(
            {
                "filename": wheel.filename,
                "published": wheel.published_at is not None and wheel.removed_at is None and wheel.held_reason is None,
                "held": {"reason": wheel.held_reason, "by": wheel.held_by} if wheel.held_reason else None,
                "released": {"reason": wheel.released_reason, "by": wheel.released_by} if wheel.released_by else None,
                "removed": wheel.removed_reason if wheel.removed_at else None,
                "note": wheel.note,
                "apt_packages": wheel.apt_packages,
                "corrections": wheel.corrections or [],
            }
        )


def _exception(connection: Connection, project_id: int) -> dict[str, Any] | None:
    row = fetch_one(connection, _NETWORK, (project_id,))
    return row and {"reason": row.reason, "by": row.allowed_by, "since": row.allowed_at.isoformat()}


def _attempt(row: Any) -> dict[str, Any]:
    evidence = {"line": row.evidence_line, "text": row.evidence_text} if row.evidence_text is not None else None
    return _object(row, row.outcome) | {
        "class": row.failure_class,
        "evidence": evidence,
        "started": row.started_at.isoformat(),
        "seconds": round(row.seconds, 3),
        "log": row.log_path,
        "attempt": row.number,
        "reason": row.message or row.reason,
        "captured": row.captured,
        "attempt_id": row.attempt_id,
        "smoke": row.smoke,
        "sandbox": row.sandbox,
        "connections": row.connections_by_kind,
        "peak_memory_bytes": row.peak_memory_bytes,
    }


def _job(row: Any) -> dict[str, Any]:
    return _object(row, row.state) | {"worker": row.worker if row.state == "leased" else None}


def _unneeded(connection: Connection, project_id: int, name: str, version: str | None) -> list[dict[str, Any]]:
    """What `judge` says of one release for each target: the version asked for, or the newest."""
    releases = fetch_all(
        connection,
        "SELECT release_id, version, yanked, yanked_reason, gone_at FROM release WHERE project_id = %s "
        "AND (%s::text IS NULL OR version = %s)",
        (project_id, version, version),
    )
    release = max(releases, key=lambda row: (row.gone_at is None, Version(row.version)), default=None)
    if release is None:
        return []
    files = fetch_all(
        connection,
        "SELECT filename, kind, hashes, requires_python FROM upstream_file WHERE release_id = %s",
        (release.release_id,),
    )
    found = []
    for target in fetch_all(connection, "SELECT name, tags, python FROM target WHERE active ORDER BY rank"):
        verdict = judge(files, [], target.tags, target.python)
        reason = verdict.reason or "not queued: no line of the watch list and no interval asked for it yet"
        row = _Unneeded(name, release.version, target.name, reason, release.yanked, release.yanked_reason)
        found.append(_object(row, "skipped"))
    return found


@dataclass(frozen=True)
class _Unneeded:
    """A release without a job, in the shape of the rows above."""

    project: str
    version: str
    target: str
    reason: str
    yanked: bool
    yanked_reason: str | None
    worker: None = None
