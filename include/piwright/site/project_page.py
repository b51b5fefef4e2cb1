"""The page of a project, from what is known about it. Pure.

    render_project(view(facts, rows, site_url, upstream_url))      # bytes of index.html

What the page says is decided in `matrix.py` and `project_answers.py`; here it is put in order, and bounded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import quote, urlsplit

from markupsafe import Markup

from piwright.site.badge import badge_title
from piwright.site.matrix import STATES, Row
from piwright.site.page_environment import number, render
from piwright.site.presentable import presentable
from piwright.site.project_answers import (
    Answer,
    WayToInstall,
    answer_targets,
    index_of,
    newest_row,
    target_titles,
    ways_to_install,
)
from piwright.site.project_facts import AttemptFacts, JobFacts, ProjectFacts, ReleaseFacts, WheelFacts
from piwright.site.project_lines import AttemptShown, FileShown, file_card, history_line, matrix_lines, target_card

FULL_ROWS = 50
"""Lines of the table of versions; older ones are a list of names."""
MOST_OLDER = 1000
MOST_FILES = 100
MOST_ATTEMPTS = 40
"""Of the history on the page; the JSON has all."""

DAYS = 30


@dataclass(frozen=True, slots=True)
class ProjectView:
    """What is on a project's page, in order."""

    facts: ProjectFacts
    rows: tuple[Row, ...]
    newest: Row | None
    answers: tuple[Answer, ...]
    ways: tuple[WayToInstall, ...]
    files: tuple[FileShown, ...]
    history: tuple[AttemptShown, ...]
    site_url: str
    upstream_page: str | None

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"{self.site_url}/project/{self.facts.name}/"

    @property
    def installable(self) -> int:
        """On how many targets it installs without compiling."""
        return sum(answer.installable for answer in self.answers)

    @property
    def state(self) -> str:
        """The state of the project as a whole, for a colour."""
        if self.installable:
            return "built"
        return self.stuck.cell.state if self.stuck and self.stuck.cell else "unknown"

    @property
    def titles(self) -> dict[str, str]:
        """What people call the targets, by name."""
        return target_titles(self.facts.targets)

    @property
    def stuck(self) -> Answer | None:
        """Of the targets where nothing installs, the one that tells most: what is to come first, then what failed."""
        answers = [answer for answer in self.answers if not answer.installable and answer.cell]
        return min(answers, key=_telling, default=None)

    @property
    def headline(self) -> str:
        """The answer in one sentence."""
        facts, count, total = self.facts, self.installable, len(self.answers)
        if facts.closed:
            return "Nothing of this can be installed."
        if not self.newest:
            return "Nothing to install is known."
        if count:
            versions = {answer.row.release.version for answer in self.answers if answer.installable and answer.row}
            what = f"Version {next(iter(versions))} installs" if len(versions) == 1 else "It installs"
            where = "every target" if count == total else f"{count} of {total} targets"
            return f"{what} on {where}, without compiling."
        stuck = self.stuck
        if not stuck or not stuck.row or not stuck.cell:
            return "No target is set up here."
        version = stuck.row.release.version
        if stuck.cell.state in ("waiting", "building"):
            return f"Not yet: version {version} is in the queue."
        if all(answer.cell is not None and answer.cell.unseen for answer in self.answers):
            return f"Version {version} cannot be installed on any target."
        return f"No wheel: pip would have to compile version {version}."

    @property
    def subline(self) -> str:
        """What there is to add."""
        facts = self.facts
        if facts.gone:
            return "Upstream no longer has this project."
        if facts.status == "quarantined":
            return f"Upstream holds it in quarantine: {presentable(facts.status_reason or 'no reason given')}"
        if facts.skip_reason and not self.rows:
            return f"Upstream's page could not be read: {presentable(facts.skip_reason)}"
        if not self.rows:
            return "The next look upstream brings its versions."
        stuck = self.stuck
        if stuck and stuck.cell and stuck.cell.detail:
            same = all(answer.cell and answer.cell.detail == stuck.cell.detail for answer in self.answers)
            where = "" if same else f"{self.titles[stuck.target.name]}: "
            return f"{where}{presentable(stuck.cell.detail)}"
        older = next((answer for answer in self.answers if answer.newer_version), None)
        if older and older.newer and older.newer_version:
            reason = presentable(older.newer.detail or STATES[older.newer.state])
            return f"{self.titles[older.target.name]}: {older.newer_version} is newer. {reason}"
        yanked = next((each.row.release for each in self.answers if each.row and each.row.release.yanked), None)
        if yanked:
            return f"Upstream yanked {yanked.version}: {presentable(yanked.yanked_reason or 'no reason given')}"
        return ""

    @property
    def once_configured(self) -> bool:
        """Whoever configured the index for good needs to name the project only, wherever it installs."""
        return len(self.ways) == 1 and self.ways[0].plain

    @property
    def evidence(self) -> tuple[str, str, str] | None:
        """What the log says where a build failed: where that is, the words that lead there, and the line.

        That of the target the answer is about if it failed there; of another one by name.
        """
        stuck = self.stuck
        for answer in [stuck, *self.answers] if stuck else self.answers:
            cell = answer.newer if answer.installable else answer.cell
            attempt = cell.attempt if cell and cell.state == "failed" else None
            if attempt and attempt.evidence and attempt.has_page:
                line = f"#L{attempt.evidence_line}" if attempt.evidence_line else ""
                words = "The log" if len(self.answers) == 1 else f"The log for {self.titles[answer.target.name]}"
                return f"build/{attempt.attempt_id}/{line}", words, presentable(attempt.evidence)
        return None

    @property
    def index_page(self) -> str | None:
        """Its page in our index, from the root of the tree; None where there is none: it is redirected upstream."""
        cells = [answer.cell for answer in self.answers] + [cell for row in self.rows for cell in row.cells]
        ours = next((cell for cell in cells if cell and cell.installable and cell.wheel), None)
        return f"{index_of(ours.target, ours.wheel)}{self.facts.name}/" if ours else None


