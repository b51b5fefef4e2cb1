"""Answers requests to the index from the served tree.

    responder = Responder(root, upstream="https://upstream.example/simple/")
    server = aiohttp.web.Server(responder.respond)

What each path means is in `routes.py`, what a client accepts in `negotiation.py`; here the two become a response.
"""

import asyncio
import re
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

from aiohttp import web

from piwright.index.layout import HTML, JSON, page_directory, served_wheel
from piwright.index.negotiation import Type, accepts_gzip, choose_type
from piwright.index.page_cache import ABSENT, PageCache
from piwright.index.ranges import UnsatisfiableRange, parse_range
from piwright.index.routes import Health, Home, ProjectPage, Redirect, RootPage, WheelFile, parse_path

CACHE_BYTES = 64 << 20
CHUNK = 1 << 18

_ALWAYS = {
    "Server": "piwright",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Accept-Ranges, Content-Range, ETag",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_PREFLIGHT = {
    "Allow": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": "Accept, If-None-Match, If-Range, Range",
    "Access-Control-Max-Age": "86400",
}
_FOR_PAGES = {"Cache-Control": "public, max-age=600"}
_FOR_FILES = {"Cache-Control": "public, max-age=31536000, immutable"}
_NO_SCRIPTS = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_HOME_POLICY = f"{_NO_SCRIPTS}; style-src 'unsafe-inline'; img-src data:"

_CONTENT_TYPES = {
    Type.JSON: Type.JSON.value,
    Type.VERSIONED_HTML: f"{Type.VERSIONED_HTML.value}; charset=utf-8",
    Type.HTML: f"{Type.HTML.value}; charset=utf-8",
}
_BY_NEGOTIATION = {"Vary": "Accept, Accept-Encoding"}
_BY_ENCODING = {"Vary": "Accept-Encoding"}


