"""Whatever is asked for, both web servers answer the same."""

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from serving import HASH, JSON, TARGET, UPSTREAM, WHEEL, IndexServer, NginxServer

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
