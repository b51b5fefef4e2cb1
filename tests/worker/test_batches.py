"""A batch is worked on by one runner, survives its death, and goes when it is told to."""

import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from piwright.worker.program import cancel as cancel_room
from piwright.worker.program.batch import Batch
from piwright.worker.program.cli import main
from support.builds import daemon, let_go, new_token, running, started, staying, wait_gone, waiting
from support.scripted import scripted
from support.upstream import Distribution, LoopbackUpstream
from support.worker import LocalWorker, is_alive, wait_for


@dataclass(frozen=True)
class Gated:
    """A build that waits until it may go on. Whether it started shows in the list of processes."""

    sdist: Distribution
    token: str

    def started(self) -> int:
        """Wait for it to start; the process it waits for."""
        return started(self.token)

    def go(self) -> None:
        let_go(self.token)


def gated(name: str) -> Gated:
    token = new_token()
    return Gated(scripted(name, waiting(token)), token)


def test_run_returns_at_once_and_the_runner_stands_on_its_own(worker: LocalWorker, upstream: LoopbackUpstream) -> None:
    alpha = gated("alpha")
    worker.upload(worker.batch("own", upstream, [upstream.add(alpha.sdist)]))
    status = worker.run("own")
    assert (status.state, status.worker_version) == ("running", worker.app.version)
    build = alpha.started()
    runner = worker.runner("own")
    assert os.getsid(runner) == runner
    assert Path(f"/proc/{runner}/fd/0").readlink() == Path("/dev/null")
    assert Path(f"/proc/{runner}/fd/2").readlink() == worker.directory("own") / "runner.log"
    # What the end of a connection does to a session must not reach it.
    os.kill(runner, signal.SIGHUP)
    status = worker.status("own")
    assert (status.builds[0].state, status.builds[0].phase) == ("running", "build")
    alpha.go()
    assert worker.wait("own").state == "finished"
    assert not is_alive(build)
    assert not is_alive(runner)


def test_many_runs_at_once_start_one_runner_and_fetch_each_sdist_once(
    worker: LocalWorker, upstream: LoopbackUpstream
) -> None:
    beta = gated("beta")
    sdists = [upstream.add(beta.sdist), upstream.add(scripted("gamma"))]
    worker.upload(worker.batch("many", upstream, sdists))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(worker.run, ["many"] * 4))
    assert {each.state for each in answers} == {"running"}
    beta.started()
    assert worker.run("many").state == "running"
    beta.go()
    assert worker.wait("many").state == "finished"
    assert worker.run("many").state == "finished"
    assert worker.runner_log("many").count(" starts") == 1
    assert [upstream.count(f"/files/{each.filename}") for each in sdists] == [1, 1]


def test_a_killed_runner_is_dead_and_run_continues_where_it_was(
    worker: LocalWorker, upstream: LoopbackUpstream
) -> None:
    epsilon, token = gated("epsilon"), new_token()
    sdists = [upstream.add(each) for each in (scripted("delta"), epsilon.sdist, scripted("zeta", daemon(token)))]
    worker.upload(worker.batch("dead", upstream, sdists))
    worker.run("dead")
    orphan = epsilon.started()
    kept = (worker.directory("dead", "b0") / "result.json").stat()
    os.kill(worker.runner("dead"), signal.SIGKILL)
    status = wait_for(lambda: (found := worker.status("dead")).state == "dead" and found)
    assert [each.state for each in status.builds] == ["done", "waiting", "waiting"]

    assert worker.run("dead").state == "running"
    wait_for(lambda: not is_alive(orphan))  # what the dead runner left does not run beside its successor
    epsilon.started()
    epsilon.go()
    assert worker.wait("dead").state == "finished"
    assert [worker.result("dead", each)["outcome"] for each in ("b0", "b1", "b2")] == ["built"] * 3
    now = (worker.directory("dead", "b0") / "result.json").stat()
    assert (now.st_ino, now.st_mtime_ns) == (kept.st_ino, kept.st_mtime_ns)
    assert [upstream.count(f"/files/{each.filename}") for each in sdists] == [1, 2, 1]
    wait_gone(token)


def phases(name: str) -> dict[str, Distribution]:
    """Projects that stay in one phase, by its name: what they stay in has the token as an argument."""
    token = new_token()
    return {
        "prepare": scripted(f"{name}prepare", dynamic=staying(token)),
        "build": scripted(f"{name}build", staying(token)),
        # The module of the wheel is imported last of all.
        "smoke": scripted(f"{name}smoke", f"return {f'import os, sys{chr(10)}{staying(token)}'!r}"),
        "": scripted(token),
    }


