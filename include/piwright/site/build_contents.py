"""Reads from the database what build pages tell.

due = due_builds(connection, [17, 18], everything=False)      # {17: [4711, 4712], 18: []}
builds = read_builds(connection, [4711, 4712])                # {17: [BuildFacts, ...]}
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from piwright.database.connection import Connection, fetch_all
from piwright.planning.needs import STRONG_HASHES, judge
from piwright.site.project_facts import BuildFacts, BuildWheel
from piwright.site.project_queries import BUILD_WHEELS, BUILDS, DUE, SDISTS


def due_builds(connection: Connection, project_ids: Sequence[int], *, everything: bool) -> dict[int, list[int]]:
    """Attempts whose page is to be written, by project; those that never had one come first, then the newest."""
    found: dict[int, list[int]] = defaultdict(list)
    parameters = {"projects": list(project_ids), "everything": everything}
    for row in sorted(fetch_all(connection, DUE, parameters), key=lambda row: row.rank):
        found[row.project_id].append(row.attempt_id)
    return dict(found)


def read_builds(connection: Connection, attempt_ids: Sequence[int]) -> dict[int, list[BuildFacts]]:
    """The attempts with all that was kept of them, by project."""
    if not attempt_ids:
        return {}
    rows = fetch_all(connection, BUILDS, {"attempts": list(attempt_ids)})
    wheels: defaultdict[int, list[BuildWheel]] = defaultdict(list)
    for row in fetch_all(connection, BUILD_WHEELS, {"attempts": list(attempt_ids)}):
        wheels[row.attempt_id].append(
            BuildWheel(
                row.filename,
                row.size,
                row.sha256,
                tuple(row.tags),
                tuple(row.corrections or ()),
                row.note,
                tuple(row.apt_packages),
            )
        )
    sdists: defaultdict[int, list[Any]] = defaultdict(list)
    for row in fetch_all(connection, SDISTS, {"releases": list({row.release_id for row in rows})}):
        sdists[row.release_id].append(row)
    found: defaultdict[int, list[BuildFacts]] = defaultdict(list)
    for row in rows:
        columns = row._asdict()
        del columns["project_id"], columns["release_id"]
        source = judge(sdists[row.release_id], (), (), row.python).sdist
        found[row.project_id].append(
            BuildFacts(
                **columns,
                sdist=_named(source) if source else None,
                uploaded_at=source.uploaded_at if source else None,
                wheels=tuple(wheels[row.attempt_id]),
            )
        )
    return dict(found)


def _named(source: Any) -> tuple[str, str, str] | None:
    algorithm = next((each for each in STRONG_HASHES if each in source.hashes), None)
    return (source.filename, algorithm, source.hashes[algorithm]) if algorithm else None
