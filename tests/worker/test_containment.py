"""A build cannot outlive, outgrow, outtalk or look beyond its build."""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.builds import daemon, new_token, running, started, staying
from support.scripted import scripted
from support.upstream import Distribution, LoopbackUpstream
from support.worker import LocalWorker


def build_one(worker: LocalWorker, upstream: LoopbackUpstream, script: str, **limits: int) -> dict[str, Any]:
    """Build one scripted project as the batch `one`; its result."""
    return worker.build(worker.batch("one", upstream, [upstream.add(subject(script))], **limits))["b0"]


def subject(script: str) -> Distribution:
    return scripted("subject", script)


def test_a_hang_times_out_and_takes_its_double_forked_daemon_along(
    worker: LocalWorker, upstream: LoopbackUpstream
) -> None:
    token = new_token()
    stubborn = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    worker.upload(worker.batch("one", upstream, [upstream.add(subject(stubborn + daemon(token) + "time.sleep(600)"))],
                               seconds=9))  # fmt: skip
    worker.run("one")
    started(token)  # it was there
    assert worker.wait("one").state == "finished"
    result = worker.result("one", "b0")
    assert result["failure"] == {"kind": "timeout", "message": "The build took longer than the 9 s it may."}
    assert running(token) == []
    assert [each["name"] for each in result["phases"]] == ["fetch", "prepare", "build"]


def test_a_build_that_succeeds_leaves_no_daemon_either(worker: LocalWorker, upstream: LoopbackUpstream) -> None:
    token = new_token()
    result = build_one(worker, upstream, daemon(token) + f"facts({token!r} in os.popen('cat /proc/*/cmdline').read())")
    assert result["outcome"] == "built"
    assert "facts: true" in worker.log("one", "b0")  # it was there
    assert running(token) == []


def test_a_build_that_says_nothing_is_ended_as_silent(worker: LocalWorker, upstream: LoopbackUpstream) -> None:
    result = build_one(worker, upstream, "print('last words')\ntime.sleep(600)", silent_seconds=2)
    assert result["failure"] == {"kind": "silent", "message": "The build wrote nothing for 2 s."}
    assert "last words" in worker.log("one", "b0")


def test_a_build_that_keeps_talking_is_not_silent(worker: LocalWorker, upstream: LoopbackUpstream) -> None:
    result = build_one(worker, upstream, "for n in range(12):\n    print(n)\n    time.sleep(0.25)", silent_seconds=2)
    assert result["outcome"] == "built"


def test_a_flood_of_log_is_cut_at_its_limit(worker: LocalWorker, upstream: LoopbackUpstream) -> None:
    result = build_one(worker, upstream, "while True:\n    os.write(1, b'x' * 65536)", log_bytes=200_000)
    assert result["failure"]["kind"] == "log_limit"
    size = (worker.directory("one", "b0") / "log.txt").stat().st_size
    assert 198_000 <= size <= 200_000
    assert result["log"] == {"bytes": size, "truncated": True}
    assert worker.log("one", "b0").endswith("\n")


REPORT = """
import json, stat
facts = {
    "environment": dict(os.environ),
    "stdin": os.readlink("/proc/self/fd/0"),
    "descriptors": sorted(os.listdir("/proc/self/fd")),
    "session": os.getsid(0),
    "sacrifice": int(open("/proc/self/oom_score_adj").read()),
    "umask": os.umask(0o022),
    "home": [stat.S_ISDIR(os.stat(os.environ["HOME"]).st_mode), os.listdir(os.environ["HOME"])],
    "tmp": os.listdir(os.environ["TMPDIR"]),
    "path": sys.path,
}
print("facts: " + json.dumps(facts))
"""


@pytest.fixture
def facts(tmp_path: Path, make_worker: Callable[..., LocalWorker], upstream: LoopbackUpstream) -> dict[str, Any]:
    """What a build sees of a worker whose own environment holds a secret."""
    worker = make_worker(
        tmp_path / "state", SECRET_TOKEN="hunter2", PYTHONPATH="/nowhere", CFLAGS="-O9", PIP_FIND_LINKS="/nowhere"
    )
    assert build_one(worker, upstream, REPORT)["outcome"] == "built"
    line = next(line for line in worker.log("one", "b0").splitlines() if line.startswith("facts: "))
    return json.loads(line.removeprefix("facts: "))


