"""The pages of the indexes, as both web servers hand them out."""

import gzip
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path

import pytest
from backports import zstd
from serving import JSON, TARGET, UPSTREAM, VERSIONED_HTML, RunningServer

from piwright.index.storage import open_storage

CACHED = "public, max-age=600, stale-while-revalidate=300, stale-if-error=86400"
INDEXES = ("/simple/", "/extra/simple/", f"/{TARGET}/simple/")
PIP = f"{JSON}, {VERSIONED_HTML}; q=0.1, text/html; q=0.01"
UV = f"{JSON}, {VERSIONED_HTML};q=0.2, text/html;q=0.01"


@pytest.mark.parametrize("index", INDEXES)
@pytest.mark.parametrize(
    ("accept", "file", "content_type"),
    [
        ("*/*", "index.html", "text/html; charset=utf-8"),
        ("text/html", "index.html", "text/html; charset=utf-8"),
        (PIP, "index.v1_json", JSON),
        (UV, "index.v1_json", JSON),
        (f"{JSON};q=0.1, text/html;q=0.9", "index.html", "text/html; charset=utf-8"),
        ("application/vnd.pypi.simple.latest+json", "index.v1_json", JSON),
        ("application/vnd.pypi.simple.latest+html", "index.html", f"{VERSIONED_HTML}; charset=utf-8"),
    ],
)
def test_a_page_comes_as_the_client_likes_it(
    server: RunningServer, served_tree: Path, index: str, accept: str, file: str, content_type: str
) -> None:
    for path in (index, f"{index}spidev/"):
        answer = server.get(path, Accept=accept)
        assert (answer.status, answer.headers["Content-Type"]) == (200, content_type)
        assert answer.body == (served_tree / path.strip("/") / file).read_bytes()
        assert answer.headers["Vary"] == "Accept, Accept-Encoding"
        assert answer.headers["Cache-Control"] == CACHED
        assert answer.headers.get_all("Content-Type") == [content_type]


def test_no_accept_header_means_html(server: RunningServer) -> None:
    assert server.get("/simple/spidev/").headers["Content-Type"] == "text/html; charset=utf-8"
    assert server.get("/simple/spidev/", Accept="").headers["Content-Type"] == "text/html; charset=utf-8"


def test_what_cannot_be_had_is_said_where_there_is_a_page(server: RunningServer) -> None:
    for path in ("/simple/", "/simple/spidev/", f"/{TARGET}/simple/spidev/"):
        for accept in ("application/vnd.pypi.simple.v2+json", "image/png", "*/*;q=0"):
            answer = server.get(path, Accept=accept)
            assert answer.status == 406
            assert JSON.encode() in answer.body
            assert answer.headers["Vary"] == "Accept, Accept-Encoding"
            assert answer.headers["Cache-Control"] == "no-store"
    assert server.get("/simple/numpy/", Accept="image/png").status == 302
    assert server.get("/extra/simple/numpy/", Accept="image/png").status == 404


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("zstd", "zstd"),
        ("zstd;q=0.5, gzip", "gzip"),
        ("gzip;q=0.5, zstd;q=0.6", "zstd"),
        ("*", "gzip"),
        ("x-gzip", "gzip"),
        ("zstd;q=0, gzip", "gzip"),
        ("zstd, gzip;q=0", "zstd"),
        ("gzip;q=0", None),
        ("gzip;q=0.000, zstd;q=0.0", None),
        ("*;q=0", None),
        ("identity", None),
        ("identity, gzip;q=0.5", None),
        ("br, deflate", None),
        ("", None),
    ],
)
def test_a_twin_goes_to_those_who_take_it(server: RunningServer, accepted: str, encoding: str | None) -> None:
    plain = server.get("/simple/spidev/", Accept=JSON)
    answer = server.get("/simple/spidev/", Accept=JSON, Accept_Encoding=accepted)
    assert answer.headers["Content-Encoding"] == encoding
    unpack = {"gzip": gzip.decompress, "zstd": zstd.decompress, None: bytes}[encoding]
    assert unpack(answer.body) == plain.body
    assert answer.headers["Content-Type"] == JSON
    assert answer.headers["Content-Length"] == str(len(answer.body))


def test_a_twin_that_is_not_there_is_not_missed(server: RunningServer, tmp_path: Path) -> None:
    page = b"<h1>spidev</h1>" * 50
    open_storage(tmp_path, ("gz",)).write({"simple/spidev/index.html": page, "404.html": page, "json": page})
    with type(server)(tmp_path, UPSTREAM) as other:
        for path in ("/simple/spidev/", "/nothing", "/json"):
            packed = other.get(path, Accept_Encoding="gzip, zstd")
            assert (packed.headers["Content-Encoding"], gzip.decompress(packed.body)) == ("gzip", page)
            plain = other.get(path, Accept_Encoding="zstd, gzip;q=0")
            assert (plain.headers["Content-Encoding"], plain.body) == (None, page)


