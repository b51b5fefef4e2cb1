"""Asking a real HTTP server for pages."""

import asyncio
import contextlib
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from packaging.utils import canonicalize_name

from catalog.pages import body, entry
from piwright.catalog.fetch import MEDIA_TYPE, Answer, Outcome, Patience, Wanted, fetch_pages, read_retry_after
from piwright.catalog.user_agent import USER_AGENT

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
HASTY = Patience(first_wait=0.001, longest_wait=0.05, attempts=3, connect_seconds=5, read_seconds=5, total_seconds=10)
PAGE = body("a", entry("a-1.0.tar.gz"))


def reply(content: bytes = PAGE, status: int = 200, media_type: str = MEDIA_TYPE, **headers: str) -> web.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(body=content, status=status, headers={"Content-Type": media_type, **named})


@contextlib.asynccontextmanager
async def serving(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """The address of an index whose every request `handler` answers; a handler whose client left is cancelled."""
    runner = web.ServerRunner(web.Server(handler, handler_cancellation=True), shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/simple/"
    finally:
        await runner.cleanup()


def ask(handler: Handler, *wanted: Wanted, patience: Patience = HASTY) -> list[Answer]:
    """What comes of asking a server that answers with `handler`."""

    async def run() -> list[Answer]:
        async with serving(handler) as url:
            return [answer async for answer in fetch_pages(url, wanted or [A], patience)]

    return asyncio.run(run())


A = Wanted(canonicalize_name("a"))


def script(*responses: Callable[[], web.Response]) -> tuple[Handler, list[web.BaseRequest]]:
    """A handler that answers with one response after the other, the last for ever; and the requests it got."""
    requests: list[web.BaseRequest] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        requests.append(request)
        return responses[min(len(requests), len(responses)) - 1]()

    return handler, requests


def test_a_page_comes_with_its_etag_its_address_and_its_serial() -> None:
    handler, requests = script(lambda: reply(ETag='"v1"', X_PyPI_Last_Serial="77"))
    (answer,) = ask(handler)
    assert (answer.name, answer.outcome, answer.body) == ("a", Outcome.PAGE, PAGE)
    assert (answer.etag, answer.serial) == ('"v1"', 77)
    assert answer.url.endswith("/simple/a/")
    (request,) = requests
    assert request.path == "/simple/a/"
    assert request.headers["Accept"] == MEDIA_TYPE
    assert request.headers["User-Agent"] == USER_AGENT
    assert USER_AGENT.startswith("piwright/")
    assert "If-None-Match" not in request.headers


def test_a_page_that_has_not_changed_is_not_sent_again() -> None:
    async def handler(request: web.BaseRequest) -> web.Response:
        assert request.headers["If-None-Match"] == 'W/"v1"'
        return web.Response(status=304)

    (answer,) = ask(handler, Wanted(A.name, 'W/"v1"'))
    assert answer.outcome is Outcome.NOT_MODIFIED


def test_not_modified_without_a_page_to_compare_is_refused() -> None:
    handler, _ = script(lambda: web.Response(status=304))
    assert ask(handler)[0].outcome is Outcome.REFUSED


@pytest.mark.parametrize("status", [404, 410])
def test_a_project_that_is_not_there_is_missing(status: int) -> None:
    handler, requests = script(lambda: reply(b"no", status=status))
    (answer,) = ask(handler)
    assert answer.outcome is Outcome.MISSING
    assert str(status) in answer.text
    assert len(requests) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_in_trouble_is_asked_again(status: int) -> None:
    handler, requests = script(lambda: reply(b"later", status=status), reply)
    assert ask(handler)[0].outcome is Outcome.PAGE
    assert len(requests) == 2


def test_a_server_that_stays_in_trouble_is_unreachable_after_some_attempts() -> None:
    handler, requests = script(lambda: reply(b"later", status=502))
    (answer,) = ask(handler)
    assert answer.outcome is Outcome.UNREACHABLE
    assert "3 attempts: upstream answered 502" in answer.text
    assert len(requests) == 3


def test_the_wait_that_upstream_asks_for_is_kept_within_our_bound() -> None:
    times: list[float] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        times.append(asyncio.get_running_loop().time())
        return (
            reply(b"slow down", status=429, Retry_After="0" if len(times) == 1 else "3600")
            if len(times) < 3
            else reply()
        )

    bound = Patience(first_wait=30, longest_wait=0.2, attempts=3)
    (answer,) = ask(handler, patience=bound)
    assert answer.outcome is Outcome.PAGE
    assert times[1] - times[0] < 10  # not the 30 seconds of our own back-off
    assert 0.2 <= times[2] - times[1] < 10  # not the hour


NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("120", 120.0),
        ("soon", None),
        ("-5", None),
        (format_datetime(NOW + timedelta(seconds=30), usegmt=True), 30.0),
        (format_datetime(NOW - timedelta(seconds=30), usegmt=True), 0.0),
        ("9" * 400, float("inf")),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert read_retry_after(header, NOW) == seconds


@pytest.mark.parametrize(
    "media_type", ["text/html; charset=utf-8", "application/vnd.pypi.simple.v1+html", "text/plain"]
)
def test_an_answer_that_is_no_json_is_refused_by_name(media_type: str) -> None:
    handler, requests = script(lambda: reply(b"<!DOCTYPE html>", media_type=media_type))
    (answer,) = ask(handler)
    assert answer.outcome is Outcome.REFUSED
    assert answer.text.startswith(
        f"upstream answered {media_type.partition(';')[0]}: piwright needs the JSON simple API"
    )
    assert len(requests) == 1


def test_an_index_that_has_no_json_says_so_with_406() -> None:
    handler, _ = script(lambda: reply(b"", status=406))
    assert "needs the JSON simple API" in ask(handler)[0].text


def test_plain_json_is_taken_as_static_servers_send_it() -> None:
    handler, _ = script(lambda: reply(media_type="application/json"))
    assert ask(handler)[0].outcome is Outcome.PAGE


def test_forbidden_is_an_answer_and_not_asked_again() -> None:
    handler, requests = script(lambda: reply(b"", status=403))
    (answer,) = ask(handler)
    assert (answer.outcome, answer.text) == (Outcome.REFUSED, "upstream answered 403 Forbidden")
    assert len(requests) == 1


def test_a_truncated_page_is_asked_for_again() -> None:
    tries = 0

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal tries
        tries += 1
        if tries > 1:
            return reply()
        response = web.StreamResponse(headers={"Content-Type": MEDIA_TYPE, "Content-Length": str(len(PAGE))})
        await response.prepare(request)
        await response.write(PAGE[:20])
        assert request.transport is not None
        request.transport.close()
        return response

    (answer,) = ask(handler)
    assert (answer.outcome, answer.body, tries) == (Outcome.PAGE, PAGE, 2)


def test_a_server_that_falls_silent_is_given_up() -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": MEDIA_TYPE})
        await response.prepare(request)
        await response.write(b"{")
        await asyncio.Event().wait()
        return response

    (answer,) = ask(handler, patience=Patience(first_wait=0.001, attempts=2, read_seconds=0.1))
    assert answer.outcome is Outcome.UNREACHABLE
    assert "no answer in time" in answer.text


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_page_that_is_too_large_is_not_read_to_its_end(encoding: str) -> None:
    large = b'{"x": "' + b" " * (1 << 20) + b'"}'
    content = gzip.compress(large) if encoding == "gzip" else large
    handler, requests = script(lambda: reply(content, Content_Encoding=encoding))
    (answer,) = ask(handler, patience=Patience(body_limit=1 << 18))
    assert answer.outcome is Outcome.REFUSED
    assert "more than 262,144 bytes" in answer.text
    assert len(requests) == 1


def test_a_compressed_page_is_the_same_page() -> None:
    handler, _ = script(lambda: reply(gzip.compress(PAGE), Content_Encoding="gzip"))
    assert ask(handler)[0].body == PAGE


def test_redirects_are_followed_and_relative_addresses_start_where_they_end() -> None:
    async def handler(request: web.BaseRequest) -> web.Response:
        if request.path == "/simple/a/":
            raise web.HTTPFound("/elsewhere/a/")
        return reply()

    (answer,) = ask(handler)
    assert answer.outcome is Outcome.PAGE
    assert answer.url.endswith("/elsewhere/a/")


def test_redirects_have_an_end() -> None:
    async def handler(request: web.BaseRequest) -> web.Response:
        raise web.HTTPFound(request.path)

    (answer,) = ask(handler)
    assert (answer.outcome, answer.text) == (Outcome.REFUSED, "upstream redirects more than 5 times")


@pytest.mark.parametrize("address", ["ftp://x.example/", "file:///etc/passwd", "http://[::1"])
def test_a_redirect_to_what_is_no_web_address_is_refused(address: str) -> None:
    handler, _ = script(lambda: reply(b"", status=302, Location=address))
    (answer,) = ask(handler)
    assert answer.outcome is Outcome.REFUSED


def test_nobody_there_is_unreachable() -> None:
    async def run() -> list[Answer]:
        async with serving(script(reply)[0]) as url:
            pass
        return [answer async for answer in fetch_pages(url, [A], HASTY)]

    (answer,) = asyncio.run(run())
    assert answer.outcome is Outcome.UNREACHABLE
    assert "Connect" in answer.text


def self_signed(path: Path) -> ssl.SSLContext:
    """What a server needs to speak TLS with a certificate of its own making."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
    certificate = builder.sign(key, hashes.SHA256())
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    return context


def test_a_certificate_nobody_vouches_for_is_not_asked_twice_and_names_the_remedy(tmp_path: Path) -> None:
    context = self_signed(tmp_path / "both.pem")

    async def run() -> list[Answer]:
        async with serving(script(reply)[0], context) as url:
            return [answer async for answer in fetch_pages(url.replace("http:", "https:"), [A], HASTY)]

    (answer,) = asyncio.run(run())
    assert answer.outcome is Outcome.UNREACHABLE
    assert "certificate is not trusted" in answer.text
    assert "SSL_CERT_FILE" in answer.text


def test_never_more_than_ten_are_asked_for_at_once_and_all_are_answered() -> None:
    now = most = 0
    full = asyncio.Event()

    async def handler(request: web.BaseRequest) -> web.Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        if now == 10:
            full.set()
        await full.wait()  # the first ten wait for each other: at once is really at once
        await asyncio.sleep(0)
        now -= 1
        return reply()

    names = [canonicalize_name(f"project{number}") for number in range(35)]
    answers = ask(handler, *map(Wanted, names), patience=Patience())
    assert sorted(answer.name for answer in answers) == sorted(names)
    assert most == 10


def test_answers_come_as_they_arrive_and_a_slow_project_holds_up_nobody() -> None:
    others = asyncio.Event()

    async def handler(request: web.BaseRequest) -> web.Response:
        if request.path == "/simple/slow/":
            await others.wait()
        return reply()

    async def run() -> list[str]:
        seen: list[str] = []
        wanted = [Wanted(canonicalize_name(name)) for name in ("slow", "b", "c", "d")]
        async with serving(handler) as url:
            async for answer in fetch_pages(url, wanted, Patience(at_once=2)):
                seen.append(answer.name)
                if len(seen) == 3:
                    others.set()
        return seen

    assert asyncio.run(run()) == ["b", "c", "d", "slow"]


def test_whoever_stops_listening_leaves_no_request_behind() -> None:
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def handler(request: web.BaseRequest) -> web.Response:
        if request.path == "/simple/hangs/":
            arrived.set()
            try:
                await asyncio.Event().wait()
            finally:
                gone.set()
        await arrived.wait()
        return reply()

    async def run() -> None:
        wanted = [Wanted(canonicalize_name(name)) for name in ("hangs", "a")]
        async with serving(handler) as url:
            async with contextlib.aclosing(fetch_pages(url, wanted, HASTY)) as answers:
                assert (await anext(answers)).name == "a"
            await asyncio.wait_for(gone.wait(), 5)

    asyncio.run(run())


def test_a_cookie_is_not_carried_from_one_project_to_the_next() -> None:
    handler, requests = script(lambda: reply(Set_Cookie="tracked=1"))
    ask(handler, A, Wanted(canonicalize_name("b")), patience=Patience(at_once=1))
    assert all(aiohttp.hdrs.COOKIE not in request.headers for request in requests)
