"""What project pages tell is read with a few queries that walk indexes, for all projects of a batch at once."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from project_rows import BOOKWORM, TRIXIE, TRIXIE_64, ProjectRows

from piwright.database.connection import Connection, connect
from piwright.database.provision import Access
from piwright.planning.targets import store_targets
from piwright.site import project_contents, project_queries
from piwright.site.matrix import decide_matrix
from piwright.site.project_contents import QUEUE_LIMIT, read_project_facts
from support.postgres import fresh_database


@pytest.fixture
def rows(connection: Connection, tmp_path: Path) -> ProjectRows:
    return ProjectRows(connection, tmp_path)


def states(rows: ProjectRows, name: str) -> dict[str, list[str]]:
    project = rows.id_of(name)
    facts = read_project_facts(rows.connection, [project])[project]
    return {row.release.version: [cell.state for cell in row.cells] for row in decide_matrix(facts)}


def test_what_was_built_failed_waits_and_is_upstream_is_found(rows: ProjectRows) -> None:
    rows.worker("pi", TRIXIE)
    rows.wheel("spidev", "3.6")
    rows.job("spidev", "3.6", TRIXIE, "waiting")
    rows.attempt(rows.job("spidev", "3.6", TRIXIE_64, "failed"), "compiler_error")
    rows.release("spidev", "3.5", ("spidev-3.5-py3-none-any.whl",))
    assert states(rows, "spidev") == {
        "3.6": ["built", "unknown", "waiting", "failed"],
        "3.5": ["upstream"] * 4,
    }


def test_wheels_for_other_machines_are_not_even_read(rows: ProjectRows) -> None:
    names = [
        "spidev-3.6-cp311-cp311-manylinux_2_17_armv7l.manylinux2014_armv7l.whl",
        "spidev-3.6-cp311-cp311-linux_aarch64.whl",
        "spidev-3.6-py2.py3-none-any.whl",
        "spidev-3.6-cp311-cp311-manylinux_2_17_x86_64.whl",
        "spidev-3.6-cp311-cp311-macosx_11_0_arm64.whl",
        "spidev-3.6-cp311-cp311-win_amd64.whl",
        "spidev-3.6-cp311-cp311-musllinux_1_1_aarch64.whl",
        "company-3.6-cp311-cp311-win32.whl",
        "spidev-3.6.tar.gz",
    ]
    rows.release("spidev", "3.6", tuple(names))
    project = rows.id_of("spidev")
    [release] = read_project_facts(rows.connection, [project])[project].releases
    found = {each.filename for each in release.files}
    assert found == {names[0], names[1], names[2], names[6], names[8]}


@pytest.mark.parametrize(
    ("watch", "skip", "job", "there"),
    [(None, None, False, False), ("", None, False, True), (None, "404", False, True), (None, None, True, True)],
)
def test_a_project_has_a_page_if_anything_is_known_of_it(
    rows: ProjectRows, watch: str | None, skip: str | None, job: bool, there: bool
) -> None:
    project = rows.project("spidev", watch, skip_reason=skip)
    if job:
        rows.execute("INSERT INTO release (project_id, version, original_version) VALUES (%s, '1', '1')", project)
        release = rows.value("SELECT release_id FROM release")
        columns = {
            "release_id": release,
            "target_id": rows.targets[BOOKWORM.name],
            "priority": 1,
            "estimate_seconds": 1,
        }
        rows.insert("job", "job_id", columns)
    assert (project in read_project_facts(rows.connection, [project])) is there


def test_projects_of_a_batch_do_not_mix(rows: ProjectRows) -> None:
    for name in ("a", "b", "c"):
        rows.wheel(name, "1.0")
        rows.project(name, summary=f"the {name}")
    found = read_project_facts(rows.connection, [rows.id_of(name) for name in ("a", "b", "c")])
    for facts in found.values():
        assert [wheel.filename for wheel in facts.wheels] == [f"{facts.name}-1.0-cp311-cp311-linux_armv7l.whl"]
        assert (len(facts.jobs), len(facts.attempts), facts.summary) == (1, 1, f"the {facts.name}")


def test_the_place_in_the_queue_is_that_of_the_claim(rows: ProjectRows) -> None:
    rows.worker("pi")
    later = rows.job("later", "1.0", state="waiting", priority=20)
    rows.job("urgent", "1.0", state="waiting", priority=100, estimate_seconds=600)
    rows.job("earlier", "1.0", state="waiting", priority=50, estimate_seconds=300)
    rows.job("other-target", "1.0", TRIXIE, state="waiting", priority=100)
    rows.job("done", "1.0", state="built", priority=100)
    project = rows.id_of("later")
    [job] = read_project_facts(rows.connection, [project])[project].jobs
    assert (job.job_id, job.ahead, job.seconds_ahead) == (later, 2, 900.0)


def test_the_queue_is_counted_only_so_far(rows: ProjectRows) -> None:
    rows.execute("INSERT INTO project (name, display_name) SELECT 'p' || n, 'p' FROM generate_series(1, 1100) n")
    rows.execute("INSERT INTO release (project_id, version, original_version) SELECT project_id, '1', '1' FROM project")
    rows.execute(
        "INSERT INTO job (release_id, target_id, priority, estimate_seconds) SELECT release_id, %s, 50, 1 FROM release",
        rows.targets[BOOKWORM.name],
    )
    rows.job("last", "1.0", state="waiting", priority=1)
    project = rows.id_of("last")
    [job] = read_project_facts(rows.connection, [project])[project].jobs
    assert job.ahead is None
    near = rows.value(
        "SELECT project_id FROM job JOIN release USING (release_id) ORDER BY job_id OFFSET %s", QUEUE_LIMIT - 1
    )
    [job] = read_project_facts(rows.connection, [near])[near].jobs
    assert job.ahead == QUEUE_LIMIT - 1


def test_a_build_for_a_target_that_is_no_more_keeps_its_name(rows: ProjectRows) -> None:
    rows.attempt(rows.job("spidev", "3.6", TRIXIE), "timeout")
    rows.execute("UPDATE target SET active = false WHERE name = %s", TRIXIE.name)
    project = rows.id_of("spidev")
    facts = read_project_facts(rows.connection, [project])[project]
    assert [job.target for job in facts.jobs] == [TRIXIE.name]
    assert [target.name for target in facts.targets] == [name for name in rows.targets if name != TRIXIE.name]


def test_downloads_are_those_of_the_last_days_and_of_all_time(rows: ProjectRows) -> None:
    project = rows.project("spidev")
    today = datetime.now(UTC).date()
    for back, count in ((0, 5), (29, 7), (30, 11), (400, 13)):
        rows.execute("INSERT INTO project_download VALUES (%s, %s, %s)", project, today - timedelta(days=back), count)
    facts = read_project_facts(rows.connection, [project])[project]
    assert facts.downloads == ((today - timedelta(days=29), 7), (today, 5))
    assert facts.downloads_total == 36


def test_a_lost_worker_counts_for_nothing(rows: ProjectRows) -> None:
    worker = rows.worker("pi")
    rows.project("spidev")
    project = rows.id_of("spidev")
    slots = [target.slots for target in read_project_facts(rows.connection, [project])[project].targets]
    assert slots == [1, 0, 0, 0]
    rows.execute("UPDATE worker SET state = 'lost' WHERE worker_id = %s", worker)
    assert not any(target.slots for target in read_project_facts(rows.connection, [project])[project].targets)


FILL = """
INSERT INTO project (name, display_name) SELECT 'p' || n, 'p' FROM generate_series(1, 4000) n;
INSERT INTO release (project_id, version, original_version)
    SELECT project_id, v::text, v::text FROM project, generate_series(1, 4) v;
