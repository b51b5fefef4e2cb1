"""A build that takes too much of anything is ended, with the name of what it took, by each means that a worker has.

`kernel`: control groups, where this machine lets the tests make some. `watchdog`: none can be made, and the sum of the
tree is watched. `disk`: the build's files lie on disk instead of in a tmpfs.
"""

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.builds import new_token, running, wait_gone
from support.scripted import scripted
from support.surroundings import as_user, without_control_groups
from support.upstream import LoopbackUpstream
from support.worker import ON_DISK, UV, LocalWorker, Outcome

MB = 1 << 20
USER = 23456


@pytest.fixture(scope="module")
def watched_worker(tmp_path_factory: pytest.TempPathFactory, make_worker: Callable[..., LocalWorker]) -> LocalWorker:
    """A worker where no control group can be made."""
    worker = make_worker(tmp_path_factory.mktemp("watched") / "state")
    worker.around = without_control_groups()
    return worker


@pytest.fixture(scope="module")
def users_worker() -> Iterator[LocalWorker]:
    """A worker of an ordinary user, who may make no control group and whose processes the kernel counts."""
    if os.geteuid():
        pytest.skip("only root can become another user")
    place = Path(tempfile.mkdtemp(prefix="piwright-user-"))
    try:
        worker = LocalWorker(place / "state", "/usr/bin/python3", uv=False, around=as_user(USER), owner=USER)
        (worker.state / "bin").mkdir()
        shutil.copy2(str(UV), worker.state / "bin" / "uv")  # ours may lie where others cannot read
        worker.hand_over(place)
        yield worker
    finally:
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(params=["kernel", "watchdog"])
def any_worker(request: pytest.FixtureRequest, shared_worker: LocalWorker, watched_worker: LocalWorker) -> LocalWorker:
    return shared_worker if request.param == "kernel" else watched_worker


def build(worker: LocalWorker, upstream: LoopbackUpstream, script: str, **options: Any) -> Outcome:
    """Build a project of a name of its own."""
    return worker.build_one(upstream, scripted(f"subject{next(NUMBERS)}", script), **options)


NUMBERS = itertools.count(1)


def means(outcome: Outcome) -> tuple[str, str]:
    return outcome.result["sandbox"]["memory"], outcome.result["sandbox"]["processes"]


# ---- memory

ONE = "kept = []\nwhile True:\n    kept.append(bytearray(b'x' * (4 << 20)))"
EIGHT = """
import subprocess
hold = "import time; kept = bytearray(b'x' * (60 << 20)); time.sleep(60)"
for child in [subprocess.Popen([sys.executable, "-c", hold]) for _ in range(8)]:
    child.wait()
"""
ANONYMOUS = """
kept = []
for _ in range(40):
    kept.append(os.memfd_create("hoard"))
    os.write(kept[-1], b"x" * (16 << 20))
time.sleep(60)
"""
FORKED = """
kept = bytearray(b'x' * (60 << 20))
for _ in range(8):
    if os.fork() == 0:
        kept[:] = b'y' * len(kept)
        time.sleep(60)
        os._exit(0)
time.sleep(60)
"""


@pytest.mark.parametrize("script", [ONE, EIGHT, ANONYMOUS, FORKED], ids=["one", "eight", "anonymous files", "forked"])
def test_memory_is_limited_over_all_processes(any_worker: LocalWorker, upstream: LoopbackUpstream, script: str) -> None:
    outcome = build(any_worker, upstream, script, memory_bytes=256 * MB, disk_bytes=32 * MB)
    assert outcome.failure == "memory_limit", (outcome.result["failure"], outcome.log)
    assert f"{256 * MB} bytes of memory" in outcome.result["failure"]["message"]
    assert outcome.phase("build")["peak_memory_bytes"] < 600 * MB


def test_without_control_groups_the_watchdog_does_it_and_the_result_says_so(
    watched_worker: LocalWorker, upstream: LoopbackUpstream
) -> None:
    outcome = build(watched_worker, upstream, "pass")
    assert means(outcome) == ("watchdog", "watchdog" if os.geteuid() == 0 else "rlimit")


def test_pages_that_many_processes_share_are_counted_once(
    watched_worker: LocalWorker, upstream: LoopbackUpstream
) -> None:
    share = """
    kept = bytearray(b'x' * (100 << 20))
    children = []
    for _ in range(6):
        child = os.fork()
        if child == 0:
            time.sleep(2)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    """
    outcome = build(watched_worker, upstream, share, memory_bytes=300 * MB)
    assert outcome.failure == "", outcome.result["failure"]


def test_shared_memory_of_the_system_is_bounded(shared_worker: LocalWorker, upstream: LoopbackUpstream) -> None:
    fill = """
    written = 0
    try:
        with open("/dev/shm/fill", "wb", buffering=0) as file:
            while written < 200 << 20:
                written += file.write(b"x" * (1 << 20))
    except OSError as error:
        facts([written, error.errno])
    """
    written, number = build(shared_worker, upstream, fill).facts
    assert (written <= 64 * MB, number) == (True, 28)


