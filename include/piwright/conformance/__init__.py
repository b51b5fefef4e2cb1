"""Checks any simple index against the standards, over HTTP alone.

    report = asyncio.run(check_index("http://127.0.0.1:8000/simple/"))
    report.conforms
    [outcome.check.id for outcome in report.outcomes if outcome.verdict is Verdict.FAIL]

Rests on the simple repository API 1.4 (packaging.python.org) and the PEPs behind it, and on HTTP (RFC 9110, RFC 9111).
It needs nothing of the shop: no database, no settings. `docs/conformance.md` tells how to read what comes out.
"""

from piwright.conformance.check import Check, Level, Verdict
from piwright.conformance.report import Outcome, Report
from piwright.conformance.runner import ALL_CHECKS, NotAnIndex, check_index
from piwright.conformance.web import Bounds

__all__ = [
    "ALL_CHECKS",
    "Bounds",
    "Check",
    "Level",
    "NotAnIndex",
    "Outcome",
    "Report",
    "Verdict",
    "check_index",
]