INSERT INTO upstream_file (release_id, filename, kind, url, hashes)
    SELECT release_id, 'x-' || f || '.tar.gz', 'sdist', '', '{}' FROM release, generate_series(1, 3) f;
INSERT INTO job (release_id, target_id, priority, estimate_seconds, state)
    SELECT release_id, target_id, 1, 1, (ARRAY['waiting', 'built', 'failed'])[1 + release_id %% 3] FROM release, target;
INSERT INTO attempt (job_id, number, outcome, started_at, finished_at, page_at)
    SELECT job_id, n, 'built', now(), now(), CASE WHEN job_id %% 50 > 0 THEN now() END FROM job, generate_series(1, 1) n;
INSERT INTO wheel (attempt_id, release_id, filename, sha256, size, tags, metadata_sha256, built_at)
    SELECT attempt_id, release_id, 'w' || attempt_id || '.whl', repeat('0', 64), 1, ARRAY['a-b-c'], repeat('0', 64), now()
    FROM attempt JOIN job USING (job_id) WHERE number = 1;
INSERT INTO project_download SELECT project_id, current_date - d, 1 FROM project, generate_series(1, 40) d;
INSERT INTO watch (project_id, specifier) SELECT project_id, '' FROM project;
ANALYZE;
"""


@pytest.fixture(scope="module")
def filled(postgres_server: str, postgres_template: Access) -> Iterator[Connection]:
    """A shop large enough that the planner means what it says."""
    with fresh_database(postgres_server, postgres_template) as access, connect(access.owner) as connection:
        store_targets(connection, [BOOKWORM, TRIXIE])
        with connection.cursor() as cursor:
            cursor.execute(FILL.replace("%%", "%"))
        yield connection


PARAMETERS: dict[str, Any] = {
    "projects": [100, 200, 300, 400, 500],
    "targets": [1, 2],
    "limit": 1000,
    "platforms": "x",
    "attempts": [1000, 2000, 3000],
    "releases": [100, 200, 300, 400, 500],
    "everything": False,
}
STATEMENTS = {name: value for name, value in vars(project_queries).items() if name.isupper()}


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_query_scans_a_table_that_grows(filled: Connection, name: str) -> None:
    with filled.cursor() as cursor:
        cursor.execute("EXPLAIN " + STATEMENTS[name], PARAMETERS)
        plan = "\n".join(row[0] for row in cursor.fetchall())
    scanned = set(re.findall(r"Seq Scan on (\w+)", plan))
    assert scanned <= {"target", "worker", "batch", "network_exception"}, plan  # empty, or a few rows ever


def test_due_pages_are_found_by_their_own_index(filled: Connection) -> None:
    with filled.cursor() as cursor:
        cursor.execute("EXPLAIN " + project_queries.DUE, PARAMETERS)
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "attempt_page_due" in plan, plan


def test_a_batch_of_projects_costs_as_many_queries_as_one(rows: ProjectRows, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        rows.wheel(f"p{number}", "1.0")
    ids = [rows.id_of(f"p{number}") for number in range(30)]
    asked: list[str] = []
    real = project_contents._fetch

    def counting(connection: Connection, statement: str, parameters: Any) -> list[Any]:
        asked.append(statement)
        return real(connection, statement, parameters)

    monkeypatch.setattr(project_contents, "_fetch", counting)
    assert len(read_project_facts(rows.connection, ids[:1])) == 1
    for_one = len(asked)
    assert len(read_project_facts(rows.connection, ids)) == 30
    assert len(asked) == 2 * for_one <= 20
