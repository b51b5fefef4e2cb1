"""Checks of what caches and repeated requests rely on: entity tags, conditions, lifetimes, encodings, HEAD."""

import re
from collections.abc import AsyncIterator

from piwright.conformance.check import RECOMMENDED, REQUIRED, Group, Seeing, bad, judge, nothing
from piwright.conformance.index import ASK_HTML, ASK_JSON, Index
from piwright.conformance.web import Answer, NoAnswer, OutOfTime

CHECKS = Group("caching")

_TAG = re.compile(r'(W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_NO_TAGS = "The index sends no entity tags."
_NOT_PACKED = "The index packs nothing."
_DAY = 86400


async def _pages(index: Index, encoding: str = "identity") -> AsyncIterator[tuple[str, Answer]]:
    """(Accept header, answer) of the asked pages in each format that the index has."""
    for page in index.asked_pages:
        for accept, there in ((ASK_HTML, page.html), (ASK_JSON, page.json)):
            if there is not None:
                yield (
                    accept,
                    await index.web.follow(
                        page.url, accept=accept, encoding=encoding, limit=index.web.bounds.root_bytes
                    ),
                )


async def _resources(index: Index) -> AsyncIterator[tuple[str | None, Answer]]:
    """Pages, a file, and its metadata."""
    async for accept, answer in _pages(index):
        yield accept, answer
    async for each, fetched in index.files():
        for url in (fetched.url, *([f"{each.file.url}.metadata"] if each.file.metadata else [])):
            yield None, await index.web.follow(url, stay=False, limit=index.web.bounds.file_bytes)
        break


async def _again(index: Index, accept: str | None, answer: Answer, **headers: str) -> Answer:
    return await index.web.get(answer.url, accept=accept, limit=answer.limit, **headers)


@CHECKS.check(
    "etag-sent",
    "Pages, files and metadata have entity tags",
    "RFC 9110, 8.8.3",
    RECOMMENDED,
    "Send an ETag made from the content: without it every look fetches everything.",
)
async def etag_sent(index: Index) -> Seeing:
    async for _, answer in _resources(index):
        yield judge(bool(answer.header("ETag")), answer.url, f"no ETag with {answer.media_type}")


@CHECKS.check(
    "etag-format",
    "Entity tags are quoted",
    "RFC 9110, 8.8.3",
    REQUIRED,
    'Write ETag: "TAG", or W/"TAG" for a weak one.',
)
async def etag_format(index: Index) -> Seeing:
    async for _, answer in _resources(index):
        if tag := answer.header("ETag"):
            yield judge(_TAG.fullmatch(tag) is not None, answer.url, f"ETag {tag!r}")
    yield nothing(_NO_TAGS)


@CHECKS.check(
    "etag-of-one",
    "HTML and JSON, packed and plain, have different strong entity tags",
    "RFC 9110, 8.8.1 and 8.8.3.3",
    REQUIRED,
    "Make the tag from the bytes that are sent, or from content, format and encoding.",
)
async def etag_of_one(index: Index) -> Seeing:
    for page in index.asked_pages:
        tags: dict[str, bytes] = {}
        for accept, there in ((ASK_HTML, page.html), (ASK_JSON, page.json)):
            for encoding in ("identity", "gzip") if there is not None else ():
                answer = await index.web.follow(
                    page.url, accept=accept, encoding=encoding, limit=index.web.bounds.root_bytes
                )
                tag = answer.header("ETag")
                if tag and not tag.startswith("W/"):
                    same = tags.setdefault(tag, answer.body) == answer.body
                    yield judge(same, answer.url, f"ETag {tag} is that of two representations")
    yield nothing("The index sends no strong entity tags.")


@CHECKS.check(
    "not-modified",
    "Who has the newest page or file is told so, without its bytes",
    "RFC 9110, 13.1.2 and 15.4.5",
    REQUIRED,
    "Answer 304 without a body when If-None-Match has the entity tag.",
)
async def not_modified(index: Index) -> Seeing:
    async for accept, answer in _resources(index):
        tag = answer.header("ETag")
        for known in (tag, f'"another", {tag}', tag if tag.startswith("W/") else f"W/{tag}") if tag else ():
            again = await _again(index, accept, answer, If_None_Match=known)
            found = f"If-None-Match: {known} gets status {again.status} and {len(again.body):,} bytes"
            yield judge(again.status == 304 and not again.body, answer.url, found)
    yield nothing(_NO_TAGS)


@CHECKS.check(
    "modified",
    "Who has another page or file gets the one there is",
    "RFC 9110, 13.1.2",
    REQUIRED,
    "Answer 200 when If-None-Match has other entity tags only.",
)
async def modified(index: Index) -> Seeing:
    async for accept, answer in _resources(index):
        again = await _again(index, accept, answer, If_None_Match='"of-something-else"')
        same = again.status == 200 and again.body == answer.body
        yield judge(same, answer.url, f"status {again.status} and {len(again.body):,} of {len(answer.body):,} bytes")


@CHECKS.check(
    "not-modified-headers",
    "304 has the headers that a cache needs to keep what it has",
    "RFC 9110, 15.4.5",
    REQUIRED,
    "Send ETag, Cache-Control, Content-Location, Expires and Vary with 304 as with 200.",
)
async def not_modified_headers(index: Index) -> Seeing:
    async for accept, answer in _resources(index):
        if not answer.header("ETag"):
            continue
        again = await _again(index, accept, answer, If_None_Match=answer.header("ETag"))
        if again.status == 304:
            names = ("ETag", "Cache-Control", "Content-Location", "Expires", "Vary")
            missing = [name for name in names if answer.header(name) and not again.header(name)]
            yield judge(not missing, answer.url, f"304 without {', '.join(missing)}")
    yield nothing("The index answers no request with 304.")


@CHECKS.check(
    "cache-pages",
    "Pages say how long they may be kept",
    "RFC 9111, 5.2.2; pip 26.2 and uv keep to it",
    RECOMMENDED,
    "Send `Cache-Control: max-age=600` or the like.",
)
async def cache_pages(index: Index) -> Seeing:
    async for _, answer in _pages(index):
        said = answer.header("Cache-Control")
        fits = re.search(r"\b(s-maxage|max-age)=\d+|\bno-cache\b|\bno-store\b", said) is not None
        yield judge(fits, answer.url, f"Cache-Control {said!r}")


@CHECKS.check(
    "cache-files",
    "Files say that they may be kept for ever",
    "RFC 8246; RFC 9111, 5.2.2",
    RECOMMENDED,
    "Send `Cache-Control: public, max-age=31536000, immutable`.",
)
async def cache_files(index: Index) -> Seeing:
    async for each, fetched in index.files():
        said = fetched.headers.get("Cache-Control", "")
        lifetime = re.search(r"\bmax-age=(\d{1,12})", said)
        fits = "immutable" in said or (lifetime is not None and int(lifetime[1]) >= _DAY)
        yield judge(fits, each.file.url, f"Cache-Control {said!r}")
        break
    yield nothing("No sampled project has files.")


@CHECKS.check(
    "gzip-offered",
    "Pages come packed to those who can unpack them",
    "RFC 9110, 12.5.3",
    RECOMMENDED,
    "Pack pages with gzip: they become a fifth as large.",
)
async def gzip_offered(index: Index) -> Seeing:
    async for _, answer in _pages(index, encoding="gzip, deflate"):
        yield judge(bool(answer.coding), answer.url, f"{len(answer.body):,} plain bytes of {answer.media_type}")


@CHECKS.check(
    "gzip-truth",
    "A packed page is the plain one",
    "RFC 9110, 8.4",
    REQUIRED,
    "Pack the page that is sent to others, and replace both together.",
)
async def gzip_truth(index: Index) -> Seeing:
    async for accept, answer in _pages(index, encoding="gzip"):
        if not answer.coding:
            continue
        plain = await _again(index, accept, answer, encoding="identity")
        try:
            same = answer.content == plain.content
        except NoAnswer as error:
            yield bad(answer.url, error.why)
            continue
        yield judge(same, answer.url, f"{len(answer.content):,} bytes unpacked, {len(plain.content):,} plain")
    yield nothing(_NOT_PACKED)


@CHECKS.check(
    "gzip-refused",
    "Who cannot unpack gets plain pages",
    "RFC 9110, 12.5.3",
    RECOMMENDED,
    "Send no Content-Encoding when Accept-Encoding is `identity`, `gzip;q=0` or missing.",
)
async def gzip_refused(index: Index) -> Seeing:
    for page in index.asked_pages:
        for encoding in ("identity", "gzip;q=0, identity", None):
            answer = await index.web.follow(
                page.url, accept=ASK_HTML, encoding=encoding, limit=index.web.bounds.root_bytes
            )
            yield judge(not answer.coding, answer.url, f"Accept-Encoding {encoding!r} gets {answer.coding!r}")


@CHECKS.check(
    "vary-encoding",
    "Pages that come packed to some say so",
    "RFC 9110, 12.5.5",
    RECOMMENDED,
    "Send `Vary: Accept-Encoding` with both.",
)
async def vary_encoding(index: Index) -> Seeing:
    async for accept, answer in _pages(index, encoding="gzip"):
        if not answer.coding:
            continue
        plain = await _again(index, accept, answer, encoding="identity")
        for each in (answer, plain):
            names = {name.strip().lower() for name in each.header("Vary").split(",")}
            yield judge(bool({"accept-encoding", "*"} & names), each.url, f"Vary {each.header('Vary')!r}")
    yield nothing(_NOT_PACKED)


@CHECKS.check(
    "head",
    "HEAD answers as GET does, without the body",
    "RFC 9110, 9.1 and 9.3.2",
    REQUIRED,
    "Answer HEAD with the headers of GET.",
)
async def head(index: Index) -> Seeing:
    async for accept, answer in _resources(index):
        try:
            again = await _again(index, accept, answer, method="HEAD")
        except OutOfTime:
            raise
        except NoAnswer as error:
            yield bad(answer.url, f"GET is answered and HEAD is not: {error.why}")
            continue
        length = again.header("Content-Length")
        fits = again.status == answer.status and not again.body and length in ("", str(len(answer.body)))
        fits = fits and again.media_type == answer.media_type
        found = f"status {again.status}, type {again.media_type!r}, Content-Length {length!r} for {len(answer.body):,} bytes"
        yield judge(fits, answer.url, found)
