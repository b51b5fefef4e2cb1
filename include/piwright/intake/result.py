"""Reads result.json, what a worker says about one build, as a stranger's text.

    result = read_result(directory / "result.json", build="123-1")
    result.outcome, result.phases[0].seconds

Types, ranges and lengths are checked here, once; texts come out cleaned. What is wrong is a `ResultError` that names
the field.
"""

import dataclasses
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from piwright.intake.limits import Limits
from piwright.intake.untrusted import FileRefused, clean_text, open_regular

_EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)
_CLOCK_TOLERANCE = timedelta(days=1)

Bytes = Annotated[int, Meta(ge=0, le=(1 << 50))]
Moment = Annotated[datetime, Meta(tz=True)]
Scalar = str | Annotated[int, Meta(ge=-(1 << 53), le=1 << 53)] | float | bool | None

Kind = Literal[
    "upstream_gone", "fetch_failed", "hash_mismatch", "bad_sdist", "requirements", "backend", "timeout", "silent",
    "log_limit", "killed", "no_wheel", "wheel_limit", "no_space", "internal",
    "memory_limit", "process_limit", "disk_limit", "cpu_limit", "no_sandbox",
]  # fmt: skip
FAILURE_KINDS: tuple[str, ...] = get_args(Kind)
"""What a worker can say went wrong; `intake.failures` finds the class from it and the log."""

SandboxKind = Literal["bubblewrap", "none"]
MemoryMeans = Literal["cgroup2", "cgroup1", "watchdog"]
ProcessMeans = Literal["cgroup2", "cgroup1", "rlimit", "watchdog"]
SpaceMeans = Literal["tmpfs", "disk", "none"]

SmokeOutcome = Literal["imported", "needs_package", "needs_hardware", "broken", "untested"]
SMOKE_OUTCOMES: tuple[str, ...] = get_args(SmokeOutcome)
"""What a try to import a wheel can come to. Only a `broken` one is held back."""


class ResultError(ValueError):
    """A result that cannot be used; the message names the field, the value and what was expected."""


@dataclass(frozen=True)
class Failure:
    """Why the worker says a build failed: one of `FAILURE_KINDS` and a sentence."""

    kind: Kind
    message: str


@dataclass(frozen=True)
class Phase:
    """A step of a build: when, for how long, how much memory, and from which to which byte of the log.

    CPU time in seconds; `fetched_bytes` came over the network, `scratch_bytes` were written to the build's own files.
    A name may repeat.
    """

    name: Annotated[str, Meta(pattern=r"\A[a-z][a-z_]{0,31}\Z")]
    started: Moment
    seconds: Annotated[float, Meta(ge=0, le=1e8)]
    peak_memory_bytes: Bytes | None = None
    log_start: Bytes | None = None
    log_end: Bytes | None = None
    cpu_seconds: Annotated[float, Meta(ge=0, le=1e10)] | None = None
    fetched_bytes: Bytes | None = None
    scratch_bytes: Bytes | None = None


@dataclass(frozen=True)
class Log:
    """What the worker says about log.txt."""

    bytes: Bytes
    truncated: bool


@dataclass(frozen=True)
class ClaimedWheel:
    """A wheel as the worker describes it; nothing of it is believed before it was recomputed."""

    filename: Annotated[str, Meta(max_length=250)]
    size: Bytes
    sha256: Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]


@dataclass(frozen=True)
class Sandbox:
    """What was in force around a build: the kind of sandbox, and the means that bounded memory, processes and space."""

    kind: SandboxKind
    memory: MemoryMeans
    processes: ProcessMeans
    space: SpaceMeans


@dataclass(frozen=True)
class Connections:
    """How often a build tried to reach something while there was no network."""

    outside: Bytes
    loopback: Bytes
    lookups: Bytes


@dataclass(frozen=True)
class SmokeModule:
    """A top-level module of a wheel and what its import came to."""

    name: Annotated[str, Meta(max_length=250)]
    outcome: SmokeOutcome
    detail: str = ""


@dataclass(frozen=True)
class Smoke:
    """What the worker says became of importing the wheel it built. `broken` does not make the build a failed one."""

    outcome: SmokeOutcome
    detail: str = ""
    modules: Annotated[tuple[SmokeModule, ...], Meta(max_length=1000)] = ()


