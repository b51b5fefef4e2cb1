"""Judges one downloaded build directory. No database: a directory in, a verdict out.

    verdict = examine(directory, Wanted("spidev", "3.6", tags), Limits())
    verdict.failure or verdict.wheels

The directory is a copy of what a worker had under `builds/<build>/`: result.json, log.txt, wheels/. Whatever is wrong
with it fails this attempt with the class `rejected`, and nothing else.
"""

import dataclasses
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from piwright.intake.failures import Classified, classify_failure, read_lines
from piwright.intake.limits import Limits
from piwright.intake.result import BuildResult, ClaimedWheel, ResultError, Smoke, read_result
from piwright.intake.untrusted import FileRefused, clean_text, open_regular
from piwright.intake.wheel_check import CheckedWheel, Wanted, WheelRejected, check_wheel

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verdict:
    """What an attempt came to: wheels to publish, or a failure with a message; and what is known about its course.

    `phases` and `environment` are ready for JSON; times are in UTC. Without a usable result.json they are empty and the
    times are those of the examination. `sandbox` and `connections` are `result.Sandbox` and `result.Connections`, ready
    for JSON too. A wheel whose `smoke` is broken is still among `wheels`: whether it is offered is for others to say.
    """

    started: datetime
    finished: datetime
    wheels: tuple[CheckedWheel, ...] = ()
    failure: Classified | None = None
    message: str | None = None
    phases: tuple[dict[str, Any], ...] = ()
    peak_memory_bytes: int | None = None
    environment: dict[str, Any] = dataclasses.field(default_factory=dict)
    sandbox: dict[str, str] | None = None
    connections: dict[str, int] | None = None
    smoke: Smoke | None = None

    def rejected(self, *reasons: str) -> "Verdict":
        """The same course with another end."""
        message = clean_text("; ".join(reasons), 2000)
        return dataclasses.replace(self, wheels=(), failure=Classified("rejected"), message=message)


def examine(directory: Path, wanted: Wanted, limits: Limits, corrected_in: Path | None = None) -> Verdict:
    """Judge a build directory, named as its build. OSError means that our own disk failed, not the worker.

    Wheels whose tags have to be corrected are written anew below `corrected_in`, which has to outlive the verdict.
    """
    now = datetime.now(UTC)
    try:
        result = read_result(directory / "result.json", build=directory.name, limits=limits)
    except ResultError as error:
        return Verdict(now, now).rejected(str(error))
    verdict = _course_of(result)
    failure = result.failure
    try:
        if failure is None:
            open_regular(directory / "log.txt", limits.log_bytes).close()
            wheels = tuple(
                _check_claim(directory / "wheels", claim, wanted, limits, corrected_in and corrected_in / str(number))
                for number, claim in enumerate(_claims(result, limits))
            )
            if len({wheel.filename for wheel in wheels}) < len(wheels):
                raise WheelRejected(("two of its wheels are one and the same when their tags are corrected",))
            return dataclasses.replace(verdict, wheels=wheels)
        classified = _classify(directory / "log.txt", failure.kind, limits)
        return dataclasses.replace(verdict, failure=classified, message=failure.message)
    except (FileRefused, WheelRejected) as error:
        return verdict.rejected(*getattr(error, "reasons", (str(error),)))
    except (OSError, MemoryError):
        raise
    except Exception as error:
        # A file made to break a parser must cost its own build only, also where we did not think of it.
        log.exception("Could not judge %s", directory)
        return verdict.rejected(f"it could not be judged ({type(error).__name__}); the log of the controller has more")


def _course_of(result: BuildResult) -> Verdict:
    phases = tuple({**dataclasses.asdict(phase), "started": phase.started.isoformat()} for phase in result.phases)
    return Verdict(
        started=result.started,
        finished=result.finished,
        phases=phases,
        peak_memory_bytes=result.peak_memory_bytes,
        environment=result.environment,
        sandbox=dataclasses.asdict(result.sandbox) if result.sandbox else None,
        connections=dataclasses.asdict(result.connections) if result.connections else None,
        smoke=result.smoke,
    )


def _claims(result: BuildResult, limits: Limits) -> tuple[ClaimedWheel, ...]:
    if len(result.wheels) > limits.wheels:
        raise WheelRejected((f"result.json lists {len(result.wheels)} wheels; at most {limits.wheels} are accepted",))
    if len({claim.filename for claim in result.wheels}) < len(result.wheels):
        raise WheelRejected(("result.json lists a wheel twice",))
    return result.wheels


def _check_claim(
    directory: Path, claim: ClaimedWheel, wanted: Wanted, limits: Limits, corrected_in: Path | None
) -> CheckedWheel:
    shown = clean_text(claim.filename, 250)
    if "/" in claim.filename or "\0" in claim.filename:
        raise WheelRejected((f"{shown!r} is no wheel's file name",))
    checked = check_wheel(directory / claim.filename, wanted, limits, corrected_in)
    if (checked.received_sha256, checked.received_size) != (claim.sha256, claim.size):
        reason = (
            f"{shown} has {checked.received_size} bytes and SHA-256 {checked.received_sha256}; "
            f"result.json claims {claim.size} bytes and {claim.sha256}"
        )
        raise WheelRejected((reason,))
    return checked


def _classify(path: Path, kind: str, limits: Limits) -> Classified:
    try:
        stream = open_regular(path, limits.log_bytes)
    except FileRefused:
        if path.exists() or path.is_symlink():
            raise
        return classify_failure(kind, ())  # a worker with a full disk may not have had room for a log
    with stream:
        return classify_failure(kind, read_lines(stream))
