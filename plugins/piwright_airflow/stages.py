"""What the tasks of our DAGs do: open the database, call the stage, say in the log what came of it.

A DAG imports from here inside its tasks only, so that parsing it stays cheap.
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from piwright.catalog import update as catalog
from piwright.catalog.watch_list import read_watch_list
from piwright.database.connection import fetch_all, fetch_one
from piwright.downloads import count as downloads
from piwright.downloads.rotation import log_files
from piwright.planning import batches, jobs, plan
from piwright.settings import Settings
from piwright.site import publication
from piwright_airflow.database import task_database
from piwright_airflow.upstream import upstream_url

log = logging.getLogger(__name__)


def partition_of(start: datetime | None, end: datetime | None) -> tuple[str, datetime, datetime]:
    """The partition of an interval, and the interval; a run by hand without one is about the last full day.

    A whole day is named for its date, anything else for the moment it begins.
    """
    if start is None or end is None or start == end:
        end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        start = end - timedelta(days=1)
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    midnight = (0, 0, 0)
    whole_day = (start.hour, start.minute, start.second) == midnight and end - start == timedelta(days=1)
    return start.strftime("%Y-%m-%d" if whole_day else "%Y-%m-%dT%H:%M"), start, end


def update_catalog() -> None:
    """Read the watch list and its projects' pages; say what is wrong with which."""
    settings = Settings.from_environment()
    watch_list = read_watch_list(settings.watch_file)
    for problem in watch_list.problems:
        log.warning("%s: %s", settings.watch_file.name, problem)
    with task_database() as database:
        report = catalog.update_catalog(database, upstream_url=upstream_url(settings), watch_list=watch_list)
    for problem in report.problems:
        log.warning("%s", problem)
    log.info("%d projects: %d changed, %d as before", report.projects, report.changed, report.not_modified)


def queue_jobs(start: datetime | None, end: datetime | None) -> tuple[str, list[int]]:
    """Queue the interval and what is new on the watch list. Answers the partition and the ids of the jobs."""
    partition, start, end = partition_of(start, end)
    with task_database() as database:
        jobs.settle_removed(database)
        first = jobs.queue_first_sight(database, partition)
        interval = jobs.queue_interval(database, start, end, partition)
    for queued in (first, interval):
        for sentence in queued.unneeded:
            log.info("Nothing to build: %s", sentence)
    queued_ids = sorted({*first.job_ids, *interval.job_ids})
    log.info("%d jobs wait because of %s", len(queued_ids), partition)
    return partition, queued_ids


def something_was_removed() -> bool:
    """Whether a page that is out of date still offers what upstream took away. Walks project_stale."""
    with task_database() as database:
        row = fetch_one(
            database,
            """
            SELECT EXISTS (
                SELECT FROM project p WHERE p.stale_since IS NOT NULL
                AND (p.gone_at >= p.stale_since OR p.status = 'quarantined' OR EXISTS (
                    SELECT FROM release r JOIN wheel w USING (release_id)
                    WHERE r.project_id = p.project_id AND r.gone_at IS NOT NULL AND w.removed_at IS NULL))
            ) AS removed
            """,
        )
    return bool(row and row.removed)


def plan_batches(run_id: str, partition: str | None, form: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Queue what a form asks for and pack the run's batches. Answers what the mapped task takes: ids and labels."""
    settings = Settings.from_environment()
    form = form or {}
    if form.get("packages"):
        _queue_form(settings, form)
    with task_database() as database:
        planned = plan.plan_batches(database, run_id, partition, batch_seconds=settings.batch_seconds)
    for each in planned:
        log.info("Batch %d: %s", each.batch_id, each.label)
    return [{"batch_id": each.batch_id, "contents": each.label} for each in planned]


def _queue_form(settings: Settings, form: Mapping[str, Any]) -> None:
    """Queue the packages a person named; what cannot be built is an error that says so."""
    requirements: list[Requirement] = []
    for text in form["packages"]:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise AirflowFailException(f"packages: {text!r} is no requirement such as spidev==3.6: {error}") from None
        if requirement.url or requirement.extras or requirement.marker:
            raise AirflowFailException(
                f"packages: {text!r}: a name and versions, without extras, markers or an address."
            )
        requirements.append(requirement)
    with task_database() as database:
        names = {canonicalize_name(each.name) for each in requirements}
        report = catalog.update_projects(database, names, upstream_url=upstream_url(settings))
        for problem in report.problems:
            log.warning("%s", problem)
    with task_database() as database:
        targets = form.get("targets") or []
        known = {row.name for row in fetch_all(database, "SELECT name FROM target WHERE active")}
        for name in targets:
            if name not in known:
                raise AirflowFailException(f"targets: {name!r} is none: the targets are {', '.join(sorted(known))}.")
        queued = jobs.queue_requested(database, requirements, targets=targets, force=bool(form.get("force")))
    for sentence in queued.unneeded:
        log.warning("Nothing to build: %s", sentence)
    if not queued.job_ids:
        log.warning("Nothing was queued for %s.", ", ".join(str(each) for each in requirements))


def return_leftovers(run_id: str) -> None:
    """Give back what the run's batches did not finish."""
    with task_database() as database:
        for label in batches.return_leftovers(database, run_id):
            log.warning("Not finished, waits for the next run: %s", label)


def write_pages() -> None:
    """Publish the files and pages of changed projects."""
    settings = Settings.from_environment()
    with task_database() as database:
        report = publication.publish_projects(database, settings, upstream_url(settings))
    log.info(
        "%d projects: %d pages written, %d removed; %d files added, %d removed",
        report.projects,
        report.pages_written,
        report.pages_removed,
        report.files_added,
        report.files_removed,
    )
    if report.problems:
        # Everything else is published; these projects stay due.
        raise AirflowException("Not published: " + " ".join(report.problems))


def write_shop() -> None:
    """Bring the home page, search, status and feeds up to date with what is published."""
    settings = Settings.from_environment()
    with task_database() as database:
        report = publication.write_shop(database, settings)
    log.info("%d files of the shop's own pages written, %d removed", report.written, report.removed)


def count_downloads() -> None:
    """Count what the access log has gained. Airflow retries a log that cannot be read; the others are counted."""
    settings = Settings.from_environment()
    logs = log_files(settings.access_log_file)
    with task_database() as database:
        report = downloads.count_downloads(database, logs)
    log.info("%d new lines in %d logs: %d downloads", report.lines, report.logs, report.downloads)
    if report.unreadable:
        log.warning("%d lines cannot be read: docs/downloads.md has the format", report.unreadable)
    if report.problems:
        raise AirflowException("Not counted: " + " ".join(report.problems))
