"""What both web servers do with requests that mean no good, and what every answer of theirs has."""

import json
import re
import socket

import pytest
from serving import HASH, JSON, TARGET, WHEEL, WHEEL_ADDRESS, RunningServer

FOLDER = f"/files/{HASH[:2]}/{HASH[2:]}"

TRICKS = [
    "/../secret",
    "/../secret.html",
    "/%2e%2e/secret",
    "/%2E%2E%2Fsecret",
    "/..%2fsecret",
    "/simple/..%2f..%2fsecret",
    "/simple/../simple/",
    "/simple/%2e%2e/simple/",
    "/simple/./spidev/",
    "/simple/spidev/..",
    "/simple/spidev/../../secret",
    "/simple/%00/",
    "/simple/spidev%00/",
    "/simple/a%0d%0aSet-Cookie:x/",
    "/simple/a%0d%0aSet-Cookie:x",
    "/project/a%0d%0aSet-Cookie:x/json",
    "/simple/%ff/",
    "/simple/\\..\\..\\secret",
    "/simple/..%5c..%5csecret",
    "//secret",
    "//simple/",
    "/simple//",
    "/simple//spidev/",
    "/simple/spidev//",
    "//evil.invalid/",
    "//evil.invalid/..;/simple",
    "/.new/secret.html",
    "/%2enew/secret.html",
    "/.hidden",
    "/simple/.hidden/",
    "/.unfit",
    "/.unpacked/project/spidev/build/12/log.txt",
    "/.nowhere",
    "/simple%2fspidev/",
    "/simple%2Fspidev/",
    "/files%2f../secret",
    f"{FOLDER}/",
    FOLDER,
    f"{FOLDER}/..",
    f"{FOLDER}/%2e%2e",
    f"{FOLDER}/..%2f..%2f..%2f..%2fsecret",
    f"{FOLDER}/.{WHEEL.rpartition('/')[2]}.1.new",
    f"{FOLDER}/%2e{WHEEL.rpartition('/')[2]}.1.new",
    f"{FOLDER}/a.tar.gz",
    f"{FOLDER}/a%2fb.whl",
    f"{FOLDER}/a%00.whl",
    f"/files/AB/{'c' * 62}/{WHEEL.rpartition('/')[2]}",
    f"/files/a/b{'c' * 62}/a-1.0-py3-none-any.whl",
    "/simple/" + "a" * 300 + "/",
    "/simple/-a/",
    "/simple/a-/",
    "/simple/%C5%BFpidev/",
    "/simple/spidev/index.v1_json",
    "/simple/spidev/x/",
    f"/{TARGET}/../secret",
    f"/{TARGET}%2fsimple/",
    "/project/../secret",
    "/project/spidev/%2e%2e/%2e%2e/%2e%2e/secret",
    "/project/spidev/build/../../../../secret",
    "/static/../404.html",
    "/static/%2e%2e/secret",
    "/search/%3f",
    "/%zz",
    "/%",
]


@pytest.mark.parametrize("path", TRICKS)
def test_there_is_no_way_out_and_no_listing(server: RunningServer, path: str) -> None:
    head, _, body = server.raw(
        f"GET {path} HTTP/1.1\r\nHost: index.invalid\r\nConnection: close\r\n\r\n".encode()
    ).partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    # Some of them are no request at all for nginx.
    assert status == 404 or (status == 400 and re.search(r"\.\.|%2e|%00|%zz|%$", path, re.IGNORECASE))
    assert b"secret" not in body
    assert b"spidev-3.6" not in body
    assert b"set-cookie" not in head.lower()
    assert b"location" not in head.lower()


def test_a_request_with_a_whole_address_is_no_way_around(server: RunningServer) -> None:
    request = b"GET http://127.0.0.1%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert b"Location: spidev/" in server.raw(request % b"/simple/spidev")
    assert b" 404 " in server.raw(request % b"/simple//spidev/").splitlines()[0]


