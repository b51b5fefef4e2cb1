"""# publish_index

Writes the pages of projects that changed, in an order that never shows a link to what is not there. Runs after builds,
after upstream removed something, and every 30 minutes as a net.

**Healthy when** the newest run is green and `piwright status` shows no pages that are out of date for long.

**When it is not**: the disk is full or the index folder cannot be written; the log names the file. Nothing published is
lost: the index can be made again from the database and the file store.
"""

from airflow.sdk import CronTriggerTimetable, dag, task

from piwright_airflow.defaults import START, TASK_DEFAULTS


@dag(
    schedule=CronTriggerTimetable("*/30 * * * *", timezone="UTC"),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=TASK_DEFAULTS,
    doc_md=__doc__,
    tags=["piwright", "index", "site"],
)
def publish_index():
    @task
    def write_pages() -> None:
        """Publish files, index pages and project pages of changed projects."""
        from piwright_airflow.stages import write_pages

        write_pages()

    @task
    def write_shop() -> None:
        """Bring the home page, search, status and feeds up to date."""
        from piwright_airflow.stages import write_shop

        write_shop()

    @task(trigger_rule="none_failed")
    def gate() -> None:
        """Fail the run when a stage failed."""

    write_pages() >> write_shop() >> gate()


publish_index()
