"""Which lines of an access log count, and that no line does harm."""

import json
from datetime import date

import pytest
from download_shop import MOMENT, request
from hypothesis import given
from hypothesis import strategies as st

from piwright.downloads.log_line import UnreadableLine, fetched_wheel, parse_line

SHA = "ab" + "0" * 62
NAME = "spidev-3.6-cp311-cp311-linux_armv7l.whl"
PATH = f"/files/ab/{'0' * 62}/{NAME}"
TODAY = date(2026, 11, 22)


def counts(path: str = PATH, **more: object) -> bool:
    return fetched_wheel(parse_line(request(path, **more)), TODAY) is not None  # type: ignore[arg-type]


def test_a_wheel_that_was_served_counts_on_its_day_in_utc() -> None:
    fetch = fetched_wheel(parse_line(request(PATH, time="2026-11-21T01:30:00+02:00", agent="x")), TODAY)
    assert fetch is not None
    assert (fetch.day, fetch.sha256, fetch.filename, fetch.agent) == (date(2026, 11, 20), SHA, NAME, "x")


@pytest.mark.parametrize(
    "more",
    [
        {"status": 206, "range": "bytes=0-"},
        {"status": 206, "range": "bytes=0-499"},
        {"status": 206, "range": "bytes = 0-"},
        {"path": PATH.replace("-cp311-cp311", "%2Blocal-cp311-cp311")},
        {"path": PATH + "?x=1"},
        {"time": "2026-11-22T14:00:00Z"},
    ],
)
def test_it_counts(more: dict[str, object]) -> None:
    assert counts(**{"path": PATH, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "more",
    [
        {"method": "HEAD"},
        {"method": "POST"},
        {"status": 304},
        {"status": 404},
        {"status": 416, "range": "bytes=0-"},
        {"status": 206, "range": "bytes=500-"},
        {"status": 206, "range": "bytes=-8192"},
        {"status": 206, "range": "bytes=0-1,5-6"},
        {"status": 206, "range": ""},
        {"path": PATH + ".metadata"},
        {"path": "/simple/spidev/"},
        {"path": PATH.replace(".whl", ".tar.gz")},
        {"path": PATH.replace("ab/", "AB/")},
        {"path": PATH.replace("ab/", "abc/")},
        {"path": "/x" + PATH},
        {"path": PATH + "/"},
        {"path": PATH.replace("spidev", "%2e%2e%2fspidev")},
        {"path": PATH.replace("spidev", "%00spidev")},
        {"path": PATH.replace("spidev", "%ffspidev")},
        {"path": PATH.replace("spidev", "spi\u0000dev")},
        {"time": "2026-11-22T14:00:00"},
        {"time": "2026-11-24T14:00:00Z"},
        {"time": "1999-01-01T00:00:00Z"},
        {"time": "0001-01-01T00:00:00+14:00"},
        {"time": "9999-12-31T23:59:59-14:00"},
    ],
)
def test_it_does_not_count(more: dict[str, object]) -> None:
    assert not counts(**{"path": PATH, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "line",
    [
        b"\n", b"{}", b"null\n", b"[]\n", b"{\n", b"\x00" * 100, b"\xff\xfe\n", b'{"time": 5}', b"[" * 30_000, b'{"a":' * 5000,
        json.dumps({"time": MOMENT, "method": "GET", "path": PATH, "status": "200"}).encode(),
        json.dumps({"time": "yesterday", "method": "GET", "path": PATH, "status": 200}).encode(),
        json.dumps({"time": MOMENT, "method": "GET", "path": [PATH], "status": 200}).encode(),
        request(PATH)[:-20],
        f'127.0.0.1 - - [22/Nov/2026:14:00:00 +0000] "GET {PATH} HTTP/1.1" 200 1234 "-" "pip/26.3"\n'.encode(),
        None,
    ],
)  # fmt: skip
def test_a_line_that_is_none_of_ours_is_named_without_what_is_in_it(line: bytes | None) -> None:
    with pytest.raises(UnreadableLine) as caught:
        parse_line(line)
    assert str(caught.value) == ""


def test_an_agent_that_is_not_utf_8_spoils_no_line() -> None:
    line = request(PATH, agent="x").replace(b'"agent": "x"', b'"agent": "caf\xe9 \xff"')
    fetch = fetched_wheel(parse_line(line), TODAY)
    assert fetch is not None
    assert fetch.agent == "caf\ufffd \ufffd"


@given(st.binary(max_size=400))
def test_any_bytes_are_a_line_or_unreadable(line: bytes) -> None:
    try:
        fetched_wheel(parse_line(line), TODAY)
    except UnreadableLine:
        pass


@given(
    st.fixed_dictionaries(
        {
            "time": st.one_of(st.datetimes().map(lambda moment: moment.isoformat() + "Z"), st.text(max_size=30)),
            "method": st.sampled_from(["GET", "HEAD", "get", "GET "]),
            "path": st.one_of(st.text(max_size=300), st.text(max_size=20).map(lambda more: PATH + more)),
            "status": st.integers(),
            "agent": st.text(max_size=50),
            "range": st.text(max_size=30),
        }
    )
)
def test_what_counts_is_a_day_a_hash_and_a_plain_file_name(said: dict[str, object]) -> None:
    try:
        fetch = fetched_wheel(parse_line(json.dumps(said).encode()), TODAY)
    except UnreadableLine:
        return
    if fetch:
        assert said["method"] == "GET"
        assert said["status"] in (200, 206)
        assert date(2005, 1, 1) <= fetch.day <= date(2026, 11, 23)
        assert len(fetch.sha256) == 64
        assert fetch.filename.isascii()
        assert fetch.filename.isprintable()
        assert "/" not in fetch.filename
