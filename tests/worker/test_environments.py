"""What a build requires is installed once for all that require the same, and no build can change it."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.builds import new_token, running, started, waiting
from support.scripted import make_wheel, scripted
from support.upstream import LoopbackUpstream
from support.worker import LocalWorker, Outcome, wait_for

HOUR, DAY = 3600, 86400


@pytest.fixture
def own_upstream() -> Iterator[LoopbackUpstream]:
    """An index with two projects, that nobody else asks."""
    with LoopbackUpstream(redirect_to=None) as running_:
        running_.add(make_wheel("spice", {"spice.py": "FLAVOUR = 'pepper'\n"}))
        running_.add(make_wheel("meal", {"meal.py": "import spice\n"}, ["spice"]))
        yield running_


def asked(upstream: LoopbackUpstream) -> int:
    """How many times somebody asked the index about a project, or for a wheel."""
    with upstream._lock:
        return sum("spice" in each.path or "meal" in each.path for each in upstream.requests)


def build(worker: LocalWorker, upstream: LoopbackUpstream, name: str, script: str = "import meal") -> Outcome:
    outcome = worker.build_one(upstream, scripted(name, script, requires=["meal"]))
    assert outcome.result["outcome"] == "built", outcome.log
    return outcome


def environments(worker: LocalWorker) -> list[Path]:
    """Those that hold the requirement."""
    return sorted(each for each in (worker.state / "environments").iterdir() if list(each.rglob("meal.py")))


def grow_older(worker: LocalWorker, seconds: float) -> None:
    """As if everything there had been made so long ago."""
    for path in [worker.state / "environments", *(worker.state / "environments").rglob("*")]:
        if not path.is_symlink():
            found = path.stat()
            os.utime(path, (found.st_atime - seconds, found.st_mtime - seconds))


@pytest.mark.parametrize("uv", [True, False], ids=["uv", "pip"])
def test_one_environment_serves_all_builds_of_an_hour_that_require_the_same(
    tmp_path: Path, make_worker: Callable[..., LocalWorker], own_upstream: LoopbackUpstream, uv: bool
) -> None:
    worker = make_worker(tmp_path / "state", uv=uv)
    first = build(worker, own_upstream, "one")
    requests = asked(own_upstream)
    assert requests >= 3
    second = build(worker, own_upstream, "two")
    assert asked(own_upstream) == requests
    assert len(environments(worker)) == 1
    assert [each.split(" ")[0] for each in second.result["environment"]["requirements"]] == ["meal==1.0", "spice==1.0"]
    assert first.result["environment"]["requirements"] == second.result["environment"]["requirements"]
    assert first.result["environment"]["installer"].startswith("uv " if uv else "pip ")
    assert first.result["phases"][0]["fetched_bytes"] > second.result["phases"][0]["fetched_bytes"]

    grow_older(worker, 1.1 * HOUR)
    own_upstream.add(make_wheel("spice", {"spice.py": "FLAVOUR = 'salt'\n"}, version="2.0"))
    third = build(worker, own_upstream, "three", "import spice\nfacts(spice.FLAVOUR)")
    assert asked(own_upstream) > requests
    assert third.facts == "salt"  # after an hour the index is asked again


def test_two_slots_that_need_the_same_at_once_make_it_once(worker: LocalWorker, own_upstream: LoopbackUpstream) -> None:
    sdists = [own_upstream.add(scripted(name, "import meal", requires=["meal"])) for name in ("left", "right")]
    for name, sdist in zip(("a", "b"), sdists, strict=True):
        worker.upload(worker.batch(name, own_upstream, [sdist]))
        worker.run(name)
    fetched = []
    for name, sdist in zip(("a", "b"), sdists, strict=True):
        assert worker.wait(name).state == "finished"
        result = worker.result(name, "b0")
        assert result["outcome"] == "built", worker.log(name, "b0")
        fetched.append(result["phases"][0]["fetched_bytes"] - len(sdist.content))
    assert len(environments(worker)) == 1
    assert min(fetched) == 0 < max(fetched)  # one of them waited for the other


CHANGE = """
import site, meal
failed = []
def attempt(what, action):
    try:
        action()
    except OSError as error:
        failed.append(error.errno)
    else:
        facts(what)
        raise SystemExit("changed: " + what)