def test_each_representation_has_a_strong_tag_of_its_own(server: RunningServer) -> None:
    tags = {
        server.get("/simple/spidev/", Accept=accept, Accept_Encoding=encoding).headers["ETag"]
        for accept in (JSON, "text/html")
        for encoding in ("gzip", "zstd", "identity")
    }
    assert len(tags) == 6
    assert all(tag.startswith('"') for tag in tags)


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
@pytest.mark.parametrize("encoding", ["gzip", "zstd", "identity"])
def test_who_has_the_page_already_is_told_so(server: RunningServer, form: str, encoding: str) -> None:
    tag = server.get("/simple/spidev/", Accept=JSON, Accept_Encoding=encoding).headers["ETag"]
    known = {"Accept_Encoding": encoding, "If_None_Match": form.format(tag)}
    answer = server.get("/simple/spidev/", Accept=JSON, **known)
    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers["ETag"] == tag
    assert answer.headers["Vary"] == "Accept, Accept-Encoding"
    assert answer.headers["Cache-Control"] == CACHED
    if form != "*":
        assert server.get("/simple/spidev/", **known).status == 200  # it was the JSON they have


def test_who_has_the_page_since_it_was_written_is_told_so(server: RunningServer) -> None:
    written = server.get("/simple/spidev/").headers["Last-Modified"]
    moment = parsedate_to_datetime(written).timestamp()
    later, earlier = formatdate(moment + 3600, usegmt=True), formatdate(moment - 1, usegmt=True)
    assert server.get("/simple/spidev/", If_Modified_Since=written).status == 304
    assert server.get("/simple/spidev/", If_Modified_Since=later).status == 304
    assert server.get("/simple/spidev/", If_Modified_Since=earlier).status == 200
    assert server.get("/simple/spidev/", If_Modified_Since="yesterday").status == 200
    # A tag says more than a time.
    assert server.get("/simple/spidev/", If_Modified_Since=later, If_None_Match='"other"').status == 200


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/simple", "simple/"),
        ("/extra/simple", "simple/"),
        (f"/{TARGET}/simple", "simple/"),
        ("/simple/spidev", "spidev/"),
        ("/simple/SpiDev", "spidev/"),
        ("/simple/SpiDev/", "../spidev/"),
        ("/extra/simple/A._b", "a-b/"),
        ("/extra/simple/A._b/", "../a-b/"),
        (f"/{TARGET}/simple/RPi.GPIO/", "../rpi-gpio/"),
        ("/simple/ABCDEFGHIJKLMNOPQRSTUVWX/", "../abcdefghijklmnopqrstuvwx/"),
        ("/simple/YZ0-1_2.3--4__5..6-_7/", "../yz0-1-2-3-4-5-6-7/"),
        ("/simple/s%70idev", "spidev/"),
        ("/simple/a%2eb/", "../a-b/"),
        ("/simple/RPi.GPIO/?x=1", "../rpi-gpio/"),
    ],
)
def test_other_spellings_lead_to_the_right_one(server: RunningServer, path: str, location: str) -> None:
    answer = server.get(path)
    assert (answer.status, answer.headers["Location"]) == (301, location)
    assert answer.headers["Cache-Control"] == "public, max-age=600"


def test_a_name_of_nothing_but_odd_spelling_arrives_after_some_redirects(server: RunningServer) -> None:
    name = "A_.B" * 50
    path = f"/extra/simple/{name}/"
    for _ in range(10):
        answer = server.get(path)
        if answer.status != 301:
            break
        path = "/extra/simple/" + answer.headers["Location"].removeprefix("../")
    assert (path, answer.status) == (f"/extra/simple/{'a-b' * 50}/", 404)


def test_a_project_we_have_nothing_of_is_upstreams(server: RunningServer) -> None:
    for index in ("/simple/", f"/{TARGET}/simple/"):
        answer = server.get(f"{index}numpy/", Accept=JSON)
        assert (answer.status, answer.headers["Location"]) == (302, f"{UPSTREAM}numpy/")
        assert answer.headers["Cache-Control"] == "public, max-age=600"
    answer = server.get("/extra/simple/numpy/", Accept=JSON)
    assert (answer.status, answer.headers["Cache-Control"]) == (404, "public, max-age=60")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert b"numpy" in answer.body


def test_an_index_is_where_its_folder_is(server: RunningServer) -> None:
    for path in ("/trixie-cp313-aarch64/simple/spidev/", "/nothing/simple/", "/nothing/simple", "/status/simple/a/"):
        assert server.get(path).status == 404
    assert b"a project named simple" in server.get("/project/simple/").body
    assert server.get("/simple/simple/").headers["Location"] == f"{UPSTREAM}simple/"


def test_before_the_first_publication_everything_is_upstreams(server: RunningServer, tmp_path: Path) -> None:
    with type(server)(tmp_path / "later", UPSTREAM) as fresh:
        assert fresh.get("/simple/numpy/").status == 302
        assert fresh.get("/simple/numpy/", Accept="image/png").status == 302
        answers = [fresh.get(path) for path in ("/", "/simple/", "/extra/simple/", "/extra/simple/numpy/", "/x")]
        assert [answer.status for answer in answers] == [404] * 5
        assert all(answer.headers["Content-Type"] == "text/plain; charset=utf-8" for answer in answers)


def test_a_page_is_html_for_people_that_runs_nothing_and_loads_nothing(server: RunningServer) -> None:
    for path in ("/simple/", "/simple/spidev/"):
        policy = server.get(path, Accept="text/html").headers["Content-Security-Policy"]
        assert policy == "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        assert server.get(path, Accept=JSON).headers["Content-Security-Policy"] is None