@pytest.mark.parametrize(
    "request_line",
    [b"GET", b"GET /", b"GET / HTTP/9.9", b"\x00\x01\x02", b"get /simple/ HTTP/1.1", b"GET /simple/ x HTTP/1.1"],
)
def test_what_is_no_request_is_answered_by_an_error_or_nothing(server: RunningServer, request_line: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(request_line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        said = b"".join(iter(lambda: connection.recv(65536), b""))
    status = said.split(b" ", 2)[1] if said.startswith(b"HTTP/") else b""
    assert not said.startswith(b"HTTP/") or status[:1] in b"45" or request_line == b"GET /"
    assert server.get("/healthz").status == 200


def test_headers_of_any_size_harm_nobody(server: RunningServer) -> None:
    for value in ('"' * 7000, ',"' * 3500, "text/html;q=" * 600, "gzip;q=0," * 800, "\\" * 7000, "a;" * 3500):
        for name in ("Accept", "Accept_Encoding", "If_None_Match", "Range", "If_Modified_Since", "User_Agent"):
            assert server.get("/simple/spidev/", **{name: value}).status in (200, 400, 406)
    assert server.get("/simple/spidev/", Accept="x" * 100_000).status in (400, 431)


def test_head_says_what_get_would(server: RunningServer) -> None:
    missing = ("/nothing", "/simple/numpy/", "/extra/simple/numpy/", f"{FOLDER}/x-1.0-py3-none-any.whl")
    found = ("/", "/healthz", "/simple/", "/simple/spidev/", "/SIMPLE", WHEEL_ADDRESS, f"{WHEEL_ADDRESS}.metadata")
    for path in (*found, *missing, "/simple/SPIDEV/", "/search", "/project/spidev/build/12/log.txt"):
        for encoding in ("identity", "gzip"):
            get, head = (server.get(path, method, Accept_Encoding=encoding) for method in ("GET", "HEAD"))
            assert (head.status, head.body) == (get.status, b"")
            left = ("Date", "Transfer-Encoding")
            kept = {name: value for name, value in get.headers.items() if name not in left}
            assert {name: value for name, value in head.headers.items() if name not in left} == kept


def test_every_answer_may_be_read_from_anywhere_and_is_taken_as_what_it_says(server: RunningServer) -> None:
    paths = ("/", "/healthz", "/simple/", "/simple/SPIDEV/", "/simple/numpy/", "/x", "/json", WHEEL_ADDRESS, "//")
    answers = [server.get(path) for path in paths]
    answers += [server.get("/simple/", Accept="image/png"), server.get(WHEEL_ADDRESS, Range="bytes=9999999-")]
    answers += [server.get("/simple/", "POST"), server.get(WHEEL_ADDRESS, Range="bytes=0-1")]
    answers += [server.get("/", If_None_Match="*")]
    for answer in answers:
        assert answer.headers.get_all("Access-Control-Allow-Origin") == ["*"]
        assert answer.headers.get_all("X-Content-Type-Options") == ["nosniff"]
        assert answer.headers.get_all("Referrer-Policy") == ["no-referrer"]
        exposed = answer.headers["Access-Control-Expose-Headers"]
        assert exposed == "Accept-Ranges, Content-Range, ETag"
        assert answer.headers["Cache-Control"]
        assert len(answer.headers.get_all("Content-Type") or [""]) == 1


def test_a_browser_that_asks_first_may_read(server: RunningServer) -> None:
    for path in ("/simple/", "/simple/numpy/", WHEEL_ADDRESS, "/nothing"):
        asked = {"Origin": "http://x.invalid", "Access_Control_Request_Method": "GET"}
        preflight = server.get(path, "OPTIONS", **asked)
        assert (preflight.status, preflight.body) == (204, b"")
        assert preflight.headers["Access-Control-Allow-Origin"] == "*"
        assert preflight.headers["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS"
        assert "If-None-Match" in preflight.headers["Access-Control-Allow-Headers"]
        assert preflight.headers["Access-Control-Max-Age"] == "86400"


def test_nothing_can_be_written(server: RunningServer) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "PROPFIND", "MKCOL"):
        for path in ("/simple/", "/", "/new", WHEEL_ADDRESS):
            answer = server.get(path, method)
            assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
            assert answer.headers["Cache-Control"] == "no-store"


def test_health_tells_the_supervisor(server: RunningServer) -> None:
    answer = server.get("/healthz")
    assert json.loads(answer.body) == {"status": "ok", "published": True}
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_connection_serves_many_requests(server: RunningServer) -> None:
    page = f"GET /simple/spidev/ HTTP/1.1\r\nHost: x\r\nAccept: {JSON}\r\n\r\n".encode()
    last = b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    said = server.raw(page * 20 + b"GET /simple/numpy/ HTTP/1.1\r\nHost: x\r\n\r\n" + last)
    assert said.count(b"HTTP/1.1 200") == 21
    assert said.count(b"HTTP/1.1 302") == 1
