"""A worker without bubblewrap builds nothing, unless an operator allowed it by name; then the other limits remain."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from support.builds import daemon, new_token, started, staying, wait_gone
from support.scripted import scripted
from support.surroundings import with_bubblewrap, without_bubblewrap
from support.upstream import LoopbackUpstream, make_sdist
from support.worker import LocalWorker, wait_for


@pytest.fixture(scope="module")
def bare_worker(tmp_path_factory: pytest.TempPathFactory, make_worker: Callable[..., LocalWorker]) -> LocalWorker:
    worker = make_worker(tmp_path_factory.mktemp("bare") / "state", SECRET_TOKEN="hunter2")
    worker.around = without_bubblewrap()
    return worker


def test_without_bubblewrap_a_batch_is_refused_with_a_remedy_and_nothing_is_fetched(
    bare_worker: LocalWorker, upstream: LoopbackUpstream
) -> None:
    sdists = [upstream.add(scripted(name, "facts('it ran')")) for name in ("refused1", "refused2")]
    for result in bare_worker.build(bare_worker.batch("refused", upstream, sdists)).values():
        assert result["failure"]["kind"] == "no_sandbox"
        assert "apt install bubblewrap" in result["failure"]["message"]
        assert "PIWRIGHT_ALLOW_UNSANDBOXED" in result["failure"]["message"]
        assert result["sandbox"]["kind"] == "none"
    assert "it ran" not in bare_worker.log("refused", "b0")
    assert [upstream.count(f"/files/{each.filename}") for each in sdists] == [0, 0]


def test_one_that_does_not_work_counts_as_none(
    tmp_path: Path, make_worker: Callable[..., LocalWorker], upstream: LoopbackUpstream
) -> None:
    fake = tmp_path / "bwrap"
    # It only pretends: the command runs, outside of any sandbox.
    fake.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo "bubblewrap 0.9.0" && exit\n'
        'while [ "$1" != -- ]; do shift; done\nshift\nmkdir -p /build 2>/dev/null\nexec "$@"\n'
    )
    fake.chmod(0o755)
    worker = make_worker(tmp_path / "state")
    worker.around = with_bubblewrap(fake)
    outcome = worker.build_one(upstream, scripted("fooled", "facts('it ran')"))
    assert outcome.failure == "no_sandbox"
    assert "it ran" not in outcome.log


def test_a_worker_that_is_allowed_by_name_builds_and_says_how(
    bare_worker: LocalWorker, upstream: LoopbackUpstream
) -> None:
    sdist = make_sdist("unguarded", "1.0", "c-extension")
    outcome = bare_worker.build_one(upstream, sdist, unsandboxed=True)
    assert outcome.result["outcome"] == "built", outcome.log
    assert (outcome.result["sandbox"]["kind"], outcome.result["sandbox"]["space"]) == ("none", "disk")
    assert outcome.result["connections"] is None  # nobody counted
    assert outcome.result["smoke"]["outcome"] == "imported"


def test_permission_to_go_without_is_not_used_where_there_is_a_sandbox(
    shared_worker: LocalWorker, upstream: LoopbackUpstream
) -> None:
    outcome = shared_worker.build_one(upstream, scripted("guarded", "facts(os.getcwd())"), unsandboxed=True)
    assert outcome.result["sandbox"]["kind"] == "bubblewrap"
    assert outcome.facts == "/build/source/guarded-1.0"


def test_without_a_sandbox_the_environment_is_clean_and_home_is_its_own(
    bare_worker: LocalWorker, upstream: LoopbackUpstream
) -> None:
    script = "facts([dict(os.environ), os.listdir(os.environ['HOME']), os.listdir(os.environ['TMPDIR'])])"
    environment, home, temporary = bare_worker.build_one(upstream, scripted("clean", script), unsandboxed=True).facts
    assert "SECRET_TOKEN" not in environment
    assert "hunter2" not in str(environment)
    scratch = str(bare_worker.directory("clean").resolve() / "scratch")
    assert all(environment[name].startswith(scratch) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME"))
    assert (home, temporary) == ([], [])
    assert not list(Path(scratch).glob("b*"))


ENDS = {
    "timeout": ("time.sleep(600)", {"seconds": 6}),
    "silent": ("time.sleep(600)", {"silent_seconds": 3}),
    "log_limit": ("os.execvp('yes', ['yes'])", {"log_bytes": 100_000}),
    "memory_limit": ("kept = []\nwhile True:\n    kept.append(bytearray(b'x' * (4 << 20)))", {"memory_bytes": 256 << 20}),
    "process_limit": ("while True:\n    os.fork() or time.sleep(600)\n", {"processes": 40}),
    "cpu_limit": ("while True:\n    pass", {"cpu_seconds": 3}),
    "disk_limit": ("for n in range(1 << 30):\n    open(str(n), 'wb').write(b'x' * (1 << 20))\n    time.sleep(0.02)",
                   {"disk_bytes": 16 << 20}),
}  # fmt: skip


@pytest.mark.parametrize("kind", ENDS)
def test_without_a_sandbox_a_build_is_ended_all_the_same(
    bare_worker: LocalWorker, upstream: LoopbackUpstream, kind: str
) -> None:
    script, limits = ENDS[kind]
    token = new_token()
    sdist = scripted(f"ends{kind.replace('_', '')}", daemon(token) + script)
    outcome = bare_worker.build_one(upstream, sdist, unsandboxed=True, **limits)
    assert outcome.failure == kind, (outcome.result["failure"], outcome.log)
    wait_gone(token)


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can take bubblewrap away without a user namespace for each command"
)
def test_without_a_sandbox_what_a_dead_runner_left_is_found(
    bare_worker: LocalWorker, upstream: LoopbackUpstream
) -> None:

    token = new_token()
    sdist = upstream.add(scripted("orphaned", f"os.system('true')\n{staying(token)}"))
    bare_worker.upload(bare_worker.batch("orphaned", upstream, [sdist], unsandboxed=True))
    bare_worker.run("orphaned")
    started(token)
    os.kill(bare_worker.runner("orphaned"), 9)
    wait_for(lambda: bare_worker.status("orphaned").state == "dead")
    bare_worker.answer("sweep", "--keep", "orphaned")
    wait_gone(token)
