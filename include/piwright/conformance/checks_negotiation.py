"""Checks of what an index sends for which `Accept` header, and whether it says so."""

from collections.abc import AsyncIterator

from piwright.conformance.check import RECOMMENDED, REQUIRED, Group, Seeing, judge, nothing
from piwright.conformance.index import Index
from piwright.conformance.pages import HTML_TYPE, HTML_TYPES, JSON_TYPE, OLD_HTML_TYPE
from piwright.conformance.web import Answer

CHECKS = Group("negotiation")

_SELECTION = "Simple repository API, Version + Format Selection (PEP 691)"
_LATEST = "application/vnd.pypi.simple.latest"
_UNSUPPORTED = "application/vnd.pypi.simple.v99+json"

CLIENTS = {
    "pip": f"{JSON_TYPE}, {HTML_TYPE}; q=0.1, {OLD_HTML_TYPE}; q=0.01",
    "uv": f"{JSON_TYPE}, {HTML_TYPE};q=0.2, {OLD_HTML_TYPE};q=0.01",
    "Poetry": f"{JSON_TYPE}, */*;q=0.1",
    "easy_install": "text/html, application/xhtml+xml",
}
"""What clients really send."""


async def _asked(index: Index, accept: str | None) -> AsyncIterator[Answer]:
    for page in index.asked_pages:
        yield await index.web.follow(page.url, accept=accept, limit=index.web.bounds.root_bytes)


def _said(answer: Answer) -> str:
    return f"status {answer.status}, content type {answer.header('Content-Type')!r}"


def _is_json(answer: Answer) -> bool:
    return answer.status == 200 and answer.media_type == JSON_TYPE


def _is_html(answer: Answer) -> bool:
    return answer.status == 200 and answer.media_type in HTML_TYPES


def _has_both(index: Index) -> bool:
    return index.root.html is not None and index.root.json is not None


_NOT_BOTH = "The index has one format only, which is allowed (Endpoint Configuration)."


@CHECKS.check(
    "content-type",
    "Every page has the content type of what it is",
    "Simple repository API, Content-Types (PEP 691)",
    REQUIRED,
    f"Send {JSON_TYPE} with JSON, {HTML_TYPE} or text/html with HTML.",
)
async def content_type(index: Index) -> Seeing:
    for page in index.pages:
        for answer in (page.html_answer, page.json_answer):
            if answer.status != 200:
                continue
            start = answer.content[:200].lstrip(b"\xef\xbb\xbf \t\r\n")
            fits = start.startswith(b"{") if answer.media_type == JSON_TYPE else start.startswith(b"<")
            known = answer.media_type in HTML_TYPES or answer.media_type == JSON_TYPE
            found = f"{answer.header('Content-Type')!r} for a page that begins with {start[:20]!r}"
            yield judge(fits and known, answer.url, found)


@CHECKS.check(
    "negotiate-json",
    "Who asks for JSON gets JSON",
    f"{_SELECTION}; Recommendations",
    RECOMMENDED,
    "Serve JSON: what is newer than API 1.0 (sizes, upload times) exists in it only.",
)
async def negotiate_json(index: Index) -> Seeing:
    async for answer in _asked(index, JSON_TYPE):
        yield judge(_is_json(answer), answer.url, _said(answer))


@CHECKS.check(
    "negotiate-html",
    "Who asks for text/html gets HTML",
    f"{_SELECTION}; Recommendations",
    RECOMMENDED,
    "Serve HTML too, as long as there are clients that know nothing else.",
)
async def negotiate_html(index: Index) -> Seeing:
    async for answer in _asked(index, OLD_HTML_TYPE):
        yield judge(_is_html(answer), answer.url, _said(answer))


@CHECKS.check(
    "negotiate-v1-html",
    "Who asks for HTML by its versioned type gets HTML, named by that type",
    f"{_SELECTION}; Recommendations",
    RECOMMENDED,
    f"Answer `Accept: {HTML_TYPE}` with that content type.",
)
async def negotiate_v1_html(index: Index) -> Seeing:
    async for answer in _asked(index, HTML_TYPE):
        yield judge(answer.status == 200 and answer.media_type == HTML_TYPE, answer.url, _said(answer))


@CHECKS.check(
    "negotiate-latest",
    "Who asks for `latest` gets that format",
    _SELECTION,
    RECOMMENDED,
    f"Take {_LATEST}+json and {_LATEST}+html as other names of the newest version.",
)
async def negotiate_latest(index: Index) -> Seeing:
    async for answer in _asked(index, f"{_LATEST}+json"):
        yield judge(_is_json(answer), answer.url, f"+json: {_said(answer)}")
    async for answer in _asked(index, f"{_LATEST}+html"):
        yield judge(_is_html(answer), answer.url, f"+html: {_said(answer)}")


