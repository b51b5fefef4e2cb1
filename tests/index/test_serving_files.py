"""Wheels, metadata and logs, as both web servers hand them out."""

import gzip
from email.utils import formatdate, parsedate_to_datetime

import pytest
from backports import zstd
from serving import HASH, LOG, WHEEL, WHEEL_ADDRESS, WHEEL_BYTES, RunningServer

FOR_EVER = "public, max-age=31536000, immutable"
BUILD = "/project/spidev/build/12"


def test_a_wheel_is_served_as_it_is_and_for_ever(server: RunningServer) -> None:
    for path in (WHEEL_ADDRESS, f"/{WHEEL}"):
        answer = server.get(path, Accept_Encoding="gzip, zstd", Accept="image/png")
        assert (answer.status, answer.body) == (200, WHEEL_BYTES)
        assert answer.headers["Content-Encoding"] is None
        assert answer.headers["Vary"] is None
        assert answer.headers.get_all("Content-Type") == ["application/octet-stream"]
        assert answer.headers["Cache-Control"] == FOR_EVER
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert answer.headers["ETag"].startswith('"')
        assert server.get(path, If_None_Match=answer.headers["ETag"]).status == 304
        assert server.get(path, If_Modified_Since=answer.headers["Last-Modified"]).status == 304


def test_metadata_is_text_with_twins(server: RunningServer) -> None:
    plain = server.get(f"{WHEEL_ADDRESS}.metadata")
    assert plain.body.startswith(b"Metadata-Version: 2.1\nName: spidev")
    for encoding, unpack in (("gzip", gzip.decompress), ("zstd", zstd.decompress)):
        packed = server.get(f"{WHEEL_ADDRESS}.metadata", Accept_Encoding=encoding)
        assert packed.headers["Content-Encoding"] == encoding
        assert unpack(packed.body) == plain.body
        assert len(packed.body) < len(plain.body)
        assert packed.headers["ETag"] != plain.headers["ETag"]
        for answer in (plain, packed):
            assert answer.headers.get_all("Content-Type") == ["text/plain; charset=utf-8"]
            assert answer.headers["Cache-Control"] == FOR_EVER
            assert answer.headers["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [("bytes=0-9", 0, 10), ("bytes=-7", -7, None), ("bytes=100-", 100, None), ("bytes=383990-999999", 383990, None)],
)
def test_a_part_of_a_wheel(server: RunningServer, asked: str, start: int, stop: int | None) -> None:
    answer = server.get(WHEEL_ADDRESS, Range=asked)
    part = range(len(WHEEL_BYTES))[start:stop]
    assert (answer.status, answer.body) == (206, WHEEL_BYTES[start:stop])
    assert answer.headers["Content-Range"] == f"bytes {part[0]}-{part[-1]}/{len(WHEEL_BYTES)}"
    assert answer.headers["Cache-Control"] == FOR_EVER


def test_a_range_is_judged_against_the_wheel(server: RunningServer) -> None:
    for beyond in (f"bytes={len(WHEEL_BYTES)}-", "bytes=-0", "bytes=5-2", "bytes=a-b", "bytes=-", "bytes=0-5;x"):
        answer = server.get(WHEEL_ADDRESS, Range=beyond)
        assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{len(WHEEL_BYTES)}")
        assert "no-store" in ", ".join(answer.headers.get_all("Cache-Control") or ())
    whole = server.get(WHEEL_ADDRESS)
    tag, written = whole.headers["ETag"], whole.headers["Last-Modified"]
    assert server.get(WHEEL_ADDRESS, Range="bytes=0-9", If_Range=tag).status == 206
    assert server.get(WHEEL_ADDRESS, Range="bytes=0-9", If_Range=written).status == 206
    for other in ('"other"', f"W/{tag}", "Sun, 06 Nov 1994 08:49:37 GMT"):
        answer = server.get(WHEEL_ADDRESS, Range="bytes=0-9", If_Range=other)
        assert (answer.status, answer.body) == (200, WHEEL_BYTES)
    for odd in ("bytes=0-1,4-5", "lines=0-1", "bytes =0-5"):
        assert server.get(WHEEL_ADDRESS, Range=odd).body == WHEEL_BYTES


