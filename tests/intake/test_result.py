"""result.json as a stranger's text: typed, bounded, cleaned, or refused by field."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.hostile_results import (
    BROKEN,
    BUILD,
    CONNECTIONS,
    FAILED_RESULT,
    HOSTILE_RESULTS,
    NOW,
    PHASE,
    SANDBOX,
    SOUND_RESULT,
    HostileText,
)
from piwright.intake.result import (
    BuildResult,
    Connections,
    ResultError,
    Sandbox,
    Smoke,
    SmokeModule,
    parse_result,
    read_result,
)


def parse(result: Any) -> BuildResult:
    return parse_result(json.dumps(result).encode(), BUILD, NOW)


def test_a_result_is_read_with_times_in_utc() -> None:
    result = parse(SOUND_RESULT)
    assert result.started == datetime(2026, 11, 22, 7, tzinfo=UTC)
    assert (result.finished - result.started).total_seconds() == 5.5
    assert result.phases[0].seconds == 1.25
    assert result.environment == SOUND_RESULT["environment"]
    assert parse(FAILED_RESULT).failure is not None


def test_what_a_build_spent_and_what_was_around_it_is_read() -> None:
    earlier = {name: PHASE[name] for name in ("name", "started", "seconds")}
    more = {"phases": [PHASE, earlier], "sandbox": SANDBOX, "connections": CONNECTIONS, "smoke": BROKEN}
    result = parse(SOUND_RESULT | more)
    assert (result.outcome, len(result.wheels)) == ("built", 1)
    assert (result.phases[0].cpu_seconds, result.phases[0].scratch_bytes) == (1.5, 1 << 40)
    assert result.phases[1].cpu_seconds is None
    assert result.sandbox == Sandbox("bubblewrap", "watchdog", "rlimit", "disk")
    assert result.connections == Connections(3, 0, 1)
    assert result.smoke == Smoke("broken", "it crashed", (SmokeModule("a", "broken", "139"),))


def test_a_result_of_an_earlier_worker_says_nothing_of_it() -> None:
    earlier = {name: value for name, value in SOUND_RESULT.items() if name not in ("sandbox", "connections", "smoke")}
    assert parse(earlier) == parse(earlier | {"sandbox": None, "connections": None, "smoke": None})
    result = parse(earlier)
    assert (result.sandbox, result.connections, result.smoke) == (None, None, None)


def test_a_field_of_a_later_worker_is_ignored() -> None:
    assert parse(SOUND_RESULT | {"colour": "green"}) == parse(SOUND_RESULT)


@pytest.mark.parametrize("case", HOSTILE_RESULTS, ids=lambda case: case.name)
def test_a_wrong_field_is_named(case: HostileText) -> None:
    with pytest.raises(ResultError) as refused:
        parse_result(case.make(), BUILD, NOW)
    assert case.reason in str(refused.value)
    assert len(str(refused.value)) < 500
    assert str(refused.value).isprintable()


def test_texts_come_out_fit_for_a_database_and_a_terminal() -> None:
    nasty = "a\x00b\nc\x1b[31mred\x1b[0m\u202etxt" + "x" * 5000
    failure = {"kind": "backend", "message": nasty}
    smoke = {
        "outcome": "broken",
        "detail": nasty,
        "modules": [{"name": nasty[:200], "outcome": "broken", "detail": nasty}],
    }
    environment = {nasty: nasty, "list": [nasty]}
    result = parse(FAILED_RESULT | {"failure": failure, "environment": environment, "smoke": smoke})
    assert result.failure is not None
    assert result.smoke is not None
    module = result.smoke.modules[0]
    texts = [result.smoke.detail, module.name, module.detail]
    texts += [result.failure.message, *result.environment, *result.environment["list"]]  # type: ignore[misc]
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
        read_result(path, BUILD)


@pytest.mark.parametrize("kind", ["missing", "link", "directory", "pipe"])
def test_a_result_that_is_no_file_is_refused_without_waiting(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "result.json"
    (tmp_path / "other").write_text(json.dumps(SOUND_RESULT))
    if kind == "link":
        path.symlink_to(tmp_path / "other")
    elif kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(ResultError, match=r"result\.json is (missing|not a regular file)"):
        read_result(path, BUILD)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_arbitrary_bytes_raise_nothing_but_a_result_error(content: bytes) -> None:
    with pytest.raises(ResultError):
        parse_result(content, BUILD, NOW)


@given(
    st.dictionaries(
        st.sampled_from(sorted(SOUND_RESULT)),
        JSON | st.datetimes().map(lambda each: each.isoformat() + "Z"),
    )
)
def test_a_result_with_arbitrary_fields_is_read_or_refused(change: dict[str, Any]) -> None:
    try:
        result = parse(SOUND_RESULT | change)
    except ResultError:
        return
    assert result.started <= result.finished