@CHECKS.check(
    "latest-is-named",
    "What was asked for as `latest` comes with the content type of the version it is",
    _SELECTION,
    REQUIRED,
    "Never send a content type with `latest` in it.",
)
async def latest_is_named(index: Index) -> Seeing:
    for suffix in ("+json", "+html"):
        async for answer in _asked(index, _LATEST + suffix):
            if answer.status == 200:
                yield judge(".latest+" not in answer.media_type, answer.url, _said(answer))
    yield nothing("The index does not answer those who ask for `latest`.")


@CHECKS.check(
    "negotiate-any",
    "No Accept header is the same as */*, and gets a page",
    f"{_SELECTION}; RFC 9110, 12.5.1",
    REQUIRED,
    "Treat a request without Accept as one that takes anything.",
)
async def negotiate_any(index: Index) -> Seeing:
    for page in index.asked_pages:
        types = []
        for accept in ("*/*", None):
            answer = await index.web.follow(page.url, accept=accept, limit=index.web.bounds.root_bytes)
            types.append(answer.media_type)
            yield judge(_is_json(answer) or _is_html(answer), answer.url, f"Accept {accept!r}: {_said(answer)}")
        yield judge(types[0] == types[1], page.url, f"*/* gets {types[0]!r}, no Accept gets {types[1]!r}")


@CHECKS.check(
    "negotiate-clients",
    "What pip, uv, Poetry and browsers ask for gets a page that they understand",
    _SELECTION,
    REQUIRED,
    "Answer 200 with one of the types listed.",
)
async def negotiate_clients(index: Index) -> Seeing:
    for client, accept in CLIENTS.items():
        if client == "easy_install" and index.root.html is None:
            continue
        async for answer in _asked(index, accept):
            fits = _is_html(answer) or (_is_json(answer) and JSON_TYPE in accept)
            yield judge(fits, answer.url, f"{client}: {_said(answer)}")


@CHECKS.check(
    "negotiate-quality",
    "Quality values decide, and what has the value 0 is never sent",
    f"RFC 9110, 12.4.2 and 12.5.1; {_SELECTION}",
    RECOMMENDED,
    "Send the type with the highest quality, whatever the order.",
)
async def negotiate_quality(index: Index) -> Seeing:
    if not _has_both(index):
        yield nothing(_NOT_BOTH)
        return
    wishes = (
        (f"{JSON_TYPE};q=0.2, {OLD_HTML_TYPE};q=0.9", _is_html),
        (f"{OLD_HTML_TYPE};q=0.2, {JSON_TYPE};q=0.9", _is_json),
        (f"{OLD_HTML_TYPE};q=0.2, {HTML_TYPE};q=0.1, {JSON_TYPE}", _is_json),
        (f"{JSON_TYPE};q=0, */*", _is_html),
    )
    for accept, fits in wishes:
        async for answer in _asked(index, accept):
            yield judge(fits(answer), answer.url, f"Accept: {accept} gets {_said(answer)}")


@CHECKS.check(
    "unsupported-type",
    "Who asks for what does not exist gets a page in another format or 406, and nothing worse",
    _SELECTION,
    REQUIRED,
    "Answer 406, or 200 with another format.",
)
async def unsupported_type(index: Index) -> Seeing:
    async for answer in _asked(index, _UNSUPPORTED):
        fits = answer.status in (300, 406) or _is_html(answer) or _is_json(answer)
        yield judge(fits, answer.url, _said(answer))


@CHECKS.check(
    "unsupported-406",
    "Who asks for what does not exist is told so",
    "Simple repository API, Recommendations (PEP 691)",
    RECOMMENDED,
    "Answer 406 Not Acceptable when nothing in Accept is there.",
)
async def unsupported_406(index: Index) -> Seeing:
    if not _has_both(index):
        yield nothing(_NOT_BOTH)
        return
    async for answer in _asked(index, _UNSUPPORTED):
        yield judge(answer.status == 406, answer.url, _said(answer))


@CHECKS.check(
    "vary-accept",
    "Pages that depend on Accept say so, so that no cache mixes them up",
    "RFC 9110, 12.5.5",
    RECOMMENDED,
    "Send `Vary: Accept` with every page, in each format.",
)
async def vary_accept(index: Index) -> Seeing:
    if not _has_both(index):
        yield nothing(_NOT_BOTH)
        return
    for page in index.asked_pages:
        for answer in (page.html_answer, page.json_answer):
            names = {name.strip().lower() for name in answer.header("Vary").split(",")}
            yield judge(
                bool({"accept", "*"} & names), answer.url, f"{answer.media_type}: Vary {answer.header('Vary')!r}"
            )
