"""Logs are known by how they begin, read from where they were left, and never further than they are whole."""

import gzip
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piwright.downloads.log_file import LONGEST_LINE, LogReplaced, LogUnreadable, open_log
from piwright.downloads.rotation import log_files


def read(path: Path, position: int = 0) -> list[tuple[bytes | None, int]]:
    with open_log(path) as log:
        return list(log.lines(position))


def test_a_last_line_without_its_end_waits(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(b"one\ntwo\nthr")
    assert read(path) == [(b"one\n", 4), (b"two\n", 8)]
    with path.open("ab") as log:
        log.write(b"ee\n")
    assert read(path, 8) == [(b"three\n", 14)]


def test_a_compressed_log_that_was_read_to_its_end_is_not_unpacked_again(tmp_path: Path) -> None:
    path = tmp_path / "access.log.2.gz"
    path.write_bytes(gzip.compress(b"one\ntwo\n"))
    assert read(path) == [(b"one\n", 4), (b"two\n", 8)]
    with open_log(path) as log:
        assert log.is_counted(8)
        assert not log.is_counted(4)
        assert not log.is_counted(0)


def test_a_line_that_is_too_long_is_passed_over_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    long = b"x" * (5 * LONGEST_LINE)
    path.write_bytes(b"one\n" + long + b"\ntwo\n" + long)
    behind = 4 + len(long) + 1
    assert read(path) == [(b"one\n", 4), (None, behind), (b"two\n", behind + 4)]


@given(st.lists(st.binary(max_size=50).map(lambda line: line.replace(b"\n", b"")), max_size=20), st.integers(0, 20))
def test_reading_in_two_parts_reads_what_reading_at_once_does(lines: list[bytes], part: int) -> None:
    path = Path(os.environ["AIRFLOW_HOME"]) / "property.log"  # a folder of this test run alone
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    whole = read(path)
    assert [line for line, _ in whole] == [line + b"\n" for line in lines]
    first = whole[:part]
    assert first + read(path, first[-1][1] if first else 0) == whole


def test_a_log_keeps_its_fingerprint_when_it_is_renamed_grows_or_is_compressed(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    content = os.urandom(5000).hex().encode() + b"\n"
    path.write_bytes(content)
    with open_log(path) as log:
        known = log.fingerprints()
    assert len(known) == len(set(known)) == 7
    path.write_bytes(content + content)
    with open_log(path) as log:
        assert log.fingerprints() == known
    (tmp_path / "access.log.3.gz").write_bytes(gzip.compress(content))
    with open_log(tmp_path / "access.log.3.gz") as log:
        assert log.fingerprints() == known
        assert next(log.lines(9990)) == (content[9990:], 10001)


def test_a_short_log_is_known_by_what_there_is_and_grows_into_longer_fingerprints(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(b"a" * 63)
    with open_log(path) as log:
        assert log.fingerprints() == []
    path.write_bytes(b"a" * 300)
    with open_log(path) as log:
        short = log.fingerprints()
        assert [each.partition(":")[0] for each in short] == ["256", "128", "64"]
        assert log.fingerprints(until=200) == short[1:]
    path.write_bytes(b"a" * 300 + b"b" * 9000)
    with open_log(path) as log:
        assert log.fingerprints()[-3:] == short


def test_a_log_that_was_cut_short_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(b"first line\n" * 100)
    with open_log(path) as log:
        position = list(log.lines(0))[-1][1]
        log.check(position)
        os.truncate(path, 0)
        with pytest.raises(LogReplaced):
            log.check(position)
        with path.open("ab") as again:
            again.write(b"other line\n" * 200)
        with pytest.raises(LogReplaced):
            log.check(position)


@pytest.mark.parametrize("damage", ["cut", "changed", "no gzip"])
def test_a_broken_compressed_log_is_read_up_to_the_break_and_named(tmp_path: Path, damage: str) -> None:
    content = b"".join(b"%d %s\n" % (number, os.urandom(20).hex().encode()) for number in range(20_000))
    packed = bytearray(gzip.compress(content))
    if damage == "cut":
        packed = packed[: len(packed) // 2]
    elif damage == "changed":
        packed[len(packed) // 2] ^= 0xFF
    else:
        packed = bytearray(content)
    path = tmp_path / "access.log.1.gz"
    path.write_bytes(packed)
    lines: list[tuple[bytes | None, int]] = []
    with open_log(path) as log, pytest.raises(LogUnreadable, match=r"access\.log\.1\.gz: cannot be unpacked from byte"):
        lines.extend(log.lines(0))
    read_back = b"".join(line or b"" for line, _ in lines)
    if damage == "cut":
        assert content.startswith(read_back)
        assert len(read_back) > 100_000
    if damage == "no gzip":
        assert lines == []


def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(LogUnreadable, match="no regular file"), open_log(path):
            pass


def test_rotated_logs_are_found_oldest_first_and_nothing_else(tmp_path: Path) -> None:
    names = ["access.log.2.gz", "access.log.1", "access.log-20261101.gz", "access.log", "access.log.1.bak", "access.log.gz",
             "other.access.log", "access.log.new", "access.logs.1"]  # fmt: skip
    for age, name in enumerate(names):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1_800_000_000 - age, 1_800_000_000 - age))
    found = [path.name for path in log_files(tmp_path / "access.log")]
    assert found == ["access.log-20261101.gz", "access.log.1", "access.log.2.gz", "access.log"]
    assert log_files(tmp_path / "nothing" / "access.log") == []
