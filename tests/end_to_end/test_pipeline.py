"""The main job, end to end: from sdists on an upstream to `pip install` from what was published.

The tests share one stack and run in order; each begins where the one before left it.
"""

import html
import json
import subprocess
from collections.abc import Callable

import psutil
import pytest
import requests
from pypi_simple import PyPISimple

from end_to_end.conftest import DAYS, PIWRIGHT, Stack
from support.crawler import crawl
from support.upstream import make_sdist
from support.worker import is_alive, wait_for

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(900)]

Run = Callable[..., "subprocess.CompletedProcess[str]"]

FIRST_RUN = {
    "quick 1.0": "built",
    "compiled 1.1": "built",
    "broken 2.0": "setup_error",
    "stuck 3.0": "timeout",
    "taken-back 1.0": "built",
    "past 2.0": "built",
}


def command_of(process: psutil.Process) -> str:
    """What a process runs; nothing for one that has just ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def test_up_completes_although_the_triggerer_is_killed_and_a_worker_dropped_in_mid_batch(stack: Stack) -> None:
    up = stack.begin_up()
    began = (stack.settings.secrets_directory / "databases.json").exists

    def the_stuck_build_is_under_way() -> bool:
        assert up.poll() is None, "".join(stack.up_output)
        return began() and "stuck 3.0" in stack.building()

    wait_for(the_stuck_build_is_under_way, 300)
    (row,) = stack.rows(
        "SELECT w.name FROM lease JOIN worker w USING (worker_id) WHERE job_id IN (SELECT job_id FROM job "
        "JOIN release USING (release_id) JOIN project p USING (project_id) WHERE p.name = 'stuck')"
    )
    stack.kill("triggerer")
    stack.kill(row.name)
    assert up.wait(600) == 0, "".join(stack.up_output)
    assert stack.attempts() == FIRST_RUN
    output = "".join(stack.up_output)
    assert "triggerer died and was started again" in output
    assert f"pip install --index-url {stack.settings.index_url}/simple/ " in output
    assert f"uv pip install --default-index {stack.settings.index_url}/simple/ " in output


def test_what_is_wrong_with_the_watch_list_is_named_and_the_rest_goes_on(stack: Stack) -> None:
    output = "".join(stack.up_output)
    assert "this is no requirement" in output
    status = json.loads(stack.command("status", "--json").stdout)
    assert "no-such-project-anywhere" in status["skipped"]
    assert status["jobs"]["built"] == 4
    assert status["jobs"]["failed"] == 2
    assert {worker["state"] for worker in status["workers"]} == {"live"}
    assert [run["state"] for run in status["dags"]["build_wheels"]] == ["success"] * len(status["dags"]["build_wheels"])


def test_why_explains_a_failure_with_the_line_of_its_log(stack: Stack) -> None:
    (broken,) = json.loads(stack.command("why", "broken", "--json").stdout)
    assert (broken["state"], broken["class"], broken["version"]) == ("failed", "setup_error", "2.0")
    assert "this project needs libquux" in broken["evidence"]["text"]
    assert broken["evidence"]["line"] > 0
    assert broken["log"].endswith(".log.gz")
    (stuck,) = json.loads(stack.command("why", "stuck", "3.0", "--json").stdout)
    assert (stuck["class"], 45 <= stuck["seconds"] < 75) == ("timeout", True)


def test_a_yanked_release_is_built_and_shown_with_its_reason(stack: Stack) -> None:
    (job,) = json.loads(stack.command("why", "taken-back", "--json").stdout)
    assert (job["state"], job["yanked"]) == ("built", "leaks <memory>")
    with PyPISimple(f"{stack.settings.index_url}/simple/") as client:
        packages = client.get_project_page("taken-back").packages
    assert {package.yanked_reason for package in packages} == {"leaks <memory>"}


def test_pages_agree_with_each_other_and_with_the_files(stack: Stack) -> None:
    index = stack.settings.index_url
    for name in ("quick", "compiled", "taken-back", "past"):
        with PyPISimple(f"{index}/simple/", accept="application/vnd.pypi.simple.v1+json") as client:
            as_json = client.get_project_page(name)
        with PyPISimple(f"{index}/simple/", accept="text/html") as client:
            as_html = client.get_project_page(name)
        assert as_json.repository_version == "1.4"
        assert [each.filename for each in as_json.packages] == [each.filename for each in as_html.packages]
        assert [each.digests for each in as_json.packages] == [each.digests for each in as_html.packages]
        kinds = {each.package_type for each in as_json.packages}
        assert kinds == {"sdist", "wheel"}  # upstream's own file and ours
        for each in as_json.packages:
            content = requests.get(each.url, timeout=30)
            assert content.status_code == 200
            if each.package_type == "wheel":
                assert each.has_metadata
                assert each.metadata_digests
                metadata = requests.get(each.metadata_url, timeout=30)
                assert f"Name: {name}" in metadata.text


def test_pip_installs_ours_upstreams_and_both_with_this_index_alone(stack: Stack, fresh_venv: Run) -> None:
    index = f"{stack.settings.index_url}/simple/"
    done = fresh_venv("pip", "install", "--index-url", index, "--only-binary", ":all:", "compiled", "quick", "six")
    assert done.returncode == 0, done.stderr
    said = fresh_venv("python", "-c", "import compiled, quick, six; print(compiled.answer(), quick.answer())")
    assert said.stdout.split() == ["42", "42"]
    assert fresh_venv("pip", "check").returncode == 0


def test_uv_installs_with_this_index_alone(stack: Stack, fresh_venv: Run) -> None:
    index = f"{stack.settings.index_url}/simple/"
    done = fresh_venv("uv", "pip", "install", "--default-index", index, "--only-binary", ":all:", "compiled", "six")
    assert done.returncode == 0, done.stderr
    said = fresh_venv("python", "-c", "import compiled, six; print(compiled.answer())")
    assert said.stdout.strip() == "42"


def test_every_link_of_index_and_site_leads_somewhere(stack: Stack) -> None:
    site = stack.settings.index_url
    found = crawl(f"{site}/", f"{site}/sitemap.xml", f"{site}/json", f"{site}/status/json")
    assert found.problems == []
    (target,) = [row.name for row in stack.rows("SELECT name FROM target WHERE active")]
    expected = {
        f"{site}/{path}" for path in ("", "search/", "status/", "simple/", "extra/simple/", f"{target}/simple/")
    }
    expected |= {f"{site}/{index}/compiled/" for index in ("simple", "extra/simple", f"{target}/simple")}
    expected |= {f"{site}/project/{name}/" for name in ("quick", "compiled", "broken", "stuck", "taken-back", "past")}
    assert expected <= set(found.pages)
    builds = {row.attempt_id for row in stack.rows("SELECT attempt_id FROM attempt")}
    linked = {int(url.split("/")[-2]) for url in found.pages if "/build/" in url}
    assert linked == builds
    assert len([url for url in found.files if url.endswith(".whl")]) == 4


def test_a_project_page_says_why_there_is_no_wheel(stack: Stack) -> None:
    answer = requests.get(f"{stack.settings.index_url}/project/broken/json", timeout=30).json()
    (cell,) = answer["releases"][0]["targets"].values()
    assert (cell["state"], cell["failure_class"]) == ("failed", "setup_error")
    page = requests.get(f"{stack.settings.index_url}/project/broken/build/{cell['build']}/", timeout=30)
    (job,) = json.loads(stack.command("why", "broken", "--json").stdout)
    assert job["evidence"]["text"] in html.unescape(page.text)


def test_the_index_conforms_to_the_standards(stack: Stack) -> None:
    done = stack.command("conformance", f"{stack.settings.index_url}/simple/", "--json")
    report = json.loads(done.stdout)
    failed = [check for check in report["checks"] if check["verdict"] not in ("pass", "not applicable")]
    assert [check for check in failed if check["level"] == "required"] == []
    assert done.returncode == 0
    assert report["files"] >= 4


def test_downloads_are_counted_and_shown(stack: Stack) -> None:
    stack.run_dag("count_downloads")
    counted = json.loads(stack.command("downloads", "show", "compiled", "--json").stdout)
    assert set(counted["installers"]) >= {"pip", "uv"}
    stack.run_dag("publish_index")
    shown = requests.get(f"{stack.settings.index_url}/project/compiled/json", timeout=30).json()
    assert shown["downloads"]["total"] == counted["total"] >= 2


def test_a_backfill_over_three_days_builds_the_history_and_a_second_builds_nothing(stack: Stack) -> None:
    before = {run["dag_run_id"] for run in stack.api.last_runs("build_wheels", 50)}
    dates = ["--from-date", f"{DAYS[0]:%Y-%m-%d}", "--to-date", f"{DAYS[-1]:%Y-%m-%d}"]

    def backfill(*more: str) -> dict[str, str]:
        known = {run["dag_run_id"] for run in stack.api.last_runs("build_wheels", 50)}
        done = stack.command("airflow", "backfill", "create", "--dag-id", "sync_pypi", *dates, *more)
        assert done.returncode == 0, done.stdout + done.stderr

        def three_more() -> dict[str, str] | None:
            runs = [run for run in stack.api.last_runs("build_wheels", 50) if run["dag_run_id"] not in known]
            finished = {run["partition_key"]: run["state"] for run in runs if run["state"] in ("success", "failed")}
            return finished if len(finished) == 3 and len(runs) == 3 else None

        found = wait_for(three_more, 420)
        stack.wait_until_idle()
        return found

    keys = [f"{day:%Y-%m-%d}" for day in DAYS]
    assert backfill() == dict.fromkeys(keys, "success")
    history = {"past 1.0": "built", "past 1.1": "built", "past 1.2": "built"}
    assert stack.attempts() == FIRST_RUN | history
    assert before.isdisjoint({run["dag_run_id"] for run in stack.api.last_runs("build_wheels", 3)})
    with PyPISimple(f"{stack.settings.index_url}/simple/") as client:
        wheels = {each.version for each in client.get_project_page("past").packages if each.package_type == "wheel"}
    assert wheels == {"1.0", "1.1", "1.2", "2.0"}
    assert backfill("--reprocess-behavior", "completed") == dict.fromkeys(keys, "success")
    assert stack.attempts() == FIRST_RUN | history


def test_a_release_that_upstream_removes_leaves_the_pages(stack: Stack) -> None:
    stack.upstream.remove(make_sdist("past", "1.0"))
    assert stack.command("sync").returncode == 0
    with PyPISimple(f"{stack.settings.index_url}/simple/") as client:
        versions = {each.version for each in client.get_project_page("past").packages}
    assert versions == {"1.1", "1.2", "2.0"}


def test_up_again_continues_and_builds_nothing_twice(stack: Stack) -> None:
    attempts = stack.attempts()
    done = stack.command("up")
    assert done.returncode == 0, done.stdout + done.stderr
    assert stack.attempts() == attempts


def test_a_build_asked_for_by_form_is_built_although_there_is_a_wheel(stack: Stack) -> None:
    run = stack.api.trigger("build_wheels", {"packages": ["quick==1.0"], "force": True})
    wait_for(lambda: stack.api.run("build_wheels", run)["state"] in ("success", "failed"), 240)
    assert stack.api.run("build_wheels", run)["state"] == "success"
    tries = stack.rows(
        "SELECT a.outcome FROM attempt a JOIN job USING (job_id) JOIN release USING (release_id) "
        "JOIN project p USING (project_id) WHERE p.name = 'quick'"
    )
    assert [row.outcome for row in tries] == ["built", "built"]
    # A file never changes: the same bytes are the same file, others get a build number.
    names = [row.filename for row in stack.rows("SELECT filename FROM wheel WHERE filename LIKE 'quick-1.0-%'")]
    assert names[0] == "quick-1.0-py3-none-any.whl"
    stack.wait_until_idle()


def test_marking_a_task_failed_in_airflow_ends_its_processes_on_the_worker(stack: Stack) -> None:
    run = stack.api.trigger("build_wheels", {"packages": ["stuck"]})
    wait_for(lambda: "stuck 3.0" in stack.building(), 120)
    builds = [process for process in stack.processes() if "scratch" in command_of(process)]
    assert builds != []
    task = f"dags/build_wheels/dagRuns/{run}/taskInstances/build/0"
    assert stack.api.call("PATCH", task, json={"new_state": "failed"}) is not None
    wait_for(lambda: not any(is_alive(process.pid) for process in builds), 40)
    wait_for(lambda: not stack.rows("SELECT * FROM lease"), 40)
    wait_for(lambda: stack.api.run("build_wheels", run)["state"] == "failed", 120)
    (job,) = stack.rows(
        "SELECT j.state FROM job j JOIN release USING (release_id) JOIN project p USING (project_id) WHERE p.name = 'stuck'"
    )
    assert job.state == "waiting"
    stack.wait_until_idle()


def test_a_port_in_use_is_named_with_its_remedy_before_anything_starts(stack: Stack) -> None:
    other = dict(stack.environment, PIWRIGHT_HOME=stack.environment["PIWRIGHT_HOME"] + "-other")
    done = subprocess.run([PIWRIGHT, "up"], env=other, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert f"Port {stack.settings.airflow_port}, for Airflow, cannot be used" in done.stderr
    assert "PIWRIGHT_AIRFLOW_PORT" in done.stderr


def test_down_leaves_nothing_running(stack: Stack) -> None:
    before = stack.processes()
    assert len(before) > 8
    assert stack.command("down").returncode == 0
    psutil.wait_procs(before, timeout=5)
    assert [command_of(process) for process in before if is_alive(process.pid)] == []
    assert stack.processes() == []
