"""Real ARM, end to end: from a machine without a guest to `pip install` on a Raspberry Pi's userland, and to nothing left.

The tests share one stack and run in order; each begins where the one before left it.
"""

import json
import os
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import packaging
import psutil
import pytest

from end_to_end.conftest import Stack, new_stack
from piwright.planning.targets import known_target
from piwright.stack.emulated.architecture import GUESTS
from piwright.stack.emulated.host import missing_for_emulation
from piwright.stack.supervise import Supervisor
from support.upstream import LoopbackUpstream, make_sdist
from support.worker import is_alive, wait_for

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(900)]

TARGET = known_target("trixie", "armv7l")

# Real projects by their own source distributions (C, C++), for which upstream has no wheel for ARMv7.
REAL = {"markupsafe": "3.0.2", "greenlet": "3.1.1"}
WATCH_LIST = "compiled\n" + "".join(f"{name}=={version}\n" for name, version in REAL.items())

SLOW_SETUP = """\
import sys, time
from setuptools import Extension, setup

if "bdist_wheel" in sys.argv:
    time.sleep(30)
setup(name="slow", version="1.0", ext_modules=[Extension("slow", ["slow.c"])])
"""


@pytest.fixture(scope="module")
def upstream() -> Iterator[LoopbackUpstream]:
    """Two projects of the test's own; everything else, the real ones among it, is the real upstream's."""
    with LoopbackUpstream() as running:
        running.add(make_sdist("compiled", "1.1", "c-extension"))
        running.add(make_sdist("slow", "1.0", "c-extension", files={"setup.py": SLOW_SETUP}))
        yield running


