"""Makes what a hostile worker may say instead of the truth: result.json and the answer to `probe`, each with the reason.

for case in HOSTILE_RESULTS: parse_result(case.make(), BUILD, NOW)      # ResultError with case.reason
for case in HOSTILE_FACTS: read_facts(case.make())                      # ProtocolError with case.reason
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

BUILD = "123-1"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PHASE = {
    "name": "build",
    "started": "2026-11-22T07:00:01.000000+00:00",
    "seconds": 1.25,
    "peak_memory_bytes": 1000,
    "log_start": 0,
    "log_end": 10,
    "cpu_seconds": 1.5,
    "fetched_bytes": 10,
    "scratch_bytes": 1 << 40,
}
WHEEL = {"filename": "a-1-py3-none-any.whl", "size": 10, "sha256": "0" * 64}
SANDBOX = {"kind": "bubblewrap", "memory": "watchdog", "processes": "rlimit", "space": "disk"}
CONNECTIONS = {"outside": 3, "loopback": 0, "lookups": 1}
SMOKE = {"outcome": "imported", "detail": "", "modules": [{"name": "a", "outcome": "imported", "detail": ""}]}
BROKEN = {"outcome": "broken", "detail": "it crashed", "modules": [{"name": "a", "outcome": "broken", "detail": "139"}]}
SOUND_RESULT: dict[str, Any] = {
    "format": 1,
    "build": BUILD,
    "outcome": "built",
    "failure": None,
    "started": "2026-11-22T09:00:00.000000+02:00",
    "finished": "2026-11-22T07:00:05.500000+00:00",
    "phases": [PHASE],
    "peak_memory_bytes": 1000,
    "log": {"bytes": 10, "truncated": False},
    "wheels": [WHEEL],
    "environment": {"python": "3.11.7", "requirements": ["setuptools==80.9.0"]},
    "sandbox": SANDBOX,
    "connections": CONNECTIONS,
    "smoke": SMOKE,
}
FAILED_RESULT = SOUND_RESULT | {
    "outcome": "failed",
    "failure": {"kind": "backend", "message": "it failed"},
    "wheels": [],
    "smoke": None,
}
SOUND_PROBE: dict[str, Any] = {
    "format": 1,
    "worker_version": "0123456789ab",
    "facts": {
        "python": "3.11.2",
        "implementation": "cpython",
        "platform": "linux-armv7l",
        "machine": "armv7l",
        "libc": "glibc 2.36",
        "distribution": "debian 12 bookworm",
        "kernel": "6.12.34+rpt-rpi-v7",
        "cores": 4,
        "memory_bytes": 956_301_312,
        "disk_free_bytes": 20 << 30,
        "sandbox": {
            "kind": "bubblewrap",
            "version": "0.8.0",
            "why": "",
            "memory": "watchdog",
            "processes": "rlimit",
            "space": "disk",
            "details": {"cgroup2": "the memory controller is off"},
        },
        "tools": {"uv": "0.13.9", "pip": "23.0.1", "ccache": "4.8", "cargo": "", "go": "", "git": "2.39.5"},
        "compiler": "gcc (Debian 12.2.0-14+deb12u1) 12.2.0",
        "apt": ["gcc-12=12.2.0-14+deb12u1", "libssl-dev:armhf=3.0.17-1~deb12u2", "perl=5:5.36.0-7"],
        "libraries": {"libstdc++.so.6": "libstdc++6", "ld-linux-armhf.so.3": "libc6", "libX11.so.6": "libx11-6"},
    },
}


@dataclass(frozen=True)
class HostileText:
    """A way to make a hostile text, and words its rejection must have."""

    name: str
    make: Callable[[], bytes]
    reason: str


def _whole(name: str, content: bytes, reason: str) -> HostileText:
    return HostileText(name, lambda: content, reason)


def _changed(sound: dict[str, Any], name: str, reason: str, /, **change: Any) -> HostileText:
    return HostileText(name, lambda: json.dumps(sound | change).encode(), reason)


def _no_json(where: str) -> tuple[HostileText, ...]:
    return tuple(
        _whole(name, content, where)
        for name, content in {
            "empty": b"",
            "no text": b"\xff\xfe",
            "half an object": b"{",
            "null": b"null",
            "a list": b"[]",
            "deep lists": b"[" * 100_000,
            "deep objects": b'{"a":' * 100_000,
            "a surrogate": b'"\\ud800"',
            "not a number": b"NaN",
            "a number of 100000 digits": b"1" * 100_000,
            "an infinite number": b"1e999",
            "a deep member nobody asked for": b'{"x":' + b"[" * 5000 + b"]" * 5000 + b"}",
            "a deep member": b'{"format":' + b"[" * 900 + b"]" * 900 + b"}",
            "two byte order marks": b"\xef\xbb\xbf\xef\xbb\xbf{}",
        }.items()
    )


def _result(name: str, reason: str, /, **change: Any) -> HostileText:
    return _changed(SOUND_RESULT, name, reason, **change)


def _facts(name: str, reason: str, /, **change: Any) -> HostileText:
    return HostileText(
        name, lambda: json.dumps(SOUND_PROBE | {"facts": SOUND_PROBE["facts"] | change}).encode(), reason
    )


HOSTILE_RESULTS = (
    *_no_json("result.json"),
    _result("later format", "$.format", format=2),
    _result("format as text", "$.format", format="1"),
    _result("another build", "'123-1' was expected", build="124-1"),
    _result("no build", "$.build", build=None),
    _result("unknown outcome", "$.outcome", outcome="great"),
    _result("failed without a failure", "failure is null", outcome="failed"),
    _result("built without a wheel", "wheels is empty", wheels=[]),
    _result("built with a failure", "yet there is a failure", failure={"kind": "backend", "message": ""}),
    _result("unknown kind", "$.failure.kind", failure={"kind": "bad luck", "message": ""}),
    _result("a time as a number", "$.started", started=1_700_000_000),
    _result("a time without a zone", "$.started", started="2026-11-22T07:00:00"),
    _result("the first day", "no time a build can have", started="0001-01-01T00:00:00+14:00"),
    _result("a clock that was never set", "set the worker's clock", started="1970-01-01T00:00:00Z"),
    _result("a clock in the future", "set the worker's clock", finished="2027-01-01T00:00:00Z"),
    _result("finished before started", "finished is before started", finished="2026-11-22T06:00:00Z"),
    _result("too many phases", "$.phases", phases=[PHASE] * 257),
    _result("phase with a space", "$.phases[0].name", phases=[PHASE | {"name": "a b"}]),
    _result("phase with a long name", "$.phases[0].name", phases=[PHASE | {"name": "x" * 1000}]),
    _result("phase of negative length", "$.phases[0].seconds", phases=[PHASE | {"seconds": -1}]),
    _result("phase outside", "outside of the build", phases=[PHASE | {"started": "2026-11-25T07:00:00Z"}]),
    _result("phase with its log reversed", "ends before it starts", phases=[PHASE | {"log_start": 11}]),
    _result("phase of negative CPU", "$.phases[0].cpu_seconds", phases=[PHASE | {"cpu_seconds": -1}]),
    _result("phase of endless CPU", "$.phases[0].cpu_seconds", phases=[PHASE | {"cpu_seconds": 1e300}]),
    _result("phase that fetched too much", "$.phases[0].fetched_bytes", phases=[PHASE | {"fetched_bytes": 1 << 60}]),
    _result("phase with bytes as text", "$.phases[0].scratch_bytes", phases=[PHASE | {"scratch_bytes": "1"}]),
    _result("negative memory", "$.peak_memory_bytes", peak_memory_bytes=-1),
    _result("endless memory", "$.peak_memory_bytes", peak_memory_bytes=10**30),
    _result("half a byte of log", "$.log.bytes", log={"bytes": 1.5, "truncated": False}),
    _result("too many wheels", "$.wheels", wheels=[WHEEL] * 65),
    _result("wheel with a long name", "$.wheels[0].filename", wheels=[WHEEL | {"filename": "a" * 300}]),
    _result("wheel with a digest and a line", "$.wheels[0].sha256", wheels=[WHEEL | {"sha256": "0" * 64 + "\n"}]),
    _result("environment with an object", "$.environment", environment={"a": {"b": 1}}),
    _result("environment of 101", "$.environment", environment={str(number): 1 for number in range(101)}),
    _result("environment with a huge number", "result.json", environment={"a": 10**400}),
    _result("sandbox of trust", "$.sandbox.kind", sandbox=SANDBOX | {"kind": "trust me"}),
    _result("sandbox without a means", "$.sandbox.memory", sandbox=SANDBOX | {"memory": None}),
    _result("half a sandbox", "`memory` - at `$.sandbox`", sandbox={"kind": "none"}),
    _result("sandbox as text", "$.sandbox", sandbox="bubblewrap"),
    _result("negative connections", "$.connections.outside", connections=CONNECTIONS | {"outside": -1}),
    _result("connections as a number", "$.connections", connections=3),
    _result("unknown smoke", "$.smoke.outcome", smoke=SMOKE | {"outcome": "fine"}),
    _result("smoke with a number", "$.smoke.detail", smoke=SMOKE | {"detail": 1}),
    _result("smoke of many modules", "$.smoke.modules", smoke=SMOKE | {"modules": SMOKE["modules"] * 1001}),  # type: ignore[operator]
    _result(
        "smoke with a long name",
        "$.smoke.modules[0].name",
        smoke=SMOKE | {"modules": [{"name": "a" * 251, "outcome": "imported"}]},
    ),
    _result("smoke that contradicts itself", "is 'broken'", smoke=SMOKE | {"modules": BROKEN["modules"]}),
)

HOSTILE_FACTS = (
    *_no_json("probe"),
    _changed(SOUND_PROBE, "later format", "field 'format' is 2", format=2),
    _changed(SOUND_PROBE, "facts as a list", "probe: facts must be an object", facts=[]),
    _changed(SOUND_PROBE, "version with a line", "field 'worker_version' is '1\\n2'", worker_version="1\n2"),
    _facts("python of words", "field 'python' is 'three'", python="three"),
    _facts("python with a line", "field 'python' is '3.11.2\\n'", python="3.11.2\n"),
    _facts("implementation with a path", "field 'implementation' is '../x'", implementation="../x"),
    _facts("machine with a space", "field 'machine' is 'a b'", machine="a b"),
    _facts("long kernel", "field 'kernel' is 'xxx", kernel="x" * 5000),
    _facts("libc as a number", "field 'libc' is 2", libc=2),
    _facts("no cores", "field 'cores' is 0", cores=0),
    _facts("a truth of cores", "field 'cores' is True", cores=True),
    _facts("endless memory", "field 'memory_bytes' is 1606938", memory_bytes=1 << 200),
    _facts("half a byte free", "field 'disk_free_bytes' is 0.5", disk_free_bytes=0.5),
    _facts("sandbox as text", "sandbox must be an object, not 'yes'", sandbox="yes"),
    _facts("sandbox of trust", "field 'kind' is 'trust'", sandbox=SOUND_PROBE["facts"]["sandbox"] | {"kind": "trust"}),
    _facts(
        "sandbox as a list", "field 'kind' is ['none']", sandbox=SOUND_PROBE["facts"]["sandbox"] | {"kind": ["none"]}
    ),
    _facts("memory by hope", "field 'memory' is 'hope'", sandbox=SOUND_PROBE["facts"]["sandbox"] | {"memory": "hope"}),
    _facts("many tools", "at most 50 strings", tools={f"t{number}": "1" for number in range(51)}),
    _facts("tool with a path", "'../sh' is no name of a program", tools={"../sh": "1"}),
    _facts("tool without a text", "tools must be an object of at most 50 strings", tools={"uv": None}),
    _facts("apt as text", "field 'apt' is 'gcc=1'", apt="gcc=1"),
    _facts("apt of many", "a list of at most 2000 strings", apt=["gcc=1"] * 2001),
    _facts("apt with an option", "apt[1] is '--yes=1'", apt=["gcc=1", "--yes=1"]),
    _facts("apt with a command", "apt[0] is 'gcc=1; reboot'", apt=["gcc=1; reboot"]),
    _facts("apt with a line", "apt[0] is 'gcc=1\\n'", apt=["gcc=1\n"]),
    _facts("apt with a number", "apt[0] is 1", apt=[1]),
    _facts("libraries of many", "at most 5000 strings", libraries={f"l{number}": "lib" for number in range(5001)}),
    _facts("library with a path", "'/lib/libc.so.6' is no soname", libraries={"/lib/libc.so.6": "libc6"}),
    _facts("library with markup", "is no soname", libraries={"<script>": "libc6"}),
    _facts("library in an option", "'libc.so.6' is '-y'", libraries={"libc.so.6": "-y"}),
    _facts("library in a line", "'libc.so.6' is 'libc6\\n'", libraries={"libc.so.6": "libc6\n"}),
    _whole("too long", b" " * ((4 << 20) + 1), "probe has 4194305 bytes; it may have at most 4194304"),
)
