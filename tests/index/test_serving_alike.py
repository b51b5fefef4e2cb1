"""Whatever is asked for, both web servers answer the same."""

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from serving import HASH, JSON, TARGET, UPSTREAM, WHEEL, WHEEL_ADDRESS, WHEEL_BYTES, IndexServer, NginxServer

parts = st.one_of(
    st.sampled_from(
        [
            *("simple", "extra", TARGET, "files", "project", "static", "search", "status", "build", "12", "json"),
            *("spidev", "SpiDev", "RPi.GPIO", "a__b", "A.-_B", "numpy", "-x", "x-", "x" * 201, "s%70idev", "a%2Eb"),
            *(
                "..",
                ".",
                "",
                "",
                "%2e%2e",
                "%2E",
                "..%2f",
                "%2f",
                "%00",
                "%0d%0aX:y",
                "%ff",
                "%C3%A9",
                "%5c",
                "%7f",
                "%20",
            ),
            *(
                "index.html",
                "index.v1_json",
                "json.gz",
                "404.html",
                "log.txt",
                "log.txt.gz",
                ".new",
                "badge.svg",
                "%zz",
            ),
            *(
                HASH[:2],
                HASH[2:],
                WHEEL.rpartition("/")[2],
                WHEEL.rpartition("/")[2] + ".metadata",
                "x~+!.js",
                "healthz",
            ),
        ]
    ),
    st.text("aZ09._-+~!%2efF@:;,=*'()$&", max_size=6),
)
KNOWN = [
    *("/simple/", "/simple/spidev/", f"/{TARGET}/simple/numpy/", "/extra/simple/RPi.GPIO/", "/search/names/sp.json"),
    *(f"/{WHEEL}", f"/{WHEEL}.metadata", "/project/spidev/", "/project/RPi.GPIO/badge.svg", "/static/abcdef/style.css"),
    *("/project/spidev/build/12/log.txt", "/project/spidev/build/12/", "/status/json"),
]


@st.composite
def nearly_known(draw: st.DrawFn) -> str:
    """A path that leads somewhere, but for one part of it."""
    known = draw(st.sampled_from(KNOWN)).split("/")
    at = draw(st.integers(1, len(known)))
    return "/" + "/".join([*known[1:at], *draw(st.lists(parts, max_size=1)), *known[at + draw(st.integers(0, 1)) :]])


paths = st.one_of(st.lists(parts, max_size=7).map(lambda each: "/" + "/".join(each)), nearly_known(), nearly_known())
queries = st.sampled_from(["", "", "?", "?q=/../x", "?a//b"])


@pytest.fixture(scope="module")
def lines(served_tree: Path) -> Iterator[list[http.client.HTTPConnection]]:
    with IndexServer(served_tree, UPSTREAM) as embedded, NginxServer(served_tree, UPSTREAM) as nginx:
        connections = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=30) for server in (embedded, nginx)]
        yield connections
        for connection in connections:
            connection.close()


def ask(line: http.client.HTTPConnection, path: str, accept: str) -> dict[str, object]:
    line.putrequest("GET", path, skip_accept_encoding=True)
    line.putheader("Accept", accept)
    line.endheaders()
    response = line.getresponse()
    body = response.read()
    said: dict[str, object] = {"status": response.status, "location": response.headers["Location"]}
    if response.status == 400:
        said["status"] = 404  # to nginx some are no request at all
    elif response.status != 301 and response.status != 302:
        said["body"] = body
        for name in ("Content-Type", "Cache-Control", "Vary", "Content-Security-Policy", "Content-Encoding"):
            said[name] = response.headers.get_all(name)
    return said


@given(path=paths, query=queries, accept=st.sampled_from(["*/*", JSON, "image/png"]))
@example(path="/simple", query="?x", accept="*/*")
@example(path="/project/RPi.GPIO/build/12/log.txt", query="", accept="*/*")
@example(path=f"/{TARGET}/simple/SpiDev", query="", accept="image/png")
@example(path="/simple/simple/simple/", query="", accept="*/*")
@example(path="/simple/index.html", query="", accept="*/*")
@example(path="/static/abcdef", query="", accept="*/*")
@settings(max_examples=700, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_servers_answer_the_same(
    lines: list[http.client.HTTPConnection], path: str, query: str, accept: str
) -> None:
    embedded, nginx = (ask(line, path + query, accept) for line in lines)
    if nginx["status"] == 404 and "body" not in nginx:
        assert embedded["status"] == 404
    else:
        assert embedded == nginx


SIZE = len(WHEEL_BYTES)
numbers = st.one_of(st.integers(0, 20), st.integers(SIZE - 3, SIZE + 3), st.just(2**63 - 1)).map(str)
blanks = st.sampled_from(["", "", "", " "])
one_range = st.one_of(
    st.tuples(blanks, numbers, blanks, st.just("-"), blanks, numbers, blanks).map("".join),
    st.tuples(blanks, numbers, blanks, st.just("-"), blanks).map("".join),
    st.tuples(blanks, st.just("-"), numbers, blanks).map("".join),
    st.text("059-,= abx;\t+", max_size=5),
)
range_headers = st.tuples(
    st.sampled_from([*["bytes="] * 6, "Bytes=", "bytes =", "bytes", "lines="]),
    st.lists(one_range, min_size=1, max_size=3).map(",".join),
).map("".join)


@given(asked=range_headers)
@example(asked="bytes=5-2")
@example(asked="bytes=a-b")
@example(asked="bytes=99999999999999999999-")
@example(asked="bytes =0-5")
@example(asked="bytes= 0 - 5")
@example(asked="bytes=0-1,4-5")
@example(asked="bytes=0-1,4-5,x")
@example(asked="bytes=0-1,999999-")
@example(asked="bytes=999999-,5-2,-7")
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_servers_send_the_same_part(lines: list[http.client.HTTPConnection], asked: str) -> None:
    said = []
    for line in lines:
        line.request("GET", WHEEL_ADDRESS, headers={"Range": asked})
        response = line.getresponse()
        body = response.read()
        said.append((response.status, response.headers["Content-Range"], body if response.status < 300 else b""))
    assert said[0] == said[1]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"])
def test_both_servers_refuse_to_be_written_to(lines: list[http.client.HTTPConnection], method: str) -> None:
    said = []
    for line in lines:
        line.request(method, "/simple/")
        response = line.getresponse()
        response.read()
        said.append((response.status, response.headers["Allow"]))
    assert said == [(405, "GET, HEAD, OPTIONS")] * 2
