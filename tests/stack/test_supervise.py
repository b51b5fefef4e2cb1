"""supervisord keeps components running and leaves nothing behind."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from piwright.settings import Settings
from piwright.stack.supervise import Component, Supervisor, tail
from support.worker import is_alive, wait_for

SLEEPER = [sys.executable, "-c", "import time; print('100% awake', flush=True); time.sleep(600)"]


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    home = tmp_path / "ho me"  # a blank in a path is somebody's normal
    home.mkdir()
    running = Supervisor(Settings.from_environment({"PIWRIGHT_HOME": str(home)}))
    yield running
    running.stop()


def pid_of(supervisor: Supervisor, name: str) -> int:
    return next((each.pid for each in supervisor.states() if each.name == name and each.state == "RUNNING"), 0)


def test_a_component_runs_with_its_environment_and_its_log(supervisor: Supervisor) -> None:
    command = [sys.executable, "-c", "import os, time; print(os.environ['WORD'], flush=True); time.sleep(600)"]
    word = "a 'quoted' 100%, back\\slash, and a comma"
    supervisor.start([Component("speaker", command, {"WORD": word}, start_seconds=0)])
    wait_for(lambda: word in tail(supervisor.log_of("speaker")))


def test_a_value_that_cannot_be_handed_over_is_named(supervisor: Supervisor) -> None:
    with pytest.raises(ValueError, match="WORD="):
        supervisor.start([Component("speaker", SLEEPER, {"WORD": 'a "quote"'})])


def test_a_component_that_is_killed_comes_back(supervisor: Supervisor) -> None:
    supervisor.start([Component("sleeper", SLEEPER, start_seconds=0)])
    first = wait_for(lambda: pid_of(supervisor, "sleeper"))
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: pid_of(supervisor, "sleeper") not in (0, first))


def test_a_component_that_cannot_live_is_given_up_and_its_log_says_why(supervisor: Supervisor) -> None:
    supervisor.start([Component("sick", [sys.executable, "-c", "raise SystemExit('no quux here')"], start_seconds=1)])
    wait_for(lambda: [each for each in supervisor.states() if each.gave_up], 60)
    assert "no quux here" in tail(supervisor.log_of("sick"))


def test_stop_ends_daemons_that_hid_in_sessions_of_their_own(supervisor: Supervisor, tmp_path: Path) -> None:
    note = tmp_path / "daemon"
    script = f"""
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    with open({str(note)!r}, "w") as file:
        file.write(str(os.getpid()))
    time.sleep(600)
time.sleep(600)
"""
    program = tmp_path / "parent.py"
    program.write_text(script)
    supervisor.start([Component("parent", [sys.executable, str(program)], start_seconds=0)])
    daemon = int(wait_for(lambda: note.exists() and note.read_text()))
    supervisor.stop()
    assert not is_alive(daemon)
    assert supervisor.process() is None


def test_stop_finds_what_a_killed_supervisor_left_even_if_it_renamed_itself(supervisor: Supervisor) -> None:
    script = "import setproctitle, time; setproctitle.setproctitle('somebody else ' * 200); time.sleep(600)"
    renamed = [sys.executable, "-c", script]
    supervisor.start([Component("sleeper", SLEEPER, start_seconds=0), Component("renamed", renamed, start_seconds=0)])
    orphans = [psutil.Process(wait_for(lambda name=name: pid_of(supervisor, name))) for name in ("sleeper", "renamed")]
    wait_for(lambda: orphans[1].cmdline()[0].startswith("somebody"))
    boss = supervisor.process()
    assert boss is not None
    boss.kill()  # and nobody waits for it: it stays a zombie, as below a `piwright up` that started it
    wait_for(lambda: boss.status() == psutil.STATUS_ZOMBIE)
    assert [orphan.is_running() for orphan in orphans] == [True, True]
    assert supervisor.stop() >= 2
    assert not any(orphan.is_running() and orphan.status() != psutil.STATUS_ZOMBIE for orphan in orphans)


def test_what_waits_is_started_when_asked(supervisor: Supervisor) -> None:
    supervisor.start([Component("later", SLEEPER, start_seconds=0, autostart=False)])
    assert pid_of(supervisor, "later") == 0
    supervisor.start_component("later")
    wait_for(lambda: pid_of(supervisor, "later"))


def test_the_configuration_with_its_passwords_is_nobody_elses_to_read(supervisor: Supervisor) -> None:
    supervisor.start([Component("sleeper", SLEEPER, {"PASSWORD": "secret"}, start_seconds=0)])
    (configuration,) = Path(supervisor.mark).glob("supervisord.conf")
    assert configuration.stat().st_mode & 0o077 == 0


def test_an_update_starts_what_is_new_ends_what_is_gone_and_disturbs_nobody(supervisor: Supervisor) -> None:
    keeps, goes = Component("keeps", SLEEPER, start_seconds=0), Component("goes", SLEEPER, start_seconds=0)
    supervisor.start([keeps, goes])
    pids = {name: wait_for(lambda name=name: pid_of(supervisor, name)) for name in ("keeps", "goes")}
    supervisor.update([keeps, Component("comes", SLEEPER, start_seconds=0)])
    wait_for(lambda: pid_of(supervisor, "comes"))
    assert pid_of(supervisor, "keeps") == pids["keeps"]
    assert not is_alive(pids["goes"])
    assert {each.name for each in supervisor.states()} == {"keeps", "comes"}
