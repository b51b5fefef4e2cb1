"""Asks a server that may be hostile: every answer is bounded in bytes, time, redirects and unpacked size.

    async with open_web(Bounds(timeout=30)) as web:
        answer = await web.get(url, accept="text/html", encoding="gzip")
        answer.status, answer.header("ETag"), answer.content

Nothing is followed, unpacked or remembered unless it is asked for. Raises `NoAnswer` when nothing usable comes.
"""

import asyncio
import time
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import quote, urljoin, urlsplit

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from piwright.catalog.user_agent import piwright_version

_SENT_BY_ITSELF = ("Accept", "Accept-Encoding", "User-Agent")
_MOVED = frozenset({301, 302, 303, 307, 308})
_AS_IT_IS = "!#$%&'()*+,/:;=?@[]~"
_CHUNK = 1 << 16
_LONGEST_URL = 8_000


@dataclass(frozen=True)
class Bounds:
    """`timeout` of one request and `within` of all, in seconds; sizes in bytes."""

    timeout: float = 30
    within: float = 600
    root_bytes: int = 256 << 20
    page_bytes: int = 32 << 20
    file_bytes: int = 32 << 20
    redirects: int = 5


class NoAnswer(Exception):
    """A request without an answer that could be judged; `url` and the sentence say which and why."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(why)
        self.url = url
        self.why = why


class TooLarge(NoAnswer):
    """An answer with more bytes than we take."""


class OutOfTime(NoAnswer):
    """A request that was not made, because the time for all of them is over."""


@dataclass(frozen=True)
class Answer:
    """A response; `body` as it came over the wire."""

    url: str
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    limit: int

    def header(self, name: str) -> str:
        """The header's value, several of one name joined; empty if it is not there."""
        return ", ".join(self.headers.getall(name, ()))

    @property
    def media_type(self) -> str:
        """The content type without its parameters, in lower case."""
        return self.header("Content-Type").partition(";")[0].strip().lower()

    @property
    def coding(self) -> str:
        """How the body is packed; empty for not at all."""
        coding = self.header("Content-Encoding").strip().lower()
        return "" if coding == "identity" else coding.removeprefix("x-")

    @property
    def location(self) -> str:
        """Where a redirect leads, as an absolute address; empty if it is none."""
        moved = self.status in _MOVED and self.header("Location")
        return absolute(self.url, self.header("Location")) if moved else ""

    @cached_property
    def content(self) -> bytes:
        """The body, unpacked. Raises `NoAnswer` if it is not what its header says, or too large."""
        if not self.coding:
            return self.body
        if self.coding not in ("gzip", "deflate"):
            raise NoAnswer(self.url, f"Content-Encoding {self.coding!r} was not asked for")
        unpacker = zlib.decompressobj(wbits=47)  # gzip or zlib, by its first bytes
        try:
            content = unpacker.decompress(self.body, self.limit + 1)
        except zlib.error as error:
            raise NoAnswer(self.url, f"the body is not {self.coding} as its header says: {error}") from error
        if len(content) > self.limit:
            raise TooLarge(self.url, f"unpacks to more than {self.limit:,} bytes")
        if not unpacker.eof:
            raise NoAnswer(self.url, f"the {self.coding} body is cut off")
        return content


def absolute(base: str, reference: str) -> str:
    """The address that a reference on a page leads to; empty if to none. As browsers do, what must be quoted is."""
    try:
        url = urljoin(base, reference.strip(" \t\r\n\f"))
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        return ""
    return quote(url, safe=_AS_IT_IS) if usable and len(url) < _LONGEST_URL else ""


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of an absolute address."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


@dataclass
class Web:
    """Requests within bounds, counted."""

    session: aiohttp.ClientSession
    bounds: Bounds
    requests: int = 0
    received: int = 0
    started: float = field(default_factory=time.monotonic)

    async def get(
        self,
        url: str,
        *,
        accept: str | None = None,
        encoding: str | None = "identity",
        method: str = "GET",
        limit: int | None = None,
        **headers: str,
    ) -> Answer:
        """One request, nothing followed. Underscores in names of further headers stand for dashes; None: not sent."""
        limit = self.bounds.page_bytes if limit is None else limit
        sent = {"User-Agent": f"piwright-conformance/{piwright_version()}"}
        sent |= {"Accept": accept} if accept is not None else {}
        sent |= {"Accept-Encoding": encoding} if encoding is not None else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await self._ask(method, url, sent, limit)

    async def follow(self, url: str, *, stay: bool = True, **options: object) -> Answer:
        """The same, with redirects followed; `stay`: not to another server, whose redirect is then the answer."""
        for _ in range(self.bounds.redirects + 1):
            answer = await self.get(url, **options)  # type: ignore[arg-type]
            if not answer.location or (stay and origin(answer.location) != origin(url)):
                return answer
            url = answer.location
        raise NoAnswer(url, f"is redirected more than {self.bounds.redirects} times")

    async def _ask(self, method: str, url: str, headers: Mapping[str, str], limit: int) -> Answer:
        left = self.started + self.bounds.within - time.monotonic()
        if left <= 0:
            raise OutOfTime(url, f"not asked: the {self.bounds.within:g} seconds for all requests are over")
        seconds = min(self.bounds.timeout, left)
        self.requests += 1
        try:
            async with asyncio.timeout(seconds):
                async with self.session.request(
                    method, URL(url, encoded=True), headers=headers, allow_redirects=False
                ) as response:
                    body = await self._read(response, url, limit)
                    return Answer(url, response.status, response.headers, body, limit)
        except TimeoutError as error:
            raise NoAnswer(url, f"no whole answer within {seconds:.3g} seconds") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NoAnswer(url, f"no answer: {type(error).__name__}: {error}") from error

    async def _read(self, response: aiohttp.ClientResponse, url: str, limit: int) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK):
            body += chunk
            self.received += len(chunk)
            if len(body) > limit:
                raise TooLarge(url, f"sends more than {limit:,} bytes")
        return bytes(body)


@asynccontextmanager
async def open_web(bounds: Bounds) -> AsyncIterator[Web]:
    """Connections for as long as the block; proxies and certificates are those of the environment."""
    async with aiohttp.ClientSession(
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        skip_auto_headers=_SENT_BY_ITSELF,
        trust_env=True,
    ) as session:
        yield Web(session, bounds)