@pytest.mark.parametrize("command", ["run", "cancel", "sweep"])
@pytest.mark.parametrize("phase", ["prepare", "build", "smoke"])
def test_a_runner_killed_in_any_phase_leaves_nothing_behind(
    worker: LocalWorker, upstream: LoopbackUpstream, phase: str, command: str
) -> None:
    projects = phases(f"killed{command}")
    token = projects[""].project
    groups = control_groups()
    worker.upload(worker.batch("killed", upstream, [upstream.add(projects[phase])], seconds=12))
    worker.run("killed")
    started(token)
    os.kill(worker.runner("killed"), signal.SIGKILL)
    wait_for(lambda: worker.status("killed").state == "dead")
    wait_gone(token)  # already when its runner dies
    if command == "run":
        assert worker.run("killed").state == "running"
        started(token)
        assert worker.wait("killed").state == "finished"
        kind = worker.result("killed", "b0")["failure"]
        assert kind is None if phase == "smoke" else kind["kind"] == "timeout"
    elif command == "cancel":
        assert worker.cancel("killed").state == "cancelled"
    else:
        assert worker.answer("sweep")["removed"] == ["killed"]
    assert running(token) == []
    assert control_groups() - groups == set()


@pytest.mark.parametrize("command", ["cancel", "sweep"])
def test_a_runner_killed_while_it_fetches_leaves_nothing_behind(
    worker: LocalWorker, upstream: LoopbackUpstream, command: str
) -> None:
    groups = control_groups()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sdist = upstream.add(scripted(f"unsent{command}"))
        spec = worker.batch("killed", upstream, [sdist])
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x.tar.gz"
        builds = tuple(replace(each, sdist=replace(each.sdist, url=url)) for each in spec.builds)
        worker.upload(replace(spec, builds=builds))
        worker.run("killed")
        silent.settimeout(30)
        connection, _ = silent.accept()
        with connection:
            os.kill(worker.runner("killed"), signal.SIGKILL)
            wait_for(lambda: worker.status("killed").state == "dead")
            worker.call(command, *(["killed"] if command == "cancel" else []))
            connection.settimeout(10)
            while connection.recv(65536):  # until whoever fetched is gone
                pass
    assert control_groups() - groups == set()


def control_groups() -> set[Path]:
    """The control groups of builds that there are now, of dead runners: those of other workers here may come and go."""
    found = {path for path in Path("/sys/fs/cgroup").glob("**/piwright/*/") if path.name[-1].isdigit()}
    return {
        path for path in found if not any(is_alive(int(part)) for part in path.name.split("-")[-2:-1] if part.isdigit())
    }


def test_a_changed_spec_is_refused_while_the_batch_runs_and_taken_afterwards(
    worker: LocalWorker, upstream: LoopbackUpstream
) -> None:
    eta = gated("eta")
    spec = worker.batch("fixed", upstream, [upstream.add(eta.sdist)])
    worker.upload(spec)
    worker.run("fixed")
    eta.started()
    more = worker.batch("fixed", upstream, [upstream.add(eta.sdist), upstream.add(scripted("theta"))])
    worker.upload(more)
    refused = worker.call("run", "fixed")
    assert refused.returncode == 2
    assert "spec.json of batch 'fixed' differs" in json.loads(refused.stdout)["error"]
    eta.go()
    assert worker.wait("fixed").state == "finished"
    worker.run("fixed")
    assert [each.state for each in worker.wait("fixed").builds] == ["done", "done"]


def test_cancel_ends_everything_keeps_what_is_done_and_run_starts_again(
    worker: LocalWorker, upstream: LoopbackUpstream
) -> None:
    token = new_token()
    sdists = [upstream.add(each) for each in (scripted("iota"), scripted("kappa", daemon(token) + "time.sleep(600)"))]
    worker.upload(worker.batch("cut", upstream, sdists))
    worker.run("cut")
    started(token)
    runner = worker.runner("cut")
    status = worker.cancel("cut")
    assert (status.state, [each.state for each in status.builds]) == ("cancelled", ["done", "waiting"])
    assert running(token) == []
    assert not is_alive(runner)
    assert worker.cancel("cut").state == "cancelled"

    assert worker.run("cut").state == "running"
    started(token)
    assert upstream.count(f"/files/{sdists[0].filename}") == 1
    assert worker.cancel("cut").state == "cancelled"
    assert running(token) == []


