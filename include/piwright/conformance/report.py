"""What came of all checks, for people and programs.

    report = Report(url, projects, outcomes, ...)
    report.conforms        # nothing that a standard requires fails, and nothing of it stayed unknown
    report.to_json()

Everything that an index said is made printable here: it chooses the text, not what a terminal does with it.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from piwright.conformance.check import Check, Level, Seen, Verdict

STANDARD = "simple repository API 1.4"
LONGEST_TEXT = 300
KEPT_EVIDENCE = 5

_INVISIBLE = {"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"}


def printable(text: str, longest: int = LONGEST_TEXT) -> str:
    """The text on one line, of bounded length, with what a terminal might obey or a reader not see written as escapes."""
    cut = text[:longest]
    shown = "".join(
        each.encode("unicode_escape").decode() if unicodedata.category(each) in _INVISIBLE else each for each in cut
    )
    return shown + (f"... ({len(text):,} characters)" if len(text) > longest else "")


_USER = re.compile(r"(?<=://)[^/?#]*@")


def shown_url(url: str) -> str:
    """An address as it may be told: without the password that may be in it."""
    return printable(_USER.sub("***@", url))


@dataclass(frozen=True)
class Outcome:
    """What came of a check: `looked` things were looked at, `evidence` has the first few that decided."""

    check: Check
    verdict: Verdict
    looked: int
    failures: int
    evidence: tuple[Seen, ...]

    def to_json(self) -> dict[str, Any]:
        """The outcome as data; the remedy comes with what needs one."""
        data = {
            "id": self.check.id,
            "group": self.check.group,
            "claim": self.check.claim,
            "standard": self.check.standard,
            "level": self.check.level.value,
            "verdict": self.verdict.value,
            "looked_at": self.looked,
            "failures": self.failures,
            "evidence": [{"url": each.url, "found": each.found} for each in self.evidence],
        }
        return data | ({"remedy": self.check.remedy} if self.verdict is Verdict.FAIL else {})


def conclude(check: Check, seen: Iterable[Seen]) -> Outcome:
    """One verdict from all that a check saw: what is wrong weighs most, then what stayed unknown, then what is right."""
    found: dict[Verdict, list[Seen]] = {verdict: [] for verdict in Verdict}
    counts = dict.fromkeys(Verdict, 0)
    for each in seen:
        counts[each.verdict] += 1
        if len(found[each.verdict]) < KEPT_EVIDENCE:
            found[each.verdict].append(Seen(each.verdict, shown_url(each.url), printable(each.found)))
    for verdict in (Verdict.FAIL, Verdict.ERROR, Verdict.PASS):
        if counts[verdict]:
            break
    else:
        verdict = Verdict.NOT_APPLICABLE
    looked = counts[Verdict.PASS] + counts[Verdict.FAIL]
    evidence = found[verdict] or [Seen(verdict, "", "The index has nothing to which this applies.")]
    return Outcome(check, verdict, looked, counts[Verdict.FAIL], tuple(evidence))


@dataclass(frozen=True)
class Report:
    """All outcomes for the index at `url`; none if there is no index, and `error` says what there is instead.

    `projects` were looked at, `elsewhere` are redirected to another server, the pages of `unanswered` did not come.
    """

    url: str
    requests: int
    received: int
    seconds: float
    projects: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()
    files: int = 0
    outcomes: tuple[Outcome, ...] = ()
    error: str | None = None

    def of(self, *verdicts: Verdict, level: Level | None = None) -> list[Outcome]:
        """The outcomes with one of these verdicts, of a level or of any."""
        return [
            each for each in self.outcomes if each.verdict in verdicts and (level is None or each.check.level is level)
        ]

    @property
    def conforms(self) -> bool:
        """True if everything that the standards require was seen to hold or does not apply."""
        return self.error is None and not self.of(Verdict.FAIL, Verdict.ERROR, level=Level.REQUIRED)

    @property
    def counts(self) -> Mapping[str, int]:
        """Verdict to the number of checks."""
        return {verdict.value: len(self.of(verdict)) for verdict in Verdict}

    def to_json(self) -> dict[str, Any]:
        """The report as data."""
        return {
            "url": shown_url(self.url),
            "standard": STANDARD,
            "conforms": self.conforms,
            "error": self.error,
            "counts": dict(self.counts),
            "projects": [printable(name) for name in self.projects],
            "redirected_elsewhere": [printable(name) for name in self.elsewhere],
            "unanswered": [printable(name) for name in self.unanswered],
            "files": self.files,
            "requests": self.requests,
            "bytes": self.received,
            "seconds": round(self.seconds, 3),
            "checks": [each.to_json() for each in self.outcomes],
        }
