"""Reads what a worker says about itself when it is probed, as a stranger's text.

    facts = read_facts(answer)              # the bytes that `worker.pyz --state S probe PYTHON` printed
    facts.sandbox.kind, facts.libraries["libstdc++.so.6"]

Nothing of it is believed: whoever stores it may rely on types, lengths and names that match a pattern, not on truth.
"""

import re
from dataclasses import dataclass
from typing import get_args

from piwright.intake.result import MemoryMeans, ProcessMeans, SandboxKind, SpaceMeans
from piwright.intake.untrusted import clean_text
from piwright.worker import ProtocolError, WorkerRefusal
from piwright.worker.program.strict import Members, quote

MOST_BYTES = 4 << 20
"""Of an answer. The libraries of a whole desktop take a tenth of it."""
MOST_LIBRARIES = 5000
MOST_PACKAGES = 2000
_MOST_TOOLS = 50
_MOST_DETAILS = 20

_VERSION = r"[0-9]{1,3}(?:\.[0-9]{1,4}){1,2}[a-z0-9.+-]{0,20}"
_WORD = r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}"
# Debian Policy 5.6.1 and 5.6.12; a name may carry its architecture, as dpkg writes it.
_PACKAGE = r"[a-z0-9][a-z0-9+.-]{1,99}(?::[a-z0-9-]{1,20})?"
_APT = re.compile(_PACKAGE + r"=[0-9A-Za-z][0-9A-Za-z.+~:-]{0,99}")
_LIBRARY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+~-]{0,127}")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")


@dataclass(frozen=True)
class SandboxFacts:
    """How a worker can shut a build in, by which means it bounds it, and why a better one is not in force (`details`).

    `why` says why there is no sandbox; it is empty where there is one.
    """

    kind: SandboxKind
    version: str
    why: str
    memory: MemoryMeans
    processes: ProcessMeans
    space: SpaceMeans
    details: dict[str, str]


@dataclass(frozen=True)
class WorkerFacts:
    """An interpreter on a worker and the system below it. Memory and disk in bytes; texts are one clean line.

    `tools` maps a program to its version, "" where it is absent; `apt` has `name=version` of the packages that matter for
    building; `libraries` maps a soname to the Debian package that has it.
    """

    worker_version: str
    python: str
    implementation: str
    platform: str
    machine: str
    libc: str
    distribution: str
    kernel: str
    cores: int
    memory_bytes: int
    disk_free_bytes: int
    sandbox: SandboxFacts
    tools: dict[str, str]
    compiler: str
    apt: tuple[str, ...]
    libraries: dict[str, str]


def read_facts(probe_answer: bytes) -> WorkerFacts:
    """Read an answer to `probe`.

    Raises `WorkerRefusal` with the worker's own sentence, or `ProtocolError` naming the field and the value. Both are
    ValueErrors.
    """
    answer = Members.read(probe_answer, "probe", MOST_BYTES)
    if answer.has("error"):
        raise WorkerRefusal("the worker refused: " + _line(answer, "error", 2000))
    answer.whole("format", 1, 1)
    facts = answer.member("facts")
    return WorkerFacts(
        worker_version=answer.text("worker_version", _WORD, "a version"),
        python=facts.text("python", _VERSION, "a version such as 3.11.2"),
        implementation=facts.text("implementation", r"[a-z]{1,40}", "a name such as cpython"),
        platform=facts.text("platform", _WORD, "a platform such as linux-armv7l"),
        machine=facts.text("machine", _WORD, "a machine such as armv7l"),
        libc=_line(facts, "libc"),
        distribution=_line(facts, "distribution"),
        kernel=_line(facts, "kernel"),
        cores=facts.whole("cores", 1, 4096),
        memory_bytes=facts.whole("memory_bytes", 0, 1 << 50),
        disk_free_bytes=facts.whole("disk_free_bytes", 0, 1 << 60),
        sandbox=_read_sandbox(facts.member("sandbox")),
        tools={
            name: clean_text(version, 100)
            for name, version in _names(facts.member("tools"), _MOST_TOOLS, _NAME, "name of a program").items()
        },
        compiler=_line(facts, "compiler"),
        apt=_read_apt(facts),
        libraries=_read_libraries(facts.member("libraries")),
    )


def _read_sandbox(sandbox: Members) -> SandboxFacts:
    kind: SandboxKind = sandbox.one_of("kind", get_args(SandboxKind))  # type: ignore[assignment]
    memory: MemoryMeans = sandbox.one_of("memory", get_args(MemoryMeans))  # type: ignore[assignment]
    processes: ProcessMeans = sandbox.one_of("processes", get_args(ProcessMeans))  # type: ignore[assignment]
    space: SpaceMeans = sandbox.one_of("space", get_args(SpaceMeans))  # type: ignore[assignment]
    details = _names(sandbox.member("details"), _MOST_DETAILS, _NAME, "name of a means")
    return SandboxFacts(
        kind=kind,
        version=_line(sandbox, "version", 100),
        why=_line(sandbox, "why", 500),
        memory=memory,
        processes=processes,
        space=space,
        details={name: clean_text(reason, 500) for name, reason in details.items()},
    )


def _read_apt(facts: Members) -> tuple[str, ...]:
    listed = facts.value("apt")
    if not isinstance(listed, list) or len(listed) > MOST_PACKAGES:
        raise facts.fail("apt", f"a list of at most {MOST_PACKAGES} strings")
    for position, each in enumerate(listed):
        if not isinstance(each, str) or not _APT.fullmatch(each):
            raise ProtocolError(
                f"{facts.path}: apt[{position}] is {quote(each)}; it must be name=version of a package."
            )
    return tuple(listed)


def _read_libraries(libraries: Members) -> dict[str, str]:
    found = _names(libraries, MOST_LIBRARIES, _LIBRARY, "soname of a library")
    package = re.compile(_PACKAGE)
    for soname, name in found.items():
        if not package.fullmatch(name):
            raise ProtocolError(
                f"{libraries.path}: {quote(soname)} is {quote(name)}; it must be the name of a package."
            )
    return found


def _names(members: Members, most: int, pattern: re.Pattern[str], what: str) -> dict[str, str]:
    """An object of strings, of which each name matches `pattern`."""
    found = members.texts(most)
    for name in found:
        if not pattern.fullmatch(name):
            raise ProtocolError(f"{members.path}: {quote(name)} is no {what}.")
    return found


def _line(members: Members, name: str, limit: int = 250) -> str:
    return clean_text(members.text(name, r"(?s:.*)", f"a string of at most {4 * limit} characters", 4 * limit), limit)
