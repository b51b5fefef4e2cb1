"""Finds why a build failed: one class, the line of the log that shows it, and the names in that line.

    classify_failure("backend", "the build failed", lines)
    classify_log(lines).failure_class       # "missing_header"
    read_lines(stream)                      # a log's lines, whatever it is, in bounded memory

What the worker saw itself (a timeout, a full disk) needs no log. For the rest the log is read once, line by line. Each
line is judged by the rules of `failure_rules`; the heaviest line wins, because a cause explains the symptoms printed
after it. Among equals the later one wins: whatever came before it was survived. But of several in a row of the same
class the first one does, as a compiler's first message is the true one and the rest follow from it.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from piwright.intake.failure_classes import CLASSES, KIND_TO_CLASS
from piwright.intake.failure_rules import FRESH_START, NOISE, PHASE, RULES, Rule
from piwright.intake.untrusted import clean_text, without_colours

LINE_LIMIT = 4000
"""Characters of a line that are looked at. Compilers and interpreters keep their messages far shorter."""

_EVIDENCE_LENGTH = 500
_REMARK = "=== piwright: "
_REASONS_FROM_LOG = ("backend", "requirements", "killed")


@dataclass(frozen=True)
class Classified:
    """Why an attempt failed. `line` counts from 1 and is None when there is no log; `text` is that line, cleaned."""

    failure_class: str
    line: int | None = None
    text: str | None = None
    captured: dict[str, str] = field(default_factory=dict)

    @property
    def infrastructure(self) -> bool:
        """Whether it was our doing, to be retried, rather than the project's."""
        return CLASSES[self.failure_class].infrastructure

    @property
    def meaning(self) -> str:
        """One sentence for a maintainer."""
        return CLASSES[self.failure_class].meaning


@dataclass(frozen=True)
class _Sighting:
    rule: Rule
    line: int
    text: str
    captured: dict[str, str]


def classify_failure(kind: str, lines: Iterable[str]) -> Classified:
    """The class of an attempt that failed with this kind (see `intake.result.FAILURE_KINDS`) and this log."""
    found = _weigh(kind, lines) if kind in _REASONS_FROM_LOG else _last_remark(lines)
    told = KIND_TO_CLASS.get(kind)
    if told is None or (kind == "killed" and found.failure_class in ("out_of_memory", "no_space")):
        return found
    return Classified(told, found.line, found.text)


def classify_log(lines: Iterable[str]) -> Classified:
    """The class a log shows by itself, as that of a build that failed."""
    return classify_failure("backend", lines)


def read_lines(stream: BinaryIO, limit: int = LINE_LIMIT) -> Iterator[str]:
    """The lines of a log as text, each cut at `limit` bytes. Memory does not grow with the log or with a line."""
    while piece := stream.readline(limit):
        yield piece.decode("utf-8", "replace")
        while piece and not piece.endswith(b"\n"):
            piece = stream.readline(1 << 16)


def _weigh(kind: str, lines: Iterable[str]) -> Classified:
    rules = [rule for rule in RULES if kind in rule.kinds]
    best: _Sighting | None = None
    survived = False
    last: tuple[int, str] | None = None
    above: deque[str] = deque(maxlen=3)
    for number, line in _spoken(lines):
        if PHASE.match(line):
            best, last = None, None
        elif FRESH_START.match(line):
            survived = True
        elif (seen := _look(line, number, rules, above)) is not None and _outweighs(seen, best, survived):
            best, survived = seen, False
        if not line.startswith(_REMARK):
            last = (number, line)
        above.append(line)
    if best is not None:
        return Classified(best.rule.failure_class, best.line, clean_text(best.text, _EVIDENCE_LENGTH), best.captured)
    return _as_evidence("unknown", last)


def _outweighs(seen: _Sighting, best: _Sighting | None, survived: bool) -> bool:
    if best is None or seen.rule.weight != best.rule.weight:
        return best is None or seen.rule.weight > best.rule.weight
    return survived or seen.rule.failure_class != best.rule.failure_class


def _look(line: str, number: int, rules: Iterable[Rule], above: Iterable[str]) -> _Sighting | None:
    """What one line shows, given the three above it."""
    for rule in rules:
        if rule.needle not in line or (match := rule.pattern.search(line)) is None:
            continue
        if NOISE.search(line):
            return None
        if rule.before is None or any(rule.before.search(each) for each in above):
            captured = {name: clean_text(text, 300) for name, text in match.groupdict().items() if text}
            return _Sighting(rule, number, line, captured)
    return None


def _last_remark(lines: Iterable[str]) -> Classified:
    """The worker's last remark in the log, else the last thing the build said."""
    remark: tuple[int, str] | None = None
    last: tuple[int, str] | None = None
    for number, line in _spoken(lines):
        if PHASE.match(line):
            continue
        last = (number, line)
        if line.startswith(_REMARK):
            remark = last
    return _as_evidence("unknown", remark or last)


def _spoken(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """(number from 1, text) of the lines that are not blank, cut and without colours."""
    for number, raw in enumerate(lines, 1):
        if line := without_colours(raw[:LINE_LIMIT]).rstrip():
            yield number, line


def _as_evidence(failure_class: str, seen: tuple[int, str] | None) -> Classified:
    if seen is None:
        return Classified(failure_class)
    return Classified(failure_class, seen[0], clean_text(seen[1], _EVIDENCE_LENGTH))