@dataclass(frozen=True)
class BuildResult:
    """One build, as its worker tells it. Times are aware and in UTC, memory and sizes in bytes."""

    format: Literal[1]
    build: Annotated[str, Meta(max_length=100)]
    outcome: Literal["built", "failed"]
    failure: Failure | None
    started: Moment
    finished: Moment
    phases: Annotated[tuple[Phase, ...], Meta(max_length=256)]
    log: Log
    wheels: Annotated[tuple[ClaimedWheel, ...], Meta(max_length=64)]
    peak_memory_bytes: Bytes | None = None
    environment: Annotated[dict[str, Scalar | list[Scalar]], Meta(max_length=100)] = field(default_factory=dict)
    sandbox: Sandbox | None = None
    connections: Connections | None = None
    smoke: Smoke | None = None


def read_result(path: Path, build: str, limits: Limits | None = None) -> BuildResult:
    """Read and check result.json of the build called `build`. Raises `ResultError`."""
    try:
        with open_regular(path, (limits or Limits()).result_bytes) as stream:
            content = stream.read()
    except FileRefused as error:
        raise ResultError(str(error)) from None
    return parse_result(content, build)


def parse_result(content: bytes, build: str, now: datetime | None = None) -> BuildResult:
    """Check the bytes of a result.json against what a build called `build` may say at the time `now`.

    Raises `ResultError`, and nothing else, whatever the bytes are.
    """
    try:
        result = msgspec.json.decode(content, type=BuildResult)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError) as error:
        raise ResultError(f"result.json: {clean_text(str(error), 300)}") from None
    if result.build != build:
        raise ResultError(f"result.json: build is {clean_text(result.build, 100)!r}, {build!r} was expected")
    result = _with_clean_texts(result)
    _check_outcome(result)
    _check_times(result, now or datetime.now(UTC))
    return result


def _check_outcome(result: BuildResult) -> None:
    if result.outcome == "built" and result.failure is not None:
        raise ResultError("result.json: outcome is 'built', yet there is a failure")
    if result.outcome == "built" and not result.wheels:
        raise ResultError("result.json: outcome is 'built', yet wheels is empty")
    if result.outcome == "failed" and result.failure is None:
        raise ResultError("result.json: outcome is 'failed', yet failure is null")
    smoke = result.smoke
    if smoke is not None and smoke.outcome != "broken" and any(each.outcome == "broken" for each in smoke.modules):
        raise ResultError(f"result.json: smoke.outcome is {smoke.outcome!r}, yet one of smoke.modules is 'broken'")


def _check_times(result: BuildResult, now: datetime) -> None:
    # A Pi has no clock of its own: one that never heard the time would spoil every duration and every chart.
    for name, moment in (("started", result.started), ("finished", result.finished)):
        if not _EARLIEST <= moment <= now + _CLOCK_TOLERANCE:
            raise ResultError(
                f"result.json: {name} is {moment.isoformat()}; set the worker's clock (it is {now:%F %T})"
            )
    if result.finished < result.started:
        raise ResultError("result.json: finished is before started; did the worker's clock jump?")
    for phase in result.phases:
        if not result.started - _CLOCK_TOLERANCE <= phase.started <= result.finished + _CLOCK_TOLERANCE:
            raise ResultError(f"result.json: the phase {phase.name!r} started outside of the build")
        if None not in (phase.log_start, phase.log_end) and (phase.log_end or 0) < (phase.log_start or 0):
            raise ResultError(f"result.json: the log of the phase {phase.name!r} ends before it starts")


def _with_clean_texts(result: BuildResult) -> BuildResult:
    """The same with texts that PostgreSQL and a page can hold, and times in UTC."""
    failure = result.failure and dataclasses.replace(result.failure, message=clean_text(result.failure.message, 1000))
    phases = tuple(dataclasses.replace(phase, started=_utc(phase.started)) for phase in result.phases)
    return dataclasses.replace(
        result,
        failure=failure,
        phases=phases,
        started=_utc(result.started),
        finished=_utc(result.finished),
        smoke=result.smoke and _clean_smoke(result.smoke),
        environment={clean_text(name, 100): _clean_value(value) for name, value in result.environment.items()},
    )


def _clean_smoke(smoke: Smoke) -> Smoke:
    modules = tuple(
        SmokeModule(clean_text(each.name, 250), each.outcome, clean_text(each.detail, 500)) for each in smoke.modules
    )
    return Smoke(smoke.outcome, clean_text(smoke.detail, 1000), modules)


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # within hours of the first or last day a datetime knows
        raise ResultError(f"result.json: {moment.isoformat()} is no time a build can have") from None


def _clean_value(value: Any) -> Any:
    if isinstance(value, list):
        return [_clean_value(each) for each in value[:2000]]
    if isinstance(value, str):
        return clean_text(value, 500)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
