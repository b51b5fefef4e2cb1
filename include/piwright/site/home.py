"""The home page: what this is, how to use it, what is built, and the same as JSON.

render_home(read_overview(connection), read_history(connection), settings.site_url)
home_json(overview, history)
"""

from typing import Any
from urllib.parse import urlsplit

import msgspec

from piwright.site.build_history import History
from piwright.site.charts import SPARK_HEIGHT, SPARK_WIDTH, Series, spark, stacked_bars
from piwright.site.overview import Overview
from piwright.site.page_environment import date_only, render
from piwright.site.project_json import FORMAT, iso

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
EXAMPLE = "PACKAGE"
"""Stands in the install lines while nothing is built."""


def render_home(overview: Overview, history: History, site_url: str) -> bytes:
    """The home page. It depends on its arguments alone: times are given as such, not as time passed."""
    simple_url = site_url.rstrip("/") + "/simple/"
    chart = stacked_bars(
        [date_only(day.day) for day in history.days],
        [
            Series("built", [day.built for day in history.days]),
            Series("failed", [day.failed for day in history.days]),
        ],
    )
    busiest = max((most for worker in history.workers if (most := max(worker.days, default=0))), default=0)
    return render(
        "home.html",
        overview=overview,
        history=history,
        chart=chart,
        sparks=[(worker, spark(worker.days, busiest)) for worker in history.workers],
        spark_width=SPARK_WIDTH,
        spark_height=SPARK_HEIGHT,
        simple_url=simple_url,
        extra_url=site_url.rstrip("/") + "/extra/simple/",
        trusted_host=host_pip_must_trust(simple_url),
        example=next((wheel.project for wheel in overview.newest if wheel.everywhere and not wheel.yanked), EXAMPLE),
    )


def host_pip_must_trust(url: str) -> str | None:
    """The host that pip refuses unless told to trust it: one that is reached without TLS from another machine."""
    parts = urlsplit(url)
    return parts.netloc if parts.scheme == "http" and parts.hostname not in _LOOPBACK else None


def home_json(overview: Overview, history: History) -> bytes:
    """Everything the page shows; docs/site.md has the fields."""
    return as_json(
        {
            "projects": overview.projects,
            "versions": overview.releases,
            "wheels": overview.wheels,
            "bytes": overview.bytes,
            "success": overview.success,
            "build_seconds": round(history.seconds, 1),
            "builds": history.attempts,
            "jobs": {"built": overview.built, "failed": overview.failed, "waiting": overview.waiting},
            "targets": [
                {
                    "name": target.name,
                    "distribution": target.distribution,
                    "python": target.python,
                    "architecture": target.architecture,
                    "active": target.active,
                    "index": f"{target.name}/simple/" if target.active else None,
                    "jobs": {"built": target.built, "failed": target.failed, "waiting": target.waiting},
                }
                for target in overview.targets
            ],
            "days": [{"day": day.day.isoformat(), "built": day.built, "failed": day.failed} for day in history.days],
            "workers": [
                {
                    "name": worker.name,
                    "builds": worker.attempts,
                    "built": worker.built,
                    "seconds": round(worker.seconds, 1),
                    "days": list(worker.days),
                }
                for worker in history.workers
            ],
            "newest": [
                {
                    "project": wheel.project,
                    "version": wheel.version,
                    "filename": wheel.filename,
                    "tags": list(wheel.tags),
                    "size": wheel.size,
                    "built": iso(wheel.built_at),
                    "yanked": wheel.yanked,
                    "build": wheel.attempt_id,
                }
                for wheel in overview.newest
            ],
            "failures": [
                {
                    "project": failure.project,
                    "version": failure.version,
                    "target": failure.target,
                    "class": failure.failure_class,
                    "evidence": failure.evidence,
                    "finished": iso(failure.finished_at),
                    "build": failure.attempt_id,
                }
                for failure in overview.failures
            ],
        }
    )


def as_json(content: dict[str, Any]) -> bytes:
    """The bytes of a JSON file of the shop."""
    return msgspec.json.encode({"piwright": {"json": FORMAT}, **content})