def test_pages_come_whole(server: RunningServer) -> None:
    for path in ("/simple/spidev/", "/", f"{WHEEL_ADDRESS}.metadata"):
        answer = server.get(path, Range="bytes=0-9")
        assert (answer.status, answer.body) == (200, server.get(path).body)
        assert answer.headers["Accept-Ranges"] is None


def test_a_condition_that_does_not_hold_is_no_reason_to_send_anything(server: RunningServer) -> None:
    whole = server.get(WHEEL_ADDRESS)
    moment = parsedate_to_datetime(whole.headers["Last-Modified"]).timestamp()
    assert server.get(WHEEL_ADDRESS, If_Match='"other"').status == 412
    assert server.get(WHEEL_ADDRESS, If_Match=whole.headers["ETag"]).status == 200
    assert server.get(WHEEL_ADDRESS, If_Match="*").status == 200
    assert server.get(WHEEL_ADDRESS, If_Unmodified_Since=formatdate(moment - 1, usegmt=True)).status == 412
    assert server.get(WHEEL_ADDRESS, If_Unmodified_Since=formatdate(moment, usegmt=True)).status == 200


@pytest.mark.parametrize(
    "path",
    [
        f"/files/ab/{'d' * 62}/a-1.0-py3-none-any.whl",
        f"/files/{HASH[:2]}/{HASH[2:]}/other-1.0-py3-none-any.whl",
        f"/files/{HASH[:2]}/{HASH[2:]}/other-1.0-py3-none-any.whl.metadata",
    ],
)
def test_a_file_that_is_not_there_is_not_found_and_not_for_ever(server: RunningServer, path: str) -> None:
    answer = server.get(path)
    assert (answer.status, answer.headers["Cache-Control"]) == (404, "public, max-age=60")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert len(answer.body) < 200


def test_a_log_is_sent_packed_to_those_who_unpack_it(server: RunningServer) -> None:
    for accepted in ("gzip", "gzip, deflate, br, zstd", "*"):
        answer = server.get(f"{BUILD}/log.txt", Accept_Encoding=accepted)
        assert answer.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(answer.body) == LOG
        assert answer.headers["ETag"].startswith('"')
        assert answer.headers["Content-Length"] == str(len(answer.body))


def test_a_log_is_unpacked_for_the_others(server: RunningServer) -> None:
    for accepted in ("", "gzip;q=0", "zstd"):
        answer = server.get(f"{BUILD}/log.txt", Accept_Encoding=accepted)
        assert answer.headers["Content-Encoding"] is None
        assert answer.body == LOG
        assert answer.headers.get_all("Content-Type") == ["text/plain; charset=utf-8"]
        assert answer.headers["Vary"] == "Accept-Encoding"
        tag = answer.headers["ETag"]
        assert tag.startswith("W/")
        assert server.get(f"{BUILD}/log.txt", Accept_Encoding=accepted, If_None_Match=tag).status == 304


def test_who_speaks_http_1_0_gets_the_same(server: RunningServer) -> None:
    for path, body in ((f"{BUILD}/log.txt", LOG), (WHEEL_ADDRESS, WHEEL_BYTES)):
        head, _, got = server.raw(f"GET {path} HTTP/1.0\r\n\r\n".encode()).partition(b"\r\n\r\n")
        assert b" 200 " in head.splitlines()[0]
        assert got == body
    packed = server.raw(f"GET {BUILD}/log.txt HTTP/1.0\r\nVia: 1.0 proxy\r\nAccept-Encoding: gzip\r\n\r\n".encode())
    assert gzip.decompress(packed.partition(b"\r\n\r\n")[2]) == LOG
