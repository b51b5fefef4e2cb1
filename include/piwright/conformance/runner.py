"""Runs all checks against one index.

    report = await check_index("http://127.0.0.1:8000/simple/", sample=10, progress=print)

Every check runs, whatever the others found; one that the index leaves without an answer is an error of its own, and so is
a project whose page does not come. Raises `NotAnIndex` when there is nothing to check at that address.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from piwright.conformance import (
    checks_agreement,
    checks_caching,
    checks_fields,
    checks_files,
    checks_history,
    checks_listing,
    checks_names,
    checks_negotiation,
    checks_pages,
    checks_ranges,
)
from piwright.conformance.check import Check, Seen, unknown
from piwright.conformance.index import Index, open_index
from piwright.conformance.report import Outcome, Report, conclude, printable, shown_url
from piwright.conformance.web import Bounds, NoAnswer, open_web

ALL_CHECKS: tuple[Check, ...] = (
    *checks_pages.CHECKS.checks,
    *checks_names.CHECKS.checks,
    *checks_listing.CHECKS.checks,
    *checks_fields.CHECKS.checks,
    *checks_history.CHECKS.checks,
    *checks_agreement.CHECKS.checks,
    *checks_negotiation.CHECKS.checks,
    *checks_files.CHECKS.checks,
    *checks_ranges.CHECKS.checks,
    *checks_caching.CHECKS.checks,
)

_MOST_SEEN = 100_000
"""Things a check looks at: a hostile page may list any number of files."""

Progress = Callable[[str, int, int], None]
"""Told what is looked at now, how many checks are done, and how many there are."""


class NotAnIndex(Exception):
    """There is no index to check; the message is a sentence for a person, `report` says the same to a program."""

    def __init__(self, report: Report) -> None:
        super().__init__(report.error)
        self.report = report


def index_url(text: str) -> str:
    """The address of an index with a slash at its end. Raises `ValueError` with what is wrong and an example."""
    wanted = "give the address of a simple index, such as http://127.0.0.1:8000/simple/"
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(f"{printable(text)!r} cannot be checked: {wanted}")
    return urlunsplit(parts).rstrip("/") + "/"


async def check_index(
    url: str,
    *,
    names: Sequence[str] = (),
    sample: int = 10,
    bounds: Bounds | None = None,
    checks: Sequence[Check] = ALL_CHECKS,
    progress: Progress = lambda *_: None,
) -> Report:
    """Look at the root and at `names`, or at a sample of so many projects, and judge them. Raises `NotAnIndex`."""
    started = time.monotonic()
    url = index_url(url)
    async with open_web(bounds or Bounds()) as web:

        def tell(**found: Any) -> Report:
            spent = time.monotonic() - started
            return Report(url=url, requests=web.requests, received=web.received, seconds=spent, **found)

        progress("reading pages", 0, len(checks))
        try:
            index = await open_index(web, url, names, sample)
        except NoAnswer as error:
            raise NotAnIndex(tell(error=f"{shown_url(error.url)} {printable(error.why)}")) from error
        if not index.root.found and not index.projects:
            raise NotAnIndex(tell(error=_what_is_there(index)))
        outcomes = []
        for done, check in enumerate(checks):
            progress(check.id, done, len(checks))
            outcomes.append(await _run(check, index))
        progress("done", len(checks), len(checks))
        return tell(
            projects=tuple(project.name for project in index.projects),
            elsewhere=index.elsewhere,
            unanswered=tuple(each.name for each in index.unanswered),
            files=len(index.sampled),
            outcomes=tuple(outcomes),
        )


def _what_is_there(index: Index) -> str:
    """A sentence on what answers instead of an index."""
    answer = index.root.html_answer
    if answer.location:
        return f"{shown_url(index.url)} is redirected to {shown_url(answer.location)}: check that address."
    return (
        f"{shown_url(index.url)} is no simple index: status {answer.status}, content type"
        f" {printable(answer.header('Content-Type'))!r}. Give the address that pip is given as --index-url."
    )


async def _run(check: Check, index: Index) -> Outcome:
    seen: list[Seen] = []
    try:
        async for each in check.look(index):
            seen.append(each)
            if len(seen) >= _MOST_SEEN:
                break
    except NoAnswer as error:
        seen.append(unknown(error.url, error.why))
    return conclude(check, seen)