place = os.path.dirname(meal.__file__)
attempt("overwrite", lambda: open(meal.__file__, "w"))
attempt("append", lambda: open(meal.__file__, "a"))
attempt("add", lambda: open(place + "/sitecustomize.py", "w"))
attempt("remove", lambda: os.unlink(meal.__file__))
attempt("rename", lambda: os.rename(meal.__file__, meal.__file__ + "x"))
attempt("link", lambda: os.symlink("x", place + "/x.pth"))
attempt("mode", lambda: os.chmod(meal.__file__, 0o777))
attempt("time", lambda: os.utime(meal.__file__))
attempt("program", lambda: os.unlink("/env/bin/python"))
attempt("cache", lambda: os.mkdir(place + "/__pycache__/x"))
facts(failed)
"""


def test_no_build_can_change_what_the_next_one_uses(worker: LocalWorker, own_upstream: LoopbackUpstream) -> None:
    failed = build(worker, own_upstream, "vandal", CHANGE).facts
    assert set(failed) <= {30, 1, 13, 16}  # EROFS, EPERM, EACCES, EBUSY
    assert len(failed) == 10
    after = build(worker, own_upstream, "victim", "import meal, spice\nfacts(spice.FLAVOUR)")
    assert after.facts == "pepper"
    assert len(environments(worker)) == 1


def test_an_environment_whose_maker_was_killed_is_not_taken_for_one(
    worker: LocalWorker, own_upstream: LoopbackUpstream
) -> None:
    sdist = own_upstream.add(scripted("patient", "import meal", requires=["meal"]))
    entered = Slow(own_upstream, "/files/spice-1.0-py3-none-any.whl")
    worker.upload(worker.batch("killed", own_upstream, [sdist]))
    with entered:
        worker.run("killed")
        wait_for(entered.is_waiting)
        os.kill(worker.runner("killed"), signal.SIGKILL)
        wait_for(lambda: worker.status("killed").state == "dead")
    assert worker.run("killed").state == "running"
    assert worker.wait("killed").state == "finished"
    assert worker.result("killed", "b0")["outcome"] == "built", worker.log("killed", "b0")
    worker.answer("sweep", "--keep", "killed")
    assert len(environments(worker)) == 1
    ready = [each for each in (worker.state / "environments").iterdir() if each.is_dir()]
    assert all((each / "env" / "bin" / "python").is_symlink() for each in ready)


class Slow:
    """An index that keeps whoever asks for one file waiting."""

    def __init__(self, upstream: LoopbackUpstream, path: str) -> None:
        self._upstream = upstream
        self._path = path
        self._real = upstream._answer
        self._waiting = False
        self._go = False

    def __enter__(self) -> None:
        self._upstream._answer = self._answer  # type: ignore[method-assign]

    def __exit__(self, *ignored: object) -> None:
        self._go = True
        self._upstream._answer = self._real  # type: ignore[method-assign]

    def _answer(self, path: str, accept: str) -> tuple[int, dict[str, str], bytes]:
        if path == self._path:
            self._waiting = True
            wait_for(lambda: self._go, 60)
        return self._real(path, accept)

    def is_waiting(self) -> bool:
        return self._waiting


def test_pruning_takes_what_nobody_used_for_a_day_and_leaves_what_is_in_use(
    worker: LocalWorker, own_upstream: LoopbackUpstream
) -> None:
    build(worker, own_upstream, "old")
    worker.answer("sweep")
    assert len(environments(worker)) == 1  # young
    token = new_token()
    user = own_upstream.add(scripted("user", waiting(token), requires=["meal"]))
    worker.upload(worker.batch("using", own_upstream, [user]))
    worker.run("using")
    started(token)
    grow_older(worker, 2 * DAY)
    worker.answer("sweep")
    assert len(environments(worker)) == 1
    assert running(token)
    worker.cancel("using")
    grow_older(worker, 2 * DAY)
    worker.answer("sweep")
    assert environments(worker) == []


REFUSED = [
    *("x @ http://127.0.0.1:9/x-1.0-py3-none-any.whl", "x @ file:///etc", "x@git+http://127.0.0.1:9/x.git", "./x"),
    *("/etc", "../x", "-r /etc/passwd", "-e .", "--index-url=http://127.0.0.1:9/", "http://127.0.0.1:9/x.tar.gz"),
    *("meal>=1 --index-url=http://127.0.0.1:9/", "meal\n--index-url=http://127.0.0.1:9/", "x.whl @ ./x.whl", ""),
    # Where a requirements file may begin a new line, for one installer or the other.
    *(f"meal>=1{end}--index-url=http://127.0.0.1:9/" for end in "\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"),
    *("meal; python_version > '3'\x0c--no-binary=:all:", "meal \\", "meal>=1 --config-settings=x=y", "${HOME}"),
]


def test_only_projects_of_the_index_can_be_required(worker: LocalWorker, own_upstream: LoopbackUpstream) -> None:
    static = [own_upstream.add(scripted(f"static{n}", requires=[each])) for n, each in enumerate(REFUSED)]
    some = REFUSED[::4]
    asking = [own_upstream.add(scripted(f"dynamic{n}", dynamic=f"return {[each]!r}")) for n, each in enumerate(some)]
    before = asked(own_upstream)
    results = worker.build(worker.batch("refused", own_upstream, [*static, *asking]))
    for each, result in zip((*REFUSED, *some), results.values(), strict=True):
        assert result["failure"] is not None, each
        assert result["failure"]["kind"] == "requirements", (each, result["failure"])
        assert "cannot be used" in result["failure"]["message"], (each, result["failure"])
    assert asked(own_upstream) == before


def test_what_was_required_can_be_installed_again_to_the_byte(
    worker: LocalWorker, own_upstream: LoopbackUpstream, tmp_path: Path
) -> None:
    outcome = build(worker, own_upstream, "recorded")
    lines = outcome.result["environment"]["requirements"]
    assert all(re.fullmatch(r"[a-z0-9-]+==\S+ --hash=sha256:[0-9a-f]{64}", each) for each in lines)
    (tmp_path / "again.txt").write_text("\n".join(lines))
    pip = shutil.which("pip") or "pip"
    subprocess.run(
        [pip, f"--python={sys.executable}", "install", "--isolated", f"--index-url={own_upstream.url}", "--quiet",
         "--require-hashes", "--no-deps", "--only-binary=:all:", f"--target={tmp_path / 'again'}",
         "-r", tmp_path / "again.txt"],
        check=True,
    )  # fmt: skip
    assert (tmp_path / "again" / "meal.py").exists()
    assert (tmp_path / "again" / "spice.py").exists()
