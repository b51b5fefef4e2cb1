"""A build can take over whoever reports from inside its sandbox; what comes out is its own failure, and nothing worse."""

import json
from typing import Any

import pytest

from support.scripted import scripted
from support.upstream import LoopbackUpstream
from support.worker import LocalWorker

TAKE_OVER = """
import shutil, signal
supervisor = os.getppid()
pipes = []
for number in os.listdir("/proc/%d/fd" % supervisor):
    path = "/proc/%d/fd/%s" % (supervisor, number)
    if int(number) > 2 and os.readlink(path).startswith("pipe:"):
        pipes.append(os.open(path, os.O_WRONLY))
assert pipes

def send(data):
    for pipe in pipes:
        view = memoryview(data)
        while view:
            view = view[os.write(pipe, view):]

def last(data):
    os.kill(supervisor, signal.SIGSTOP)
    send(data)
    os.kill(supervisor, signal.SIGKILL)
    time.sleep(600)

def header(**members):
    return json.dumps({"files": [], **members}).encode() + bytes([10])

good = '{"value": "x"}'

def leave(text=good):
    with open("/build/control/answer.json", "w") as file:
        file.write(text)
    os._exit(0)

answer = "/build/control/answer.json"
wheel = "/build/wheels/a-1-py3-none-any.whl"
"""
LIES = {
    "garbage": "send(b'garbage' * 10)",
    "nothing": "os.kill(supervisor, 9); time.sleep(600)",
    "half a line": "last(header(code=0)[:10])",
    "no object": "last(b'[]' + bytes([10]))",
    "no list of files": "last(header(code=0, files=None))",
    "a file without a name": "last(header(code=0, files=[{'size': 0}]))",
    "a size that is none": "last(header(code=0, files=[{'name': 'a-1-py3-none-any.whl', 'size': 1e9}]))",
    "a size below nothing": "last(header(code=0, files=[{'name': 'a', 'size': -5}, {'name': 'b', 'size': 5}]))",
    "more than it announces": "last(header(code=0, answer='{}') + b'x' * 1000)",
    "a name that leads elsewhere": "last(header(code=0, answer=good, files=[{'name': '../../x.whl', 'size': 1}]) + b'x')",
    "nested too deep": "last(b'[' * 1000000 + bytes([10]))",
    "a line too long": "last(b'x' * (4 << 20))",
    "a number too long": "last(b'{\"files\": [], \"code\": ' + b'9' * 10000 + b'}' + bytes([10]))",
    "a truth for a code": "last(header(code=True))",
    "a code too low": "last(header(code=-(10 ** 15), answer=good))",
    "a fault of the worker": "last(header(failure={'kind': 'internal', 'message': 'the disk is broken'}))",
    "a kind that is none": "last(header(failure={'kind': 'great', 'message': []}))",
    "a kind of no text": "last(header(failure={'kind': [], 'message': {}}))",
    "a failure of no kind": "last(header(failure=5))",
    "numbers without sense": "last(header(code=0, answer=5, scratch_bytes='x', cpu_seconds=-1, connections={'outside': -1}))",
    "a supervisor that sleeps": "os.kill(supervisor, 19); time.sleep(600)",
    "a deep answer": "leave('[' * 100000)",
    "an answer that is none": "leave('NaN')",
    "an error of no text": 'leave(\'{"error": [], "value": 1}\')',
    "a large answer": "open(answer, 'w').truncate(120 << 20); os._exit(0)",
    "a pipe for an answer": "os.mkfifo(answer); os._exit(0)",
    "a link for an answer": "os.symlink('/dev/zero', answer); os._exit(0)",
    "a folder for an answer": "os.mkdir(answer); os._exit(0)",
    "a link for a wheel": "os.symlink('/etc/passwd', wheel); leave()",
    "a pipe for a wheel": "os.mkfifo(wheel); leave()",
    "a link for the folder": "shutil.rmtree('/build/wheels'); os.symlink('/usr/bin', '/build/wheels'); leave()",
    "many wheels": "[open('/build/wheels/%d.whl' % n, 'w') for n in range(4000)]; leave()",
    "a wheel by a strange name": "open(wheel.replace('a-1', 'a\\n\\u202e-1'), 'w'); leave()",
}
"""What a build does after it took over; the next build of the batch comes after all of them."""


