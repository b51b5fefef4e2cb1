"""Whatever an index does, the checks end, within their bounds, and what they print does nothing to a terminal."""

import asyncio
import gzip
import io
import json
import time
import zipfile
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from aiohttp import web
from truthful_index import JSON_TYPE, Content, Lie, TruthfulIndex, served, serving, wheel

from piwright.conformance import Bounds, NotAnIndex, Report, Verdict, check_index
from piwright.conformance.html_document import read_document
from piwright.conformance.pages import name_and_version
from piwright.conformance.report import printable, shown_url

SMALL = Bounds(timeout=1, within=20, root_bytes=1 << 20, page_bytes=1 << 20, file_bytes=1 << 20)

Answering = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def looked_at(respond: Answering, bounds: Bounds = SMALL) -> Report:
    with serving(respond) as base:
        return asyncio.run(check_index(f"{base}/simple/", bounds=bounds))


def only_for(path: str, other: Answering, lie: Lie | None = None) -> Answering:
    """A truthful index, but for what is below a path."""
    truthful = TruthfulIndex(lie or Lie())

    async def respond(request: web.BaseRequest) -> web.StreamResponse:
        return await (other if request.path.startswith(path) else truthful.respond)(request)

    return respond


async def endless(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/html"})
    await response.prepare(request)
    while True:
        await response.write(b"<a href=x>" * 10_000)


async def dripping(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": JSON_TYPE})
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.05)


async def silent(request: web.BaseRequest) -> web.StreamResponse:
    await asyncio.sleep(600)
    raise AssertionError("the client waited")


async def in_circles(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": str(request.rel_url) + "x"})


BOMB = gzip.compress(b"<a>" * (10 << 20))


async def bomb(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(body=BOMB, headers={"Content-Type": "text/html", "Content-Encoding": "gzip"})


async def cut_off(request: web.BaseRequest) -> web.StreamResponse:
    packed = gzip.compress(b"<!DOCTYPE html>" * 1000)[:-20]
    return web.Response(body=packed, headers={"Content-Type": "text/html", "Content-Encoding": "gzip"})


async def headers_without_end(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(headers={"X-Long": "x" * 500_000})


@pytest.mark.parametrize(
    ("respond", "why"),
    [
        (endless, "sends more than 1,048,576 bytes"),
        (dripping, "no whole answer within 1 seconds"),
        (silent, "no whole answer within 1 seconds"),
        (in_circles, "is redirected more than 5 times"),
        (bomb, "unpacks to more than 1,048,576 bytes"),
        (cut_off, "is cut off"),
        (headers_without_end, "no answer"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_a_root_that_cannot_be_had_is_named_in_time(respond: Answering, why: str) -> None:
    started = time.monotonic()
    with pytest.raises(NotAnIndex, match=why):
        looked_at(respond)
    assert time.monotonic() - started < 15


async def reset(request: web.BaseRequest) -> web.StreamResponse:
    assert request.transport
    request.transport.abort()
    return web.Response()


async def not_packed(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(body=b"no gzip", headers={"Content-Type": "text/html", "Content-Encoding": "gzip"})


@pytest.mark.parametrize(
    ("respond", "why"),
    [
        (endless, "sends more than 1,048,576 bytes"),
        (dripping, "no whole answer within 0.5 seconds"),
        (silent, "no whole answer within 0.5 seconds"),
        (reset, "no answer"),
        (in_circles, "is redirected more than 5 times"),
        (bomb, "unpacks to more than 1,048,576 bytes"),
        (not_packed, "the body is not gzip as its header says"),
        (cut_off, "is cut off"),
        (headers_without_end, "no answer"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_a_project_whose_page_cannot_be_had_is_named_and_the_others_are_judged(respond: Answering, why: str) -> None:
    report = looked_at(only_for("/simple/other/", respond), replace(SMALL, timeout=0.5))
    outcomes = {each.check.id: each for each in report.outcomes}
    readable = outcomes["page-readable"]
    assert readable.verdict is Verdict.ERROR
    assert readable.looked == 3  # the root and two projects were readable
    [evidence] = readable.evidence
    assert evidence.url.endswith("/simple/other/")
    assert why in evidence.found
    assert (report.unanswered, sorted(report.projects)) == (("other",), ["closed", "spi-dev"])
    assert not report.conforms
    assert not report.of(Verdict.FAIL)
    assert [each.check.id for each in report.of(Verdict.ERROR)] == ["page-readable"]


def test_when_the_time_is_over_no_more_projects_are_named() -> None:
    many = TruthfulIndex(Lie(content=lambda content: content.names.extend(f"other-{n}" for n in range(20))))

    async def respond(request: web.BaseRequest) -> web.StreamResponse:
        return await (many.respond if request.path == "/simple/" else silent)(request)

    report = looked_at(respond, Bounds(timeout=0.6, within=1))
    [readable] = [each for each in report.outcomes if each.check.id == "page-readable"]
    assert readable.verdict is Verdict.ERROR
    assert "seconds for all requests are over" in readable.evidence[-1].found
    assert 2 <= len(report.unanswered) <= 4
    assert not report.conforms


def test_the_one_project_asked_for_is_all_there_is() -> None:
    with (
        serving(only_for("/simple/other/", reset)) as base,
        pytest.raises(NotAnIndex, match="/simple/other/ no answer") as nothing,
    ):
        asyncio.run(check_index(f"{base}/simple/", names=["other"], bounds=SMALL))
    assert nothing.value.report.error == str(nothing.value)
    with serving(only_for("/simple/other/", reset)) as base:
        report = asyncio.run(check_index(f"{base}/simple/", names=["other", "spi-dev"], bounds=SMALL))
    assert (report.projects, report.unanswered) == (("spi-dev",), ("other",))


@pytest.mark.parametrize("respond", [endless, silent, in_circles, cut_off], ids=lambda each: each.__name__)
def test_files_that_cannot_be_had_leave_their_checks_unknown_and_the_others_known(respond: Answering) -> None:
    bounds = Bounds(timeout=0.3, within=20, root_bytes=1 << 20, page_bytes=1 << 20, file_bytes=1 << 20)
    report = looked_at(only_for("/files/", respond), bounds)
    verdicts = {each.check.id: each.verdict for each in report.outcomes}
    assert verdicts["file-reachable"] in (Verdict.ERROR, Verdict.NOT_APPLICABLE)
    assert verdicts["agree-files"] is Verdict.PASS
    assert verdicts["negotiate-json"] is Verdict.PASS
    assert not report.conforms


def test_the_time_for_all_requests_ends_the_run_with_what_was_seen() -> None:
    bounds = Bounds(timeout=0.5, within=1.5)
    started = time.monotonic()
    report = looked_at(only_for("/files/", silent), bounds)
    assert time.monotonic() - started < 10
    late = [each for each in report.of(Verdict.ERROR) if "seconds for all requests are over" in each.evidence[0].found]
    assert late
    assert not report.conforms


def test_nothing_is_an_index_that_is_not_one() -> None:
    async def blog(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="hello", status=404)

    with pytest.raises(NotAnIndex, match="is no simple index: status 404"):
        looked_at(blog)


def test_an_index_that_moved_to_another_server_is_named() -> None:
    async def moved(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=301, headers={"Location": "https://me:secret@moved.invalid/simple/"})

    with pytest.raises(NotAnIndex, match=r"is redirected to https://\*\*\*@moved.invalid/simple/: check that address"):
        looked_at(moved)


def test_a_head_that_breaks_the_connection_is_a_failure_where_get_works() -> None:
    truthful = TruthfulIndex(Lie())

    async def respond(request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "HEAD" and request.transport:
            request.transport.abort()
        return await truthful.respond(request)

    report = looked_at(respond)
    [outcome] = [each for each in report.outcomes if each.check.id == "head"]
    assert outcome.verdict is Verdict.FAIL
    assert "GET is answered and HEAD is not" in outcome.evidence[0].found


def test_an_address_where_nobody_listens_is_named() -> None:
    with serving(silent) as base:
        pass
    with pytest.raises(NotAnIndex, match="no answer"):
        asyncio.run(check_index(f"{base}/simple/"))


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"projects": ' + b'{"a":' * 100_000,
        b'{"projects": [' + b"1" * 500_000 + b"]}",
        b'{"projects": NaN}',
        b'"text"',
        b"\xff\xfe",
        b"",
    ],
)
def test_json_that_is_none_is_found_and_does_no_harm(body: bytes) -> None:
    async def respond(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=body, headers={"Content-Type": JSON_TYPE})

    report = looked_at(respond)
    assert "page-readable" in {each.check.id for each in report.of(Verdict.FAIL)}


@pytest.mark.parametrize(
    "body",
    [
        b"<!--" * 60_000,
        b"<a " * 80_000,
        b"<" * 250_000,
        b'<a href="' * 25_000,
        b"<script>" * 30_000,
        b"<a b=" * 50_000,
        b"&#" * 120_000,
        b"<!DOCTYPE html>" + b"<a href=x/>x</a>" * 15_000,
        b"<a x=1 " + b"y " * 120_000 + b">",
    ],
    ids=lambda body: body[:10].decode(),
)
def test_no_page_takes_long_to_read(body: bytes) -> None:
    started = time.monotonic()
    read_document(body.decode())
    assert time.monotonic() - started < 3


def test_file_names_that_stand_for_many_tags_are_no_file_names() -> None:
    many = ".".join(f"a{number}" for number in range(25))
    started = time.monotonic()
    assert name_and_version(f"a-1-{many}-{many}-{many}.whl"[-255:], "a") is None
    assert name_and_version(f"a-1-{many}-{many}-any.whl", "a") is None
    assert name_and_version("a-1-" + "9" * 10_000 + ".tar.gz", "a") is None
    assert time.monotonic() - started < 1


def test_members_of_any_type_are_judged_not_trusted() -> None:
    def nonsense(content: Content) -> None:
        content.pages["spi-dev"]["files"] = [
            {"filename": 1, "url": None, "hashes": [], "yanked": [], "size": True, "provenance": 5},
            {"filename": "a.whl", "url": "http://[::1", "hashes": {"sha256": 5}, "core-metadata": 7, "yanked": False},
            {"filename": "b.whl", "url": "//x:99999/", "hashes": {"": ""}, "upload-time": 9, "requires-python": {}},
            None,
            "file",
        ]
        content.pages["other"] = {"meta": [], "name": None, "files": {}, "versions": 5, "project-status": "gone"}

    with serving(_json_only(nonsense)) as base:
        report = asyncio.run(check_index(f"{base}/simple/", bounds=SMALL))
    wrong = {each.check.id for each in report.of(Verdict.FAIL)}
    expected = {
        "json-members",
        "json-file-members",
        "size-format",
        "yanked-format",
        "upload-time-format",
        "status-valid",
    }
    assert expected | {"core-metadata-format", "provenance-url", "filename-valid", "url-encoding"} <= wrong
    assert not report.of(Verdict.ERROR)


def _json_only(change: Callable[[Content], None]) -> Answering:
    index = TruthfulIndex(Lie(content=change))

    async def respond(request: web.BaseRequest) -> web.StreamResponse:
        name = request.path.removeprefix("/simple/").rstrip("/")
        data = index.content.pages.get(name, {"meta": {}, "projects": [{"name": each} for each in index.content.names]})
        return web.Response(text=json.dumps(data), headers={"Content-Type": JSON_TYPE})

    return respond


def test_what_an_index_says_is_printable_in_the_report() -> None:
    evil = "\x1b]0;owned\x07[red]x[/red]\u202e\n\x9b31m" + "long" * 1000

    def change(content: Content) -> None:
        content.file()["requires-python"] = evil
        content.pages["spi-dev"]["name"] = evil

    with served(Lie(content=change)) as url:
        report = asyncio.run(check_index(url))
    said = [seen.found for outcome in report.outcomes for seen in outcome.evidence]
    assert any("owned" in each for each in said)
    assert all(each.isprintable() for each in said)
    assert all(len(each) < 1500 for each in said)
    assert json.dumps(report.to_json(), ensure_ascii=False).isprintable()


def test_passwords_are_not_told() -> None:
    assert shown_url("https://me:secret@x.invalid/simple/") == "https://***@x.invalid/simple/"
    assert "secret" not in shown_url("https://x@me:secret@x.invalid/")
    assert printable("a\tb\u2066") == "a\\tb\\u2066"


def test_a_wheel_with_many_members_or_a_large_metadata_is_not_unpacked() -> None:
    filename, _, metadata = wheel("spi-dev", "3.6")
    large = io.BytesIO()
    with zipfile.ZipFile(large, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("spi_dev-3.6.dist-info/METADATA", metadata + b"x" * (12 << 20))

    def change(content: Content) -> None:
        content.files[f"/files/{filename}"] = large.getvalue()

    with served(Lie(content=change)) as url:
        report = asyncio.run(check_index(url))
    [outcome] = [each for each in report.outcomes if each.check.id == "metadata-is-member"]
    assert outcome.verdict is Verdict.FAIL
    assert "METADATA has more than 8,388,608 bytes" in outcome.evidence[0].found


def test_html_alone_is_enough_to_conform() -> None:
    with served(Lie(asked=lambda ask: replace(ask, accept="text/html"))) as url:
        report = asyncio.run(check_index(url))
    assert report.conforms, [(each.check.id, each.evidence) for each in report.of(Verdict.FAIL, Verdict.ERROR)]
    assert {"negotiate-json", "upload-time-known"} <= {each.check.id for each in report.of(Verdict.FAIL)}
