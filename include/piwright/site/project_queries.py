"""The queries behind project and build pages, each with the index it walks.

All take a list of project ids. What is joined to a project by way of its releases walks `release_project_id_version_key`
first, so a page costs what the project has and nothing of what others have.
"""

import re
from collections.abc import Iterable

from piwright.site.project_facts import TargetFacts

TARGETS = """
SELECT t.target_id, t.name, t.distribution, t.python, t.architecture, t.tags,
       coalesce((SELECT sum(w.slots) FROM worker w WHERE w.target_id = t.target_id AND w.state = 'live'), 0)::int AS slots
FROM target t WHERE t.active ORDER BY t.rank, t.target_id
"""
"""A few rows, ever; then `worker_target`."""

NAMES = "SELECT project_id, name, stale_since IS NOT NULL AS stale FROM project WHERE project_id = ANY (%(projects)s)"
"""By `project_pkey`."""

PROJECTS = """
SELECT p.project_id, p.name, p.display_name, p.status, p.status_reason, p.skip_reason, p.summary,
       p.gone_at IS NOT NULL AS gone, p.checked_at, n.reason AS network_reason, n.allowed_at AS network_since,
       ARRAY(SELECT w.specifier FROM watch w WHERE w.project_id = p.project_id ORDER BY w.specifier) AS watched,
       now() AS as_of
FROM project p LEFT JOIN network_exception n USING (project_id)
WHERE p.project_id = ANY (%(projects)s)
  AND (p.skip_reason IS NOT NULL
       OR EXISTS (SELECT FROM watch w WHERE w.project_id = p.project_id)
       OR EXISTS (SELECT FROM release r JOIN job j USING (release_id) WHERE r.project_id = p.project_id))
"""
"""Those that have a page: by `project_pkey`, `watch_pkey`, then `release_project_id_version_key` and
`job_release_id_target_id_key`."""

RELEASES = """
SELECT project_id, release_id, version, uploaded_at, yanked, yanked_reason, gone_at IS NOT NULL AS gone
FROM release WHERE project_id = ANY (%(projects)s)
"""
"""By `release_project_id_version_key`."""

FILES = """
SELECT r.project_id, f.release_id, f.filename, f.kind, f.requires_python,
       CASE f.kind WHEN 'sdist' THEN f.hashes::text END AS hashes
FROM release r JOIN upstream_file f USING (release_id)
WHERE r.project_id = ANY (%(projects)s)
  AND (f.kind = 'sdist' OR f.kind = 'wheel' AND f.filename ~ %(platforms)s)
"""
"""By `upstream_file_release_id_filename_key`. A popular release has dozens of wheels, of which a Pi could take a few."""

JOBS = """
SELECT r.project_id, j.job_id, j.release_id, j.target_id, j.state, j.reason, j.attempts, j.estimate_seconds,
       j.next_try_at, j.waits_for, j.changed_at, w.name AS worker, t.name AS target
FROM release r JOIN job j USING (release_id) JOIN target t USING (target_id)
LEFT JOIN batch b ON b.batch_id = j.batch_id LEFT JOIN worker w ON w.worker_id = b.worker_id
WHERE r.project_id = ANY (%(projects)s)
"""
"""By `job_release_id_target_id_key`, then primary keys."""

QUEUE = """
SELECT t.target_id, q.job_id, q.estimate_seconds
FROM target t CROSS JOIN LATERAL (
    SELECT j.job_id, j.estimate_seconds FROM job j
    WHERE j.target_id = t.target_id AND j.state = 'waiting'
    ORDER BY j.priority DESC, j.job_id LIMIT %(limit)s
) q
WHERE t.target_id = ANY (%(targets)s)
"""
"""The heads of the queues, by `job_claim`: once for a whole batch of projects."""

ATTEMPTS = """
SELECT r.project_id, a.attempt_id, a.job_id, a.number, a.outcome, a.failure_class,
       coalesce(nullif(a.evidence_text, ''), a.message) AS evidence, a.finished_at, a.recorded_at,
       extract(epoch FROM a.finished_at - a.started_at)::float AS seconds, w.name AS worker, a.peak_memory_bytes,
       a.smoke ->> 'outcome' AS smoke, a.smoke ->> 'detail' AS smoke_detail, a.evidence_line
FROM release r JOIN job j USING (release_id) JOIN attempt a USING (job_id)
LEFT JOIN worker w ON w.worker_id = a.worker_id
WHERE r.project_id = ANY (%(projects)s)
"""
"""In the order of the fields of `AttemptFacts`. By `job_release_id_target_id_key`, then `attempt_job_id_number_key`."""

