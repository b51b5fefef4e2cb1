"""# count_downloads

Counts what was downloaded since the last run: reads the web server's access log, and what logrotate made of it, from where
it was left. Counts of a day go into `download` (by file, target, Python and installer) and `project_download`; pages of
projects that were downloaded are out of date then, and `publish_index` writes them. Nobody's address is read or kept.

**Healthy when** the newest run is green; its log says how many lines it read. A shop that nobody visits has no log yet.

**When it is not**

* "may not be read": the log belongs to the web server; let the user that runs Airflow read it (`docs/downloads.md`).
* "cannot be unpacked": a rotated log is broken, or still being compressed; the next run reads on. If it stays, restore it
  or move it away: what came before the broken part is counted.
* the log of the task speaks of lines that cannot be read: the web server does not write the format of `deploy/nginx.conf`.
* it takes long: the first run over old logs does; it goes on where it was ended, and counts nothing twice. To count logs
  from elsewhere: `piwright downloads count FILE...`.
"""

from airflow.sdk import CronTriggerTimetable, dag, task

from piwright_airflow.defaults import START, TASK_DEFAULTS


@dag(
    schedule=CronTriggerTimetable("5 * * * *", timezone="UTC"),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=TASK_DEFAULTS,
    doc_md=__doc__,
    tags=["piwright", "downloads"],
)
def count_downloads():
    @task
    def count_new_lines() -> None:
        """Count the downloads that the access log has gained."""
        from piwright_airflow.stages import count_downloads

        count_downloads()

    @task(trigger_rule="none_failed")
    def gate() -> None:
        """Fail the run when counting failed."""

    count_new_lines() >> gate()


count_downloads()
