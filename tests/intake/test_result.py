"""result.json as a stranger's text: typed, bounded, cleaned, or refused by field."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piwright.intake.result import BuildResult, ResultError, parse_result, read_result

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PHASE = {
    "name": "build",
    "started": "2026-11-22T07:00:01.000000+00:00",
    "seconds": 1.25,
    "peak_memory_bytes": 1000,
    "log_start": 0,
    "log_end": 10,
}
WHEEL = {"filename": "a-1-py3-none-any.whl", "size": 10, "sha256": "0" * 64}
SOUND: dict[str, Any] = {
    "format": 1,
    "build": "123-1",
    "outcome": "built",
    "failure": None,
    "started": "2026-11-22T09:00:00.000000+02:00",
    "finished": "2026-11-22T07:00:05.500000+00:00",
    "phases": [PHASE],
    "peak_memory_bytes": 1000,
    "log": {"bytes": 10, "truncated": False},
    "wheels": [WHEEL],
    "environment": {"python": "3.11.7", "requirements": ["setuptools==80.9.0"]},
}
FAILED = SOUND | {"outcome": "failed", "failure": {"kind": "backend", "message": "it failed"}, "wheels": []}


def parse(result: Any) -> BuildResult:
    return parse_result(json.dumps(result).encode(), "123-1", NOW)


def test_a_result_is_read_with_times_in_utc() -> None:
    result = parse(SOUND)
    assert result.started == datetime(2026, 11, 22, 7, tzinfo=UTC)
    assert (result.finished - result.started).total_seconds() == 5.5
    assert result.phases[0].seconds == 1.25
    assert result.environment == SOUND["environment"]
    assert parse(FAILED).failure is not None


def test_a_field_of_a_later_worker_is_ignored() -> None:
    assert parse(SOUND | {"colour": "green"}) == parse(SOUND)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "$.format"),
        ({"format": "1"}, "$.format"),
        ({"build": "124-1"}, "'123-1' was expected"),
        ({"build": None}, "$.build"),
        ({"outcome": "great"}, "$.outcome"),
        ({"outcome": "failed"}, "failure is null"),
        ({"wheels": []}, "wheels is empty"),
        ({"failure": {"kind": "backend", "message": ""}}, "yet there is a failure"),
        ({"failure": {"kind": "bad luck", "message": ""}}, "$.failure.kind"),
        ({"started": 1700000000}, "$.started"),
        ({"started": "2026-11-22T07:00:00"}, "$.started"),
        ({"started": "0001-01-01T00:00:00+14:00"}, "no time a build can have"),
        ({"started": "1970-01-01T00:00:00Z"}, "set the worker's clock"),
        ({"finished": "2027-01-01T00:00:00Z"}, "set the worker's clock"),
        ({"finished": "2026-11-22T06:00:00Z"}, "finished is before started"),
        ({"phases": [PHASE] * 65}, "$.phases"),
        ({"phases": [PHASE | {"name": "a b"}]}, "$.phases[0].name"),
        ({"phases": [PHASE | {"name": "x" * 1000}]}, "$.phases[0].name"),
        ({"phases": [PHASE | {"seconds": -1}]}, "$.phases[0].seconds"),
        ({"phases": [PHASE | {"started": "2026-11-25T07:00:00Z"}]}, "outside of the build"),
        ({"phases": [PHASE | {"log_start": 11}]}, "ends before it starts"),
        ({"peak_memory_bytes": -1}, "$.peak_memory_bytes"),
        ({"peak_memory_bytes": 10**30}, "$.peak_memory_bytes"),
        ({"log": {"bytes": 1.5, "truncated": False}}, "$.log.bytes"),
        ({"wheels": [WHEEL] * 65}, "$.wheels"),
        ({"wheels": [WHEEL | {"filename": "a" * 300}]}, "$.wheels[0].filename"),
        ({"wheels": [WHEEL | {"sha256": "0" * 64 + "\n"}]}, "$.wheels[0].sha256"),
        ({"environment": {"a": {"b": 1}}}, "$.environment"),
        ({"environment": {str(number): 1 for number in range(101)}}, "$.environment"),
        ({"environment": {"a": 10**400}}, "result.json"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ResultError) as refused:
        parse(SOUND | change)
    assert words in str(refused.value)
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"{",
        b"null",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'"\\ud800"',
        b"NaN",
        b"1" * 100_000,
        b"1e999",
    ],
)
def test_what_is_no_result_is_refused(content: bytes) -> None:
    with pytest.raises(ResultError, match=r"result\.json"):
        parse_result(content, "123-1", NOW)


def test_texts_come_out_fit_for_a_database_and_a_terminal() -> None:
    nasty = "a\x00b\nc\x1b[31mred\x1b[0m\u202etxt" + "x" * 5000
    failure = {"kind": "backend", "message": nasty}
    result = parse(FAILED | {"failure": failure, "environment": {nasty: nasty, "list": [nasty]}})
    assert result.failure is not None
    texts = [result.failure.message, *result.environment, *result.environment["list"]]  # type: ignore[misc]
    for text in texts:
        assert isinstance(text, str)
        assert text.isprintable()
        assert len(text) <= 1000
        text.encode()
    assert result.failure.message.startswith("a\N{REPLACEMENT CHARACTER}b cred\N{REPLACEMENT CHARACTER}txt")


def test_a_huge_result_is_not_even_read(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    with path.open("wb") as file:
        os.truncate(file.fileno(), 1 << 40)
    with pytest.raises(ResultError, match="at most 4194304 are accepted"):
        read_result(path, "123-1")


@pytest.mark.parametrize("kind", ["missing", "link", "directory", "pipe"])
def test_a_result_that_is_no_file_is_refused_without_waiting(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "result.json"
    (tmp_path / "other").write_text(json.dumps(SOUND))
    if kind == "link":
        path.symlink_to(tmp_path / "other")
    elif kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(ResultError, match=r"result\.json is (missing|not a regular file)"):
        read_result(path, "123-1")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_arbitrary_bytes_raise_nothing_but_a_result_error(content: bytes) -> None:
    with pytest.raises(ResultError):
        parse_result(content, "123-1", NOW)


@given(st.dictionaries(st.sampled_from(sorted(SOUND)), JSON | st.datetimes().map(lambda each: each.isoformat() + "Z")))
def test_a_result_with_arbitrary_fields_is_read_or_refused(change: dict[str, Any]) -> None:
    try:
        result = parse(SOUND | change)
    except ResultError:
        return
    assert result.started <= result.finished
