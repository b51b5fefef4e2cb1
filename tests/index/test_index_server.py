"""The embedded index server over real connections."""

import gzip
import hashlib
import http.client
import json
import random
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from published_shop import Shop
from serving import Answer, IndexServer

from piwright.database.connection import connect
from piwright.database.provision import Access
from piwright.index.server import main
from support.postgres import fresh_database

UPSTREAM = "http://upstream.invalid/index/simple/"
JSON = "application/vnd.pypi.simple.v1+json"


@pytest.fixture(scope="module")
def shop(postgres_server: str, postgres_template: Access, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One shop for all tests here: what they change, they change for the better."""
    with fresh_database(postgres_server, postgres_template) as access, connect(access.application) as connection:
        shop = Shop(connection, tmp_path_factory.mktemp("shop"))
        shop.wheel("spidev", "3.6", files={"random.txt": random.Random(1).randbytes(400_000).hex()})
        shop.publish()
        (shop.index_root / "index.html").write_text("<h1>home</h1>")
        (shop.index_root.parent / "secret").write_text("secret")
        yield shop


@pytest.fixture(scope="module")
def server(shop: Shop) -> Iterator[IndexServer]:
    with IndexServer(shop.index_root, UPSTREAM) as running:
        yield running


@pytest.fixture
def wheel(shop: Shop) -> tuple[str, bytes]:
    [path] = shop.index_root.glob("files/*/*/spidev-3.6-*.whl")
    return f"/{path.relative_to(shop.index_root)}", path.read_bytes()


@pytest.mark.parametrize("index", ["/simple/", "/extra/simple/"])
def test_a_page_comes_as_the_client_likes_it(server: IndexServer, shop: Shop, index: str) -> None:
    for path in (index, f"{index}spidev/"):
        directory = shop.index_root / path.strip("/")
        for accept, file, content_type in (
            ("*/*", "index.html", "text/html; charset=utf-8"),
            ("text/html", "index.html", "text/html; charset=utf-8"),
            (f"{JSON}, text/html;q=0.1", "index.v1_json", JSON),
            ("application/vnd.pypi.simple.latest+json", "index.v1_json", JSON),
            (
                "application/vnd.pypi.simple.latest+html",
                "index.html",
                "application/vnd.pypi.simple.v1+html; charset=utf-8",
            ),
        ):
            answer = server.get(path, Accept=accept)
            assert (answer.status, answer.headers["Content-Type"]) == (200, content_type)
            assert answer.body == (directory / file).read_bytes()
            assert answer.headers["Vary"] == "Accept, Accept-Encoding"
            assert answer.headers["Cache-Control"] == "public, max-age=600"


def test_no_accept_header_means_html(server: IndexServer) -> None:
    assert server.get("/simple/spidev/").headers["Content-Type"] == "text/html; charset=utf-8"


def test_several_accept_headers_are_one(server: IndexServer) -> None:
    request = f"GET /simple/spidev/ HTTP/1.1\r\nHost: x\r\nAccept: text/html;q=0.1\r\nAccept: {JSON}\r\n"
    assert f"Content-Type: {JSON}" in raw(server, request + "Connection: close\r\n\r\n")


def test_what_cannot_be_had_is_said(server: IndexServer) -> None:
    answer = server.get("/simple/spidev/", Accept="application/vnd.pypi.simple.v2+json")
    assert answer.status == 406
    assert JSON.encode() in answer.body
    assert answer.headers["Vary"] == "Accept, Accept-Encoding"


def test_the_gzip_twin_goes_to_those_who_take_it(server: IndexServer) -> None:
    plain = server.get("/simple/spidev/", Accept=JSON)
    packed = server.get("/simple/spidev/", Accept=JSON, Accept_Encoding="gzip, deflate")
    refused = server.get("/simple/spidev/", Accept=JSON, Accept_Encoding="gzip;q=0")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body == refused.body
    assert plain.headers["Content-Encoding"] is refused.headers["Content-Encoding"] is None
    assert packed.headers["Content-Length"] == str(len(packed.body))


def test_each_representation_has_a_strong_tag_of_its_own(server: IndexServer) -> None:
    tags = {
        server.get("/simple/spidev/", Accept=accept, Accept_Encoding=encoding).headers["ETag"]
        for accept in (JSON, "text/html")
        for encoding in ("gzip", "identity")
    }
    assert len(tags) == 4
    assert all(tag.startswith('"') for tag in tags)


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_who_has_the_page_already_is_told_so(server: IndexServer, form: str) -> None:
    tag = server.get("/simple/spidev/", Accept=JSON).headers["ETag"]
    answer = server.get("/simple/spidev/", Accept=JSON, If_None_Match=form.format(tag))
    assert (answer.status, answer.body) == (304, b"")
    for name in ("ETag", "Vary", "Cache-Control"):
        assert answer.headers[name]
    assert server.get("/simple/spidev/", If_None_Match=tag).status == 200  # it was the JSON they have


def test_a_new_page_is_served_at_once_with_a_new_tag(server: IndexServer, shop: Shop) -> None:
    before = server.get("/simple/spidev/", Accept=JSON)
    newer = shop.wheel("spidev", "3.7")
    shop.publish()
    after = server.get("/simple/spidev/", Accept=JSON)
    assert json.loads(after.body)["versions"] == ["3.6", "3.7"]
    assert after.headers["ETag"] != before.headers["ETag"]
    shop.remove_wheel(newer)
    shop.publish()
    again = server.get("/simple/spidev/", Accept=JSON)
    assert (again.body, again.headers["ETag"]) == (before.body, before.headers["ETag"])


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/simple", "simple/"),
        ("/extra/simple", "simple/"),
        ("/simple/spidev", "spidev/"),
        ("/simple/SpiDev/", "../spidev/"),
        ("/extra/simple/A._b", "a-b/"),
    ],
)
def test_other_spellings_lead_to_the_right_one(server: IndexServer, path: str, location: str) -> None:
    answer = server.get(path)
    assert (answer.status, answer.headers["Location"]) == (301, location)


def test_a_project_we_have_nothing_of_is_upstreams(server: IndexServer) -> None:
    answer = server.get("/simple/numpy/", Accept=JSON)
    assert (answer.status, answer.headers["Location"]) == (302, f"{UPSTREAM}numpy/")
    assert server.get("/simple/numpy/", Accept="image/png").status == 302
    assert server.get("/extra/simple/numpy/", Accept=JSON).status == 404


def test_a_file_is_served_as_it_is_and_for_ever(server: IndexServer, wheel: tuple[str, bytes]) -> None:
    path, content = wheel
    answer = server.get(path, Accept_Encoding="gzip")
    assert (answer.status, answer.body) == (200, content)
    assert answer.headers["Content-Encoding"] is None
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["ETag"] == f'"{hashlib.sha256(content).hexdigest()}"'
    assert answer.headers["Accept-Ranges"] == "bytes"
    metadata = server.get(f"{path}.metadata", Accept_Encoding="gzip")
    assert metadata.body.startswith(b"Metadata-Version: 2.1\nName: spidev")
    assert metadata.headers["Content-Encoding"] is None
    assert metadata.headers["ETag"] != answer.headers["ETag"]
    assert metadata.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert server.get(path, If_None_Match=answer.headers["ETag"]).status == 304


@pytest.mark.parametrize(
    ("asked", "start", "stop"), [("bytes=0-9", 0, 10), ("bytes=-7", -7, None), ("bytes=100-", 100, None)]
)
def test_a_part_of_a_file(
    server: IndexServer, wheel: tuple[str, bytes], asked: str, start: int, stop: int | None
) -> None:
    path, content = wheel
    answer = server.get(path, Range=asked)
    first, last = range(len(content))[start:stop][0], range(len(content))[start:stop][-1]
    assert (answer.status, answer.body) == (206, content[start:stop])
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(content)}"


def test_a_range_is_judged_against_the_file(server: IndexServer, wheel: tuple[str, bytes]) -> None:
    path, content = wheel
    beyond = server.get(path, Range=f"bytes={len(content)}-")
    assert (beyond.status, beyond.headers["Content-Range"]) == (416, f"bytes */{len(content)}")
    tag = f'"{hashlib.sha256(content).hexdigest()}"'
    assert server.get(path, Range="bytes=0-9", If_Range=tag).status == 206
    for other in ('"other"', f"W/{tag}", "Sun, 06 Nov 1994 08:49:37 GMT"):
        whole = server.get(path, Range="bytes=0-9", If_Range=other)
        assert (whole.status, whole.body) == (200, content)
    assert server.get(path, Range="bytes=0-1,4-5").status == 200


def test_head_says_what_get_would(server: IndexServer, wheel: tuple[str, bytes]) -> None:
    for path in ("/", "/healthz", "/simple/", "/simple/spidev/", wheel[0], f"{wheel[0]}.metadata", "/nothing"):
        get, head = server.get(path), server.get(path, "HEAD")
        assert (head.status, head.body) == (get.status, b"")
        kept = {name: value for name, value in get.headers.items() if name != "Date"}
        assert {name: value for name, value in head.headers.items() if name != "Date"} == kept
        assert head.headers["Content-Length"] == str(len(get.body))


@pytest.mark.parametrize(
    "path",
    [
        "/simple/..%2f..%2fsecret",
        "/%2e%2e/secret",
        "/../secret",
        "/simple/%00/",
        "//secret",
        "/files/",
        "/files/../../secret",
        "/simple/spidev/index.v1_json",
        "/.hidden",
        "/simple/" + "a" * 300 + "/",
        "/extra/",
    ],
)
def test_there_is_no_way_out_and_no_listing(server: IndexServer, path: str) -> None:
    answer = server.get(path)
    assert answer.status == 404
    assert b"secret" not in answer.body.replace(path.encode(), b"")


def test_a_file_that_is_not_there_is_not_found(server: IndexServer) -> None:
    answer = server.get(f"/files/ab/{'c' * 62}/a-1.0-py3-none-any.whl")
    assert answer.status == 404
    assert "immutable" not in answer.headers["Cache-Control"]


def test_pages_for_people_run_nothing_and_load_nothing(server: IndexServer) -> None:
    for path in ("/", "/simple/", "/simple/spidev/"):
        policy = server.get(path, Accept="text/html").headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy


def test_every_answer_may_be_read_from_anywhere_and_is_taken_as_what_it_says(
    server: IndexServer, wheel: tuple[str, bytes]
) -> None:
    answers = [server.get(path) for path in ("/", "/healthz", "/simple/", "/simple/SPIDEV/", "/x", wheel[0])]
    answers += [server.get("/simple/", Accept="image/png"), server.get(wheel[0], Range="bytes=9999999-")]
    for answer in answers:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Server"] == "piwright"
    preflight = server.get("/simple/", "OPTIONS", Origin="http://x.invalid", Access_Control_Request_Method="GET")
    assert (preflight.status, preflight.headers["Access-Control-Allow-Methods"]) == (204, "GET, HEAD, OPTIONS")


def test_nothing_can_be_written(server: IndexServer) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = server.get("/simple/", method)
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")


def test_health_tells_the_supervisor(server: IndexServer) -> None:
    answer = server.get("/healthz")
    assert json.loads(answer.body) == {"status": "ok", "published": True}
    assert answer.headers["Cache-Control"] == "no-store"


def test_before_the_first_publication_everything_is_upstreams(tmp_path: Path) -> None:
    with IndexServer(tmp_path / "later", UPSTREAM) as server:
        assert json.loads(server.get("/healthz").body) == {"status": "ok", "published": False}
        assert server.get("/simple/numpy/").status == 302
        assert [server.get(path).status for path in ("/", "/simple/", "/extra/simple/")] == [404, 404, 404]


def test_a_request_with_a_whole_address_is_no_way_around(server: IndexServer) -> None:
    request = "GET http://127.0.0.1/simple/spidev HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert "Location: spidev/" in raw(server, request)


def test_readers_during_publications_never_see_a_broken_page(server: IndexServer, shop: Shop) -> None:
    stop = threading.Event()
    wrong: list[object] = []

    def crawl() -> None:
        while not stop.is_set():
            for encoding in ("gzip", "identity"):
                answer = server.get("/simple/spidev/", Accept=JSON, Accept_Encoding=encoding)
                wrong.extend(broken_links(server, answer))

    crawler = threading.Thread(target=crawl)
    crawler.start()
    for round_ in range(8):
        filename = shop.wheel("spidev", f"4.{round_}")
        shop.publish()
        if round_ % 2:
            shop.remove_wheel(filename)
            shop.publish()
    stop.set()
    crawler.join(30)
    assert wrong == []


def broken_links(server: IndexServer, answer: Answer) -> list[object]:
    """Links of a page that was fetched a moment ago; a file may have gone since only if a newer page says so."""
    body = gzip.decompress(answer.body) if answer.headers["Content-Encoding"] else answer.body
    problems: list[object] = []
    for file in json.loads(body)["files"]:
        found = server.get(file["url"].removeprefix("../.."))
        if found.status == 404:
            newer = json.loads(server.get("/simple/spidev/", Accept=JSON).body)
            if any(each["filename"] == file["filename"] for each in newer["files"]):
                problems.append(file["filename"])
        elif hashlib.sha256(found.body).hexdigest() != file["hashes"]["sha256"]:
            problems.append((file["filename"], found.status))
    return problems


def test_it_ends_when_told_and_says_nothing_about_requests(shop: Shop) -> None:
    with IndexServer(shop.index_root, UPSTREAM) as server:
        idle = http.client.HTTPConnection("127.0.0.1", server.port)
        idle.request("GET", "/simple/")
        idle.getresponse().read()
        assert server.stop() == (0, "")
        idle.close()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--port", "many"], "'many' is not a port"),
        (["--port", "70000"], "'70000' is not a port"),
        (["--upstream", "ftp://x"], "'ftp://x' is not the address"),
        (["--root", __file__], "is not a directory"),
        (["--colour", "red"], "--colour"),
    ],
)
def test_a_wrong_argument_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    given = {"--root": str(tmp_path), "--port": "0", "--upstream": UPSTREAM} | dict([arguments])
    with pytest.raises(SystemExit) as ended:
        main([part for pair in given.items() for part in pair])
    assert ended.value.code == 2
    assert named in capsys.readouterr().err


def test_a_port_in_use_is_named(server: IndexServer, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=f"cannot listen on 127.0.0.1 port {server.port}"):
        main(["--root", str(tmp_path), "--port", str(server.port), "--upstream", UPSTREAM])


def raw(server: IndexServer, request: str) -> str:
    """The answer to bytes that no client library would send."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(request.encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode(errors="replace")