def test_cancel_ends_a_runner_that_does_not_listen(
    worker: LocalWorker, upstream: LoopbackUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    lambda_ = gated("lambda_")
    worker.upload(worker.batch("deaf", upstream, [upstream.add(lambda_.sdist)]))
    worker.run("deaf")
    build = lambda_.started()
    runner = worker.runner("deaf")
    monkeypatch.setattr(cancel_room, "WILLING_SECONDS", 0.0)  # no patience: what the runner does comes too late
    assert cancel_room.cancel(Batch(worker.state.resolve(), "deaf")).state == "cancelled"
    assert not is_alive(build)
    assert not is_alive(runner)


def test_cancel_after_the_runner_died_ends_its_orphans(worker: LocalWorker, upstream: LoopbackUpstream) -> None:
    mu = gated("mu")
    worker.upload(worker.batch("late", upstream, [upstream.add(mu.sdist)]))
    worker.run("late")
    orphan = mu.started()
    os.kill(worker.runner("late"), signal.SIGKILL)
    assert worker.cancel("late").state == "cancelled"
    assert not is_alive(orphan)


def test_cancel_of_what_is_finished_or_unknown_changes_nothing(worker: LocalWorker, upstream: LoopbackUpstream) -> None:
    worker.build(worker.batch("over", upstream, [upstream.add(scripted("nu"))]))
    assert worker.cancel("over").state == "finished"
    assert worker.cancel("nobody-knows-me").state == "missing"
    assert worker.status("nobody-knows-me").state == "missing"
    assert not worker.directory("nobody-knows-me").exists()


def test_sweep_removes_what_is_over_and_keeps_what_runs_or_is_asked_for(
    worker: LocalWorker, upstream: LoopbackUpstream
) -> None:
    quick, omicron, pi_ = upstream.add(scripted("xi")), gated("omicron"), gated("pi_")
    for name in ("over", "wanted"):
        worker.build(worker.batch(name, upstream, [quick]))
    processes = []
    for name, slow in (("live", omicron), ("dead", pi_)):
        worker.upload(worker.batch(name, upstream, [upstream.add(slow.sdist)]))
        worker.run(name)
        processes.append(slow.started())
    os.kill(worker.runner("dead"), signal.SIGKILL)
    worker.upload(worker.batch("arriving", upstream, [quick]))

    assert worker.answer("sweep", "--keep", "wanted", "--older-than", "3600")["removed"] == []
    assert not is_alive(processes[1])
    answer = worker.answer("sweep", "--keep", "wanted", "nobody")
    assert sorted(answer["removed"]) == ["dead", "over"]
    assert sorted(path.name for path in (worker.state / "batches").iterdir()) == ["arriving", "live", "wanted"]
    assert is_alive(processes[0])
    assert worker.status("over").state == "missing"
    omicron.go()
    assert worker.wait("live").state == "finished"


def test_sweep_ends_processes_whose_batch_is_gone(worker: LocalWorker) -> None:
    mark = str(worker.state.resolve() / "batches" / "gone" / "scratch" / "b0") + "/"
    stray = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env={"PIWRIGHT_BUILD": mark})
    wait_for(lambda: b"PIWRIGHT_BUILD" in Path(f"/proc/{stray.pid}/environ").read_bytes())
    assert worker.answer("sweep")["ended_processes"] == 1
    assert stray.wait(10) == -signal.SIGKILL


@pytest.mark.parametrize("command", ["run", "status", "cancel"])
@pytest.mark.parametrize("name", ["../up", "..", "a/b", "/etc", ".hidden", "a..b", "", "x" * 101, "a b", "a\nb", "-x"])
def test_names_that_could_lead_elsewhere_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, name: str
) -> None:
    assert main(["--state", str(tmp_path / "state"), command, name]) == 2
    (line,) = capsys.readouterr().out.splitlines()
    assert "error" in json.loads(line)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"batch": "other"}, "field 'batch' is 'other'; it must be 'wrong', the name of its directory"),
        ({"python": "/no/such/python"}, "field 'python' is '/no/such/python'"),
        ({"format": 2}, "field 'format' is 2"),
        ({"builds": []}, "at least one build"),
    ],
)
def test_a_spec_that_cannot_be_used_is_refused_by_field_and_value(
    worker: LocalWorker, upstream: LoopbackUpstream, change: dict[str, object], words: str
) -> None:
    spec = worker.batch("wrong", upstream, [upstream.add(scripted("rho"))])
    worker.upload(spec)
    file = worker.directory("wrong") / "spec.json"
    file.write_text(json.dumps({**json.loads(spec.to_json()), **change}))
    refused = worker.call("run", "wrong")
    assert refused.returncode == 2
    assert words in json.loads(refused.stdout)["error"]
    assert not (worker.directory("wrong") / "builds").exists()


def test_two_batches_at_once_make_the_shared_tools_once(first_worker: LocalWorker) -> None:
    assert [first_worker.result(name, "b0")["outcome"] for name in ("one", "two")] == ["built", "built"]
    logs = first_worker.log("one", "b0") + first_worker.log("two", "b0")
    assert logs.count("making a virtual environment with pip") == 1
    (tools,) = [path for path in (first_worker.state / "tools").iterdir() if path.is_dir()]
    assert (tools / "bin" / "python").exists()
