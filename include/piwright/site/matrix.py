"""Decides what a project's table of versions and targets says. Pure: facts in, rows of cells out.

    rows = decide_matrix(facts)         # newest version first
    rows[0].cells[0].state              # "built", "upstream", "failed", "waiting", ...

A cell answers one question: can this version be installed on that target without compiling, and if not, why?
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from packaging.version import Version

from piwright.intake.failure_classes import CLASSES
from piwright.planning.needs import Verdict, admits_python, judge
from piwright.site.project_facts import (
    AttemptFacts,
    JobFacts,
    ProjectFacts,
    ReleaseFacts,
    TargetFacts,
    UpstreamFileFacts,
    WheelFacts,
    unpack_tags,
)

STATES = {
    "built": "built here",
    "upstream": "upstream has it",
    "building": "being built",
    "waiting": "waiting",
    "held": "held back",
    "failed": "failed",
    "removed": "removed",
    "skipped": "not built",
    "yanked": "yanked",
    "unknown": "not considered",
}
"""Every state of a cell, and what people call it."""

_SHORT = {"no_sdist": "no sources", "python": "other Python", "no_hash": "no hash"}

INSTALLABLE = ("built", "upstream")
_UNSEEN = ("python", "no_sdist")


class Cell(Struct, frozen=True):
    """A version on a target. `detail` is the reason in words; `wheel` is ours, `filename` also upstream's.

    `attempt` is the one whose page tells more: that of the wheel, or else the last one of the job. `kind` is that of
    `planning.needs.judge` where nothing is to be built.
    """

    target: TargetFacts
    state: str
    detail: str | None = None
    filename: str | None = None
    wheel: WheelFacts | None = None
    attempt: AttemptFacts | None = None
    job: JobFacts | None = None
    kind: str | None = None

    @property
    def place(self) -> int | None:
        """The place in a queue that moves; None where it does not wait in one, or too far behind to be counted."""
        if self.state != "waiting" or self.job is None or self.job.ahead is None or not self.target.slots:
            return None
        return self.job.ahead + 1

    @property
    def word(self) -> str:
        """The state in a word or two, with the reason where there is one word for it."""
        if self.state == "failed" and self.attempt and self.attempt.failure_class:
            return self.attempt.failure_class.replace("_", " ")
        if self.place is not None:
            return f"waiting, place {self.place}"
        return _SHORT.get(self.kind or "") or STATES[self.state]

    @property
    def installable(self) -> bool:
        """pip finds a wheel."""
        return self.state in INSTALLABLE

    @property
    def unseen(self) -> bool:
        """pip finds no file that it could take on this target, so the version is in no other's way."""
        return self.kind in _UNSEEN


class Row(Struct, frozen=True):
    """A version with a cell for each target. `touched`: there is a job or a wheel of it, for whichever target."""

    release: ReleaseFacts
    version: Version
    cells: tuple[Cell, ...]
    touched: bool = False

    @property
    def alike(self) -> bool:
        """All its cells say the same, and none has a page to lead to."""
        first = self.cells[0] if self.cells else None
        return first is not None and all(
            (cell.state, cell.word, cell.detail, cell.attempt) == (first.state, first.word, first.detail, None)
            for cell in self.cells
        )


def decide_matrix(facts: ProjectFacts) -> tuple[Row, ...]:
    """All versions that are there, or that we ever did something about; newest first."""
    jobs = {(job.release_id, job.target_id): job for job in facts.jobs}
    attempts: dict[int, AttemptFacts] = {each.attempt_id: each for each in facts.attempts}
    last: dict[int, AttemptFacts] = {}
    for each in facts.attempts:
        if each.job_id not in last or last[each.job_id].number < each.number:
            last[each.job_id] = each
    wheels: defaultdict[int, list[WheelFacts]] = defaultdict(list)
    for wheel in sorted(facts.wheels, key=lambda wheel: wheel.wheel_id, reverse=True):
        wheels[wheel.release_id].append(wheel)
    touched = {job.release_id for job in facts.jobs} | set(wheels)
    rows = []
    for release in facts.releases:
        if release.gone and release.release_id not in touched:
            continue
        cells = tuple(
            _decide(
                facts,
                release,
                target,
                jobs.get((release.release_id, target.target_id)),
                wheels.get(release.release_id, ()),
                last,
                attempts,
                release.release_id in touched,
            )
            for target in facts.targets
        )
        rows.append(Row(release, parse_version(release.version), cells, release.release_id in touched))
    return tuple(sorted(rows, key=lambda row: row.version, reverse=True))


def serves(wheel: WheelFacts, target: TargetFacts) -> bool:
    """True if an installer on the target takes the wheel and finds the libraries it was linked with.

    As `index.compose.is_for` has it: a name that says no more than `linux_armv7l` is of its own distribution.
    """
    fitting = tags_of(target).intersection(wheel.tags)
    if not fitting or not admits_python(wheel.requires_python, target.python):
        return False
    return wheel.distribution == target.distribution or any("-linux_" not in tag for tag in fitting)


def tags_of(target: TargetFacts) -> frozenset[str]:
    """The wheel tags a target takes."""
    return unpack_tags(target.packed_tags)


