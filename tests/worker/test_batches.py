"""A batch is worked on by one runner, survives its death, and goes when it is told to."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from piwright.worker.program import cancel as cancel_room
from piwright.worker.program.batch import Batch
from piwright.worker.program.cli import main
from support.scripted import scripted
from support.upstream import Distribution, LoopbackUpstream
from support.worker import LocalWorker, is_alive, wait_for
from worker.sdists import DAEMON


def gated(name: str, directory: Path) -> Distribution:
    """A build that says that it started and waits until it may go on."""
    return scripted(
        name,
        f"""
        open({str(directory / name)!r} + ".started", "w").write(str(os.getpid()) + "\\n")
        while not os.path.exists({str(directory / name)!r} + ".go"):
            time.sleep(0.02)
        """,
    )


def started(name: str, directory: Path) -> int:
    """Wait for a gated build to start; its process id."""
    file = directory / f"{name}.started"
    return int(wait_for(lambda: file.exists() and file.read_text().endswith("\n") and file.read_text()))


def test_run_returns_at_once_and_the_runner_stands_on_its_own(
    worker: LocalWorker, upstream: LoopbackUpstream, tmp_path: Path
) -> None:
    worker.upload(worker.batch("own", upstream, [upstream.add(gated("alpha", tmp_path))]))
    status = worker.run("own")
    assert (status.state, status.worker_version) == ("running", worker.app.version)
    build = started("alpha", tmp_path)
    runner = worker.runner("own")
    assert os.getsid(runner) == runner
    assert Path(f"/proc/{runner}/fd/0").readlink() == Path("/dev/null")
    assert Path(f"/proc/{runner}/fd/2").readlink() == worker.directory("own") / "runner.log"
    # What the end of a connection does to a session must not reach it.
    os.kill(runner, signal.SIGHUP)
    status = worker.status("own")
    assert (status.builds[0].state, status.builds[0].phase) == ("running", "build")
    (tmp_path / "alpha.go").touch()
    assert worker.wait("own").state == "finished"
    assert not is_alive(build)
    assert not is_alive(runner)


def test_many_runs_at_once_start_one_runner_and_fetch_each_sdist_once(
    worker: LocalWorker, upstream: LoopbackUpstream, tmp_path: Path
) -> None:
    sdists = [upstream.add(gated("beta", tmp_path)), upstream.add(scripted("gamma"))]
    worker.upload(worker.batch("many", upstream, sdists))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(worker.run, ["many"] * 4))
    assert {each.state for each in answers} == {"running"}
    started("beta", tmp_path)
    assert worker.run("many").state == "running"
    (tmp_path / "beta.go").touch()
    assert worker.wait("many").state == "finished"
    assert worker.run("many").state == "finished"
    assert worker.runner_log("many").count(" starts") == 1
    assert [upstream.count(f"/files/{each.filename}") for each in sdists] == [1, 1]


def test_a_killed_runner_is_dead_and_run_continues_where_it_was(
    worker: LocalWorker, upstream: LoopbackUpstream, tmp_path: Path
) -> None:
    pid_file = tmp_path / "daemon"
    waiting = gated("epsilon", tmp_path)
    daemon = scripted("zeta", DAEMON.format(pid_file=str(pid_file)))
    sdists = [upstream.add(each) for each in (scripted("delta"), waiting, daemon)]
    worker.upload(worker.batch("dead", upstream, sdists))
    worker.run("dead")
    orphan = started("epsilon", tmp_path)
    kept = (worker.directory("dead", "b0") / "result.json").stat()
    os.kill(worker.runner("dead"), signal.SIGKILL)
    status = wait_for(lambda: (found := worker.status("dead")).state == "dead" and found)
    assert [each.state for each in status.builds] == ["done", "waiting", "waiting"]
    (tmp_path / "epsilon.started").unlink()

    assert worker.run("dead").state == "running"
    started("epsilon", tmp_path)
    assert not is_alive(orphan)  # what the dead runner left does not run beside its successor
    (tmp_path / "epsilon.go").touch()
    assert worker.wait("dead").state == "finished"
    assert [worker.result("dead", each)["outcome"] for each in ("b0", "b1", "b2")] == ["built"] * 3
    now = (worker.directory("dead", "b0") / "result.json").stat()
    assert (now.st_ino, now.st_mtime_ns) == (kept.st_ino, kept.st_mtime_ns)
    assert [upstream.count(f"/files/{each.filename}") for each in sdists] == [1, 2, 1]


def test_a_changed_spec_is_refused_while_the_batch_runs_and_taken_afterwards(
    worker: LocalWorker, upstream: LoopbackUpstream, tmp_path: Path
) -> None:
    spec = worker.batch("fixed", upstream, [upstream.add(gated("eta", tmp_path))])
    worker.upload(spec)
    worker.run("fixed")
    started("eta", tmp_path)
    more = worker.batch("fixed", upstream, [upstream.add(gated("eta", tmp_path)), upstream.add(scripted("theta"))])
    worker.upload(more)
    refused = worker.call("run", "fixed")
    assert refused.returncode == 2
    assert "spec.json of batch 'fixed' differs" in json.loads(refused.stdout)["error"]
    (tmp_path / "eta.go").touch()
    assert worker.wait("fixed").state == "finished"
    worker.run("fixed")
    assert [each.state for each in worker.wait("fixed").builds] == ["done", "done"]


def test_cancel_ends_everything_keeps_what_is_done_and_run_starts_again(
    worker: LocalWorker, upstream: LoopbackUpstream, tmp_path: Path
) -> None:
    pid_file = tmp_path / "daemon"
    hanging = scripted("kappa", DAEMON.format(pid_file=str(pid_file)) + "time.sleep(600)")
    sdists = [upstream.add(each) for each in (scripted("iota"), hanging)]
    worker.upload(worker.batch("cut", upstream, sdists))
    worker.run("cut")
    daemon = int(wait_for(lambda: pid_file.exists() and pid_file.read_text()))
    runner = worker.runner("cut")
    status = worker.cancel("cut")
    assert (status.state, [each.state for each in status.builds]) == ("cancelled", ["done", "waiting"])
    assert not is_alive(daemon)
    assert not is_alive(runner)
    assert worker.cancel("cut").state == "cancelled"

    pid_file.unlink()
    assert worker.run("cut").state == "running"
    wait_for(pid_file.exists)
    assert upstream.count(f"/files/{sdists[0].filename}") == 1
    assert worker.cancel("cut").state == "cancelled"


def test_cancel_ends_a_runner_that_does_not_listen(
    worker: LocalWorker, upstream: LoopbackUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.upload(worker.batch("deaf", upstream, [upstream.add(gated("lambda_", tmp_path))]))
    worker.run("deaf")
    build = started("lambda_", tmp_path)
    runner = worker.runner("deaf")
    monkeypatch.setattr(cancel_room, "WILLING_SECONDS", 0.0)  # no patience: what the runner does comes too late
    assert cancel_room.cancel(Batch(worker.state.resolve(), "deaf")).state == "cancelled"
    assert not is_alive(build)
    assert not is_alive(runner)


def test_cancel_after_the_runner_died_ends_its_orphans(
    worker: LocalWorker, upstream: LoopbackUpstream, tmp_path: Path
) -> None:
    worker.upload(worker.batch("late", upstream, [upstream.add(gated("mu", tmp_path))]))
    worker.run("late")
    orphan = started("mu", tmp_path)
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
    worker: LocalWorker, upstream: LoopbackUpstream, tmp_path: Path
) -> None:
    quick, slow = upstream.add(scripted("xi")), upstream.add(gated("omicron", tmp_path))
    for name in ("over", "wanted"):
        worker.build(worker.batch(name, upstream, [quick]))
    orphans = []
    for name in ("live", "dead"):
        worker.upload(worker.batch(name, upstream, [slow]))
        worker.run(name)
        orphans.append(started("omicron", tmp_path))
        (tmp_path / "omicron.started").unlink()
    os.kill(worker.runner("dead"), signal.SIGKILL)
    worker.upload(worker.batch("arriving", upstream, [quick]))

    assert worker.answer("sweep", "--keep", "wanted", "--older-than", "3600")["removed"] == []
    assert not is_alive(orphans[1])
    answer = worker.answer("sweep", "--keep", "wanted", "nobody")
    assert sorted(answer["removed"]) == ["dead", "over"]
    assert sorted(path.name for path in (worker.state / "batches").iterdir()) == ["arriving", "live", "wanted"]
    assert is_alive(orphans[0])
    assert worker.status("over").state == "missing"
    (tmp_path / "omicron.go").touch()
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
    spec = worker.batch("wrong", upstream, [upstream.add(scripted("pi_"))])
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