class Responder:
    """Everything the index answers; `upstream` ends in a slash and serves the projects that have no page here."""

    def __init__(self, root: Path, upstream: str) -> None:
        self._root = root
        self._upstream = upstream
        self._cache = PageCache(CACHE_BYTES)

    async def respond(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to one request."""
        if request.method == "OPTIONS":
            return _empty(HTTPStatus.NO_CONTENT, _PREFLIGHT)
        if request.method not in ("GET", "HEAD"):
            return _text(HTTPStatus.METHOD_NOT_ALLOWED, "This index is only read: use GET or HEAD.", _PREFLIGHT)
        match parse_path(request.rel_url.raw_path):
            case Home():
                return await self._home(request)
            case Health():
                published = (self._root / "simple" / HTML).is_file()
                return web.json_response(
                    {"status": "ok", "published": published}, headers=_ALWAYS | {"Cache-Control": "no-store"}
                )
            case Redirect(location):
                return _redirect(HTTPStatus.MOVED_PERMANENTLY, location)
            case RootPage(flavour):
                response = await self._page(request, self._root / flavour.path)
                return response or _not_found("Nothing is published yet: try again after the first publication.")
            case ProjectPage(flavour, name):
                response = await self._page(request, page_directory(self._root, flavour, name))
                if response is None and flavour.redirects:
                    return _redirect(HTTPStatus.FOUND, f"{self._upstream}{name}/")
                return response or _not_found(f"There is no wheel of ours for {name} here.")
            case WheelFile(sha256, filename):
                return await self._file(request, sha256, filename)
        return _not_found("There is nothing here. The index is at /simple/.")

    async def _home(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = {"Content-Type": _CONTENT_TYPES[Type.HTML], "Content-Security-Policy": _HOME_POLICY}
        response = await self._encoded(request, self._root / HTML, headers | _BY_ENCODING | _FOR_PAGES)
        return response or _not_found("The home page is not published yet. The index is at /simple/.")

    async def _page(self, request: web.BaseRequest, directory: Path) -> web.StreamResponse | None:
        """A page in the representation the client asks for; None if there is no page."""
        chosen = choose_type(", ".join(request.headers.getall("Accept", ())) or None)
        if chosen is None:
            if await self._cache.get(directory / HTML) is None:
                return None
            offered = ", ".join(each.value for each in Type)
            return _text(HTTPStatus.NOT_ACCEPTABLE, f"This page comes as {offered}.", _BY_NEGOTIATION)
        headers = {"Content-Type": _CONTENT_TYPES[chosen]}
        if chosen is not Type.JSON:
            headers["Content-Security-Policy"] = _NO_SCRIPTS
        path = directory / (JSON if chosen is Type.JSON else HTML)
        return await self._encoded(request, path, headers | _BY_NEGOTIATION | _FOR_PAGES)

    async def _encoded(self, request: web.BaseRequest, path: Path, headers: dict[str, str]) -> web.Response | None:
        """A file or its `.gz` twin, whichever the client prefers; None if there is none."""
        if accepts_gzip(", ".join(request.headers.getall("Accept-Encoding", ()))):
            twin = await self._cache.get(path.with_name(path.name + ".gz"))
            if twin is not None:
                encoded = headers | {"Content-Encoding": "gzip"}
                return _conditional(request, twin.content, twin.etag, encoded)
        plain = await self._cache.get(path)
        return None if plain is None else _conditional(request, plain.content, plain.etag, headers)

    async def _file(self, request: web.BaseRequest, sha256: str, filename: str) -> web.StreamResponse:
        is_metadata = filename.endswith(".metadata")
        headers = (
            _ALWAYS
            | _FOR_FILES
            | {
                "Content-Type": "text/plain; charset=utf-8" if is_metadata else "application/octet-stream",
                "ETag": f'"{sha256}.metadata"' if is_metadata else f'"{sha256}"',
                "Accept-Ranges": "bytes",
            }
        )
        try:
            file, size = await asyncio.to_thread(_open, served_wheel(self._root, sha256, filename))
        except OSError as error:
            if error.errno in ABSENT:
                return _not_found("There is no such file; its project's page lists those there are.")
            raise
        with file:
            if _matches(request, headers["ETag"]):
                return _empty(HTTPStatus.NOT_MODIFIED, headers)
            wanted = request.headers.get("Range") if request.method == "GET" else None
            if request.headers.get("If-Range", headers["ETag"]) != headers["ETag"]:
                wanted = None
            try:
                part = parse_range(wanted, size)
            except UnsatisfiableRange:
                refusal = {"Content-Range": f"bytes */{size}", "Cache-Control": "no-store"}
                return _text(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "The file has no such bytes.", refusal)
            response = web.StreamResponse(
                status=HTTPStatus.OK if part is None else HTTPStatus.PARTIAL_CONTENT, headers=headers
            )
            if part is not None:
                response.headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
            part = part if part is not None else range(size)
            response.content_length = len(part)
            await response.prepare(request)
            if request.method == "GET":
                await _send(response, file, part)
            await response.write_eof()
            return response


def _open(path: Path) -> tuple[BinaryIO, int]:
    file = path.open("rb")
    return file, file.seek(0, 2)


async def _send(response: web.StreamResponse, file: BinaryIO, part: range) -> None:
    file.seek(part.start)
    left = len(part)
    while left and (chunk := await asyncio.to_thread(file.read, min(CHUNK, left))):
        await response.write(chunk)
        left -= len(chunk)


def _conditional(request: web.BaseRequest, content: bytes, etag: str, headers: dict[str, str]) -> web.Response:
    headers = _ALWAYS | headers | {"ETag": etag}
    if _matches(request, etag):
        return _empty(HTTPStatus.NOT_MODIFIED, headers)
    return web.Response(body=content, headers=headers)


def _matches(request: web.BaseRequest, etag: str) -> bool:
    """True if the client has these bytes; a weak tag made from our strong one by a proxy counts (RFC 9110, 13.1.2)."""
    known = ", ".join(request.headers.getall("If-None-Match", ()))
    return known.strip() == "*" or etag in re.findall(r'"[^"]*"', known)


def _empty(status: HTTPStatus, headers: dict[str, str]) -> web.Response:
    return web.Response(status=status, headers=_ALWAYS | headers)


def _text(status: HTTPStatus, sentence: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=sentence + "\n", headers=_ALWAYS | (headers or {}))


def _not_found(sentence: str) -> web.Response:
    # Short: what is missing now may be published in a minute.
    return _text(HTTPStatus.NOT_FOUND, sentence, {"Cache-Control": "public, max-age=60"})


def _redirect(status: HTTPStatus, location: str) -> web.Response:
    return _text(status, f"See {location}", _FOR_PAGES | {"Location": location})