@lru_cache(maxsize=50_000)
def parse_version(text: str) -> Version:
    """The catalog has only versions that can be parsed."""
    return Version(text)


def _decide(
    facts: ProjectFacts,
    release: ReleaseFacts,
    target: TargetFacts,
    job: JobFacts | None,
    wheels: Iterable[WheelFacts],
    last: Mapping[int, AttemptFacts],
    attempts: Mapping[int, AttemptFacts],
    elsewhere: bool,
) -> Cell:
    """`elsewhere`: the release has a job or a wheel, for whichever target."""
    attempt = last.get(job.job_id) if job else None
    fitting = [wheel for wheel in wheels if serves(wheel, target)]
    offered = next((each for each in fitting if each.removed_reason is None and each.held_reason is None), None)

    def cell(
        state: str, detail: str | None = None, wheel: WheelFacts | None = None, filename: str | None = None
    ) -> Cell:
        about = attempts.get(wheel.attempt_id) if wheel else attempt
        return Cell(target, state, detail, wheel.filename if wheel else filename, wheel, about, job)

    ours = offered or next(iter(fitting), None)
    if facts.closed:
        return cell("removed", _why_closed(facts), ours)
    if release.gone:
        return cell("removed", "Upstream removed this version.", ours)
    verdict = _judge(release.files, target.packed_tags, target.python)
    if verdict.kind == "upstream_has_wheel":
        name = (verdict.reason or "").removeprefix("upstream serves ")
        return cell("upstream", None, filename=name)
    if offered:
        return cell("built", None, offered)
    if job and job.state in ("leased", "waiting"):
        return cell("building" if job.state == "leased" else "waiting", _why_waiting(facts, target, job))
    held = next((each for each in fitting if each.held_reason and each.removed_reason is None), None)
    if held:
        by = f"Held by {held.held_by}" if held.held_by else "Held by the shop"
        return cell("held", f"{by}: {held.held_reason}", held)
    if job and job.state in ("failed", "parked"):
        return cell("failed", _why_failed(job, attempt))
    if ours:
        return cell("removed", f"The wheel was removed: {ours.removed_reason}", ours)
    if verdict.sdist is None:
        return replace(cell("skipped", _sentence(verdict.reason or "nothing to build")), kind=verdict.kind)
    if job:
        return cell("skipped", _sentence(job.reason or f"the job is {job.state}"))
    if release.yanked:
        return cell(
            "yanked", _sentence(f"yanked upstream: {release.yanked_reason}" if release.yanked_reason else "yanked")
        )
    return cell("unknown", _why_not_considered(facts, elsewhere))


def _judge(files: tuple[UpstreamFileFacts, ...], packed_tags: bytes, python: str) -> Verdict[Any]:
    """What planning says of the release, on its sources and upstream's wheels alone."""
    upstream: Sequence[Any] = files  # frozen, where the protocol does not say that nobody writes to them
    wheels = any(each.kind == "wheel" for each in files)
    return judge(upstream, (), unpack_tags(packed_tags) if wheels else (), python)


def _why_closed(facts: ProjectFacts) -> str:
    if facts.gone:
        return "Upstream no longer has this project."
    return _sentence(f"quarantined upstream: {facts.status_reason}" if facts.status_reason else "quarantined upstream")


def _why_waiting(facts: ProjectFacts, target: TargetFacts, job: JobFacts) -> str:
    if job.state == "leased":
        return f"On {job.worker} now." if job.worker else "In a batch that is on its way to a worker."
    if job.waits_for:
        return _sentence(f"waits for {job.waits_for}")
    if not target.slots:
        return "Nobody builds for this target at the moment."
    if job.next_try_at and job.next_try_at > facts.as_of:
        return f"It is tried again after {job.next_try_at:%d %b %Y, %H:%M} UTC."
    if job.ahead is None:
        return "Many builds are before it."
    place = "Next in the queue" if job.ahead == 0 else f"Place {job.ahead + 1} in the queue"
    return f"{place}, about {rough_time(job.seconds_ahead / target.slots + job.estimate_seconds)} until it is built."


def _why_failed(job: JobFacts, attempt: AttemptFacts | None) -> str:
    known = CLASSES.get(attempt.failure_class or "") if attempt else None
    return known.meaning if known else _sentence(job.reason or "the build failed")


def _why_not_considered(facts: ProjectFacts, elsewhere: bool) -> str:
    if facts.skip_reason:
        return _sentence(f"upstream's page could not be read: {facts.skip_reason}")
    if not facts.watched:
        return "Nobody asked for it: the project is not on the watch list."
    if elsewhere:
        return "It is not in the queue for this target yet."
    return "It is not in the queue: the watch list admits other versions, or the next look upstream brings it."


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?", "…")) else text + "."


def rough_time(seconds: float) -> str:
    """An estimate in words: nobody believes its seconds."""
    if seconds < 90:
        return "a minute"
    if seconds < 5400:
        return f"{round(seconds / 60)} minutes"
    if seconds < 129_600:
        return f"{round(seconds / 3600)} hours"
    return f"{round(seconds / 86_400)} days"
