"""# build_wheels

Builds what waits: the jobs of a partition of `releases`, and whatever is more urgent. One mapped task is one batch;
its label says what is inside. Trigger it by hand with a form to build packages you name.

**Healthy when** it is green: failed *builds* are data, and do not fail a task. `piwright why NAME` explains them.

**When it is not**

* `plan_batches` failed: the database, or a form that asks for something that does not exist; its log says which.
* a `build` task waits for long: `piwright status` shows who holds the workers' slots, and which workers are lost.
* a `build` task failed after its tries: its worker was lost, or returned what could not be collected. Its jobs wait
  again and the next run takes them; look after the worker its log names.
* a `build` task failed with "No worker may build": all workers of its target are refused, and the message says why and what
  to do; then clear it, or let the next run take its jobs.
* a `build` task was marked or cleared by hand: its processes on the worker are ended; what was built stays.
"""

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Param, PartitionedAssetTimetable, dag, task

from piwright_airflow.assets import BUILDS, RELEASES
from piwright_airflow.defaults import BUILD_POOL, START, TASK_DEFAULTS
from piwright_airflow.operators.wheel_build import WheelBuildOperator


@dag(
    schedule=PartitionedAssetTimetable(assets=RELEASES),
    start_date=START,
    catchup=False,
    max_active_runs=4,
    default_args=TASK_DEFAULTS,
    doc_md=__doc__,
    tags=["piwright", "planning", "worker", "intake"],
    params={
        "packages": Param(
            [],
            type="array",
            items={"type": "string"},
            title="Packages",
            description="Requirement specifiers, one a line, such as `spidev` or `evdev==1.7.1`. Empty: what waits.",
        ),
        "targets": Param(
            [],
            type="array",
            items={"type": "string"},
            title="Targets",
            description="Names such as `bookworm-cp311-armv7l`, one a line. Empty: all.",
        ),
        "force": Param(
            False, type="boolean", title="Force", description="Build although there is a wheel; it gets a build number."
        ),
    },
)
def build_wheels():
    @task
    def plan_batches(partition_key: str | None = None, params=None, run_id: str | None = None) -> list[dict]:
        """Queue what the form asks for, claim the jobs of this run and pack them into batches."""
        from piwright_airflow.stages import plan_batches

        return plan_batches(run_id or "", partition_key, params)

    build = WheelBuildOperator.partial(
        task_id="build",
        pool=BUILD_POOL,
        weight_rule="absolute",
        map_index_template="{{ task.contents }}",
    ).expand_kwargs(plan_batches())

    @task(trigger_rule="all_done", outlets=[BUILDS])
    def settle(run_id: str | None = None) -> None:
        """Let the jobs of batches that ended early wait for the next run."""
        from piwright_airflow.stages import return_leftovers

        return_leftovers(run_id or "")

    publish = TriggerDagRunOperator(task_id="publish", trigger_dag_id="publish_index", trigger_rule="all_done")

    @task(trigger_rule="none_failed")
    def gate() -> None:
        """Fail the run when planning, a batch or settling failed."""

    settled = settle()
    build >> settled >> publish
    [build, settled, publish] >> gate()


build_wheels()
