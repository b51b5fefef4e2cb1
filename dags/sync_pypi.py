"""# sync_pypi

Brings the catalog up to date with upstream and queues what has to be built: the releases uploaded in the run's data
interval, and the newest release of whatever is new on the watch list. **Backfill this DAG to build the history.**

**Healthy when** the newest scheduled run is green. A reprocessed day queues nothing unless something is missing.

**When it is not**

* `update_catalog` failed: upstream could not be reached at all; it is tried again by itself. One project that cannot
  be read fails nothing: `piwright status` names it and why.
* `queue_jobs` failed: the database; see its log and `piwright status`.
* `publish_removals` only says that pages were out of date because something left upstream; `publish_index` has the rest.
"""

from datetime import datetime

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import CronDataIntervalTimetable, dag, task

from piwright.settings import Settings
from piwright_airflow.assets import RELEASES
from piwright_airflow.defaults import START, TASK_DEFAULTS


@dag(
    schedule=CronDataIntervalTimetable(Settings.from_environment().sync_schedule, timezone="UTC"),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=TASK_DEFAULTS,
    doc_md=__doc__,
    tags=["piwright", "catalog"],
)
def sync_pypi():
    @task
    def update_catalog() -> None:
        """Read every watched project's page upstream and store what changed."""
        from piwright_airflow.stages import update_catalog

        update_catalog()

    @task(outlets=[RELEASES])
    def queue_jobs(
        data_interval_start: datetime | None = None,
        data_interval_end: datetime | None = None,
        outlet_events=None,
    ) -> list[int]:
        """Queue jobs for the interval and for what is new on the watch list; emit the interval's partition."""
        from piwright_airflow.stages import queue_jobs

        partition, jobs = queue_jobs(data_interval_start, data_interval_end)
        outlet_events[RELEASES].add_partitions(partition)
        return jobs

    @task.short_circuit(ignore_downstream_trigger_rules=False)
    def something_was_removed() -> bool:
        """Go on only if a page shows what upstream took away: builds publish the rest."""
        from piwright_airflow.stages import something_was_removed

        return something_was_removed()

    publish_removals = TriggerDagRunOperator(task_id="publish_removals", trigger_dag_id="publish_index")

    @task(trigger_rule="none_failed")
    def gate() -> None:
        """Fail the run when a stage failed."""

    update_catalog() >> queue_jobs() >> something_was_removed() >> publish_removals >> gate()


sync_pypi()
