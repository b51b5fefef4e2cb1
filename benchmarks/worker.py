"""What piwright costs a build, against plain `pip wheel` on the same worker, and how fast results come back.

    .venv/bin/python benchmarks/worker.py [--rounds N] [--only embedded|emulated] [--json]

One embedded worker and one emulated Pi are started for it and ended with it. Each round builds the same small C extension
once by piwright (submit over SSH, sandbox, environment, build, smoke test, fetch the results, examine them) and once by
`pip wheel` with its own caches warm, in turn, so that both meet the same machine. Then a file of random bytes is fetched
from the embedded worker by piwright, by paramiko's own `get`, and by OpenSSH's `sftp`.
"""

import argparse
import json
import os
import shlex
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import paramiko
from packaging.version import Version
from pypi_simple import DistributionPackage, PyPISimple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "plugins"))

from piwright.intake.examine import examine  # noqa: E402
from piwright.intake.limits import Limits as IntakeLimits  # noqa: E402
from piwright.intake.wheel_check import Wanted  # noqa: E402
from piwright.settings import Settings  # noqa: E402
from piwright.stack.emulated.architecture import GUESTS  # noqa: E402
from piwright.stack.emulated.host import missing_for_emulation  # noqa: E402
from piwright.stack.emulated.shelf import Shelf  # noqa: E402
from piwright.stack.secrets import Secrets  # noqa: E402
from piwright.stack.ssh_probe import ask, connected, wait_for_server  # noqa: E402
from piwright.stack.ssh_workers import embedded_workers, find_sshd  # noqa: E402
from piwright.stack.ssh_workers import worker_command as sshd_command  # noqa: E402
from piwright.stack.workers import StackWorker, stack_workers  # noqa: E402
from piwright.worker import (  # noqa: E402
    BatchSpec,
    BuildSpec,
    Limits,
    SdistSpec,
    StatusAnswer,
    build_worker_zipapp,
    worker_command,
)
from piwright_airflow.sftp_download import blocks_of, open_sftp  # noqa: E402

PROJECT = "markupsafe"
MEGABYTES = 200


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=("embedded", "emulated"))
    parser.add_argument("--json", action="store_true", help="print data for programs")
    arguments = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="piwright-bench-") as home, ExitStack() as stack:
        settings = _settings(Path(home))
        secrets = Secrets.load(settings)
        sdist = _newest_sdist()
        for worker in stack.enter_context(_running(settings, secrets, arguments.only)):
            kind = "emulated" if worker.name == "pi-1" else "embedded"
            _say(f"{kind}: {worker.target.name}, {arguments.rounds} rounds of {PROJECT}")
            found[kind] = compare(worker, secrets.worker_key, sdist, arguments.rounds)
            if kind == "embedded":
                found["sftp"] = compare_sftp(worker, secrets.worker_key)
    print(json.dumps(found, indent=2) if arguments.json else _table(found))
    return 0


def compare(worker: StackWorker, key: Path, sdist: DistributionPackage, rounds: int) -> dict[str, Any]:
    """Seconds of both, the first round (which warms caches) left out: medians, and their ratio."""
    ours, rival = [], []
    phases: dict[str, list[float]] = {}
    with connected(worker, key) as client, tempfile.TemporaryDirectory() as place:
        _run(client, "mkdir -p /tmp/bench")
        _put(client, f"/tmp/bench/{sdist.filename}", _content(sdist))
        for number in range(rounds + 1):
            began = time.monotonic()
            result = _build(client, worker, sdist, f"bench-{number}-{int(time.time())}", Path(place))
            middle = time.monotonic()
            _run(client, f"cd /tmp/bench && rm -rf out && {_pip(worker)} wheel -q --no-deps -w out ./{sdist.filename}")
            end = time.monotonic()
            _say(f"  round {number}: piwright {middle - began:.2f} s, pip {end - middle:.2f} s")
            if number:
                ours.append(middle - began)
                rival.append(end - middle)
                for phase in result["phases"]:
                    phases.setdefault(phase["name"], []).append(phase["seconds"])
    return {
        "target": worker.target.name,
        "piwright_seconds": round(statistics.median(ours), 2),
        "pip_seconds": round(statistics.median(rival), 2),
        "ratio": round(statistics.median(ours) / statistics.median(rival), 2),
        "phases": {name: round(statistics.median(each), 3) for name, each in phases.items()},
    }


