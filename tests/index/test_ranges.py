"""Which bytes a Range header asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piwright.index.ranges import UnsatisfiableRange, parse_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-99", range(100)),
        ("Bytes=0-0", range(1)),
        ("bytes=990-", range(990, 1000)),
        ("bytes=990-5000", range(990, 1000)),
        ("bytes=-10", range(990, 1000)),
        ("bytes=-5000", range(1000)),
        ("bytes=0-", range(1000)),
        (None, None),
        ("", None),
        ("bytes=0-1,5-6", None),
        ("lines=0-1", None),
        ("bytes =0-5", None),
        ("bytes= 0 - 5 ", range(6)),
        ("bytes=0-99999999999999999999", range(1000)),
        ("bytes=-99999999999999999999", range(1000)),
        ("bytes=0-1,2000-", range(2)),
        ("bytes=2000-,5-2,0-1", range(2)),
    ],
)
def test_a_range_is_read_as_the_standard_says(header: str | None, expected: range | None) -> None:
    assert parse_range(header, 1000) == expected


@pytest.mark.parametrize(
    "header",
    [
        *("bytes=1000-", "bytes=1000-2000", "bytes=-0", "bytes=5-2", "bytes=2000-,5-2"),
        *("bytes=-", "bytes=a-b", "bytes=٣-٤", "bytes=0-5;x", "bytes=0-5,", "bytes=+0-5", "bytes=" + "9" * 5000 + "-"),
    ],
)
def test_a_range_without_a_byte_of_the_file_and_what_is_none_are_refused(header: str) -> None:
    with pytest.raises(UnsatisfiableRange):
        parse_range(header, 1000)


def test_an_empty_file_has_no_bytes_to_ask_for() -> None:
    with pytest.raises(UnsatisfiableRange):
        parse_range("bytes=0-", 0)
    assert parse_range(None, 0) is None


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 40))
def test_a_range_is_what_slicing_gives(first: int, length: int, size: int) -> None:
    data = bytes(range(size))
    try:
        part = parse_range(f"bytes={first}-{first + length}", size)
    except UnsatisfiableRange:
        assert first >= size
    else:
        assert part is not None
        assert data[part.start : part.stop] == data[first : first + length + 1]
