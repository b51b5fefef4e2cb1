"""What controller and worker say to each other, as data: the spec of a batch and the answer about its state.

    spec = BatchSpec.from_json(data)        # ProtocolError names the field
    StatusAnswer.from_json(line).state      # "running"

The same classes write and read, so both ends agree; the controller imports them from here too.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Mapping

from .strict import Members, ProtocolError, quote

FORMAT = 1
PHASES = ("fetch", "prepare", "build", "inspect", "smoke")
"""In this order, except that `fetch` and `prepare` come again for what a backend asks for, and for each requirement that
has to be built first."""
BATCH_STATES = ("running", "finished", "cancelled", "dead", "missing")
BUILD_STATES = ("waiting", "running", "done")
MAX_BUILDS = 2000
"""Builds one batch may have."""
MAX_SPEC_BYTES = 16 << 20
MAX_ANSWER_BYTES = 1 << 20

IDENTIFIER = r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
"""Batches and builds are directories on the worker: nothing in their names may lead out."""
IDENTIFIER_RULE = "1 to 100 letters, digits, '.', '_' or '-', starting with a letter or digit and without '..'"
DIGEST_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
"""The hashes that are believed, with their number of hexadecimal digits."""
_WEB = r"https?://[^\s\x00-\x1f\x7f/]+[^\s\x00-\x1f\x7f]*"
_WEB_RULE = "an http or https address"


class WorkerRefusal(ProtocolError):
    """The worker answered with an error of its own instead of a status."""


@dataclass(frozen=True)
class Limits:
    """When a build is ended. Seconds in all, seconds without output; bytes of its log, its wheel, its memory, all of its
    files and any one of them; processes at a time; seconds of CPU. 0 for memory or CPU: the worker decides."""

    seconds: int
    silent_seconds: int
    log_bytes: int
    wheel_bytes: int
    memory_bytes: int = 0
    disk_bytes: int = 8 << 30
    processes: int = 512
    cpu_seconds: int = 0
    file_bytes: int = 4 << 30

    @classmethod
    def read(cls, members: Members) -> Limits:
        return cls(
            seconds=members.whole("seconds", 1, 1_000_000),
            silent_seconds=members.whole("silent_seconds", 1, 1_000_000),
            log_bytes=members.whole("log_bytes", 1024, 1 << 34),
            wheel_bytes=members.whole("wheel_bytes", 1024, 1 << 34),
            memory_bytes=members.whole("memory_bytes", 0, 1 << 44),
            disk_bytes=members.whole("disk_bytes", 1 << 20, 1 << 44),
            processes=members.whole("processes", 16, 1 << 20),
            cpu_seconds=members.whole("cpu_seconds", 0, 1 << 32),
            file_bytes=members.whole("file_bytes", 1 << 20, 1 << 44),
        )


@dataclass(frozen=True)
class SdistSpec:
    """The source to build: `hashes` has at least one of sha256, sha384, sha512 in lower case; `size` in bytes."""

    filename: str
    url: str
    hashes: Mapping[str, str]
    size: int | None = None

    @classmethod
    def read(cls, members: Members) -> SdistSpec:
        listed = members.member("hashes")
        hashes = {name: digest for name, digest in listed.texts(20).items() if name in DIGEST_LENGTHS}
        if not hashes:
            raise members.fail("hashes", "an object with at least one of " + ", ".join(DIGEST_LENGTHS))
        for name in hashes:
            listed.text(name, "[0-9a-f]{%d}" % DIGEST_LENGTHS[name], f"{DIGEST_LENGTHS[name]} hexadecimal digits")
        return cls(
            filename=members.text("filename", r"[^/\x00-\x1f\x7f]+", "a file name", 250),
            url=members.text("url", _WEB, _WEB_RULE, 4000),
            hashes=hashes,
            size=members.nullable("size", lambda name: members.whole(name, 0, 1 << 40)),
        )


@dataclass(frozen=True)
class BuildSpec:
    """One release to build. `source_date_epoch`: seconds since 1970, the upload time of the sdist.

    `network`: an operator wrote down that this project's build may use the network.
    """

    build: str
    project: str
    version: str
    sdist: SdistSpec
    source_date_epoch: int
    network: bool = False

    @classmethod
    def read(cls, members: Members) -> BuildSpec:
        return cls(
            build=members.text("build", IDENTIFIER, IDENTIFIER_RULE),
            project=members.text("project", r"[A-Za-z0-9._-]+", "a project name", 300),
            version=members.text("version", r"[A-Za-z0-9.!+_-]+", "a version", 300),
            sdist=SdistSpec.read(members.member("sdist")),
            source_date_epoch=members.whole("source_date_epoch", 0, 1 << 33),
            network=members.truth("network"),
        )

    def to_json(self) -> dict[str, Any]:
        """The build as it stands in spec.json."""
        return {**asdict(self), "sdist": {**asdict(self.sdist), "hashes": dict(self.sdist.hashes)}}


@dataclass(frozen=True)
class BatchSpec:
    """What `run` reads from spec.json: builds in the order they are to be made, with one Python and one index.

    The batch has slot `slot` (from 1) of the worker's `slots`, and so its share of processors and memory.
    `unsandboxed`: the operator allows this worker, by name, to build without a sandbox.
    """

    batch: str
    index_url: str
    python: str
    limits: Limits
    builds: tuple[BuildSpec, ...]
    slot: int = 1
    slots: int = 1
    unsandboxed: bool = False

    @classmethod
    def from_json(cls, data: bytes, name: str = "spec.json") -> BatchSpec:
        """Read a spec. Raises `ProtocolError`."""
        members = Members.read(data, name, MAX_SPEC_BYTES)
        members.whole("format", FORMAT, FORMAT)
        builds = tuple(BuildSpec.read(each) for each in members.objects("builds", MAX_BUILDS))
        if not builds:
            raise members.fail("builds", "a list with at least one build")
        seen: set[str] = set()
        for each in builds:
            if each.build in seen:
                raise ProtocolError(f"{name}: build {quote(each.build)} is listed twice; each may be listed once.")
            seen.add(each.build)
        slots = members.whole("slots", 1, 1000)
        return cls(
            batch=members.text("batch", IDENTIFIER, IDENTIFIER_RULE),
            index_url=members.text("index_url", _WEB, _WEB_RULE, 4000),
            python=members.text("python", r"/[^\x00-\x1f\x7f]+", "the absolute path of an interpreter"),
            limits=Limits.read(members.member("limits")),
            builds=builds,
            slot=members.whole("slot", 1, slots),
            slots=slots,
            unsandboxed=members.truth("unsandboxed"),
        )

    def to_json(self) -> bytes:
        """The content of spec.json: the same bytes for the same spec."""
        value = {
            "format": FORMAT,
            "batch": self.batch,
            "index_url": self.index_url,
            "python": self.python,
            "limits": asdict(self.limits),
            "slot": self.slot,
            "slots": self.slots,
            "unsandboxed": self.unsandboxed,
            "builds": [each.to_json() for each in self.builds],
        }
        return json.dumps(value, indent=1, sort_keys=True).encode() + b"\n"


@dataclass(frozen=True)
class BuildStatus:
    """Where a build stands. `phase` is one of `PHASES` while it runs, else None."""

    build: str
    state: str
    phase: str | None = None

    @classmethod
    def read(cls, members: Members) -> BuildStatus:
        return cls(
            build=members.text("build", IDENTIFIER, IDENTIFIER_RULE),
            state=members.one_of("state", BUILD_STATES),
            phase=members.nullable("phase", lambda name: members.one_of(name, PHASES)),
        )


@dataclass(frozen=True)
class StatusAnswer:
    """What `run`, `status` and `cancel` print: the state of the batch (`BATCH_STATES`) and of each build, in order."""

    worker_version: str
    batch: str
    state: str
    builds: tuple[BuildStatus, ...]

    @classmethod
    def from_json(cls, data: bytes) -> StatusAnswer:
        """Read an answer that a worker printed; it is not believed.

        Raises `WorkerRefusal` with the worker's own sentence, or `ProtocolError` naming the field that is wrong.
        """
        members = Members.read(data, "status", MAX_ANSWER_BYTES)
        if members.has("error"):
            raise WorkerRefusal("the worker refused: " + members.text("error", limit=2000))
        members.whole("format", FORMAT, FORMAT)
        return cls(
            worker_version=members.text("worker_version", limit=100),
            batch=members.text("batch", IDENTIFIER, IDENTIFIER_RULE),
            state=members.one_of("state", BATCH_STATES),
            builds=tuple(BuildStatus.read(each) for each in members.objects("builds", MAX_BUILDS)),
        )

    def to_json(self) -> dict[str, Any]:
        value = asdict(self)
        return {"format": FORMAT, **value, "builds": list(value["builds"])}

    @property
    def done(self) -> tuple[str, ...]:
        """The builds that have a result."""
        return tuple(each.build for each in self.builds if each.state == "done")
