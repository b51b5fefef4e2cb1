"""Why builds fail, told from what the worker saw and from the log."""

import io
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piwright.intake.failure_classes import CLASSES, KIND_TO_CLASS
from piwright.intake.failure_rules import RULES, Rule
from piwright.intake.failures import LINE_LIMIT, Classified, classify_failure, classify_log, read_lines
from piwright.intake.result import FAILURE_KINDS

LOGS = Path(__file__).parent / "logs"
EXPECTED = json.loads((LOGS / "expected.json").read_text())
"""Log name (its class, then perhaps a dot and a variant) to words of the evidence line and what is captured."""


def classify(name: str) -> Classified:
    kind = "requirements" if "phase build" not in (LOGS / f"{name}.txt").read_text() else "backend"
    with (LOGS / f"{name}.txt").open("rb") as stream:
        return classify_failure(kind, read_lines(stream))


def test_every_log_has_an_expectation() -> None:
    assert {path.stem for path in LOGS.glob("*.txt")} == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_log_has_its_class_and_no_other(name: str) -> None:
    found = classify(name)
    assert found.failure_class == name.partition(".")[0]
    assert found.captured == EXPECTED[name]["captured"]
    assert found.text is not None
    assert found.line is not None
    assert EXPECTED[name]["evidence"] in found.text
    line = (LOGS / f"{name}.txt").read_text().split("\n")[found.line - 1]
    assert EXPECTED[name]["evidence"] in line


def test_every_class_a_log_can_show_has_a_log() -> None:
    assert {rule.failure_class for rule in RULES} <= {name.partition(".")[0] for name in EXPECTED}


def test_every_class_and_kind_is_explained() -> None:
    assert {rule.failure_class for rule in RULES} <= set(CLASSES)
    assert set(KIND_TO_CLASS) | {"backend", "requirements"} == set(FAILURE_KINDS)
    assert set(KIND_TO_CLASS.values()) <= set(CLASSES)
    assert all(each.meaning.endswith(".") for each in CLASSES.values())


@pytest.mark.parametrize("kind", sorted(KIND_TO_CLASS))
def test_what_the_worker_saw_itself_needs_no_rule(kind: str) -> None:
    log = ["=== piwright: phase build", "gcc -c a.c", "=== piwright: ended after 10800 seconds", ""]
    found = classify_failure(kind, log)
    assert found.failure_class == KIND_TO_CLASS[kind]
    if kind != "killed":
        assert (found.line, found.text) == (3, "=== piwright: ended after 10800 seconds")


def test_a_build_killed_for_its_memory_is_told_from_one_killed_by_an_operator() -> None:
    killed = ["g++: fatal error: Killed signal terminated program cc1plus"]
    assert classify_failure("killed", killed).failure_class == "out_of_memory"
    assert classify_failure("killed", ["a.c:1:1: error: x"]).failure_class == "killed"


def test_only_our_own_doing_is_infrastructure() -> None:
    ours = {name for name, each in CLASSES.items() if each.infrastructure}
    assert ours == {
        *("fetch_failed", "killed", "no_space", "worker_fault", "worker_lost", "out_of_memory"),
        *("no_sandbox",),
    }


def test_a_phase_that_ended_well_explains_nothing() -> None:
    log = ["ModuleNotFoundError: No module named 'x'", "=== piwright: phase build", "ValueError: wrong"]
    assert classify_log(log).captured["exception"] == "ValueError"


def test_a_log_without_a_line_is_unknown() -> None:
    assert classify_log([]) == Classified("unknown")
    assert classify_log(["", "  \n"]) == Classified("unknown")


class LongLine(io.RawIOBase):
    """50 MB in one line, counted as it is read, then a line that says why."""

    def __init__(self, piece: bytes) -> None:
        self.pieces = self._make(piece)
        self.read_bytes = 0

    @staticmethod
    def _make(piece: bytes) -> Iterator[bytes]:
        for _ in range(50):
            yield (piece * ((1 << 20) // len(piece) + 1))[: 1 << 20]
        yield b"\nModuleNotFoundError: No module named 'numpy'\n"

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        piece = next(self.pieces, b"")
        self.read_bytes += len(piece)
        buffer[: len(piece)] = piece
        return len(piece)


def test_a_line_of_50_mb_costs_one_short_line() -> None:
    source = LongLine(b"fatal error: ")
    lines = []
    tracemalloc.start()
    try:
        for line in read_lines(io.BufferedReader(source, 1 << 20)):  # type: ignore[type-var]
            lines.append(len(line))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert source.read_bytes > 50 << 20
    assert lines == [LINE_LIMIT, 45]
    assert peak < 8 << 20
    again = LongLine(b"cannot find -l")
    assert classify_log(read_lines(io.BufferedReader(again, 1 << 20))).line == 2  # type: ignore[type-var]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.failure_class}: {rule.needle}")
def test_no_rule_takes_long_over_a_hostile_line(rule: Rule) -> None:
    # A pattern with nested repetitions would take hours over one of these.
    for filler in ("a", "a.", "A", ". ", "a:", "/", "'", "-l", "aError", "(", "\t", rule.needle or "x"):
        line = (rule.needle + filler * LINE_LIMIT)[: LINE_LIMIT - 1]
        for _ in range(20):
            rule.pattern.search(line)
            if rule.before:
                rule.before.search(line)


@given(st.lists(st.text()), st.sampled_from(FAILURE_KINDS))
def test_any_log_gets_exactly_one_known_class(lines: list[str], kind: str) -> None:
    found = classify_failure(kind, lines)
    assert found.failure_class in CLASSES
    assert found.text is None or (found.text.encode() is not None and "\0" not in found.text)
    assert found.line is None or 1 <= found.line <= len(lines)


@given(st.lists(st.sampled_from(sorted(EXPECTED)), min_size=1, max_size=3))
def test_only_the_last_phase_decides(names: list[str]) -> None:
    log = "".join((LOGS / f"{name}.txt").read_text() for name in names)
    kind = "requirements" if "phase build" not in (LOGS / f"{names[-1]}.txt").read_text() else "backend"
    found, alone = classify_failure(kind, log.split("\n")), classify(names[-1])
    assert (found.failure_class, found.text, found.captured) == (alone.failure_class, alone.text, alone.captured)
