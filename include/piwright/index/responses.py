"""Answers requests to the index and the site from the published tree.

    responder = Responder(open_tree("/srv/piwright/index"), upstream="https://upstream.example/simple/")
    server = aiohttp.web.Server(responder.respond)

What each path means is in `routes.py`, what a client accepts in `negotiation.py`, what answers look like in `answers.py`.
"""

import sys
from http import HTTPStatus

from aiohttp import web

from piwright.index import answers
from piwright.index.answers import file_answer, page_answer, redirect, text_answer
from piwright.index.content_types import TEXT, content_type
from piwright.index.layout import HTML, JSON
from piwright.index.negotiation import Type, choose_encodings, choose_type
from piwright.index.routes import (
    LOST,
    Health,
    LogFile,
    MetadataFile,
    ProjectPage,
    Redirect,
    RootPage,
    SiteFile,
    StaticFile,
    WheelFile,
    parse_path,
)
from piwright.index.served_tree import LargeFile, Page, ServedTree

MAIN, OURS_ONLY = "simple", "extra/simple"
"""The index that is there before anything is published, and the one that leads nobody upstream."""

_ENCODING = {".gz": {"Content-Encoding": "gzip"}, ".zst": {"Content-Encoding": "zstd"}}
_TYPES = {
    Type.JSON: {"Content-Type": Type.JSON.value},
    Type.VERSIONED_HTML: {"Content-Type": f"{Type.VERSIONED_HTML.value}; charset=utf-8"} | answers.NO_SCRIPTS,
    Type.HTML: {"Content-Type": f"{Type.HTML.value}; charset=utf-8"} | answers.NO_SCRIPTS,
}
_FOR_INDEX = {
    (chosen, suffix): answers.FOR_INDEX | described | _ENCODING.get(suffix, {})
    for chosen, described in _TYPES.items()
    for suffix in ("", *_ENCODING)
}


