"""Moments as the results tell them: ISO 8601 in UTC, with microseconds."""

from __future__ import annotations

from datetime import datetime, timezone


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="microseconds")