def test_memory_that_would_belong_to_no_process_cannot_be_had(
    shared_worker: LocalWorker, upstream: LoopbackUpstream
) -> None:
    ask = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nfacts([libc.shmget(0, 1 << 20, 0o1600), ctypes.get_errno()])"
    assert build(shared_worker, upstream, ask).facts == [-1, 1]


# ---- processes

FORKS = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    try:
        if os.fork() == 0:
            os.setsid()
            os.execv(sys.executable, [sys.executable, "-S", "-c", "import time; time.sleep(600)", TOKEN])
    except OSError:
        time.sleep(0.01)
"""
THREADS = """
import threading
threading.stack_size(65536)
while True:
    try:
        threading.Thread(target=time.sleep, args=(600,)).start()
    except RuntimeError:
        time.sleep(0.01)
"""


@pytest.mark.parametrize("script", [FORKS, THREADS], ids=["forks", "threads"])
@pytest.mark.parametrize("kind", ["shared_worker", "watched_worker", "users_worker"])
def test_a_bomb_of_processes_ends_by_its_name_and_nothing_of_it_stays(
    request: pytest.FixtureRequest, upstream: LoopbackUpstream, kind: str, script: str
) -> None:
    worker: LocalWorker = request.getfixturevalue(kind)
    token = new_token()
    outcome = build(worker, upstream, script.replace("TOKEN", repr(token)), processes=60, seconds=60)
    # A number the kernel itself keeps only slows a build down; somebody has to say that it is hopeless.
    assert outcome.failure in ("process_limit", "timeout") if means(outcome)[1] == "rlimit" else "process_limit"
    assert outcome.result["failure"] is not None
    wait_gone(token)


# ---- processors and time


@pytest.mark.parametrize("ignored", ["", "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\n"])
def test_seconds_of_processors_are_limited_in_one_process(
    shared_worker: LocalWorker, upstream: LoopbackUpstream, ignored: str
) -> None:
    outcome = build(shared_worker, upstream, f"{ignored}while True:\n    pass", cpu_seconds=2)
    assert outcome.failure == "cpu_limit", outcome.result["failure"]


def test_seconds_of_processors_are_added_up_over_children_and_phases(
    shared_worker: LocalWorker, upstream: LoopbackUpstream
) -> None:
    burn = "import time\nend = time.process_time() + 0.4\nwhile time.process_time() < end:\n    pass"
    script = f"import subprocess\nfor _ in range(30):\n    subprocess.call([sys.executable, '-S', '-c', {burn!r}])"
    outcome = build(shared_worker, upstream, script, cpu_seconds=4)
    assert outcome.failure == "cpu_limit", outcome.result["failure"]
    used = sum(each["cpu_seconds"] for each in outcome.result["phases"])
    assert 3 < used < 8


# ---- files


def test_one_file_that_grows_too_large_is_named(shared_worker: LocalWorker, upstream: LoopbackUpstream) -> None:
    fill = "with open('large', 'wb') as file:\n    while True:\n        file.write(b'x' * (1 << 20))"
    outcome = build(shared_worker, upstream, fill, file_bytes=16 * MB)
    assert outcome.failure == "disk_limit"
    assert f"{16 * MB} bytes" in outcome.result["failure"]["message"]


def test_a_program_that_dies_of_a_file_too_large_is_named_too(
    shared_worker: LocalWorker, upstream: LoopbackUpstream
) -> None:
    outcome = build(shared_worker, upstream, "os.execvp('dd', ['dd', 'if=/dev/zero', 'of=large', 'bs=1M'])",
                    file_bytes=16 * MB)  # fmt: skip
    assert outcome.failure == "disk_limit", outcome.result["failure"]


FILL = """
import itertools
for number in itertools.count():
    with open(os.path.join(PLACE, str(number)), "wb") as file:
        file.write(b"x" * (1 << 20))
    time.sleep(PAUSE)
"""


@pytest.mark.parametrize("place", ["os.environ['HOME']", "os.environ['TMPDIR']", "'/tmp'", "'/var/tmp'", "'.'"])
def test_its_place_in_memory_is_full_at_its_limit(
    shared_worker: LocalWorker, upstream: LoopbackUpstream, place: str
) -> None:
    script = FILL.replace("PLACE", place).replace("PAUSE", "0")
    outcome = build(shared_worker, upstream, script, disk_bytes=32 * MB)
    assert (outcome.failure, outcome.result["sandbox"]["space"]) == ("disk_limit", "tmpfs"), outcome.result["failure"]
    assert str(32 * MB) in outcome.result["failure"]["message"]
    assert 20 * MB < outcome.phase("build")["scratch_bytes"] <= 32 * MB


HIDDEN = """
kept = []
while True:
    kept.append(os.open("gone", os.O_RDWR | os.O_CREAT))
    os.unlink("gone")
    os.write(kept[-1], b"x" * (1 << 20))
    time.sleep(0.02)