def test_a_build_sees_nothing_of_the_workers_environment(facts: dict[str, Any], upstream: LoopbackUpstream) -> None:
    environment = facts["environment"]
    assert "hunter2" not in json.dumps(environment)
    assert not {"PYTHONPATH", "CFLAGS", "PIP_FIND_LINKS", "SSH_CONNECTION"} & set(environment)
    expected = {
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONHASHSEED": "0",
        "SOURCE_DATE_EPOCH": "1700000000",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "PIP_NO_INPUT": "1",
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_INDEX_URL": upstream.url,
    }
    assert {name: environment.get(name) for name in expected} == expected
    assert environment["PATH"].startswith("/env/bin:")
    assert environment["VIRTUAL_ENV"] == "/env"
    assert (environment["HOME"], environment["TMPDIR"]) == ("/build/home", "/build/tmp")
    assert all(environment[name].startswith("/build/") for name in environment if name.startswith("XDG_"))


def test_a_build_has_a_home_and_a_session_of_its_own_and_no_input(facts: dict[str, Any]) -> None:
    assert facts["home"] == [True, []]
    assert facts["tmp"] == []
    assert facts["stdin"] == "/dev/null"
    assert facts["session"] > 0  # its leader is in the sandbox: one outside has no number here
    assert facts["umask"] == 0o022
    assert facts["sacrifice"] >= 500  # the kernel takes it first when the machine's memory runs out
    # 0, 1, 2 and the directory that is being listed: neither the batch's lock nor the log.
    assert len(facts["descriptors"]) == 4
    assert not any("control" in each for each in facts["path"])


def test_trust_in_a_certificate_file_is_handed_on(
    tmp_path: Path, make_worker: Callable[..., LocalWorker], upstream: LoopbackUpstream
) -> None:
    authority = tmp_path / "authority.pem"
    authority.write_text("# nobody\n")
    worker = make_worker(tmp_path / "state", SSL_CERT_FILE=str(authority))
    names = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")
    script = (
        f"files = {{os.environ.get(name) for name in {names}}}\nprint(files, [open(each).read() for each in files])"
    )
    result = build_one(worker, upstream, script)
    assert result["outcome"] == "built"
    assert "{'/certificates.pem'} ['# nobody\\n']" in worker.log("one", "b0")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_build_ended_by_somebody_else_was_killed(
    worker: LocalWorker, upstream: LoopbackUpstream, number: signal.Signals
) -> None:
    token = new_token()
    worker.upload(worker.batch("one", upstream, [upstream.add(subject(staying(token)))]))
    worker.run("one")
    os.kill(started(token), number)
    worker.wait("one")
    assert worker.result("one", "b0")["failure"]["kind"] == "killed"


def test_a_compiler_that_ran_out_of_memory_was_killed(worker: LocalWorker, upstream: LoopbackUpstream) -> None:
    words = "gcc: fatal error: Killed signal terminated program cc1plus"
    result = build_one(worker, upstream, f"print({words!r})\nsys.exit('error: command gcc failed with exit code 1')")
    assert result["failure"]["kind"] == "killed"


def test_a_place_that_is_full_is_called_by_its_name(worker: LocalWorker, upstream: LoopbackUpstream) -> None:
    result = build_one(worker, upstream, "raise OSError(28, 'No space left on device')")
    assert result["failure"]["kind"] == "disk_limit"


def test_memory_is_measured_over_the_whole_tree(worker: LocalWorker, upstream: LoopbackUpstream) -> None:
    script = """
    import subprocess
    hold = "import time; kept = bytearray(b'x' * 60_000_000); time.sleep(1.5)"
    for child in [subprocess.Popen([sys.executable, "-c", hold]) for _ in range(2)]:
        child.wait()
    """
    result = build_one(worker, upstream, script)
    (build,) = [each for each in result["phases"] if each["name"] == "build"]
    assert 120_000_000 < build["peak_memory_bytes"] < 400_000_000
    assert result["peak_memory_bytes"] == build["peak_memory_bytes"]


def test_what_all_builds_share_is_not_on_the_clock_of_the_first(tmp_path: Path, upstream: LoopbackUpstream) -> None:
    # An interpreter that takes longer to make the environment with pip than a build may take in all.
    slow = tmp_path / "python"
    slow.write_text(f'#!/bin/sh\ncase "$*" in *"-m venv "*/tools/*) sleep 21 ;; esac\nexec {sys.executable} "$@"\n')
    slow.chmod(0o755)
    worker = LocalWorker(tmp_path / "state", str(slow), uv=False)
    result = build_one(worker, upstream, "pass", seconds=20)
    assert result["outcome"] == "built", result["failure"]
    assert "making a virtual environment with pip" in worker.log("one", "b0")
    hung = upstream.add(scripted("hung", "time.sleep(600)"))
    again = worker.build(worker.batch("two", upstream, [hung], seconds=6))["b0"]
    assert again["failure"]["kind"] == "timeout"
