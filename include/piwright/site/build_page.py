"""The page of one attempt, and the same as data: `project/NAME/build/ID/`. It is written once.

    excerpt = read_excerpt(...)
    render_build(build, excerpt), build_json(build, excerpt, "http://127.0.0.1:8000")

Nothing here depends on what happens later: what became of its wheels is on the project's page.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from piwright.intake.failure_classes import CLASSES
from piwright.site.build_advice import advice
from piwright.site.build_reproduction import reproduce
from piwright.site.log_excerpt import Excerpt
from piwright.site.page_environment import duration, render
from piwright.site.presentable import presentable
from piwright.site.project_facts import BuildFacts
from piwright.site.project_json import FORMAT, iso
from piwright.site.project_lines import SMOKE

_PHASES = {
    "fetch": "Fetch source and requirements",
    "prepare": "Ask what else it requires",
    "build": "Build the wheel",
    "inspect": "Look at the wheel",
    "smoke": "Import it",
}
_FACTS = {
    "distribution": "System",
    "python": "Python",
    "platform": "Platform",
    "libc": "C library",
    "compiler": "Compiler",
    "installer": "Installer",
    "worker_version": "Worker program",
}
_SANDBOX = {"bubblewrap": "bubblewrap", "none": "none"}


@dataclass(frozen=True, slots=True)
class PhaseShown:
    """A step of the build: from `start` to `start + width`, in thousandths of the whole."""

    name: str
    words: str
    seconds: float
    start: float
    width: float
    number: int
    cpu_seconds: float | None
    memory: int | None
    fetched: int | None
    written: int | None

    @property
    def label(self) -> str:
        return f"{self.words}: {duration(self.seconds)}"


def show_phases(phases: list[dict[str, Any]]) -> tuple[PhaseShown, ...]:
    """The steps on one line. A worker wrote them; intake checked types and ranges."""
    total = sum(each.get("seconds") or 0.0 for each in phases) or 1.0
    names = {name: position for position, name in enumerate(dict.fromkeys(each["name"] for each in phases))}
    shown, start = [], 0.0
    for each in phases:
        width = 1000 * (each.get("seconds") or 0.0) / total
        shown.append(
            PhaseShown(
                each["name"],
                _PHASES.get(each["name"], each["name"].replace("_", " ").capitalize()),
                each.get("seconds") or 0.0,
                round(start, 1),
                round(width, 1),
                names[each["name"]] % 8 + 1,
                each.get("cpu_seconds"),
                each.get("peak_memory_bytes"),
                each.get("fetched_bytes"),
                each.get("scratch_bytes"),
            )
        )
        start += width
    return tuple(shown)


def meaning(build: BuildFacts) -> str | None:
    """What its class of failure means."""
    known = CLASSES.get(build.failure_class or "")
    return known.meaning if known else None


def remedy(build: BuildFacts) -> str | None:
    """What would have to change; None for a build that worked."""
    return advice(build.failure_class, build.captured, build.number) if build.failure_class else None


def tried(build: BuildFacts) -> dict[str, int] | None:
    """How often it tried to connect while there was no network: outside, loopback, lookups. None: not counted."""
    counted = build.environment.get("connections")
    if isinstance(counted, Mapping):
        return {name: int(counted.get(name) or 0) for name in ("outside", "loopback", "lookups")}
    return None


def render_build(build: BuildFacts, excerpt: Excerpt | None, *, has_log: bool) -> bytes:
    """index.html of the attempt. `has_log`: the whole log lies beside it."""
    environment = build.environment
    return render(
        "build.html",
        depth=4,
        build=build,
        excerpt=excerpt,
        has_log=has_log,
        class_words=(build.failure_class or "").replace("_", " "),
        meaning=meaning(build),
        ours=bool(
            build.failure_class and build.failure_class in CLASSES and CLASSES[build.failure_class].infrastructure
        ),
        remedy=remedy(build),
        phases=show_phases(build.phases),
        facts=[(words, presentable(str(environment[name]))) for name, words in _FACTS.items() if environment.get(name)],
        requirements=_texts(environment.get("requirements")),
        packages=_texts(environment.get("apt")),
        tried=tried(build),
        sandbox=_SANDBOX.get((build.sandbox or {}).get("kind", "")),
        smoke=SMOKE.get((build.smoke or {}).get("outcome", "")),
        smoke_detail=presentable(str((build.smoke or {}).get("detail") or "")),
        repeat=reproduce(build),
    )


def _texts(said: object) -> list[str]:
    return [presentable(str(each)) for each in said[:500]] if isinstance(said, list) else []


def _phase(phase: Mapping[str, Any]) -> dict[str, Any]:
    started = phase.get("started")
    return {
        "name": phase["name"],
        "started": iso(datetime.fromisoformat(started)) if isinstance(started, str) else None,
        "seconds": phase.get("seconds") or 0.0,
        "cpu_seconds": phase.get("cpu_seconds"),
        "peak_memory_bytes": phase.get("peak_memory_bytes"),
        "fetched_bytes": phase.get("fetched_bytes"),
        "written_bytes": phase.get("scratch_bytes"),
    }


def build_json(build: BuildFacts, excerpt: Excerpt | None, site_url: str, *, has_log: bool) -> bytes:
    """The attempt as data; docs/json.md describes it."""
    project = f"{site_url}/project/{build.project}/"
    url = f"{project}build/{build.attempt_id}/"
    repeat = reproduce(build)
    content = {
        "piwright": {"json": FORMAT},
        "build": build.attempt_id,
        "url": url,
        "project": build.project,
        "version": build.version,
        "target": build.target,
        "number": build.number,
        "outcome": build.outcome,
        "failure_class": build.failure_class,
        "meaning": meaning(build),
        "remedy": remedy(build),
        "message": build.message,
        "evidence": {"line": build.evidence_line, "text": build.evidence_text} if build.evidence_text else None,
        "captured": build.captured,
        "worker": build.worker,
        "started": iso(build.started_at),
        "finished": iso(build.finished_at),
        "seconds": round(build.seconds, 3),
        "peak_memory_bytes": build.peak_memory_bytes,
        "phases": [_phase(each) for each in build.phases],
        "environment": {name: value for name, value in build.environment.items() if name != "connections"},
        "sandbox": build.sandbox,
        "connections": tried(build),
        "import": build.smoke,
        "previous_build": build.previous_id,
        "source": build.sdist and {"filename": build.sdist[0], "hashes": {build.sdist[1]: build.sdist[2]}},
        "wheels": [
            {
                "filename": wheel.filename,
                "size": wheel.size,
                "sha256": wheel.sha256,
                "tags": list(wheel.tags),
                "corrections": list(wheel.corrections),
                "note": wheel.note,
                "apt_packages": list(wheel.apt_packages),
            }
            for wheel in build.wheels
        ],
        "log": {"url": f"{url}log.txt", "bytes": build.log_bytes, "lines": excerpt.total if excerpt else None}
        if has_log
        else None,
        "repeat": {"apt_packages": list(repeat.packages), "commands": repeat.text.splitlines(), "exact": repeat.exact},
    }
    return msgspec.json.encode(content)
