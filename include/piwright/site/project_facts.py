"""What is known about a project, as the rows of the database say it: what its pages are made from.

    facts = read_project_facts(connection, [17])[17]      # piwright.site.project_contents
    facts.releases[0].version, facts.jobs[0].state

Frozen and picklable, so that another process can render them; structs, because there are dozens for each page and a frozen
data class takes ten times as long to make. `matrix.py` decides what they mean.
"""

import zlib
from collections.abc import Iterable
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from msgspec import Struct


def pack_tags(tags: Iterable[str]) -> bytes:
    """Tags as few bytes."""
    return zlib.compress(" ".join(tags).encode())


@lru_cache(maxsize=256)
def unpack_tags(packed: bytes) -> frozenset[str]:
    """What `pack_tags` packed."""
    return frozenset(zlib.decompress(packed).decode().split())


class TargetFacts(Struct, frozen=True):
    """An active target. `slots` are those of its live workers.

    `packed_tags` are the wheel tags it takes (`pack_tags`): hundreds that resemble each other, and they travel with every
    project to the process that renders it.
    """

    target_id: int
    name: str
    distribution: str
    python: str
    architecture: str
    packed_tags: bytes
    slots: int = 0


class UpstreamFileFacts(Struct, frozen=True):
    """A file upstream that matters to a target: a source distribution, or a wheel some target could take."""

    filename: str
    kind: str
    hashes: dict[str, str]
    requires_python: str | None = None


class ReleaseFacts(Struct, frozen=True):
    """A version. `gone`: upstream removed it."""

    release_id: int
    version: str
    uploaded_at: datetime | None = None
    yanked: bool = False
    yanked_reason: str | None = None
    gone: bool = False
    files: tuple[UpstreamFileFacts, ...] = ()


class JobFacts(Struct, frozen=True):
    """A release to build for a target.

    `ahead`: how many jobs of its target come first, None if it does not wait or there are more than are counted;
    `seconds_ahead` is what those are expected to take. `worker` has it now, or had it last.
    """

    job_id: int
    release_id: int
    target_id: int
    state: str
    reason: str | None = None
    attempts: int = 0
    estimate_seconds: float = 0.0
    next_try_at: datetime | None = None
    waits_for: str | None = None
    changed_at: datetime | None = None
    worker: str | None = None
    target: str = ""
    ahead: int | None = None
    seconds_ahead: float = 0.0


class AttemptFacts(Struct, frozen=True, array_like=True):
    """One try of a job. `seconds` is how long it took; `smoke` what importing its wheel came to.

    `has_page`: its build page is published with the project's, or was before.
    """

    attempt_id: int
    job_id: int
    number: int
    outcome: str
    failure_class: str | None
    evidence: str | None
    finished_at: datetime
    recorded_at: datetime
    seconds: float
    worker: str | None = None
    peak_memory_bytes: int | None = None
    smoke: str | None = None
    smoke_detail: str | None = None
    evidence_line: int | None = None
    has_page: bool = True


class WheelFacts(Struct, frozen=True, array_like=True):
    """A wheel of ours, with the name and the distribution of the target it was built for.

    `needs_distribution`: it links libraries of that distribution, so only the indexes of its targets offer it.
    """

    wheel_id: int
    attempt_id: int
    release_id: int
    target: str
    distribution: str
    filename: str
    sha256: str
    tags: tuple[str, ...]
    size: int
    built_at: datetime
    build_tag: str = ""
    apt_packages: tuple[str, ...] = ()
    requires_python: str | None = None
    note: str | None = None
    published: bool = False
    held_reason: str | None = None
    held_by: str | None = None
    released_reason: str | None = None
    released_by: str | None = None
    needs_distribution: bool = False
    removed_reason: str | None = None
    corrections: tuple[str, ...] = ()


class ExceptionFacts(Struct, frozen=True):
    """Why builds of the project may use the network."""

    reason: str
    since: datetime


class ProjectFacts(Struct, frozen=True):
    """All that a project's pages tell. `as_of` is when it was read; `downloads` are the last days that had any.

    `watched` are the specifiers of its lines on the watch list; "" admits every release.
    """

    project_id: int
    name: str
    display_name: str
    as_of: datetime
    status: str = "active"
    status_reason: str | None = None
    skip_reason: str | None = None
    summary: str | None = None
    gone: bool = False
    checked_at: datetime | None = None
    network: ExceptionFacts | None = None
    watched: tuple[str, ...] = ()
    targets: tuple[TargetFacts, ...] = ()
    releases: tuple[ReleaseFacts, ...] = ()
    jobs: tuple[JobFacts, ...] = ()
    attempts: tuple[AttemptFacts, ...] = ()
    wheels: tuple[WheelFacts, ...] = ()
    downloads: tuple[tuple[date, int], ...] = ()
    downloads_total: int = 0

    @property
    def closed(self) -> bool:
        """Nothing of it may be installed: upstream holds it in quarantine or does not know it any more."""
        return self.gone or self.status == "quarantined"


class BuildWheel(Struct, frozen=True):
    """A wheel that came of a build."""

    filename: str
    size: int
    sha256: str
    tags: tuple[str, ...]
    corrections: tuple[str, ...] = ()
    note: str | None = None
    apt_packages: tuple[str, ...] = ()


class BuildFacts(Struct, frozen=True):
    """One attempt with all that was kept of it: what its build page tells. It never changes.

    `phases`, `environment`, `smoke`, `sandbox` and `captured` are as intake cleaned them. `sdist` is what was built:
    (file name, algorithm, digest), None where upstream has it no more.
    """

    attempt_id: int
    project: str
    display_name: str
    version: str
    target: str
    distribution: str
    python: str
    architecture: str
    number: int
    outcome: str
    failure_class: str | None
    message: str | None
    evidence_line: int | None
    evidence_text: str | None
    captured: dict[str, str]
    started_at: datetime
    finished_at: datetime
    seconds: float
    phases: list[dict[str, Any]]
    peak_memory_bytes: int | None
    log_path: str | None
    log_bytes: int | None
    environment: dict[str, Any]
    smoke: dict[str, Any] | None
    sandbox: dict[str, Any] | None
    connections: int | None
    worker: str | None
    previous_id: int | None
    previous_outcome: str | None = None
    sdist: tuple[str, str, str] | None = None
    uploaded_at: datetime | None = None
    wheels: tuple[BuildWheel, ...] = ()