class Responder:
    """Everything the shop answers; `upstream` ends in a slash and serves the projects that have no page here."""

    def __init__(self, tree: ServedTree, upstream: str) -> None:
        self._tree = tree
        self._upstream = upstream

    async def respond(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to one request."""
        if request.method not in ("GET", "HEAD"):
            if request.method == "OPTIONS":
                return answers.empty_answer(HTTPStatus.NO_CONTENT, answers.PREFLIGHT)
            sentence = "This index is only read: use GET or HEAD."
            return text_answer(HTTPStatus.METHOD_NOT_ALLOWED, sentence, answers.NOT_ALLOWED)
        try:
            return await self._answer(request)
        except OSError as error:
            if isinstance(error, ConnectionError) or request.writer.output_size:
                raise  # the client is gone, or has a part of the answer: the connection ends
            sys.stderr.write(f"{_path(request)[:200]!r}: {error}\n")
            sentence = "This cannot be read at the moment: try again in a minute."
            return text_answer(HTTPStatus.SERVICE_UNAVAILABLE, sentence, answers.NOT_KEPT | {"Retry-After": "60"})

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        match parse_path(_path(request)):
            case ProjectPage(index, name):
                return await self._project_page(request, index, name)
            case RootPage(index):
                return await self._root_page(request, index)
            case WheelFile(path, sha256):
                file = await self._tree.open(path)
                if file is None:
                    return _no_file()
                with file:
                    return await file_answer(request, file, answers.FOR_WHEELS, etag=f'"{sha256}"')
            case MetadataFile(path):
                return await self._encoded(request, path, answers.FOR_METADATA) or _no_file()
            case StaticFile(path):
                described = answers.FOR_STATIC | {"Content-Type": content_type(path)}
                return await self._encoded(request, path, described) or await self._lost(request)
            case LogFile(path):
                return await self._log(request, path) or await self._lost(request)
            case SiteFile(path, folder):
                return await self._site_file(request, path, folder)
            case Redirect(location, index) if index is None or await self._has(index):
                return redirect(HTTPStatus.MOVED_PERMANENTLY, location)
            case Health():
                published = await self._tree.look(f"{MAIN}/{HTML}") is not None
                return web.json_response(
                    {"status": "ok", "published": published}, headers=answers.ALWAYS | answers.NOT_KEPT
                )
        return await self._lost(request)

    async def _root_page(self, request: web.BaseRequest, index: str) -> web.StreamResponse:
        if not await self._has(index):
            return await self._lost(request)
        response = await self._page(request, f"{index}/")
        sentence = "Nothing is published yet: try again after the first publication."
        return response or text_answer(HTTPStatus.NOT_FOUND, sentence, answers.FOR_MISSING)

    async def _project_page(self, request: web.BaseRequest, index: str, name: str) -> web.StreamResponse:
        response = await self._page(request, f"{index}/{name}/")
        if response is not None:
            return response
        if not await self._has(index):
            return await self._lost(request)
        if index != OURS_ONLY:
            return redirect(HTTPStatus.FOUND, f"{self._upstream}{name}/")
        sentence = f"There is no wheel of ours for {name} here."
        return text_answer(HTTPStatus.NOT_FOUND, sentence, answers.FOR_MISSING)

    async def _page(self, request: web.BaseRequest, folder: str) -> web.StreamResponse | None:
        """A page in the representation the client asks for; None if there is no page."""
        chosen = choose_type(_all(request, "Accept"))
        if chosen is None:
            if await self._tree.look(folder + HTML) is None:
                return None
            sentence = f"This page comes as {', '.join(each.value for each in Type)}."
            return text_answer(HTTPStatus.NOT_ACCEPTABLE, sentence, answers.BY_NEGOTIATION | answers.NOT_KEPT)
        path = folder + (JSON if chosen is Type.JSON else HTML)
        for suffix in (*choose_encodings(_all(request, "Accept-Encoding")), ""):
            found = await self._tree.look(path + suffix)
            if found is not None:
                return await _found(request, found, _FOR_INDEX[chosen, suffix])
        return None

    async def _site_file(self, request: web.BaseRequest, path: str, folder: str | None) -> web.StreamResponse:
        response = await self._encoded(request, path, answers.FOR_SITE | {"Content-Type": content_type(path)})
        if response is not None:
            return response
        if folder is not None and await self._tree.look(f"{folder}/{HTML}") is not None:
            return redirect(HTTPStatus.MOVED_PERMANENTLY, folder.rpartition("/")[2] + "/")
        return await self._lost(request)

    async def _log(self, request: web.BaseRequest, path: str) -> web.StreamResponse | None:
        described = answers.FOR_SITE | {"Content-Type": TEXT}
        if ".gz" in choose_encodings(_all(request, "Accept-Encoding")):
            found = await self._tree.look(path + ".gz")
            return await _found(request, found, described | _ENCODING[".gz"]) if found is not None else None
        file = await self._tree.open(path + ".gz")
        if file is None:
            return None
        with file:
            return await answers.unpacked_answer(request, file, described)

    async def _encoded(self, request: web.BaseRequest, path: str, headers: dict[str, str]) -> web.StreamResponse | None:
        """A file, or the twin of it that the client prefers; None if there is none."""
        for suffix in (*choose_encodings(_all(request, "Accept-Encoding")), ""):
            found = await self._tree.look(path + suffix)
            if found is not None:
                return await _found(request, found, headers | _ENCODING.get(suffix, {}))
        return None

    async def _lost(self, request: web.BaseRequest) -> web.StreamResponse:
        for suffix in (*choose_encodings(_all(request, "Accept-Encoding")), ""):
            match await self._tree.look(LOST + suffix):
                case Page() as page:
                    return answers.lost_answer(page, answers.FOR_LOST | _ENCODING.get(suffix, {}))
        sentence = "There is nothing here. The index is at /simple/."
        return text_answer(HTTPStatus.NOT_FOUND, sentence, answers.FOR_MISSING)

    async def _has(self, index: str) -> bool:
        return index == MAIN or await self._tree.has_index(index)


async def _found(request: web.BaseRequest, found: Page | LargeFile, headers: dict[str, str]) -> web.StreamResponse:
    if isinstance(found, Page):
        return page_answer(request, found, headers)
    with found:
        return await file_answer(request, found, headers)


def _all(request: web.BaseRequest, name: str) -> str | None:
    """A header, or those of that name as one."""
    values = request.headers.getall(name, None)
    return values if values is None else values[0] if len(values) == 1 else ", ".join(values)


def _path(request: web.BaseRequest) -> str:
    """The path as it came, without a query."""
    raw = request.raw_path
    if raw.startswith("/"):
        return raw.partition("?")[0].partition("#")[0]
    return request.rel_url.raw_path  # of a request with a whole address


def _no_file() -> web.Response:
    sentence = "There is no such file; its project's page lists those there are."
    return text_answer(HTTPStatus.NOT_FOUND, sentence, answers.FOR_MISSING)
