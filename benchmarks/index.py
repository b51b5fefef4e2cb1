"""What it costs to write the index, beside dumb-pypi.

    .venv/bin/python benchmarks/index.py [--only full,change,projects,root,regeneration] [--rounds N] [--divide N] [--json]

full          one flavour of 20,000 files in 3,150 projects, HTML, JSON and .gz twins; dumb-pypi: the same files
change        one of them changed; dumb-pypi: its incremental run
projects      1,000 projects new: wheels, metadata, both indexes, project pages with JSON, badge and feed, .gz twins
root          the list of 886,000 projects, HTML, JSON and .gz twins
regeneration  a shop of 886,000 projects, 100,000 with wheels, onto an empty disk: every page of index and site

Data is made up, the same each time, in a PostgreSQL and folders made for it and removed again (`--keep FOLDER` keeps them).
`--divide 100` makes all of it a hundred times smaller, to try the benchmark itself. Set TMPDIR to choose the disk.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from made_up import MadeUpProject, made_up_names, made_up_projects
from made_up_shop import UPSTREAM, MadeUpShop, made_up_shop, vacuum
from measure import Measured, MemoryWatch, measured, megabytes, run_program, say, table
from rivals import VERSIONS, tool

from piwright.database.connection import connect
from piwright.index import flavours
from piwright.index.layout import SIMPLE
from piwright.index.publish import publish
from piwright.index.storage import open_storage
from piwright.site.project_source import ProjectSite
from piwright.site.shop_pages import write_shop_pages

PARTS = ("full", "change", "projects", "root", "regeneration")
SITE = "http://127.0.0.1:8000"
ENCODINGS = ("gz",)
CHANGES = 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(PARTS), help=",".join(PARTS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--divide", type=int, default=1, help="make all of it so many times smaller")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="work here, and leave it there")
    parser.add_argument("--json", action="store_true", help="print data for programs")
    arguments = parser.parse_args()
    if unknown := set(arguments.only) - set(PARTS):
        parser.error(f"--only {','.join(unknown)}: it must be some of {','.join(PARTS)}")
    found: dict[str, Any] = {}
    with _folder(arguments.keep) as home:
        if {"full", "change"} & set(arguments.only):
            found |= compare(home / "compared", arguments.rounds, arguments.only, arguments.divide)
        if "projects" in arguments.only:
            found["projects"] = many_projects(home / "projects", arguments.rounds, 1000 // arguments.divide)
        if "root" in arguments.only:
            found["root"] = root_page(home / "root", 886_000 // arguments.divide, arguments.rounds)
        if "regeneration" in arguments.only:
            found["regeneration"] = regeneration(
                home / "regeneration", 886_000 // arguments.divide, 100_000 // arguments.divide
            )
    print(json.dumps(found, indent=2) if arguments.json else shown(found))
    return 0


# ---- full and change: beside dumb-pypi ----


def compare(home: Path, rounds: int, parts: list[str], divide: int) -> dict[str, Any]:
    """Both on the same 20,000 files, in turn, so that they meet the same machine."""
    projects = list(made_up_projects(3150 // divide, files=20_000 // divide))
    found: dict[str, Any] = {}
    with _shop(home) as shop:
        wheels = shop.fill(projects)
        say(f"full: {wheels} files in {len(projects)} projects, {rounds} rounds")
        tree = home / "tree"
        measured(publish_stale, shop, tree, True)  # wheels and metadata are in place from here on
        before, after = _package_lists(home, projects)
        if "full" in parts:
            runs: dict[str, list[Measured]] = {"html": [], "json": [], "ours": []}
            for number in range(rounds):
                runs["html"].append(_dumb_pypi(home, before, "--no-per-release-json"))
                runs["json"].append(_dumb_pypi(home, before))
                _set_aside(tree / "simple", home)
                _everything_stale(shop)
                runs["ours"].append(measured(publish_stale, shop, tree, True))
                say(
                    f"  round {number + 1}: "
                    + ", ".join(f"{name} {each[-1].seconds:.2f} s" for name, each in runs.items())
                )
            assert sum(1 for _ in tree.glob("simple/*/index.html.gz")) == len(projects)
            medians = {name: statistics.median(run.seconds for run in each) for name, each in runs.items()}
            processor = {name: statistics.median(run.processor_seconds for run in each) for name, each in runs.items()}
            found["full"] = {
                "files": wheels,
                "projects": len(projects),
                "dumb_pypi_html_seconds": round(medians["html"], 2),
                "dumb_pypi_json_seconds": round(medians["json"], 2),
                "piwright_seconds": round(medians["ours"], 2),
                "dumb_pypi_html_processor_seconds": round(processor["html"], 2),
                "dumb_pypi_json_processor_seconds": round(processor["json"], 2),
                "piwright_processor_seconds": round(processor["ours"], 2),
                "times_faster_than_html": round(medians["html"] / medians["ours"], 1),
                "times_faster_than_json": round(medians["json"] / medians["ours"], 1),
            }
        if "change" in parts:
            rival = []
            for _ in range(rounds):
                _dumb_pypi(home, before, "--no-per-release-json")
                changed = ("--no-per-release-json", "--previous-package-list-json", before)
                rival.append(_dumb_pypi(home, after, *changed, fresh=False).seconds)
            times_of_ours = measured(change_one, shop, tree).result
            ours = statistics.median(times_of_ours)
            found["change"] = {
                "dumb_pypi_seconds": round(statistics.median(rival), 3),
                "piwright_seconds": round(ours, 4),
                "piwright_slowest_seconds": round(max(times_of_ours), 4),
                "times_faster": round(statistics.median(rival) / ours, 1),
            }
    return found


def publish_stale(shop: MadeUpShop, tree: Path, one_flavour: bool = False, site: bool = False) -> dict[str, Any]:
    """One publication of what is out of date."""
    if one_flavour:
        flavours.FLAVOURS = (SIMPLE,)  # type: ignore[assignment]
    sources = [ProjectSite(SITE, UPSTREAM, shop.store_root)] if site else []
    with connect(shop.access.application) as connection:
        report = publish(connection, storage=open_storage(tree, ENCODINGS), store_root=shop.store_root,
                         upstream_url=UPSTREAM, sources=sources)  # fmt: skip
    assert not report.problems, report.problems[:3]
    return {"projects": report.projects, "pages": report.pages_written, "files": report.files_added}


def change_one(shop: MadeUpShop, tree: Path) -> list[float]:
    """Seconds of publishing one project whose release was yanked, in a process that has a connection, as a task has."""
    flavours.FLAVOURS = (SIMPLE,)  # type: ignore[assignment]
    seconds = []
    with connect(shop.access.owner) as owner, connect(shop.access.application) as connection:
        storage = open_storage(tree, ENCODINGS)
        for number in range(CHANGES):
            with owner.cursor() as cursor:
                cursor.execute(
                    """
                    WITH changed AS (UPDATE release SET yanked = true, yanked_reason = 'changed'
                                     WHERE release_id = (SELECT min(release_id) FROM release WHERE project_id = %(project)s)
                                     RETURNING project_id)
                    UPDATE project SET stale_since = now() WHERE project_id IN (SELECT project_id FROM changed)
                    """,
                    {"project": 1 + number},
                )
            owner.commit()
            began = time.perf_counter()
            report = publish(connection, storage=storage, store_root=shop.store_root, upstream_url=UPSTREAM)
            seconds.append(time.perf_counter() - began)
            assert (report.projects, report.pages_written) == (1, 1), report
    return seconds


def _package_lists(home: Path, projects: list[MadeUpProject]) -> tuple[Path, Path]:
    """What dumb-pypi reads: the same files, and once more with one of them changed."""
    entries = [
        {
            "filename": wheel.filename,
            "hash": f"sha256={'0' * 64}",
            "requires_python": wheel.requires_python,
            "upload_timestamp": 1_700_000_000,
        }
        for project in projects
        for wheel in project.wheels
    ]
    for entry in entries:
        if entry["requires_python"] is None:
            del entry["requires_python"]
    paths = []
    for name, changed in (("before.json", {}), ("after.json", {"yanked_reason": "changed"})):
        entries[len(entries) // 2] |= changed
        (home / name).write_text("".join(json.dumps(entry) + "\n" for entry in entries))
        paths.append(home / name)
    return paths[0], paths[1]


def _dumb_pypi(home: Path, packages: Path, *more: str | Path, fresh: bool = True) -> Measured:
    output = home / "dumb-pypi"
    if fresh:
        _set_aside(output, home)
    program = tool(VERSIONS["dumb-pypi"], "dumb-pypi")
    options = ["--package-list-json", packages, "--packages-url", "../../files/", "--output-dir", output]
    return run_program([program, *options, *more])


# ---- projects: all of it ----


def many_projects(home: Path, rounds: int, count: int) -> dict[str, Any]:
    """1,000 projects that were never published: all of it; then with their builds' pages, which are written once in a life.

    And once more without the files, which stay when pages change: what a change of templates costs.
    """
    runs: dict[str, list[Measured]] = {"with_build_pages": [], "all": [], "pages_alone": []}
    files: dict[str, int] = {}
    with _shop(home) as shop:
        wheels = shop.fill(made_up_projects(count, files=6350 * count // 1000))
        say(f"projects: {count} with {wheels} wheels, {rounds} rounds")
        tree = home / "tree"
        for _ in range(rounds):
            for name, each in runs.items():
                if name == "pages_alone":
                    for folder in ("simple", "extra", "project"):
                        _set_aside(tree / folder, home)
                else:
                    _set_aside(tree, home)
                _everything_stale(shop, new=name != "pages_alone", builds=name == "with_build_pages")
                each.append(measured(publish_stale, shop, tree, False, True))
                files[name] = _count_files(tree)
                say(f"  {name}: {each[-1].seconds:.2f} s, {each[-1].processor_seconds:.2f} s of processors")
    found: dict[str, Any] = {"projects": count, "wheels": wheels}
    for name, each in runs.items():
        found[name] = {
            "seconds": round(statistics.median(run.seconds for run in each), 2),
            "processor_seconds": round(statistics.median(run.processor_seconds for run in each), 2),
            "files_in_the_tree": files[name],
        }
    return found


# ---- root ----


def root_page(home: Path, count: int, rounds: int) -> dict[str, Any]:
    """Only the list is written: it was lost, and no project is out of date."""
    with _shop(home) as shop:
        shop.fill([], bare=made_up_names(count))
        say(f"root: {count} projects, {rounds} rounds")
        runs = []
        for _ in range(rounds):
            _set_aside(home / "tree", home)
            runs.append(measured(publish_stale, shop, home / "tree", True))
        assert (home / "tree" / "simple" / "index.html").read_bytes().count(b"<a ") == count
    return {
        "projects": count,
        "seconds": round(statistics.median(run.seconds for run in runs), 2),
        "processor_seconds": round(statistics.median(run.processor_seconds for run in runs), 2),
        "peak_bytes": max(run.peak_bytes for run in runs),
    }


# ---- regeneration ----


def regeneration(home: Path, count: int, own: int) -> dict[str, Any]:
    """Every page of index and site, onto an empty disk, as after its loss; then the pages of the whole shop."""
    names = list(made_up_names(count))
    with _shop(home) as shop:
        say(f"regeneration: {count} projects, {own} with wheels: filling")
        made = made_up_projects(own, files=2 * own)
        wheels = shop.fill(made, bare=names[own:])
        say(f"  {wheels} wheels; publishing")
        answer = measured(regenerate, shop, home / "tree").result
        answer["files"] = _count_files(home / "tree")
    return {"projects": count, "with_wheels": own, "wheels": wheels, **answer}


def regenerate(shop: MadeUpShop, tree: Path) -> dict[str, Any]:
    storage = open_storage(tree, ENCODINGS)
    with connect(shop.access.application) as connection:
        began = time.perf_counter()
        done = 0

        def progress(_name: str, report: Any) -> None:
            nonlocal done
            if report.projects - done >= 50_000:
                done = report.projects
                say(f"  {done} projects after {time.perf_counter() - began:.0f} s, {megabytes(watch.samples[-1][1])}")

        with MemoryWatch() as watch:
            report = publish(
                connection,
                storage=storage,
                store_root=shop.store_root,
                upstream_url=UPSTREAM,
                sources=[ProjectSite(SITE, UPSTREAM, shop.store_root)],
                everything=True,
                progress=progress,
            )
        assert not report.problems, report.problems[:3]
        publishing = time.perf_counter() - began
        with MemoryWatch() as shop_watch:
            write_shop_pages(connection, storage, site_url=SITE, everything=True)
        shop_pages = time.perf_counter() - began - publishing
    return {
        "minutes": round(publishing / 60, 1),
        "memory_bytes_on_the_way": watch.at_parts(6),
        "peak_bytes": watch.peak,
        "shop_pages_minutes": round(shop_pages / 60, 1),
        "shop_pages_peak_bytes": shop_watch.peak,
    }


# ---- what they share ----


def _everything_stale(shop: MadeUpShop, *, new: bool = False, builds: bool = False) -> None:
    """Pages of all projects with wheels are out of date; `new`: as if they had never been published."""
    with connect(shop.access.owner) as owner, owner.cursor() as cursor:
        cursor.execute("UPDATE project SET stale_since = now() WHERE project_id IN (SELECT project_id FROM release)")
        if new:
            cursor.execute("UPDATE wheel SET published_at = NULL")
            cursor.execute("UPDATE project SET listed = false, listed_extra = false")
            cursor.execute("UPDATE attempt SET page_at = CASE WHEN %s THEN NULL ELSE now() END", (builds,))
    vacuum(shop.access.owner)
    os.sync()  # what was written before is not waited for while the clock runs


def _set_aside(folder: Path, home: Path) -> None:
    """Move what an earlier run wrote out of the way, to be deleted at the very end.

    Deleted at once it would be in the way still: for some seconds ext4 looks at every number of a deleted file before it
    makes a new one, and whoever comes next takes ten times as long.
    """
    if folder.exists():
        folder.rename(Path(tempfile.mkdtemp(prefix="aside-", dir=home)) / folder.name)


def _count_files(tree: Path) -> int:
    return sum(len(files) for _, _, files in os.walk(tree))


@contextmanager
def _shop(home: Path) -> Iterator[MadeUpShop]:
    home.mkdir(parents=True)
    with made_up_shop(home) as shop:
        yield shop


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    home = Path(tempfile.mkdtemp(prefix="piwright-bench-"))
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def shown(found: dict[str, Any]) -> str:
    rows: list[list[object]] = []
    if each := found.get("full"):
        ours = f"{each['piwright_seconds']} s"
        what = f"{each['files']} files in {each['projects']} projects"
        rows.append([what + ", dumb-pypi HTML only", f"{each['dumb_pypi_html_seconds']} s", ours,
                     f"{each['times_faster_than_html']}x"])  # fmt: skip
        rows.append([what + ", dumb-pypi with its JSON", f"{each['dumb_pypi_json_seconds']} s", ours,
                     f"{each['times_faster_than_json']}x"])  # fmt: skip
    if each := found.get("change"):
        rows.append(["one project changed", f"{each['dumb_pypi_seconds']} s", f"{1000 * each['piwright_seconds']:.0f} ms",
                     f"{each['times_faster']}x"])  # fmt: skip
    if each := found.get("projects"):
        what = f"{each['projects']} projects, {each['wheels']} wheels: "
        rows.append([what + "all of it", "", f"{each['all']['seconds']} s", ""])
        rows.append([what + "their pages, wheels in place", "", f"{each['pages_alone']['seconds']} s", ""])
        rows.append([what + "all, and a page for each build", "", f"{each['with_build_pages']['seconds']} s", ""])
    if each := found.get("root"):
        rows.append(
            [f"root page at {each['projects']} projects", "", f"{each['seconds']} s", megabytes(each["peak_bytes"])]
        )
    if each := found.get("regeneration"):
        what = f"regeneration, {each['projects']} projects, {each['with_wheels']} with wheels"
        rows.append([what, "", f"{each['minutes']} min", f"{each['files']} files"])
        way = ", ".join(megabytes(size) for size in each["memory_bytes_on_the_way"])
        rows.append(["  memory on the way", "", "", way])
        rows.append(["  then the pages of the whole shop", "", f"{each['shop_pages_minutes']} min",
                     megabytes(each["shop_pages_peak_bytes"])])  # fmt: skip
    return table(["what", "dumb-pypi", "piwright", ""], rows)


if __name__ == "__main__":
    sys.exit(main())
