"""The queries behind the pages walk indexes, at any size of the catalog."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from piwright.database.connection import Connection, connect
from piwright.database.provision import Access
from piwright.index.contents import PROJECTS, UPSTREAM_FILES, WHEELS
from piwright.index.publish import ALL, STALE
from piwright.index.roots import LISTED, LISTED_EXTRA
from piwright.index.settle import LOCK_PROJECTS, MARK_PUBLISHED, WRITE_PROJECTS
from piwright.index.strangers import KNOWN_FILES, WITH_WHEELS

FILL = """
INSERT INTO project (name, display_name, stale_since, listed, listed_extra)
SELECT 'project-' || n, n::text, CASE WHEN n % 20 = 0 THEN now() END, n % 10 = 0, n % 20 = 0 FROM generate_series(1, 4000) n;
INSERT INTO network_exception (project_id, reason, allowed_by) SELECT project_id, 'r', 'me' FROM project;
INSERT INTO release (project_id, version, original_version)
SELECT project_id, v::text, v::text FROM project, generate_series(1, 4) v;
INSERT INTO upstream_file (release_id, filename, kind, url)
SELECT release_id, n::text, 'sdist', 'http://files.invalid/' FROM release, generate_series(1, 2) n;
INSERT INTO target (name, distribution, python, architecture, tags) VALUES ('t', 'd', '3.11', 'x', '{py3-none-any}');
INSERT INTO job (release_id, target_id, priority, estimate_seconds)
SELECT release_id, target_id, 1, 1 FROM release, target;
INSERT INTO attempt (job_id, number, outcome, started_at, finished_at) SELECT job_id, 1, 'built', now(), now() FROM job;
INSERT INTO wheel (attempt_id, release_id, filename, sha256, size, tags, metadata_sha256, built_at)
SELECT attempt_id, release_id, attempt_id::text, repeat('a', 64), 1, '{py3-none-any}', repeat('b', 64), now()
FROM attempt JOIN job USING (job_id);
ANALYZE;
"""


@pytest.fixture
def filled(database: Access) -> Iterator[Connection]:
    with connect(database.owner) as owner:
        with owner.cursor() as cursor:
            cursor.execute(FILL)
        yield owner


@pytest.mark.parametrize(
    ("statement", "parameters"),
    [
        (PROJECTS, {"projects": [10, 11, 12, 13]}),
        (WHEELS, {"projects": [10, 11, 12, 13]}),
        (UPSTREAM_FILES, {"projects": [10, 11, 12, 13]}),
        (
            STALE,
            {"until": datetime(2100, 1, 1, tzinfo=UTC), "position": datetime(2000, 1, 1, tzinfo=UTC), "project": 0}
            | {"limit": 50},
        ),
        (ALL, {"position": None, "project": 100, "limit": 50}),
        (LISTED, {"leaving": ["project-20"]}),
        (LISTED_EXTRA, {"leaving": []}),
        (MARK_PUBLISHED, {"wheels": [1, 2, 3]}),
        (LOCK_PROJECTS, {"projects": [10, 11, 12, 13]}),
        (
            WRITE_PROJECTS,
            {"project_id": [10, 11], "settled": [True, False], "listed": [True, True], "listed_extra": [True, True]}
            | {"wheels": [1, 2], "releases": [1, 2], "bytes": [1, 2]},
        ),
        (WITH_WHEELS, {"names": ["project-10", "project-11"]}),
        (KNOWN_FILES, {"names": ["10", "11"]}),
    ],
    ids=[
        *("projects", "wheels", "upstream files", "stale", "all", "listed", "listed extra", "mark published"),
        *("lock projects", "write projects", "with wheels", "known files"),
    ],
)
def test_no_query_scans_a_table(filled: Connection, statement: str, parameters: dict[str, Any]) -> None:
    with filled.cursor() as cursor:
        cursor.execute("EXPLAIN " + statement, parameters)
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Seq Scan" not in plan, plan
