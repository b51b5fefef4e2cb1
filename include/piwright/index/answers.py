"""Makes answers: the headers every kind of them has, and the bodies.

    return page_answer(request, page, FOR_INDEX | {"Content-Type": "text/html; charset=utf-8"})
    return text_answer(HTTPStatus.NOT_FOUND, "There is nothing here.", FOR_MISSING)

What is asked of us on condition, or in part, is decided here. deploy/nginx.conf gives the same headers.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator
from email.utils import formatdate
from http import HTTPStatus

from aiohttp import web

from piwright.index.conditions import check_conditions, range_applies
from piwright.index.ranges import UnsatisfiableRange, parse_range
from piwright.index.served_tree import LargeFile, Page

CHUNK = 1 << 18

ALWAYS = {
    "Server": "piwright",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Accept-Ranges, Content-Range, ETag",
}
PREFLIGHT = {
    "Allow": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": "Accept, If-None-Match, If-Range, Range",
    "Access-Control-Max-Age": "86400",
}
NOT_ALLOWED = {
    "Allow": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Cache-Control": "no-store",
}

_FOR_PAGES = {"Cache-Control": "public, max-age=600, stale-while-revalidate=300, stale-if-error=86400"}
_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_SITE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
BY_NEGOTIATION = {"Vary": "Accept, Accept-Encoding"}
_BY_ENCODING = {"Vary": "Accept-Encoding"}

NO_SCRIPTS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}
FOR_INDEX = _FOR_PAGES | BY_NEGOTIATION
FOR_SITE = _FOR_PAGES | _BY_ENCODING | {"Content-Security-Policy": _SITE_POLICY}
FOR_STATIC = _FOR_EVER | _BY_ENCODING | {"Content-Security-Policy": _SITE_POLICY}
FOR_WHEELS = _FOR_EVER | {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
FOR_METADATA = _FOR_EVER | _BY_ENCODING | {"Content-Type": "text/plain; charset=utf-8"}
FOR_MISSING = {"Cache-Control": "public, max-age=60"}
"""Short: what is missing now may be published in a minute."""
FOR_LOST = FOR_MISSING | {
    "Vary": "Accept-Encoding",
    "Content-Security-Policy": _SITE_POLICY,
    "Content-Type": "text/html; charset=utf-8",
}
NOT_KEPT = {"Cache-Control": "no-store"}


def empty_answer(status: HTTPStatus, headers: dict[str, str]) -> web.Response:
    """An answer without a body."""
    return web.Response(status=status, headers=ALWAYS | headers)


def text_answer(status: HTTPStatus, sentence: str, headers: dict[str, str]) -> web.Response:
    """A sentence for a person who looks at what a program got."""
    return web.Response(status=status, text=sentence + "\n", headers=ALWAYS | headers)


def redirect(status: HTTPStatus, location: str) -> web.Response:
    """The way to another address."""
    return text_answer(status, f"See {location}", {"Cache-Control": "public, max-age=600", "Location": location})


def page_answer(request: web.BaseRequest, page: Page, headers: dict[str, str]) -> web.Response:
    """A page as it is in memory, or that the client has it already."""
    headers = {**ALWAYS, **headers, "ETag": page.etag, "Last-Modified": page.last_modified}
    status = check_conditions(request.headers, page.etag, page.modified)
    if status is not None:
        return _instead(status, headers)
    return web.Response(body=page.content, headers=headers)


def lost_answer(page: Page, headers: dict[str, str]) -> web.Response:
    """The page that helps where nothing is."""
    return web.Response(status=HTTPStatus.NOT_FOUND, body=page.content, headers=ALWAYS | headers)


async def file_answer(
    request: web.BaseRequest, file: LargeFile, headers: dict[str, str], etag: str | None = None
) -> web.StreamResponse:
    """A file in its size, in parts; a range of it if `headers` accept ranges."""
    etag = etag or file.etag
    headers = ALWAYS | headers | {"ETag": etag, "Last-Modified": formatdate(file.modified, usegmt=True)}
    status = check_conditions(request.headers, etag, file.modified)
    if status is not None:
        return _instead(status, headers)
    part = range(file.size)
    wanted = request.headers.get("Range") if "Accept-Ranges" in headers and request.method == "GET" else None
    status = HTTPStatus.OK
    if wanted is not None and range_applies(request.headers, etag, file.modified):
        try:
            asked = parse_range(wanted, file.size)
        except UnsatisfiableRange:
            refusal = NOT_KEPT | {"Content-Range": f"bytes */{file.size}"}
            return text_answer(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "The file has no such bytes.", refusal)
        if asked is not None:
            part, status = asked, HTTPStatus.PARTIAL_CONTENT
            headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{file.size}"
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = len(part)
    chunks = _chunks(file, part)
    # What cannot be read is found before anything is said of it.
    first = await anext(chunks, b"") if request.method == "GET" else b""
    return await _send(request, response, chunks, first)


async def unpacked_answer(request: web.BaseRequest, file: LargeFile, headers: dict[str, str]) -> web.StreamResponse:
    """What is in a gzip file, for a client that does not unpack it."""
    etag = f"W/{file.etag}"  # weak: these are not the bytes the tag was made for
    headers = ALWAYS | headers | {"ETag": etag, "Last-Modified": formatdate(file.modified, usegmt=True)}
    status = check_conditions(request.headers, etag, file.modified)
    if status is not None:
        return _instead(status, headers)
    return await _send(request, web.StreamResponse(headers=headers), _unpacked(file))


async def _send(
    request: web.BaseRequest, response: web.StreamResponse, chunks: AsyncIterator[bytes], first: bytes = b""
) -> web.StreamResponse:
    try:
        await response.prepare(request)
        if request.method == "GET":
            if first:
                await response.write(first)
            async for chunk in chunks:
                await response.write(chunk)
        await response.write_eof()
    except ConnectionError:
        pass  # the client is gone, which is its right: aiohttp notes how much it got
    return response


async def _chunks(file: LargeFile, part: range) -> AsyncIterator[bytes]:
    at = part.start
    while at < part.stop:
        chunk = await file.read(at, min(CHUNK, part.stop - at))
        if not chunk:
            # Less than was announced: the connection has to break, so that nobody takes it for the whole.
            raise OSError(f"the file ends at {at} of {part.stop} bytes")
        at += len(chunk)
        yield chunk


async def _unpacked(file: LargeFile) -> AsyncIterator[bytes]:
    """Never more than `CHUNK` bytes at a time, however well it was packed."""
    unpacker = zlib.decompressobj(wbits=31)
    async for packed in _chunks(file, range(file.size)):
        left = packed
        while left:
            yield await asyncio.to_thread(unpacker.decompress, left, CHUNK)
            left = unpacker.unconsumed_tail
            if unpacker.eof:  # one stream after another, as gzip allows
                left, unpacker = unpacker.unused_data, zlib.decompressobj(wbits=31)


def _instead(status: HTTPStatus, headers: dict[str, str]) -> web.Response:
    if status is HTTPStatus.NOT_MODIFIED:
        # Nothing that describes the body: the client's own copy is described already.
        kept = {name: value for name, value in headers.items() if name not in ("Content-Type", "Content-Encoding")}
        return web.Response(status=status, headers=kept)
    return text_answer(status, "The file is not the one you mean.", NOT_KEPT)
