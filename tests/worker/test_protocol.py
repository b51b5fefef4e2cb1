"""Specs and answers as data: what one end writes the other reads, and nothing else."""

import dataclasses
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piwright.worker import (
    BatchSpec,
    BuildSpec,
    BuildStatus,
    Limits,
    ProtocolError,
    SdistSpec,
    StatusAnswer,
    WorkerRefusal,
)
from piwright.worker.program.protocol import IDENTIFIER

SPEC = BatchSpec(
    batch="17-1",
    index_url="https://index.example/simple/",
    python="/usr/bin/python3.11",
    limits=Limits(10800, 1800, 1 << 25, 1 << 29),
    builds=(
        BuildSpec(
            build="123-1",
            project="spidev",
            version="3.6",
            sdist=SdistSpec(
                "spidev-3.6.tar.gz", "https://files.example/spidev-3.6.tar.gz", {"sha256": "a" * 64}, 12345
            ),
            source_date_epoch=1_700_000_000,
        ),
    ),
)
ANSWER: dict[str, Any] = {
    "format": 1,
    "worker_version": "abc",
    "batch": "17-1",
    "state": "running",
    "builds": [
        {"build": "123-1", "state": "running", "phase": "build"},
        {"build": "124-1", "state": "waiting", "phase": None},
    ],
}


def test_a_spec_reads_as_it_was_written() -> None:
    assert BatchSpec.from_json(SPEC.to_json()) == SPEC
    unsized = dataclasses.replace(SPEC.builds[0], sdist=dataclasses.replace(SPEC.builds[0].sdist, size=None))
    spec = dataclasses.replace(SPEC, builds=(unsized,))
    assert BatchSpec.from_json(spec.to_json()) == spec


def changed(path: str, value: object) -> bytes:
    """The spec as JSON with one member replaced (dots lead inside, numbers into lists)."""
    whole = json.loads(SPEC.to_json())
    *way, last = path.split(".")
    place = whole
    for step in way:
        place = place[int(step) if step.isdigit() else step]
    place[last] = value
    return json.dumps(whole).encode()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("format", "1"),
        ("batch", "../17"),
        ("batch", "a..b"),
        ("index_url", "file:///etc/passwd"),
        ("index_url", "https://index.example/simple/ --extra"),
        ("python", "python3"),
        ("limits", []),
        ("limits.seconds", 0),
        ("limits.seconds", True),
        ("limits.silent_seconds", 1.5),
        ("limits.log_bytes", 10),
        ("limits.wheel_bytes", 1 << 60),
        ("builds", {}),
        ("builds.0.build", "a/b"),
        ("builds.0.project", "spi dev"),
        ("builds.0.version", "1\n"),
        ("builds.0.source_date_epoch", -1),
        ("builds.0.sdist.filename", "../spidev.tar.gz"),
        ("builds.0.sdist.filename", ""),
        ("builds.0.sdist.url", "ftp://files.example/spidev.tar.gz"),
        ("builds.0.sdist.url", "https:///nowhere"),
        ("builds.0.sdist.hashes", {"md5": "d41d8cd98f00b204e9800998ecf8427e"}),
        ("builds.0.sdist.hashes", {"sha256": "A" * 64}),
        ("builds.0.sdist.hashes", {"sha256": 7}),
        ("builds.0.sdist.size", "12345"),
    ],
)
def test_a_wrong_member_of_a_spec_is_named(path: str, value: object) -> None:
    with pytest.raises(ProtocolError) as caught:
        BatchSpec.from_json(changed(path, value))
    name = path.rpartition(".")[2]
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_same_build_twice_is_refused() -> None:
    with pytest.raises(ProtocolError, match="'123-1' is listed twice"):
        BatchSpec.from_json(dataclasses.replace(SPEC, builds=SPEC.builds * 2).to_json())


def test_weak_hashes_are_left_out_when_a_strong_one_is_there() -> None:
    spec = BatchSpec.from_json(changed("builds.0.sdist.hashes", {"md5": "x", "sha512": "0" * 128}))
    assert spec.builds[0].sdist.hashes == {"sha512": "0" * 128}


def test_an_answer_is_read_into_types() -> None:
    answer = StatusAnswer.from_json(json.dumps(ANSWER).encode())
    builds = (BuildStatus("123-1", "running", "build"), BuildStatus("124-1", "waiting"))
    assert answer == StatusAnswer("abc", "17-1", "running", builds)
    assert answer.done == ()
    assert answer.to_json() == ANSWER


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"state": "dancing"}, "field 'state' is 'dancing'; it must be one of running, finished"),
        ({"format": 2}, "field 'format'"),
        ({"batch": "../x"}, "field 'batch'"),
        ({"builds": [{"build": "1", "state": "done"}]}, r"builds\[0\]: field 'phase' is missing"),
        ({"builds": [{"build": "1", "state": "done", "phase": "lunch"}]}, "field 'phase' is 'lunch'"),
        ({"builds": [7]}, r"builds\[0\] must be an object"),
        ({"builds": [{}] * 3000}, "at most 2000"),
        ({"worker_version": "a" * 200}, "field 'worker_version'"),
        ({"worker_version": "\x1b[2J"}, "field 'worker_version'"),
    ],
)
def test_a_wrong_member_of_an_answer_is_named(change: dict[str, object], words: str) -> None:
    with pytest.raises(ProtocolError, match=words):
        StatusAnswer.from_json(json.dumps({**ANSWER, **change}).encode())


def test_the_workers_own_refusal_is_passed_on() -> None:
    with pytest.raises(WorkerRefusal, match="the worker refused: no such thing"):
        StatusAnswer.from_json(b'{"error": "no such thing"}')


@pytest.mark.parametrize("data", [b"", b"Welcome to your Pi!", b"[" * 100_000, b"\xff", b"1", b" " * (1 << 21)])
def test_what_is_no_answer_is_refused_whatever_it_is(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        StatusAnswer.from_json(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*ANSWER, "phase"]), inner, max_size=5),
    max_leaves=20,
)


@given(JSON)
def test_no_answer_can_do_more_than_be_refused(value: Any) -> None:
    sentence = "fine"
    try:
        StatusAnswer.from_json(json.dumps(value).encode())
    except ProtocolError as error:
        sentence = str(error)
    assert sentence.isprintable()
    assert len(sentence) < 3000


@given(st.text(max_size=120))
def test_no_identifier_leads_out_of_its_directory(name: str) -> None:
    if re.fullmatch(IDENTIFIER, name):
        assert "/" not in name
        assert ".." not in name
        assert name.isascii()
        assert name.isprintable()
        assert not name.startswith((".", "-"))
        assert 1 <= len(name) <= 100