@pytest.fixture(scope="module")
def stack(upstream: LoopbackUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that was never started, on a machine that can emulate: in CI that is a must."""
    place = tmp_path_factory.mktemp("pi")
    problems = missing_for_emulation(GUESTS[TARGET.architecture], place)
    if problems:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(" ".join(problems))
    running = new_stack(place, upstream, WATCH_LIST, PIWRIGHT_WORKERS="1", PIWRIGHT_WORKER_GRACE="60")
    try:
        yield running
    finally:
        running.command("down")
        running.command("worker", "remove", "--all")


def emulate(stack: Stack, name: str, *more: str) -> dict[str, Any]:
    done = stack.command("worker", "emulate", name, "--json", *more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ssh(stack: Stack, command: str, number: int = 0) -> str:
    """What a command says in a guest; it must end well."""
    port = stack.settings.worker_port + stack.settings.workers + number
    key = stack.settings.secrets_directory / "worker_key"
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    done = subprocess.run(
        ["ssh", "-i", key, "-p", str(port), *options, "pi@127.0.0.1", command],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def workers(stack: Stack) -> dict[str, dict[str, Any]]:
    done = stack.command("worker", "list", "--json")
    assert done.returncode == 0, done.stderr
    return {each["name"]: each for each in json.loads(done.stdout)}


def command_of(process: psutil.Process) -> str:
    """What a process runs; nothing for one that has just ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def guest_process(stack: Stack, name: str) -> psutil.Process:
    """The guest's outermost process."""
    (state,) = [each for each in Supervisor(stack.settings).states() if each.name == f"emulated-{name}"]
    return psutil.Process(state.pid)


def test_a_pi_comes_up_from_debians_packages_registered_asked_and_sandboxed(stack: Stack) -> None:
    facts = emulate(stack, "pi-1", "--suite", "trixie")
    assert (facts["state"], facts["target"]) == ("live", TARGET.name)
    assert facts["sandbox"]["kind"] == "bubblewrap"
    shown = workers(stack)
    assert shown["pi-1"]["facts"]["machine"] == "armv7l"
    assert shown["pi-1"]["probed"] is not None
    assert ssh(stack, "uname -m; getconf LONG_BIT; id -un").split() == ["armv7l", "32", "pi"]


def test_a_second_pi_shares_the_file_system_and_is_up_while_the_first_goes_on(stack: Stack) -> None:
    first = guest_process(stack, "pi-1").pid
    assert emulate(stack, "pi-2")["state"] == "live"
    assert guest_process(stack, "pi-1").pid == first
    roots = [each for each in (stack.settings.home / "emulated" / "roots").iterdir() if each.is_dir()]
    assert len(roots) == 1
    assert emulate(stack, "pi-2")["state"] == "live"  # again: nothing to do
    assert set(workers(stack)) == {"pi-1", "pi-2", "worker-1"}
    done = stack.command("worker", "emulate", "pi-2", "--suite", "bookworm")
    assert (done.returncode, "remove it first" in done.stderr) == (2, True)


def test_the_guests_own_interpreter_installs_exactly_the_tags_of_its_target(stack: Stack, tmp_path: Path) -> None:
    archive = tmp_path / "packaging.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for each in Path(packaging.__file__).parent.glob("*.py"):
            packed.write(each, f"packaging/{each.name}")
    script = "import sys; from packaging.tags import sys_tags; print(*sys_tags())"
    port = stack.settings.worker_port + stack.settings.workers
    key = stack.settings.secrets_directory / "worker_key"
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    subprocess.run(["scp", "-q", "-i", key, "-P", str(port), *options, archive, "pi@127.0.0.1:"], check=True)
    assert ssh(stack, f"PYTHONPATH=packaging.zip python3 -c '{script}'").split() == TARGET.tags
    of_its_pip = "from pip._vendor.packaging.tags import sys_tags; print(*sys_tags())"
    assert set(ssh(stack, f"python3 -c '{of_its_pip}'").split()) == set(TARGET.tags)


def test_dpkg_answers_in_the_guest_as_it_does_on_a_pi(stack: Stack) -> None:
    library = f"/usr/lib/{GUESTS['armv7l'].triplet}/libstdc++.so.6"
    assert ssh(stack, f"dpkg -S {library}").startswith("libstdc++6:armhf: ")
    assert ssh(stack, "dpkg-query -W -f '${Status} ${Architecture}' python3-dev") == "install ok installed armhf"


def test_the_pipeline_builds_real_c_and_cpp_extensions_on_the_pis_in_their_sandbox(stack: Stack) -> None:
    up = stack.begin_up()
    assert up.wait(800) == 0, "".join(stack.up_output)
    built = stack.rows(
        "SELECT p.name, w.filename, a.sandbox ->> 'kind' AS sandbox, k.name AS worker, "
        "extract(epoch FROM a.finished_at - a.started_at)::int AS seconds "
        "FROM wheel w JOIN attempt a USING (attempt_id) JOIN job j USING (job_id) JOIN target t USING (target_id) "
        "JOIN release r ON r.release_id = w.release_id JOIN project p USING (project_id) "
        f"JOIN worker k ON k.worker_id = a.worker_id WHERE t.name = '{TARGET.name}' AND w.published_at IS NOT NULL"
    )
    assert {row.name for row in built} == {"compiled", *REAL}
    assert all(row.filename.endswith("linux_armv7l.whl") for row in built)
    assert {row.sandbox for row in built} == {"bubblewrap"}
    assert {row.worker for row in built} <= {"pi-1", "pi-2"}


def test_the_guests_own_pip_installs_them_from_our_index_alone_and_they_work(stack: Stack) -> None:
    index = f"{stack.settings.index_url}/simple/"
    wanted = " ".join(["compiled", *(f"{name}=={version}" for name, version in REAL.items())])
    said = ssh(
        stack,
        f"set -e; python3 -m venv fresh; fresh/bin/pip install --quiet --index-url {index} --only-binary :all: {wanted}; "
        "fresh/bin/pip check; fresh/bin/python -c 'import compiled, greenlet, markupsafe, markupsafe._speedups; "
        'print(compiled.answer(), greenlet.greenlet(lambda: 7).switch(), markupsafe.escape("<b>"), '
        "compiled.__file__)'",
    )
    assert "No broken requirements found." in said
    assert said.splitlines()[-1].split()[:3] == ["42", "7", "&lt;b&gt;"]


def test_a_guest_killed_in_mid_build_leaves_nothing_and_the_batch_is_finished(stack: Stack) -> None:
    run = stack.api.trigger("build_wheels", {"packages": ["slow"], "targets": [TARGET.name]})
    wait_for(lambda: "slow 1.0" in stack.building(), 300)
    (row,) = stack.rows(
        "SELECT w.name FROM lease JOIN worker w USING (worker_id) JOIN job USING (job_id) "
        "JOIN release USING (release_id) JOIN project p USING (project_id) WHERE p.name = 'slow'"
    )
    outer = guest_process(stack, row.name)

    def the_projects_own_code_runs() -> bool:
        return any("hook_runner" in command_of(each) for each in outer.children(recursive=True))

    wait_for(the_projects_own_code_runs, 240)
    inside = outer.children(recursive=True)
    outer.kill()
    wait_for(lambda: not any(is_alive(each.pid) for each in [outer, *inside]), 20)
    wait_for(lambda: stack.api.run("build_wheels", run)["state"] in ("success", "failed"), 400)
    assert stack.api.run("build_wheels", run)["state"] == "success"
    (job,) = stack.rows(
        "SELECT j.state FROM job j JOIN release USING (release_id) JOIN project p USING (project_id) WHERE p.name = 'slow'"
    )
    assert job.state == "built"
    assert guest_process(stack, row.name).pid != outer.pid
    stack.wait_until_idle()


def test_a_removed_pi_is_gone_and_the_others_go_on(stack: Stack) -> None:
    pi = guest_process(stack, "pi-2")
    inside = [pi, *pi.children(recursive=True)]
    done = stack.command("worker", "remove", "pi-2")
    assert done.returncode == 0, done.stderr
    assert not any(is_alive(each.pid) for each in inside)
    assert set(workers(stack)) == {"pi-1", "worker-1"}
    assert not (stack.settings.home / "emulated" / "pis" / "pi-2").exists()
    assert [row.name for row in stack.rows("SELECT name FROM target WHERE active")].count(TARGET.name) == 1
    assert ssh(stack, "uname -m").strip() == "armv7l"


def test_down_leaves_no_process_no_mount_and_up_brings_the_pi_back(stack: Stack) -> None:
    ssh(stack, "echo kept > kept")
    before = stack.processes()
    assert any("piwright.stack.emulated.guest" in command_of(each) for each in before)
    assert stack.command("down").returncode == 0
    psutil.wait_procs(before, timeout=5)
    assert [each for each in before if is_alive(each.pid)] == []
    home = str(stack.settings.home)
    assert home not in Path("/proc/self/mountinfo").read_text()
    assert not any(home in _mounts_of(process) for process in psutil.process_iter())
    done = stack.command("worker", "emulate", "pi-1")  # the stack does not run: this starts it
    assert done.returncode == 0, done.stdout + done.stderr
    assert ssh(stack, "cat kept").strip() == "kept"


def _mounts_of(process: psutil.Process) -> str:
    try:
        return Path(f"/proc/{process.pid}/mountinfo").read_text()
    except OSError:
        return ""
