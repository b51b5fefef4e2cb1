"""What a check is: a claim with the standard it rests on, and a function that looks whether it holds.

    CHECKS = Group("ranges")

    @CHECKS.check("range-part", "A part of a file is that part", "RFC 9110, 14.4", REQUIRED, "Send the bytes asked for.")
    async def part(index: Index) -> Seeing:
        yield good(url) if answer.body == expected else bad(url, "other bytes came")

A check yields what it saw, thing by thing. One bad thing fails it; nothing seen at all means that it does not apply.
"""

import enum
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from piwright.conformance.index import Index


class Level(enum.StrEnum):
    """`REQUIRED`: a MUST of a standard. `RECOMMENDED`: a SHOULD of one, or what its authors or pip and uv advise."""

    REQUIRED = "required"
    RECOMMENDED = "recommended"


class Verdict(enum.StrEnum):
    """What came of a check; `ERROR` means that the index did not answer, so that nobody knows."""

    PASS = "pass"
    FAIL = "fail"
    NOT_APPLICABLE = "not applicable"
    ERROR = "error"


REQUIRED, RECOMMENDED = Level.REQUIRED, Level.RECOMMENDED


@dataclass(frozen=True)
class Seen:
    """One thing a check looked at: where, and what was found there."""

    verdict: Verdict
    url: str
    found: str = ""


def good(url: str, found: str = "") -> Seen:
    """It is as the standard says."""
    return Seen(Verdict.PASS, url, found)


def bad(url: str, found: str) -> Seen:
    """It is not; `found` says what is there instead."""
    return Seen(Verdict.FAIL, url, found)


def judge(holds: bool, url: str, found: str) -> Seen:
    """Good or bad; `found` is told only when it is bad."""
    return good(url) if holds else bad(url, found)


def unknown(url: str, why: str) -> Seen:
    """Nobody knows: the index did not answer."""
    return Seen(Verdict.ERROR, url, why)


def nothing(reason: str) -> Seen:
    """There is nothing to look at, and why."""
    return Seen(Verdict.NOT_APPLICABLE, "", reason)


Seeing = AsyncIterator[Seen]
Look = Callable[["Index"], Seeing]


@dataclass(frozen=True)
class Check:
    """`standard` names the text and section; `remedy` says to whoever runs the index what to do."""

    id: str
    group: str
    claim: str
    standard: str
    level: Level
    remedy: str
    look: Look


@dataclass(frozen=True)
class Group:
    """Checks of one subject, in the order they are written."""

    name: str
    checks: list[Check] = field(default_factory=list)

    def check(self, name: str, claim: str, standard: str, level: Level, remedy: str) -> Callable[[Look], Look]:
        """Make the function below a check of this group."""

        def add(look: Look) -> Look:
            self.checks.append(Check(name, self.name, claim, standard, level, remedy, look))
            return look

        return add
