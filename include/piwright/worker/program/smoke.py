"""Phase `smoke`: what the attempt to import a wheel's modules says about the wheel. Nothing is run here.

    modules, extensions = top_level_modules(wheel), extension_modules(wheel)     # smoke_modules
    ...                                                     # smoke_runner.py with [*modules, *extensions]
    judge(modules, answer, exit_code=0, timed_out=False, extensions=extensions,
          complaints=parse_check(said, code, "spidev"))     # the `smoke` of result.json

Outcomes: `imported`; `needs_package` (a module or library that is no part of the wheel); `needs_hardware` (a device, a
board, a display, a sound card, a service); `broken`; `untested` (the sandbox, or what could not be installed in it,
stood in the way). A wheel can lie about itself: this finds wheels that do not work, not wheels that deceive.
"""

from __future__ import annotations

import json
import re
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from .failure import one_sentence
from .smoke_causes import BROKEN, HARDWARE, IMPORTED, PACKAGE, UNTESTED, cause
from .smoke_modules import is_private

MAX_ANSWER_BYTES = 1 << 20
MAX_COMPLAINTS = 20
MAX_DETAIL = 300
_WORST_FIRST = (BROKEN, UNTESTED, HARDWARE, PACKAGE)
_NO_MODULE = "dynamic module does not define module export function"
_COMPLAINT = re.compile(
    # pip: "x 1.0 requires y, which is not installed.", "x 1.0 has requirement y>=2, but you have y 1.0."
    # uv: "The package `x` requires `y>=2`, but `1.0` is installed", "..., but it's not installed"
    r"(?P<pip>[A-Za-z0-9][\w.-]*) \S+ (?:requires |has requirement |is not supported ).*|The package `(?P<uv>[^`]+)` .*"
)


def untested(why: str) -> Dict[str, Any]:
    """The `smoke` of a wheel that nobody tried."""
    return {"outcome": UNTESTED, "detail": _shorten(why), "modules": []}


def judge(
    modules: Sequence[str],
    answer: bytes,
    exit_code: int,
    timed_out: bool,
    *,
    extensions: Sequence[str] = (),
    complaints: Sequence[str] = (),
) -> Dict[str, Any]:
    """The `smoke` of result.json: `outcome`, `detail` in one line, `modules` with the same for each.

    `answer`: what smoke_runner.py left, believed as far as it makes sense. `exit_code` and `timed_out`: how the sandbox
    around it ended. `complaints`: requirements of the wheel that are not there (`parse_check`), for want of which an
    import proves nothing. `extensions`: extension modules below `modules`, tried after them. That one of those fails, or
    a module by a private name, may be meant so (a part for another package): it counts if it is broken or wants hardware.
    """
    if not modules and not extensions:
        return untested("The wheel has no modules to import.")
    told = _read(answer)
    parts: List[Dict[str, str]] = []
    counting: List[Dict[str, str]] = []
    ended = ""
    main = [name for name in modules if not is_private(name)] or modules
    for name in (*modules, *extensions):
        outcome, detail = "", f"not tried: {ended}"
        if name in told:
            outcome, detail = _outcome(told[name], modules)
            if told[name].get("outcome") == "timeout":
                ended = f"{name} was still being imported when time was up"
        elif not ended:
            how = "time was up" if timed_out else f"the smoke test ended with {_how(exit_code)}"
            outcome, detail, ended = BROKEN, f"{how} while it was imported", f"{how} before"
        if outcome in ("", PACKAGE) and complaints:
            outcome, detail = UNTESTED, f"{detail} ({complaints[0]})"
        elif not outcome and name in main and name in told:
            outcome = BROKEN
        if _NO_MODULE in detail:
            outcome = UNTESTED  # a library built like an extension and opened by ctypes
        parts.append({"name": name, "outcome": outcome or UNTESTED, "detail": _shorten(detail)})
        if outcome in (BROKEN, HARDWARE) or (name in main and _NO_MODULE not in detail):
            counting.append(parts[-1])
    return _together(parts, counting, complaints)


def parse_check(said: str, exit_code: int, project: str) -> List[str]:
    """What `pip check` or `uv pip check` complains about in this project's own requirements."""
    if exit_code == 0:
        return []
    found = []
    lines = said[:MAX_ANSWER_BYTES].splitlines()
    for line in lines:
        complaint = _COMPLAINT.fullmatch(line.strip())
        if complaint and _plain(complaint["pip"] or complaint["uv"]) == _plain(project):
            found.append(_shorten(line))
    return found[:MAX_COMPLAINTS]


def _outcome(report: Mapping[str, Any], own: Sequence[str]) -> Tuple[str, str]:
    """What a line of the runner says of a module; no outcome where no rule knows it."""
    kind, detail, where = (_text(report.get(name)) for name in ("outcome", "detail", "where"))
    if kind == IMPORTED:
        return IMPORTED, ""
    if kind not in ("failed", "exited"):
        return BROKEN, detail or "nothing is known about it"
    errors = report.get("errors")
    for error in errors[:10] if isinstance(errors, list) else []:
        outcome = cause(error, own, where) if isinstance(error, dict) else ""
        if outcome:
            return outcome, detail
    return "", f"{detail} (in {where})" if where else detail


def _together(parts: List[Dict[str, str]], counting: List[Dict[str, str]], complaints: Sequence[str]) -> Dict[str, Any]:
    for outcome in _WORST_FIRST:
        for part in counting:
            if part["outcome"] == outcome:
                return {"outcome": outcome, "detail": _shorten(f"{part['name']}: {part['detail']}"), "modules": parts}
    if not counting:
        return {**untested("Nothing in the wheel is a module that can be imported."), "modules": parts}
    return {"outcome": IMPORTED, "detail": _shorten(complaints[0]) if complaints else "", "modules": parts}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _read(answer: bytes) -> Dict[str, Dict[str, Any]]:
    """The lines that are what they should be, by module; of two for one module the first."""
    found: Dict[str, Dict[str, Any]] = {}
    for line in answer[:MAX_ANSWER_BYTES].splitlines()[:100]:
        try:
            report = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(report, dict) and isinstance(report.get("name"), str):
            found.setdefault(report["name"], report)
    return found


def _how(exit_code: int) -> str:
    return f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _shorten(text: str) -> str:
    line = one_sentence(text)
    return line if len(line) <= MAX_DETAIL else line[: MAX_DETAIL - 3] + "..."