def _telling(answer: Answer) -> int:
    """The place of a state in the order of `ProjectView.stuck`."""
    order = ("building", "waiting", "failed", "held")
    state = answer.cell.state if answer.cell else ""
    return order.index(state) if state in order else len(order)


def view(facts: ProjectFacts, rows: tuple[Row, ...], site_url: str, upstream_url: str) -> ProjectView:
    """Put a project's page together."""
    answers = answer_targets(facts, rows)
    attempts = {each.attempt_id: each for each in facts.attempts}
    jobs = {job.job_id: job for job in facts.jobs}
    versions = {release.release_id: release.version for release in facts.releases}
    order = {row.release.release_id: position for position, row in enumerate(rows)}
    releases = {release.release_id: release for release in facts.releases}
    wheels = sorted(facts.wheels, key=lambda each: (order.get(each.release_id, 1 << 30), each.filename))
    history = sorted(facts.attempts, key=lambda each: each.attempt_id, reverse=True)
    return ProjectView(
        facts=facts,
        rows=rows,
        newest=newest_row(rows),
        answers=answers,
        ways=ways_to_install(facts, answers, site_url),
        files=tuple(
            FileShown(
                wheel,
                versions[wheel.release_id],
                attempts.get(wheel.attempt_id),
                wheel_path(wheel),
                *_standing(wheel, releases[wheel.release_id], facts),
            )
            for wheel in wheels
        ),
        history=tuple(_shown(each, jobs[each.job_id], versions) for each in history if each.job_id in jobs),
        site_url=site_url,
        upstream_page=_upstream_page(facts, site_url, upstream_url),
    )


def wheel_path(wheel: WheelFacts) -> str:
    """A wheel's address from the root of the tree."""
    return f"files/{wheel.sha256[:2]}/{wheel.sha256[2:]}/{quote(wheel.filename, safe='')}"


def _standing(wheel: WheelFacts, release: ReleaseFacts, facts: ProjectFacts) -> tuple[str, str]:
    """What became of a wheel: state, and a word for it."""
    if wheel.removed_reason is not None or release.gone or facts.closed:
        return "removed", "removed"
    if wheel.held_reason is not None:
        return "held", "held back"
    return ("yanked", "yanked") if release.yanked else ("built", "offered")


def _shown(each: AttemptFacts, job: JobFacts, versions: dict[int, str]) -> AttemptShown:
    return AttemptShown(each, versions.get(job.release_id, ""), job.target)


def _upstream_page(facts: ProjectFacts, site_url: str, upstream_url: str) -> str | None:
    """The project's page in upstream's index; None where readers cannot reach it."""
    host = urlsplit(upstream_url).hostname
    mine = urlsplit(site_url).hostname
    if facts.gone or (host in ("127.0.0.1", "localhost", "::1") and mine != host):
        return None
    return f"{upstream_url}{facts.name}/"


def render_project(shown: ProjectView) -> bytes:
    """index.html of the project."""
    facts = shown.facts
    lines, versions = matrix_lines(shown.rows, FULL_ROWS)
    full, older = shown.rows[:versions], shown.rows[versions:]
    body = render(
        # Rendered by itself: each level of inheritance costs as much as all the rest.
        "project_body.html",
        depth=2,
        view=shown,
        facts=facts,
        titles=shown.titles,
        headings=[(shown.titles[target.name], target.name) for target in facts.targets],
        subline=shown.subline,
        evidence=shown.evidence,
        cards=[target_card(answer, shown.titles[answer.target.name]) for answer in shown.answers] if full else [],
        rows=lines,
        older=[(row.release.version, sum(cell.installable for cell in row.cells)) for row in older[:MOST_OLDER]],
        older_count=len(older),
        waiting=any(cell.state in ("waiting", "building") for row in full for cell in row.cells),
        files=[file_card(file) for file in shown.files[:MOST_FILES]],
        files_count=len(shown.files),
        history=[history_line(each) for each in shown.history[:MOST_ATTEMPTS]],
        history_count=len(shown.history),
        spark=sparkline(facts.downloads, facts.as_of.date()) if facts.downloads_total else None,
        badge_url=f"{shown.url}badge.svg",
        badge_title=badge_title(facts, shown.answers),
        index_page=shown.index_page,
    )
    return render("project.html", depth=2, name=facts.name, headline=shown.headline, body=Markup(body.decode()))


@dataclass(frozen=True, slots=True)
class Sparkline:
    """Bars for the last days, as one path in a box of `width` by `height`; `total` and `most` in words for who cannot see."""

    path: str
    width: int
    height: int
    total: int
    first: date
    last: date
    words: str


def sparkline(downloads: Sequence[tuple[date, int]], today: date) -> Sparkline:
    """Downloads of the last `DAYS` days until `today`, a bar each."""
    by_day = dict(downloads)
    days = [today - timedelta(days=DAYS - 1 - back) for back in range(DAYS)]
    counts = [by_day.get(each, 0) for each in days]
    most = max(counts)
    height, step = 40, 6
    bars = []
    for position, count in enumerate(counts):
        tall = max(round((height - 2) * count / most, 1), 2) if count else 1
        bars.append(f"M{position * step} {height}v-{tall:g}h{step - 2}V{height}z")
    total = sum(counts)
    words = f"{number(total)} downloads from {days[0]:%d %b} to {days[-1]:%d %b %Y}, at most {number(most)} a day"
    return Sparkline("".join(bars), DAYS * step - 2, height, total, days[0], days[-1], words)
