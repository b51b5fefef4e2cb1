"""A page shows of a log what a reader needs, and no log costs more than its bytes."""

import gzip
import io
import resource
import time

import pytest

from piwright.site.log_excerpt import (
    AFTER,
    BEFORE,
    HEAD,
    LINE_LENGTH,
    MOST_LINES,
    TAIL,
    Excerpt,
    read_excerpt,
    show_line,
)


def excerpt(log: bytes, evidence: int | None = None, most_bytes: int | None = None) -> Excerpt:
    most = len(log) if most_bytes is None else most_bytes
    return read_excerpt(io.BytesIO(gzip.compress(log, 1)), evidence=evidence, most_bytes=most)


def numbers(found: Excerpt) -> list[int]:
    return [line.number for part in found.parts for line in part.lines]


def test_a_short_log_is_shown_as_a_whole() -> None:
    found = excerpt(b"one\n\n  two\nthree")
    assert [(line.number, line.text) for line in found.parts[0].lines] == [
        (1, "one"),
        (2, ""),
        (3, "  two"),
        (4, "three"),
    ]
    assert (found.total, found.whole, found.problem) == (4, True, None)


@pytest.mark.parametrize(("log", "total"), [(b"", 0), (b"\n", 1), (b"a", 1), (b"a\n\n", 2)])
def test_lines_are_counted_as_an_editor_counts_them(log: bytes, total: int) -> None:
    found = excerpt(log)
    assert (found.total, len(numbers(found)), found.whole) == (total, total, True)


@pytest.mark.parametrize("evidence", [1, 60, 61, 500, 2500, 4799, 4990, 5000])
@pytest.mark.parametrize("filler", [b"", b"x" * 300])
def test_a_long_log_shows_its_beginning_its_evidence_and_its_end_in_order(evidence: int, filler: bytes) -> None:
    found = excerpt(b"".join(b"line %d %s\n" % (number, filler) for number in range(1, 5001)), evidence)
    shown = numbers(found)
    assert shown == sorted(set(shown))
    assert len(shown) <= MOST_LINES
    assert {1, HEAD, evidence, 5000, 5000 - TAIL + 1} <= set(shown)
    assert set(range(max(1, evidence - BEFORE), min(5000, evidence + AFTER) + 1)) <= set(shown)
    for part in found.parts:
        for line in part.lines:
            assert line.text.startswith(f"line {line.number} ")
    position = 0
    for part in found.parts:
        assert part.lines[0].number == position + part.skipped + 1
        position = part.lines[-1].number
    assert (found.total, found.whole) == (5000, False)


def test_a_log_without_line_ends_is_one_cut_line() -> None:
    found = excerpt(b"y" * 3_000_000)
    [part] = found.parts
    [line] = part.lines
    assert (line.number, len(line.text), line.text[-1]) == (1, LINE_LENGTH, "…")
    assert found.total == 1


def test_the_end_is_there_though_a_giant_line_stands_before_it() -> None:
    found = excerpt(b"begin\n" * 500 + b"z" * 2_000_000 + b"\nthe end\n")
    assert found.parts[-1].lines[-1].text == "the end"
    assert found.total == 502


# What took minutes or gigabytes if a line or a log were read as such.
@pytest.mark.parametrize(
    ("log", "evidence"),
    [
        (b"\n" * 50_000_000, 49_999_000),
        (b"x" * 50_000_000, 1),
        (b"a fairly ordinary line of a log\n" * 1_600_000, 800_000),
    ],
    ids=["line-ends", "one-line", "ordinary"],
)
def test_fifty_megabytes_take_seconds_and_no_memory(log: bytes, evidence: int) -> None:
    packed = gzip.compress(log, 1)
    size = len(log)
    del log
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    found = read_excerpt(io.BytesIO(packed), evidence=evidence, most_bytes=size)
    assert time.process_time() - began < 3
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000  # kB
    assert evidence in numbers(found)
    assert len(numbers(found)) <= MOST_LINES


def test_a_bomb_is_cut_where_the_recorded_size_ends() -> None:
    found = excerpt(b"first\n" + b"\0" * 100_000_000, most_bytes=1000)
    assert "more in it than was recorded" in (found.problem or "")
    assert found.parts[0].lines[0].text == "first"
    assert not found.whole


@pytest.mark.parametrize(
    "damage", [lambda packed: packed[:-20], lambda packed: packed[:40] + b"\xff" * 40, lambda _: b""]
)
def test_a_damaged_log_shows_what_can_be_read_and_says_so(damage: object) -> None:
    packed = gzip.compress(b"".join(b"line %d\n" % number for number in range(50_000)), 1)
    found = read_excerpt(io.BytesIO(damage(packed)), evidence=3, most_bytes=None)  # type: ignore[operator]
    assert "cannot be read to its end" in (found.problem or "")
    assert not found.whole


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b"    indented", "    indented"),
        (b"\ttab", "    tab"),
        (b"\x1b[31mred\x1b[0m", "red"),
        (b"\x1b]8;;http://x\x07click", "8;;http://x\ufffdclick"),
        (b"10%\r20%\r", "10%␍20%"),
        ("a\u202eb\u2066c".encode(), "a\ufffdb\ufffdc"),
        (b"\xff\xfe\x00", "\ufffd\ufffd\ufffd"),
        (b"<script>", "<script>"),
        (b"a\x0bb\x0cc\x85", "a\ufffdb\ufffdc\ufffd"),
    ],
)
def test_a_line_shows_what_it_is_and_does_nothing(line: bytes, shown: str) -> None:
    assert show_line(line) == shown


def test_the_last_lines_are_as_many_as_they_say() -> None:
    found = excerpt(b"l\n" * 10_000)
    assert numbers(found)[-TAIL:] == list(range(10_000 - TAIL + 1, 10_001))