"""
UNREADABLE = """
os.mkdir("blind", 0o300)
for number in range(1 << 30):
    with open("blind/%d" % number, "wb") as file:
        file.write(b"x" * (1 << 20))
    time.sleep(0.02)
"""
SMALL = "for number in range(1 << 30):\n    open(str(number), 'w').close()"


@pytest.mark.parametrize(
    "script",
    [FILL.replace("PLACE", "os.environ['HOME']").replace("PAUSE", "0.02"), HIDDEN, UNREADABLE, SMALL],
    ids=["files", "deleted files", "unreadable folder", "small files"],
)
@pytest.mark.parametrize("kind", ["shared_worker", "users_worker"])
def test_its_place_on_disk_is_watched(
    request: pytest.FixtureRequest, upstream: LoopbackUpstream, kind: str, script: str
) -> None:
    worker: LocalWorker = request.getfixturevalue(kind)
    outcome = build(worker, upstream, script, slots=ON_DISK, disk_bytes=16 * MB, seconds=40)
    assert (outcome.failure, outcome.result["sandbox"]["space"]) == ("disk_limit", "disk"), outcome.result["failure"]
    assert list((worker.directory(outcome.batch) / "scratch").glob("b*")) == []


def test_two_hundred_thousand_small_files_are_no_trouble_and_gone_afterwards(
    shared_worker: LocalWorker, upstream: LoopbackUpstream
) -> None:
    script = """
    for folder in range(200):
        os.mkdir("d%d" % folder)
        for number in range(1000):
            os.close(os.open("d%d/%d" % (folder, number), os.O_CREAT | os.O_WRONLY))
    """
    outcome = build(shared_worker, upstream, script, memory_bytes=2 << 30)
    assert outcome.failure in ("", "disk_limit", "memory_limit")
    assert outcome.phase("build")["name"] == "build"


# ---- what it says


def test_a_wheel_that_is_too_large_is_cut_off_while_it_comes(
    shared_worker: LocalWorker, upstream: LoopbackUpstream
) -> None:
    script = "open('/build/wheels/stout-1.0-py3-none-any.whl', 'wb').truncate(600 << 20)"
    outcome = build(shared_worker, upstream, script, wheel_bytes=1 * MB, file_bytes=1 << 30)
    assert outcome.failure == "wheel_limit"
    assert outcome.result["wheels"] == []


BOMB = """
import zipfile
with zipfile.ZipFile("/build/wheels/NAME-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as bundle:
    for number in range(6):
        bundle.writestr("NAME/%d" % number, bytes(20 << 20))
    bundle.writestr("NAME/__init__.py", "")
    bundle.writestr("NAME-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: NAME\\nVersion: 1.0\\n")
    bundle.writestr("NAME-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    bundle.writestr("NAME-1.0.dist-info/RECORD", "")
open("/build/control/answer.json", "w").write('{"value": "x"}')
os._exit(0)
"""


def test_a_wheel_that_unpacks_to_too_much_does_not_fill_the_disk_of_the_worker(
    shared_worker: LocalWorker, upstream: LoopbackUpstream
) -> None:
    outcome = shared_worker.build_one(
        upstream, scripted("swelling", BOMB.replace("NAME", "swelling")), disk_bytes=64 * MB
    )
    assert outcome.result["outcome"] == "built", outcome.log
    assert outcome.result["smoke"]["outcome"] == "untested"
    assert "unpacks to" in outcome.result["smoke"]["detail"]
    cached = [each.stat().st_size for each in (shared_worker.state / "cache").rglob("*") if each.is_file()]
    assert sum(cached) < 20 * MB


def test_a_flood_of_log_does_not_slow_down_the_end(shared_worker: LocalWorker, upstream: LoopbackUpstream) -> None:
    outcome = build(shared_worker, upstream, "os.execvp('yes', ['yes', 'x' * 1000])", log_bytes=300_000)
    assert outcome.failure == "log_limit"
    assert (shared_worker.directory(outcome.batch, "b0") / "log.txt").stat().st_size <= 300_000
    assert outcome.phase("build")["seconds"] < 20


def test_the_next_build_of_the_batch_is_none_the_worse(shared_worker: LocalWorker, upstream: LoopbackUpstream) -> None:
    bad = [
        upstream.add(scripted(f"bad{number}", script))
        for number, script in enumerate((ONE, FORKS.replace("TOKEN", "'x'")))
    ]
    good = upstream.add(scripted("goodafterbad"))
    spec = shared_worker.batch("sequence", upstream, [*bad, good], memory_bytes=256 * MB, processes=60)
    results = shared_worker.build(spec)
    assert [each["failure"]["kind"] if each["failure"] else "" for each in results.values()] == [
        "memory_limit",
        "process_limit",
        "",
    ]
    assert running("x") == []
