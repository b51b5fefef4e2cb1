"""What a project's page shows, as data: `project/NAME/json`. docs/json.md describes it.

    project_json(view)       # bytes

Times are ISO 8601 in UTC, sizes bytes, lengths of time seconds; keys are always there. Within a version of the format
keys are only added.
"""

from datetime import UTC, datetime
from typing import Any

import msgspec

from piwright.site.matrix import Cell, Row
from piwright.site.project_answers import Answer
from piwright.site.project_contents import QUEUE_LIMIT
from piwright.site.project_lines import AttemptShown, FileShown
from piwright.site.project_page import ProjectView

FORMAT = "1.0"


def iso(moment: datetime | None) -> str | None:
    """ISO 8601, in UTC, to the second."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="seconds").removesuffix("+00:00") + "Z"


def project_json(view: ProjectView) -> bytes:
    """The document."""
    facts = view.facts
    content = {
        "piwright": {"json": FORMAT},
        "name": facts.name,
        "display_name": facts.display_name,
        "url": view.url,
        "summary": facts.summary,
        "answer": view.headline,
        "status": "gone" if facts.gone else facts.status,
        "status_reason": facts.status_reason,
        "problem": facts.skip_reason,
        "watched": list(facts.watched),
        "network_exception": facts.network and {"reason": facts.network.reason, "since": iso(facts.network.since)},
        "newest_version": view.newest.release.version if view.newest else None,
        "targets": [_target(view, answer) for answer in view.answers],
        "releases": [_release(view, row) for row in view.rows],
        "files": [_file(view, shown) for shown in view.files],
        "attempts": [_attempt(view, shown) for shown in view.history],
        "downloads": {
            "total": facts.downloads_total,
            "days": [{"day": day.isoformat(), "downloads": count} for day, count in facts.downloads],
        },
    }
    return msgspec.json.encode(content)


def _target(view: ProjectView, answer: Answer) -> dict[str, Any]:
    target = answer.target
    way = next((each for each in view.ways if target in each.targets), None)
    return {
        "name": target.name,
        "distribution": target.distribution,
        "python": target.python,
        "architecture": target.architecture,
        "installable": answer.installable,
        "version": answer.row.release.version if answer.row else None,
        "newer_version": answer.newer_version,
        "pip": way and way.pip,
        "uv": way and way.uv,
        "index_url": way and way.index_url,
        "apt_packages": list(way.apt) if way else [],
    }


def _release(view: ProjectView, row: Row) -> dict[str, Any]:
    release = row.release
    return {
        "version": release.version,
        "uploaded": iso(release.uploaded_at),
        "prerelease": row.version.is_prerelease,
        "yanked": (release.yanked_reason or True) if release.yanked else False,
        "removed_upstream": release.gone,
        "targets": {cell.target.name: _cell(view, cell) for cell in row.cells},
    }


def _cell(view: ProjectView, cell: Cell) -> dict[str, Any]:
    waiting = cell.job is not None and cell.state == "waiting"
    return {
        "state": cell.state,
        "reason": cell.detail,
        "filename": cell.filename,
        "failure_class": cell.attempt.failure_class if cell.attempt and cell.state == "failed" else None,
        "build": cell.attempt.attempt_id if cell.attempt else None,
        "queue": _queue(view, cell) if waiting else None,
    }


def _queue(view: ProjectView, cell: Cell) -> dict[str, Any]:
    """`ahead` is null where there are more than are counted."""
    assert cell.job is not None
    slots = cell.target.slots
    seconds = (
        cell.job.seconds_ahead / slots + cell.job.estimate_seconds if slots and cell.job.ahead is not None else None
    )
    return {
        "ahead": cell.job.ahead,
        "counted_to": QUEUE_LIMIT,
        "seconds": None if seconds is None else round(seconds),
        "as_of": iso(view.facts.as_of),
    }


def _file(view: ProjectView, shown: FileShown) -> dict[str, Any]:
    wheel = shown.wheel
    return {
        "filename": wheel.filename,
        "version": shown.version,
        "state": "offered" if shown.state in ("built", "yanked") else shown.word.replace(" ", "_"),
        "url": f"{view.site_url}/{shown.url}",
        "size": wheel.size,
        "sha256": wheel.sha256,
        "tags": list(wheel.tags),
        "requires_python": wheel.requires_python,
        "built": iso(wheel.built_at),
        "built_for": wheel.target,
        "build": wheel.attempt_id,
        "apt_packages": list(wheel.apt_packages),
        "needs_distribution": wheel.needs_distribution,
        "import": shown.attempt.smoke if shown.attempt else None,
        "import_detail": (shown.attempt.smoke_detail or None) if shown.attempt else None,
        "note": wheel.note,
        "corrections": list(wheel.corrections),
        "held_reason": wheel.held_reason,
        "removed_reason": wheel.removed_reason,
        "released_reason": wheel.released_reason,
    }


def _attempt(view: ProjectView, shown: AttemptShown) -> dict[str, Any]:
    each = shown.attempt
    return {
        "build": each.attempt_id,
        "url": f"{view.url}build/{each.attempt_id}/",
        "version": shown.version,
        "target": shown.target,
        "number": each.number,
        "outcome": each.outcome,
        "failure_class": each.failure_class,
        "evidence": each.evidence,
        "worker": each.worker,
        "finished": iso(each.finished_at),
        "seconds": round(each.seconds, 3),
        "peak_memory_bytes": each.peak_memory_bytes,
    }
