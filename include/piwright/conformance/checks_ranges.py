"""Checks of parts of files: installers read a wheel's directory from its end, and go on where a download broke off."""

from collections.abc import AsyncIterator

from piwright.conformance.check import RECOMMENDED, REQUIRED, Group, Seeing, judge, nothing
from piwright.conformance.fetched import Fetched
from piwright.conformance.index import Index, Sampled
from piwright.conformance.web import Answer

CHECKS = Group("ranges")

_RANGES = "RFC 9110, 14"
_NO_FILES = "No small file was sampled."
_NO_PARTS = "The index sends no parts of files."
_FILES = 2


async def _small(index: Index) -> AsyncIterator[tuple[Sampled, Fetched]]:
    """A few files whose bytes are known, of more than a few bytes."""
    found = 0
    async for each, fetched in index.files():
        if len(fetched.body) > 20 and found < _FILES:
            found += 1
            yield each, fetched


async def _part(index: Index, fetched: Fetched, wanted: str, **headers: str) -> Answer:
    """The answer to a request for a range of a file."""
    return await index.web.get(fetched.url, limit=index.web.bounds.file_bytes, Range=wanted, **headers)


def _wishes(size: int) -> list[tuple[str, range]]:
    return [
        ("bytes=0-9", range(10)),
        (f"bytes={size - 5}-", range(size - 5, size)),
        ("bytes=-7", range(size - 7, size)),
        (f"bytes=5-{size + 100}", range(5, size)),
    ]


@CHECKS.check(
    "range-offered",
    "Files can be had in parts, and say so",
    f"{_RANGES}.2, 14.3; pip fast-deps, uv, Poetry",
    RECOMMENDED,
    "Answer 206 to requests with Range, and send `Accept-Ranges: bytes`.",
)
async def range_offered(index: Index) -> Seeing:
    async for _, fetched in _small(index):
        answer = await _part(index, fetched, "bytes=0-9")
        said = fetched.headers.get("Accept-Ranges", "")
        found = f"status {answer.status} to a request for a part, Accept-Ranges {said!r}"
        yield judge(answer.status == 206 and said.strip().lower() == "bytes", fetched.url, found)
    yield nothing(_NO_FILES)


@CHECKS.check(
    "range-truth",
    "A part is the part that was asked for, and says which",
    f"{_RANGES}.4, 15.3.7",
    REQUIRED,
    "Send Content-Range with the first and last byte and the whole size, and just those bytes.",
)
async def range_truth(index: Index) -> Seeing:
    async for _, fetched in _small(index):
        for wanted, expected in _wishes(fetched.size):
            answer = await _part(index, fetched, wanted)
            if answer.status == 206:
                said = answer.header("Content-Range")
                right = f"bytes {expected.start}-{expected.stop - 1}/{fetched.size}"
                exact = answer.body == fetched.body[expected.start : expected.stop] and said in (
                    right,
                    right[:-1] + "*",
                )
                found = f"{wanted} gets {len(answer.body):,} bytes, Content-Range {said!r}, expected {right!r}"
                yield judge(exact, fetched.url, found)
    yield nothing(_NO_PARTS)


@CHECKS.check(
    "range-unknown-unit",
    "A range of an unknown unit gets the whole file, one that is no range nothing worse than a refusal",
    f"{_RANGES}.2",
    REQUIRED,
    "Ignore Range headers whose unit is not known.",
)
async def range_unknown_unit(index: Index) -> Seeing:
    async for _, fetched in _small(index):
        for wanted, refused in (("lines=1-2", ()), ("bytes=9-5", (400, 416))):
            answer = await _part(index, fetched, wanted)
            whole = answer.status == 200 and answer.body == fetched.body
            found = f"{wanted} gets status {answer.status} and {len(answer.body):,} of {fetched.size:,} bytes"
            yield judge(whole or answer.status in refused, fetched.url, found)
    yield nothing(_NO_FILES)


@CHECKS.check(
    "range-unsatisfiable",
    "A range outside of the file is refused with 416 and the file's size",
    f"{_RANGES}.4, 15.5.17",
    RECOMMENDED,
    "Answer 416 with `Content-Range: bytes */SIZE`.",
)
async def range_unsatisfiable(index: Index) -> Seeing:
    async for _, fetched in _small(index):
        if (await _part(index, fetched, "bytes=0-9")).status != 206:
            continue
        answer = await _part(index, fetched, f"bytes={fetched.size + 10}-{fetched.size + 20}")
        said = answer.header("Content-Range")
        found = f"status {answer.status}, Content-Range {said!r}"
        yield judge(answer.status == 416 and said == f"bytes */{fetched.size}", fetched.url, found)
    yield nothing(_NO_PARTS)


@CHECKS.check(
    "if-range",
    "A part is sent only of the file that the client has the rest of",
    "RFC 9110, 13.1.5",
    REQUIRED,
    "Send the whole file with 200 when If-Range names another entity tag.",
)
async def if_range(index: Index) -> Seeing:
    async for _, fetched in _small(index):
        if (await _part(index, fetched, "bytes=0-9")).status != 206:
            continue
        answer = await _part(index, fetched, "bytes=0-9", If_Range='"of-another-file"')
        found = f"If-Range with another tag gets status {answer.status} and {len(answer.body):,} bytes"
        yield judge(answer.status == 200 and answer.body == fetched.body, fetched.url, found)
    yield nothing(_NO_PARTS)


@CHECKS.check(
    "if-range-matches",
    "A broken download goes on where it was",
    "RFC 9110, 13.1.5",
    RECOMMENDED,
    "Send a strong entity tag with files, and 206 when If-Range names it.",
)
async def if_range_matches(index: Index) -> Seeing:
    async for _, fetched in _small(index):
        if (await _part(index, fetched, "bytes=0-9")).status != 206:
            continue
        tag = fetched.headers.get("ETag", "")
        if not tag or tag.startswith("W/"):
            yield judge(False, fetched.url, f"ETag {tag!r}: not strong")
            continue
        answer = await _part(index, fetched, "bytes=0-9", If_Range=tag)
        yield judge(answer.status == 206, fetched.url, f"If-Range with its own tag gets status {answer.status}")
    yield nothing(_NO_PARTS)