def compare_sftp(worker: StackWorker, key: Path) -> dict[str, Any]:
    """MB/s of three ways to fetch one file of random bytes."""
    speeds: dict[str, float] = {}
    size = MEGABYTES * 10**6
    with connected(worker, key) as client, tempfile.TemporaryDirectory() as place:
        _run(client, f"head -c {size} /dev/urandom > /tmp/bench/random")
        copy = Path(place) / "copy"

        def ours() -> None:
            with open_sftp(client) as sftp, sftp.open("/tmp/bench/random") as source, copy.open("wb") as target:
                for block in blocks_of(sftp, source, size):
                    target.write(block)

        def paramikos() -> None:
            with client.open_sftp() as sftp:
                sftp.get("/tmp/bench/random", str(copy))

        def openssh() -> None:
            options = ["-q", "-i", str(key), "-P", str(worker.port), "-o", "StrictHostKeyChecking=no"]
            options += ["-o", "UserKnownHostsFile=/dev/null"]
            there = f"{worker.user}@127.0.0.1:/tmp/bench/random"
            subprocess.run(["sftp", *options, there, str(copy)], check=True, stdout=subprocess.DEVNULL)

        for name, way in (("piwright", ours), ("paramiko", paramikos), ("openssh", openssh)):
            seconds = []
            for _ in range(3):
                began = time.monotonic()
                way()
                seconds.append(time.monotonic() - began)
                assert copy.stat().st_size == size
            speeds[name] = round(size / 10**6 / min(seconds))
        _run(client, "rm -r /tmp/bench")
    return {f"{name}_megabytes_per_second": speed for name, speed in speeds.items()}


def _build(
    client: paramiko.SSHClient, worker: StackWorker, sdist: DistributionPackage, batch: str, place: Path
) -> dict[str, Any]:
    """One build from the submission to the verdict on its wheel; its result.json."""
    state = worker.state_directory
    version = build_worker_zipapp().version
    # Another project name each time, so that no compiler's cache of an earlier round helps.
    build = BuildSpec("b0", batch, sdist.version or "", _sdist_spec(sdist), 1_700_000_000)
    limits = Limits(3600, 3600, 64 << 20, 256 << 20)
    spec = BatchSpec(batch, Settings.from_environment().upstream_url, worker.python, limits, (build,))
    _run(client, f"mkdir -p {shlex.quote(f'{state}/batches/{batch}')}")
    _put(client, f"{state}/batches/{batch}/spec.json", spec.to_json())
    _run(client, worker_command(worker.python, state, version, "run", batch))
    while True:
        said = _run(client, worker_command(worker.python, state, version, "status", batch))
        if StatusAnswer.from_json(said.encode()).state != "running":
            break
        time.sleep(0.1)
    folder = place / batch / "b0"
    (folder / "wheels").mkdir(parents=True)
    with open_sftp(client) as sftp:
        there = f"{state}/batches/{batch}/builds/b0"
        wheels = [f"wheels/{name}" for name in sftp.listdir(f"{there}/wheels")]
        for name in ("result.json", "log.txt", *wheels):
            size = sftp.stat(f"{there}/{name}").st_size or 0
            with sftp.open(f"{there}/{name}") as source, (folder / name).open("wb") as copy:
                for block in blocks_of(sftp, source, size):
                    copy.write(block)
    verdict = examine(folder, Wanted(PROJECT, sdist.version or "", tuple(worker.target.tags)), IntakeLimits())
    assert verdict.failure is None, (verdict.message, (folder / "log.txt").read_text()[-3000:])
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return result


