"""What a worker sends costs no more memory and time than it may: measured in a process of its own, by the kernel."""

import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from intake.hostile_contents import CONTENTS
from intake.hostile_wheels import CODE, CORPUS, make_wheel
from intake.hostile_zips import FILENAME, ZIPS, deep, write
from intake.raw_zip import RawMember, deflate, write_zip

TESTS = Path(__file__).parent.parent
MEMORY, SECONDS = 400 << 20, 20  # of CPU: others may use the machine too
BY_NAME = {case.name: case for case in (*CORPUS, *CONTENTS, *ZIPS)}


def build(directory: Path, make: Callable[[Path], Path] = make_wheel, **change: Any) -> Path:
    """A build directory whose result claims the wheel that is there."""
    place = directory / "123-1"
    (place / "wheels").mkdir(parents=True)
    path = make(place / "wheels")
    size = path.stat().st_size
    digest = "0" * 64 if size > 1 << 30 else hashlib.sha256(path.read_bytes()).hexdigest()
    now = datetime.now(UTC)
    result = {
        "format": 1,
        "build": place.name,
        "outcome": "built",
        "failure": None,
        "started": (now - timedelta(minutes=1)).isoformat(),
        "finished": now.isoformat(),
        "phases": [],
        "log": {"bytes": 4, "truncated": False},
        "wheels": [{"filename": path.name, "size": size, "sha256": digest}],
    } | change
    (place / "result.json").write_text(json.dumps(result))
    (place / "log.txt").write_text("log\n")
    return place


def examined(place: Path) -> dict[str, Any]:
    environment = os.environ | {"PYTHONPATH": f"{TESTS}:{TESTS.parent / 'include'}"}
    done = subprocess.run(
        [sys.executable, "-m", "intake.bounded", str(place)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer["bytes"] < MEMORY, answer
    assert answer["seconds"] < SECONDS, answer
    return answer


def sparse(path: Path, size: int) -> Path:
    """A file that says it has so many bytes, and takes no room."""
    with path.open("wb") as file:
        file.truncate(size)
    return path


def _zeros(directory: Path) -> Path:
    """As many zeros as the ratio allows, among noise: 100 MB of both."""
    noise = random.Random(1).randbytes(1 << 20)
    pieces = {f"noise{number}.bin": bytes(25 << 20) for number in range(4)}
    return make_wheel(directory, code=CODE | {"noise.bin": noise} | pieces)


def _quiet(directory: Path) -> Path:
    """20 MB of deflate that come to nothing."""
    packed = b"\0\0\0\xff\xff" * (4 << 20) + deflate(b"")
    return write(directory, write_zip([RawMember(b"a.py", packed=packed)]))


def test_a_sound_wheel_passes_in_the_same_process(tmp_path: Path) -> None:
    assert examined(build(tmp_path))["failure"] is None


@pytest.mark.parametrize(
    "name",
    [
        *("bomb", "lying bomb", "many files", "claims many", "huge METADATA", "many headers", "nested marker"),
        *("RECORD of millions of rows", "headers behind a colon", "long requires-dist", "many requires-dist"),
        *("version of 5000 digits", "WHEEL with a bomb of tags", "a bomb of many files", "petabytes", "quoted overlap"),
        *("700000 members without a name", "20 MB of deflate that come to nothing", "thousands of tags"),
    ],
)
def test_a_wheel_that_is_dear_to_read_is_refused_cheaply(name: str, tmp_path: Path) -> None:
    case = BY_NAME[name]
    answer = examined(build(tmp_path, case.make))
    assert answer["failure"] == "rejected"
    assert case.reason in answer["message"]


def test_members_below_two_million_directories_are_refused_cheaply(tmp_path: Path) -> None:
    answer = examined(build(tmp_path, lambda directory: deep(directory, 20_000)))
    assert answer["failure"] == "rejected"
    assert "0 .dist-info" in answer["message"]


@pytest.mark.parametrize("make", [_zeros, _quiet])
def test_as_much_as_the_limits_allow_is_read_in_pieces(make: Callable[[Path], Path], tmp_path: Path) -> None:
    examined(build(tmp_path, make))


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("result.json", "at most 4194304 are accepted"),
        ("log.txt", "at most 34603008 are accepted"),
        (f"wheels/{FILENAME}", "at most 536870912 are accepted"),
    ],
)
def test_terabytes_are_not_read(path: str, reason: str, tmp_path: Path) -> None:
    place = build(tmp_path)
    sparse(place / path, 1 << 40)
    answer = examined(place)
    assert answer["failure"] == "rejected"
    assert f"{1 << 40} bytes; {reason}" in answer["message"]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"\n", id="empty lines"),
        pytest.param(b"a", id="one line"),
        pytest.param(b"\x1b[", id="terminal sequences"),
        pytest.param(b"error: " * 500 + b"\n", id="errors"),
        pytest.param(b"x.c:1:1: fatal error: " + b"a" * 3900 + b"\n", id="almost a missing header"),
        pytest.param(b"ERROR: " + b" " * 3900 + b"\n", id="blanks"),
        pytest.param(b"ModuleNotFoundError: No module named '" + b"a." * 1900 + b"\n", id="almost a missing module"),
        pytest.param(b"ImportError: cannot import name 'a' from 'b'\n", id="imports"),
    ],
)
def test_the_time_a_log_takes_grows_with_its_length_and_no_faster(line: bytes, tmp_path: Path) -> None:
    failure = {"kind": "backend", "message": "it failed"}
    place = build(tmp_path, outcome="failed", failure=failure, wheels=[])
    (place / "log.txt").write_bytes((line * ((2 << 20) // len(line)))[: 2 << 20])
    assert examined(place)["failure"] not in (None, "rejected")
