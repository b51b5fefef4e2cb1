"""Asks upstream for project pages: a few at once, only what changed, patiently.

    async for answer in fetch_pages(upstream_url, [Wanted("spidev", etag='"a1"')]):
        answer.outcome, answer.body

Answers come as they arrive, in any order, one for every project wanted; nothing that upstream does raises. TLS and
proxies are those of the environment (`SSL_CERT_FILE`, `HTTPS_PROXY`).
"""

import asyncio
import enum
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
import tenacity
from aiohttp import hdrs
from packaging.utils import NormalizedName

from piwright.catalog.page_values import read_serial
from piwright.catalog.user_agent import USER_AGENT

MEDIA_TYPE = "application/vnd.pypi.simple.v1+json"
_BUSY = frozenset({408, 425, 429})
_REDIRECTS = 5
_LONGEST_ETAG = 512


class Outcome(enum.StrEnum):
    """What came of asking for a page."""

    PAGE = "page"
    NOT_MODIFIED = "not modified"
    MISSING = "missing"  # 404, 410: there is no such project
    REFUSED = "refused"  # an answer that cannot be a page, and asking again would not change it
    UNREACHABLE = "unreachable"  # no answer, or "later", as often as we asked


@dataclass(frozen=True, slots=True)
class Wanted:
    """A project to ask for; `etag` of the page that is stored completely, None to get the page in any case."""

    name: NormalizedName
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """`body`, `url` (after redirects), `etag` and `serial` come with a page; `text` is a sentence for all but pages."""

    name: NormalizedName
    outcome: Outcome
    text: str = ""
    body: bytes = b""
    url: str = ""
    etag: str | None = None
    serial: int | None = None


@dataclass(frozen=True, slots=True)
class Patience:
    """How hard to try. Times are seconds; `at_once` is what upstream's operators ask of mirrors, at most ten."""

    at_once: int = 10
    attempts: int = 5
    first_wait: float = 0.5
    longest_wait: float = 60.0
    connect_seconds: float = 15.0
    read_seconds: float = 30.0
    total_seconds: float = 180.0
    body_limit: int = 64 << 20


class _TryAgain(Exception):
    """A failure that may pass; `after` is the wait in seconds that upstream asked for."""

    def __init__(self, text: str, after: float | None = None) -> None:
        super().__init__(text)
        self.after = after


async def fetch_pages(
    upstream_url: str, wanted: Iterable[Wanted], patience: Patience | None = None
) -> AsyncGenerator[Answer, None]:
    """Ask for every project wanted, `at_once` at a time; `upstream_url` ends in a slash.

    Slow readers slow the asking down: pages do not pile up in memory.
    """
    patience = patience or Patience()
    timeout = aiohttp.ClientTimeout(
        total=patience.total_seconds, sock_connect=patience.connect_seconds, sock_read=patience.read_seconds
    )
    pending = iter(wanted)
    running: set[asyncio.Task[Answer]] = set()
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=patience.at_once),
        timeout=timeout,
        headers={hdrs.ACCEPT: MEDIA_TYPE, hdrs.USER_AGENT: USER_AGENT},
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=True,
    ) as session:
        try:
            while True:
                while len(running) < patience.at_once and (each := next(pending, None)) is not None:
                    running.add(asyncio.create_task(_ask(session, upstream_url, each, patience)))
                if not running:
                    return
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield task.result()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


async def _ask(session: aiohttp.ClientSession, upstream_url: str, wanted: Wanted, patience: Patience) -> Answer:
    back_off = tenacity.wait_exponential_jitter(
        multiplier=patience.first_wait, max=patience.longest_wait, jitter=patience.first_wait
    )

    def wait(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, _TryAgain) and error.after is not None:
            return min(error.after, patience.longest_wait)
        return back_off(state)

    retrying = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(_TryAgain),
        stop=tenacity.stop_after_attempt(patience.attempts),
        wait=wait,
        reraise=True,
    )
    try:
        return await retrying(_ask_once, session, f"{upstream_url}{wanted.name}/", wanted, patience)
    except _TryAgain as error:
        text = f"upstream could not be reached in {patience.attempts} attempts: {error}"
        return Answer(wanted.name, Outcome.UNREACHABLE, text)


async def _ask_once(session: aiohttp.ClientSession, url: str, wanted: Wanted, patience: Patience) -> Answer:
    headers = {hdrs.IF_NONE_MATCH: wanted.etag} if wanted.etag else {}
    try:
        async with session.get(url, headers=headers, max_redirects=_REDIRECTS) as response:
            return await _read(response, wanted, patience)
    except aiohttp.TooManyRedirects:
        return Answer(wanted.name, Outcome.REFUSED, f"upstream redirects more than {_REDIRECTS} times")
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlRedirectClientError) as error:
        return Answer(
            wanted.name, Outcome.REFUSED, f"upstream redirects to {str(error)[:80]!r}, which is no web address"
        )
    except aiohttp.ClientConnectorCertificateError as error:
        text = f"upstream's certificate is not trusted ({error.certificate_error}): SSL_CERT_FILE names a file to trust"
        return Answer(wanted.name, Outcome.UNREACHABLE, text)
    except TimeoutError as error:
        raise _TryAgain("no answer in time") from error
    except (aiohttp.ClientError, OSError) as error:
        raise _TryAgain(f"{type(error).__name__}: {error}") from error


async def _read(response: aiohttp.ClientResponse, wanted: Wanted, patience: Patience) -> Answer:
    said = f"upstream answered {response.status} {response.reason or ''}".rstrip()
    if response.url.scheme == "http" and any(step.url.scheme == "https" for step in response.history):
        return Answer(wanted.name, Outcome.REFUSED, "upstream redirects from https to http, where anybody may answer")
    if response.status == 304 and wanted.etag:
        return Answer(wanted.name, Outcome.NOT_MODIFIED, said)
    if response.status in (404, 410):
        return Answer(wanted.name, Outcome.MISSING, said)
    if response.status in _BUSY or response.status >= 500:
        raise _TryAgain(said, read_retry_after(response.headers.get(hdrs.RETRY_AFTER)))
    if response.status == 406:
        return Answer(wanted.name, Outcome.REFUSED, f"{said}: piwright needs the JSON simple API ({MEDIA_TYPE})")
    if response.status != 200:
        return Answer(wanted.name, Outcome.REFUSED, said)
    if response.content_type != "application/json" and not response.content_type.endswith("+json"):
        text = f"upstream answered {response.content_type}: piwright needs the JSON simple API ({MEDIA_TYPE})"
        return Answer(wanted.name, Outcome.REFUSED, text)
    body = await _read_body(response, patience.body_limit)
    if body is None:
        text = f"upstream's page has more than {patience.body_limit:,} bytes, which no page of a project has"
        return Answer(wanted.name, Outcome.REFUSED, text)
    etag = response.headers.get(hdrs.ETAG)
    return Answer(
        wanted.name,
        Outcome.PAGE,
        body=body,
        url=str(response.url),
        etag=etag if etag and len(etag) <= _LONGEST_ETAG else None,
        serial=read_serial(response.headers.get("X-PyPI-Last-Serial", "")),
    )


async def _read_body(response: aiohttp.ClientResponse, limit: int) -> bytes | None:
    """The body, or None as soon as it is too long, counted after decompression: small answers can hold large pages."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(1 << 16):
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)


def read_retry_after(text: str | None, now: datetime | None = None) -> float | None:
    """Seconds to wait, from a header that has seconds or a date; None when it has neither."""
    if not text:
        return None
    if text.strip().isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())
