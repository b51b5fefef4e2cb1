"""How fast project pages are served, beside pypiserver, simple-repository-server and devpi-server.

    .venv/bin/python benchmarks/serving.py [--only NAME] [--rounds N] [--seconds N] [--json]

The same 1,000 wheels in 200 projects are in each index. wrk (`apt install wrk`) asks for one project page after the other as
uv does, for JSON, over connections that stay open: one for the times of an answer, eight for as many as there can be. Each
index has a run in each round, in turn. pypiserver has no JSON; its pages count all the same.
"""

import argparse
import json
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from load import Load, load
from made_up import MadeUpProject, resolvable_projects
from measure import program, say, table
from ours import EMBEDDED, NGINX, OURS, published, serving_ours
from rivals import RIVALS, Index, serving

PROJECTS, FILES, ROOTS = 200, 1000, 60


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=(*OURS, *RIVALS), action="append")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print data for programs")
    arguments = parser.parse_args()
    program("wrk", "apt install wrk")
    projects, _ = resolvable_projects(PROJECTS, files=FILES, roots=ROOTS, padding=10_000)
    with tempfile.TemporaryDirectory(prefix="piwright-bench-") as place, ExitStack() as stack:
        indexes = [
            start(stack, name, projects, Path(place))
            for name in (*OURS, *RIVALS)
            if name in (arguments.only or (*OURS, *RIVALS))
        ]
        found = compare(indexes, [project.name for project in projects], arguments.rounds, arguments.seconds)
    print(json.dumps(found, indent=2) if arguments.json else shown(found))
    return 0


def start(stack: ExitStack, name: str, projects: list[MadeUpProject], home: Path) -> Index:
    """An index that runs until the stack is closed; what it serves is made the first time it is needed."""
    say(f"starting {name}")
    if name in OURS:
        tree = home / "ours" / "tree"
        if not tree.exists():
            published(projects, home / "ours")
        return stack.enter_context(serving_ours(name, tree, home / name.replace(", ", "-")))
    folder = home / "wheels"
    if not folder.exists():
        for project in projects:
            (folder / project.name).mkdir(parents=True)
            for wheel in project.wheels:
                (folder / project.name / wheel.filename).write_bytes(wheel.content())
    return stack.enter_context(serving(name, folder, home / name))


def compare(indexes: list[Index], names: list[str], rounds: int, seconds: int) -> dict[str, Any]:
    """Medians of the rounds, for each index."""
    for index in indexes:
        load(index.url, names, connections=1, seconds=2)  # what it keeps in memory is there from here on
    ones: dict[str, list[Load]] = {index.name: [] for index in indexes}
    eights: dict[str, list[Load]] = {index.name: [] for index in indexes}
    for number in range(rounds):
        for index in indexes:
            ones[index.name].append(load(index.url, names, connections=1, seconds=seconds))
            eights[index.name].append(load(index.url, names, connections=8, seconds=seconds))
            last = eights[index.name][-1]
            say(f"  round {number + 1}, {index.name}: {last.requests_per_second:.0f} requests/s, {last.errors} errors")
    return {
        name: {
            "p50_milliseconds": round(1000 * statistics.median(each.p50 for each in ones[name]), 3),
            "p99_milliseconds": round(1000 * statistics.median(each.p99 for each in ones[name]), 3),
            "requests_per_second": round(statistics.median(each.requests_per_second for each in eights[name])),
            "bytes_an_answer": round(statistics.median(each.bytes_each for each in eights[name])),
            "errors": sum(each.errors for each in ones[name] + eights[name]),
        }
        for name in ones
    }


def shown(found: dict[str, Any]) -> str:
    rows: list[list[object]] = []
    for name, each in found.items():
        ratios = [
            f"{found[ours]['requests_per_second'] / each['requests_per_second']:.1f}x" if ours in found else ""
            for ours in (NGINX, EMBEDDED)
        ]
        rows.append([name, f"{each['p50_milliseconds']} ms", f"{each['p99_milliseconds']} ms", each["requests_per_second"],
                     each["bytes_an_answer"], each["errors"], *ratios])  # fmt: skip
    head = ["project page as JSON", "p50", "p99", "requests/s", "bytes", "errors", "nginx is", "embedded is"]
    return table(head, rows)


if __name__ == "__main__":
    sys.exit(main())
