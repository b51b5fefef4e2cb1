"""What a client pays: `uv pip compile` of 60 requirements with nothing in its cache, from each index.

    .venv/bin/python benchmarks/clients.py [--only NAME] [--rounds N] [--json]

The same 1,000 wheels in 200 projects are in each index, and the 60 need most of the projects. Requests and bytes are counted
by a proxy in a run of its own; the seconds are of runs without it, in turn. All indexes must lead to the same versions.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from counting_proxy import counting_proxy
from made_up import resolvable_projects
from measure import say, table
from ours import NGINX, OURS
from rivals import RIVALS, Index
from serving import FILES, PROJECTS, ROOTS, start

UV = str(Path(sys.executable).with_name("uv"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=(*OURS, *RIVALS), action="append")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print data for programs")
    arguments = parser.parse_args()
    projects, roots = resolvable_projects(PROJECTS, files=FILES, roots=ROOTS)
    with tempfile.TemporaryDirectory(prefix="piwright-bench-") as place, ExitStack() as stack:
        home = Path(place)
        (home / "requirements.in").write_text("\n".join(roots) + "\n")
        wanted = arguments.only or (*OURS, *RIVALS)
        indexes = [start(stack, name, projects, home) for name in (*OURS, *RIVALS) if name in wanted]
        found = compare(indexes, home / "requirements.in", arguments.rounds)
    print(json.dumps(found, indent=2) if arguments.json else shown(found))
    return 0


def compare(indexes: list[Index], requirements: Path, rounds: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    pins = {}
    for index in indexes:
        with counting_proxy(index.port) as proxy:
            path = urlsplit(index.url).path
            pins[index.name], _ = compile_cold(f"http://127.0.0.1:{proxy.port}{path}", requirements)
        found[index.name] = {
            "requests": proxy.requests,
            "bytes": proxy.bytes_received,
            "connections": proxy.connections,
        }
        say(f"  {index.name}: {proxy.requests} requests, {proxy.bytes_received} bytes")
    if len(set(pins.values())) != 1:
        raise RuntimeError(f"the indexes do not lead to the same versions: {pins}")
    for each in found.values():
        each["pinned"] = len(next(iter(pins.values())).splitlines())
    seconds: dict[str, list[float]] = {index.name: [] for index in indexes}
    for number in range(rounds):
        for index in indexes:
            seconds[index.name].append(compile_cold(index.url, requirements)[1])
        say(f"  round {number + 1}: " + ", ".join(f"{name} {each[-1]:.2f} s" for name, each in seconds.items()))
    for name, each in seconds.items():
        found[name]["seconds"] = round(statistics.median(each), 3)
    return found


def compile_cold(url: str, requirements: Path) -> tuple[str, float]:
    """What uv pins, and how long it takes, without a cache and without settings of the machine."""
    command = [UV, "pip", "compile", "--quiet", "--no-cache", "--no-config", "--no-header", "--no-annotate"]
    command += ["--default-index", url, "--python", sys.executable, "--only-binary", ":all:", str(requirements)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_"))}
    began = time.perf_counter()
    ran = subprocess.run(command, capture_output=True, text=True, env=clean, check=False)
    seconds = time.perf_counter() - began
    if ran.returncode:
        raise RuntimeError(f"uv cannot resolve from {url}:\n{ran.stderr[-2000:]}")
    return ran.stdout, seconds


def shown(found: dict[str, Any]) -> str:
    rows: list[list[object]] = []
    for name, each in found.items():
        ratios = ["", ""]
        if NGINX in found and name not in OURS:
            ratios = [f"{each[what] / found[NGINX][what]:.1f}x" for what in ("bytes", "seconds")]
        rows.append([name, each["requests"], f"{each['bytes'] / 1e6:.2f} MB", f"{each['seconds']} s", *ratios])
    head = ["cold `uv pip compile`", "requests", "received", "seconds", "bytes to nginx's", "seconds to nginx's"]
    return table(head, rows)


if __name__ == "__main__":
    sys.exit(main())