WHEELS = """
SELECT r.project_id, w.wheel_id, w.attempt_id, w.release_id, t.name AS target, t.distribution, w.filename, w.sha256,
       w.tags, w.size, w.built_at, w.build_tag, w.apt_packages, w.requires_python, w.note,
       w.published_at IS NOT NULL AS published, w.held_reason, w.held_by, w.released_reason, w.released_by,
       coalesce((w.facts ->> 'needs_distribution')::boolean, false) AS needs_distribution,
       CASE WHEN w.removed_at IS NOT NULL THEN coalesce(nullif(w.removed_reason, ''), 'removed') END AS removed_reason,
       coalesce(nullif(w.facts -> 'corrections', 'null'), '[]') AS corrections
FROM release r JOIN wheel w USING (release_id)
JOIN attempt a ON a.attempt_id = w.attempt_id JOIN job j ON j.job_id = a.job_id JOIN target t USING (target_id)
WHERE r.project_id = ANY (%(projects)s)
"""
"""In the order of the fields of `WheelFacts`. By `wheel_release`, then primary keys."""


def platforms_pattern(targets: Iterable[TargetFacts]) -> str:
    """What the end of a wheel's name looks like that some target could take, as a pattern for PostgreSQL."""
    architectures = sorted({re.escape(each.architecture) for each in targets})
    return rf"[-.](any|[a-z0-9_]*_({'|'.join(architectures)}))(\.[a-z0-9_.]*)?\.whl$"


DOWNLOADS = """
SELECT project_id, sum(downloads)::bigint AS total,
       array_agg(day ORDER BY day) FILTER (WHERE day > current_date - 30) AS days,
       array_agg(downloads ORDER BY day) FILTER (WHERE day > current_date - 30) AS downloads
FROM project_download WHERE project_id = ANY (%(projects)s) GROUP BY project_id
"""
"""By `project_download_pkey`."""

DUE = """
SELECT due.attempt_id, due.project_id, due.rank
FROM (
    SELECT a.attempt_id, r.project_id,
           row_number() OVER (PARTITION BY r.project_id ORDER BY a.page_at NULLS FIRST, a.attempt_id DESC) AS rank
    FROM release r JOIN job j USING (release_id) JOIN attempt a USING (job_id)
    WHERE r.project_id = ANY (%(projects)s) AND (%(everything)s OR a.page_at IS NULL)
) due
"""
"""Attempts whose page is to be written, those without one first. By `job_release_id_target_id_key`, then `attempt_page_due`,
or `attempt_job_id_number_key` for all."""

BUILDS = """
SELECT a.attempt_id, r.project_id, p.name AS project, p.display_name, r.version, r.release_id, t.name AS target,
       t.distribution, t.python, t.architecture, a.number, a.outcome, a.failure_class, a.message, a.evidence_line,
       a.evidence_text, a.captured, a.started_at, a.finished_at,
       extract(epoch FROM a.finished_at - a.started_at)::float AS seconds, a.phases, a.peak_memory_bytes, a.log_path,
       a.log_bytes, a.environment, a.smoke, a.sandbox, a.connections, w.name AS worker,
       before.attempt_id AS previous_id, before.outcome AS previous_outcome
FROM attempt a JOIN job j USING (job_id) JOIN release r USING (release_id) JOIN project p USING (project_id)
JOIN target t USING (target_id) LEFT JOIN worker w ON w.worker_id = a.worker_id
LEFT JOIN LATERAL (
    SELECT b.attempt_id, b.outcome FROM attempt b
    WHERE b.job_id = a.job_id AND b.number < a.number ORDER BY b.number DESC LIMIT 1
) before ON true
WHERE a.attempt_id = ANY (%(attempts)s)
"""
"""By primary keys, then `attempt_job_id_number_key`."""

BUILD_WHEELS = """
SELECT attempt_id, filename, size, sha256, tags, facts -> 'corrections' AS corrections, note, apt_packages
FROM wheel WHERE attempt_id = ANY (%(attempts)s) ORDER BY wheel_id
"""
"""By `wheel_attempt`."""

SDISTS = """
SELECT release_id, filename, kind, hashes, requires_python, uploaded_at
FROM upstream_file WHERE release_id = ANY (%(releases)s) AND kind = 'sdist'
"""
"""By `upstream_file_release_id_filename_key`."""

WRITTEN = "UPDATE attempt SET page_at = now() WHERE attempt_id = ANY (%(attempts)s)"
"""By `attempt_pkey`."""

LEFT_OVER = "UPDATE attempt SET page_at = NULL WHERE attempt_id = ANY (%(attempts)s) AND page_at IS NOT NULL"
"""By `attempt_pkey`: those beyond one portion are due again, for the next publications."""

STALE_AGAIN = "UPDATE project SET stale_since = now() WHERE project_id = ANY (%(projects)s)"
"""By `project_pkey`."""