@pytest.fixture(scope="module")
def results(shared_worker: LocalWorker, upstream: LoopbackUpstream) -> dict[str, dict[str, Any]]:
    """By lie, and `truth`, which is built last."""
    sdists = [scripted(f"lie{number}", TAKE_OVER + does) for number, does in enumerate(LIES.values())]
    listed = [upstream.add(each) for each in (*sdists, scripted("truth"))]
    spec = shared_worker.batch("lies", upstream, listed, seconds=60, silent_seconds=5)
    found = shared_worker.build(spec, seconds=290)
    return dict(zip((*LIES, "truth"), found.values(), strict=True))


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_about_the_result_is_the_builds_own_failure(results: dict[str, dict[str, Any]], lie: str) -> None:
    result = results[lie]
    assert result["outcome"] == "failed"
    assert result["wheels"] == []
    # Never "internal": one project could have every worker thought broken.
    assert result["failure"]["kind"] in ("backend", "no_wheel", "killed", "silent"), result["failure"]
    assert result["failure"]["message"].isprintable()
    assert len(json.dumps(result)) < 50_000
    assert all(each >= 0 for each in (result["connections"] or {}).values())


def test_the_build_after_the_liars_is_built(results: dict[str, dict[str, Any]]) -> None:
    assert results["truth"]["outcome"] == "built"


def test_a_gigabyte_for_an_answer_is_cut_off(shared_worker: LocalWorker, upstream: LoopbackUpstream) -> None:
    script = TAKE_OVER + "os.kill(supervisor, 19)\nfor _ in range(1024):\n    send(b'x' * (1 << 20))"
    outcome = shared_worker.build_one(upstream, scripted("verbose", script))
    assert outcome.failure == "wheel_limit"
    assert outcome.phase("build")["seconds"] < 60
    assert list((shared_worker.directory("verbose") / "scratch").glob("b*")) == []


ASKED = {
    "a number": "return 5",
    "text": "return 'setuptools'",
    "numbers": "return [5]",
    "many": "return ['x'] * 501",
    "long": "return ['x' * 1001]",
    "a zero": "return ['x\\0y']",
    "nested": "value = []\nfor _ in range(900):\n    value = [value]\nreturn value",
    "much": "return 'x' * (5 << 20)",
    "no JSON": "return {1, 2}",
    "surrogates": "return ['\\ud800']",
    "an exit": "sys.exit(0)",
    "an end": "os._exit(0)",
    "an interrupt": "raise KeyboardInterrupt",
}


def test_dynamic_requirements_that_are_none_are_the_builds_own_failure(
    shared_worker: LocalWorker, upstream: LoopbackUpstream
) -> None:
    sdists = [upstream.add(scripted(f"asks{number}", dynamic=does)) for number, does in enumerate(ASKED.values())]
    results = shared_worker.build(shared_worker.batch("asked", upstream, sdists))
    kinds = {case: (each["failure"] or {}).get("kind") for case, each in zip(ASKED, results.values(), strict=True)}
    assert {case: kind for case, kind in kinds.items() if kind not in ("backend", "requirements")} == {}


def test_a_pattern_of_a_requirement_takes_no_time(shared_worker: LocalWorker, upstream: LoopbackUpstream) -> None:
    # What is checked outside of the sandbox is checked without a clock.
    spaces = scripted("spaces", dynamic="return ['x' + ' ' * 990 + '@'] * 500")
    outcome = shared_worker.build_one(upstream, spaces)
    assert outcome.failure == "requirements"
    assert outcome.phase("prepare")["seconds"] < 20
