"""Says what a checked wheel is besides its bytes: what it needs at run time, what a person should know, whether it is offered.

    appraised = appraise(connection, order, checked, verdict.smoke)
    appraised.apt_packages, appraised.note, appraised.held_reason

A wheel that does not import is held. One that lost its extension is not: it may be slow, but it is right; it is noted.
"""

from dataclasses import dataclass, field
from typing import Any

from piwright.database.connection import Connection
from piwright.intake.dropped import dropped_extension
from piwright.intake.recorded import Order, earlier_tags, libraries_of_target, upstream_tags
from piwright.intake.result import Smoke
from piwright.intake.runtime_packages import runtime_packages
from piwright.intake.wheel_check import CheckedWheel

_MOST_NAMED = 10


@dataclass(frozen=True)
class Appraised:
    """A wheel that is to be recorded. `facts` are ready for JSON; `held_reason` is None for one that is offered."""

    wheel: CheckedWheel
    apt_packages: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    note: str | None = None
    held_reason: str | None = None


def appraise(connection: Connection, order: Order, wheel: CheckedWheel, smoke: Smoke | None) -> Appraised:
    """Appraise one wheel of an order, whose build's import test came to `smoke`."""
    packages = runtime_packages(
        wheel.needed, libraries_of_target(connection, order.target_id, wheel.needed), order.preinstalled
    )
    notes = [_lost_extension(connection, order, wheel)]
    if packages.unknown:
        named = ", ".join(packages.unknown[:_MOST_NAMED])
        notes.append(f"It needs {named} at run time, and no worker of its target has a Debian package with that.")
    more = {
        "corrections": list(wheel.corrections),
        "unknown_libraries": list(packages.unknown),
        "needs_distribution": wheel.needs_distribution,
        "widened": wheel.widened,
    }
    return Appraised(
        wheel=wheel,
        apt_packages=packages.packages,
        facts=wheel.elf | {name: value for name, value in more.items() if value},
        note=" ".join(note for note in notes if note) or None,
        held_reason=held_reason(smoke),
    )


def _lost_extension(connection: Connection, order: Order, wheel: CheckedWheel) -> str | None:
    theirs = [(order.version, tags) for tags in upstream_tags(connection, order)]
    if dropped_extension(wheel.tags, theirs):
        return (
            "It has no compiled code, and upstream's own wheels of this version do: "
            "its extension may have failed to build without a word."
        )
    return dropped_extension(wheel.tags, earlier_tags(connection, order))


def held_reason(smoke: Smoke | None) -> str | None:
    """Why a wheel whose import came to this is not offered; None when it is."""
    if smoke is None or smoke.outcome != "broken":
        return None
    broken = next((each for each in smoke.modules if each.outcome == "broken"), None)
    detail = smoke.detail or (f"{broken.name}: {broken.detail}" if broken else "")
    return f"it does not import: {detail}" if detail else "it does not import"
