"""Every DAG file loads, is the DAG it is named for, and keeps our rules."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from piwright.settings import ROOT
from piwright.stack.airflow import DAGS

DAG_FOLDER = ROOT / "dags"


@pytest.fixture(scope="module")
def dags() -> dict[str, Any]:
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(DAG_FOLDER))
    assert bag.import_errors == {}
    return dict(bag.dags)


def test_the_set_of_dag_files_is_the_set_of_dags(dags: dict[str, Any]) -> None:
    assert {path.stem for path in DAG_FOLDER.glob("*.py")} == set(dags) == set(DAGS)
    assert {dag_id: Path(dag.fileloc).stem for dag_id, dag in dags.items()} == {name: name for name in DAGS}


@pytest.mark.parametrize("dag_id", DAGS)
def test_a_dag_tells_an_operator_when_it_is_healthy_and_what_to_do_when_not(dags: dict[str, Any], dag_id: str) -> None:
    assert dags[dag_id].doc_md.startswith(f"# {dag_id}\n")
    assert "**Healthy when**" in dags[dag_id].doc_md
    assert "**When it is not**" in dags[dag_id].doc_md
    assert "piwright" in dags[dag_id].tags


@pytest.mark.parametrize("dag_id", DAGS)
def test_every_task_has_an_owner_and_retries(dags: dict[str, Any], dag_id: str) -> None:
    for task in dags[dag_id].tasks:
        assert task.owner == "piwright", task.task_id
        assert task.retries >= 2, task.task_id
        assert timedelta(seconds=5) <= task.retry_delay <= timedelta(minutes=10), task.task_id


@pytest.mark.parametrize("dag_id", DAGS)
def test_a_dag_ends_in_one_gate_that_everything_leads_to(dags: dict[str, Any], dag_id: str) -> None:
    dag = dags[dag_id]
    assert [task.task_id for task in dag.leaves] == ["gate"]
    gate = dag.get_task("gate")
    assert gate.trigger_rule == "none_failed"
    assert gate.get_flat_relative_ids(upstream=True) == set(dag.task_ids) - {"gate"}


@pytest.mark.parametrize("dag_id", DAGS)
def test_a_dag_does_not_catch_up_by_itself(dags: dict[str, Any], dag_id: str) -> None:
    assert dags[dag_id].catchup is False
    assert dags[dag_id].start_date.tzinfo is not None


def test_the_sync_has_real_data_intervals_so_that_it_can_be_backfilled(dags: dict[str, Any]) -> None:
    assert type(dags["sync_pypi"].timetable).__name__ == "CronDataIntervalTimetable"
    assert dags["sync_pypi"].max_active_runs == 1


def test_builds_wait_for_partitions_of_the_releases_the_sync_queues(dags: dict[str, Any]) -> None:
    outlets = dags["sync_pypi"].get_task("queue_jobs").outlets
    assert [asset.name for asset in outlets] == ["releases"]
    assert type(dags["build_wheels"].timetable).__name__ == "PartitionedAssetTimetable"


def test_builds_share_the_pool_and_are_labelled(dags: dict[str, Any]) -> None:
    build = dags["build_wheels"].get_task("build")
    assert build.pool == "pi_builds"
    assert build.map_index_template == "{{ task.contents }}"


def test_the_gate_of_a_build_run_sees_planning_building_and_settling(dags: dict[str, Any]) -> None:
    assert dags["build_wheels"].get_task("gate").upstream_task_ids == {"build", "settle", "publish"}


def test_the_form_asks_for_packages_targets_and_force(dags: dict[str, Any]) -> None:
    assert set(dags["build_wheels"].params) == {"packages", "targets", "force"}
