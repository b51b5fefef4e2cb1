"""Both web servers choose what `negotiation.py` chooses, whatever the headers say."""

import http.client
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serving import JSON, VERSIONED_HTML, RunningServer

from piwright.index.negotiation import Type, choose_encodings, choose_type

TYPES = {
    JSON: Type.JSON,
    f"{VERSIONED_HTML}; charset=utf-8": Type.VERSIONED_HTML,
    "text/html; charset=utf-8": Type.HTML,
}
LATEST = "application/vnd.pypi.simple.latest+"

blanks = st.sampled_from(["", "", "", " ", "\t", "  "])
weights = st.one_of(
    st.sampled_from(["", "0", "1", "0.0", "0.000", "1.000", ".5", "5", "0.", "00.5", "0.50", "high", "-1", "1e3"]),
    st.integers(0, 1000).map(lambda thousandths: f"{thousandths / 1000:.3f}"),
    st.integers(0, 10).map(lambda tenths: f"{tenths / 10}"),
    st.floats(0, 1).map(str),
)
parameters = st.one_of(
    st.builds("{}q{}={}{}".format, blanks, blanks, blanks, weights),
    st.builds("Q={}".format, weights),
    st.sampled_from(["charset=utf-8", 'note="a, b;q=0"', 'note="', "", " ", "q", "q=", f'x="{JSON}"']),
)


def elements(names: list[str]) -> st.SearchStrategy[str]:
    element = st.builds(
        lambda before, name, after, given: before + name + after + "".join(f";{each}" for each in given),
        blanks,
        st.one_of(st.sampled_from(names), st.sampled_from(names).map(str.upper)),
        blanks,
        st.lists(parameters, max_size=3),
    )
    return st.lists(st.one_of(element, element, element, st.text('abq=0.5;, \t"\\*/', max_size=8)), max_size=7).map(
        ",".join
    )


accepts = elements(
    [
        JSON,
        VERSIONED_HTML,
        f"{LATEST}json",
        f"{LATEST}html",
        "text/html",
        "*/*",
        "application/*",
        "text/*",
        "text/plain",
    ]
)
encodings = elements(["gzip", "x-gzip", "zstd", "identity", "*", "br"])


@pytest.fixture(scope="module")
def line(server: RunningServer) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    yield connection
    connection.close()


@given(accept=accepts, accepted=encodings)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_answer_is_what_the_headers_ask_for(line: http.client.HTTPConnection, accept: str, accepted: str) -> None:
    accept, accepted = accept.strip(), accepted.strip()  # what is around a header's value is no part of it
    line.putrequest("GET", "/simple/spidev/", skip_accept_encoding=True)
    line.putheader("Accept", accept)
    line.putheader("Accept-Encoding", accepted)
    line.endheaders()
    response = line.getresponse()
    response.read()
    chosen = choose_type(accept)
    if chosen is None:
        assert response.status == 406
    else:
        assert response.status == 200
        assert TYPES[response.headers["Content-Type"]] is chosen
        twin = {"gzip": ".gz", "zstd": ".zst", None: None}[response.headers["Content-Encoding"]]
        assert twin == next(iter(choose_encodings(accepted)), None)


def test_several_accept_headers_are_one(server: RunningServer) -> None:
    request = f"GET /simple/spidev/ HTTP/1.1\r\nHost: x\r\nAccept: text/html;q=0.1\r\nAccept: {JSON}\r\n"
    request += "Accept-Encoding: identity;q=0.1\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
    said = server.raw(request.encode())
    joined = server.version >= (1, 23)  # an older nginx knows the first line only
    assert (f"Content-Type: {JSON}\r\n".encode() in said) == joined
    assert (b"Content-Encoding: gzip\r\n" in said) == joined