def _sdist_spec(sdist: DistributionPackage) -> SdistSpec:
    return SdistSpec(sdist.filename, sdist.url, {"sha256": sdist.digests["sha256"]}, sdist.size)


@contextmanager
def _running(settings: Settings, secrets: Secrets, only: str | None) -> Iterator[list[StackWorker]]:
    """The workers, each served by a process of ours."""
    shelf = Shelf(settings)
    commands = {}
    if only != "emulated":
        (embedded,) = embedded_workers(settings)
        commands[embedded.name] = sshd_command(embedded, find_sshd(settings), secrets, str(settings.home))
    if only != "embedded":
        problems = missing_for_emulation(GUESTS["armv7l"], shelf.folder)
        if problems:
            sys.exit("\n".join(problems) + "\nOr leave it out: --only embedded.")
        shelf.roots.ensure("trixie", "armv7l", _say)
        pi = shelf.add("pi-1", "trixie", "armv7l")
        commands[pi.name] = shelf.command(pi, secrets)
    workers = [each for each in stack_workers(settings, shelf) if each.name in commands]
    processes = [subprocess.Popen(each, stderr=subprocess.DEVNULL) for each in commands.values()]
    try:
        for worker in workers:
            wait_for_server(worker.port, 60, lambda: None)
            ask(worker, secrets.worker_key)  # sends the program too
        yield workers
    finally:
        for process in processes:
            process.kill()
            process.wait()
        shelf.forget("pi-1")
        shelf.clear()


def _settings(home: Path) -> Settings:
    ports = []
    for _ in range(2):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
    own = {"PIWRIGHT_HOME": str(home), "PIWRIGHT_WORKERS": "1", "PIWRIGHT_WORKER_PORT": str(ports[0])}
    return Settings.from_environment({**os.environ, **own})


def _newest_sdist() -> DistributionPackage:
    with PyPISimple(endpoint=Settings.from_environment().upstream_url) as client:
        files = client.get_project_page(PROJECT).packages
    sdists = [each for each in files if each.package_type == "sdist" and not each.is_yanked]
    return max(sdists, key=lambda each: Version(each.version or "0"))


def _content(sdist: DistributionPackage) -> bytes:
    with PyPISimple() as client, tempfile.TemporaryDirectory() as place:
        client.download_package(sdist, Path(place) / "sdist")
        return (Path(place) / "sdist").read_bytes()


def _pip(worker: StackWorker) -> str:
    trusted = "/etc/ssl/certs/ca-certificates.crt"
    index = Settings.from_environment().upstream_url
    return f"PIP_CERT={trusted} PIP_INDEX_URL={index} PIP_CONFIG_FILE=/dev/null {shlex.quote(worker.python)} -m pip"


def _run(client: paramiko.SSHClient, command: str) -> str:
    _, output, errors = client.exec_command(command, timeout=3600)
    said = output.read().decode(errors="replace")
    if output.channel.recv_exit_status():
        raise RuntimeError(f"{command}: {said}{errors.read().decode(errors='replace')}"[-3000:])
    return said


def _put(client: paramiko.SSHClient, path: str, content: bytes) -> None:
    with client.open_sftp() as sftp, sftp.open(path, "wb") as file:
        file.write(content)


def _table(found: dict[str, Any]) -> str:
    lines = []
    for kind in ("embedded", "emulated"):
        if kind in found:
            each = found[kind]
            phases = ", ".join(f"{name} {seconds}" for name, seconds in each["phases"].items())
            lines.append(f"{kind} ({each['target']}): piwright {each['piwright_seconds']} s, pip wheel "
                         f"{each['pip_seconds']} s, {each['ratio']}x  [{phases}]")  # fmt: skip
    if "sftp" in found:
        speeds = ", ".join(f"{name.partition('_')[0]} {speed} MB/s" for name, speed in found["sftp"].items())
        lines.append(f"SFTP, {MEGABYTES} MB on loopback: {speeds}")
    return "\n".join(lines)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
