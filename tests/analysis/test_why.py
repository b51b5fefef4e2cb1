"""Why a package is built, failed, waiting, or not built at all."""

import pytest

from piwright.analysis.status import read_status
from piwright.analysis.why import NotInCatalog, explain
from piwright.database.connection import Connection, Json, fetch_all
from piwright.planning.jobs import queue_first_sight
from piwright.planning.leases import renew_lease, take_lease
from piwright.planning.network import allow_network
from piwright.planning.plan import plan_batches
from piwright.planning.targets import store_targets
from support.shop import BOOKWORM, add_file, add_project, add_sdist, add_worker


def record(connection: Connection, number: int, outcome: str, failure_class: str | None = None) -> None:
    """An attempt of the only job there is, which takes its outcome for a state."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO attempt (job_id, number, outcome, failure_class, message, evidence_line, evidence_text, captured,
                                 started_at, finished_at, log_path)
            SELECT job_id, %s, %s, %s, 'it said so', 7, 'fatal error: x.h', %s, now(), now() + interval '5 seconds', 'logs/a'
            FROM job
            """,
            (number, outcome, failure_class, Json({"header": "x.h"})),
        )
        cursor.execute("UPDATE job SET state = %s, attempts = %s", (outcome, number))


@pytest.fixture(autouse=True)
def target(connection: Connection) -> None:
    store_targets(connection, [BOOKWORM])


def test_an_attempt_is_told_with_its_class_evidence_and_log(connection: Connection) -> None:
    add_sdist(connection, "spidev", "3.6")
    queue_first_sight(connection, None)
    record(connection, 1, "failed", "missing_header")
    (told,) = explain(connection, "SpiDev")
    assert told | {"started": None} == {
        "project": "spidev",
        "version": "3.6",
        "target": BOOKWORM.name,
        "state": "failed",
        "class": "missing_header",
        "evidence": {"line": 7, "text": "fatal error: x.h"},
        "worker": None,
        "started": None,
        "seconds": 5.0,
        "log": "logs/a",
        "attempt": 1,
        "reason": "it said so",
        "captured": {"header": "x.h"},
        "yanked": None,
        "wheels": [],
        "smoke": None,
        "sandbox": None,
        "connections": None,
        "peak_memory_bytes": None,
        "network_exception": None,
    }


def test_an_attempt_is_told_with_what_held_it_what_it_tried_and_what_became_of_its_wheels(
    connection: Connection,
) -> None:
    add_sdist(connection, "spidev", "3.6")
    queue_first_sight(connection, None)
    record(connection, 1, "built")
    connection.commit()
    smoke = {"outcome": "broken", "detail": "spidev: SyntaxError", "modules": []}
    sandbox = {"kind": "bubblewrap", "memory": "cgroup2", "processes": "cgroup2", "space": "tmpfs"}
    tried = {"outside": 3, "loopback": 1, "lookups": 2}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO attempt (job_id, number, outcome, started_at, finished_at, smoke, sandbox, connections,
                                 environment, peak_memory_bytes)
            SELECT job_id, 2, 'built', now(), now(), %s, %s, 5, %s, 4096 FROM job RETURNING attempt_id
            """,
            (Json(smoke), Json(sandbox), Json({"connections": tried})),
        )
        cursor.execute(
            """
            INSERT INTO wheel (attempt_id, release_id, filename, sha256, size, tags, metadata_sha256, built_at, held_reason,
                               apt_packages, facts, note)
            SELECT attempt_id, release_id, 'w.whl', repeat('0', 64), 1, '{a}', repeat('0', 64), now(), 'it does not import',
                   '{libffi8}', %s, 'It has no compiled code'
            FROM attempt JOIN job USING (job_id) WHERE number = 2
            """,
            (Json({"corrections": ["tagged for ARMv6 too"]}),),
        )
    allow_network(connection, "spidev", reason="downloads its firmware", by="alice")
    told = next(each for each in explain(connection, "spidev") if each["attempt"] == 2)
    assert (told["smoke"], told["sandbox"], told["connections"]) == (smoke, sandbox, tried)
    assert told["peak_memory_bytes"] == 4096
    assert told["wheels"] == [
        {
            "filename": "w.whl",
            "published": False,
            "held": {"reason": "it does not import", "by": None},
            "released": None,
            "removed": None,
            "note": "It has no compiled code",
            "apt_packages": ["libffi8"],
            "corrections": ["tagged for ARMv6 too"],
        }
    ]
    assert {name: told["network_exception"][name] for name in ("reason", "by")} == {
        "reason": "downloads its firmware",
        "by": "alice",
    }


def test_every_attempt_is_told_newest_first(connection: Connection) -> None:
    add_sdist(connection, "spidev", "3.6")
    queue_first_sight(connection, None)
    record(connection, 1, "failed", "killed")
    record(connection, 2, "built")
    assert {(each["attempt"], each["state"]) for each in explain(connection, "spidev", "3.6.0")} == {
        (1, "failed"),
        (2, "built"),
    }


def test_a_job_that_waits_is_told_beside_its_failed_attempt(connection: Connection) -> None:
    add_sdist(connection, "spidev", "3.6")
    queue_first_sight(connection, None)
    (waiting,) = explain(connection, "spidev")
    assert (waiting["state"], waiting["attempt"]) == ("waiting", None)
    record(connection, 1, "failed", "killed")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE job SET state = 'waiting'")
    assert sorted(each["state"] for each in explain(connection, "spidev")) == ["failed", "waiting"]


def test_a_yanked_release_is_told_with_its_reason(connection: Connection) -> None:
    add_sdist(connection, "spidev", "3.6", yanked="breaks SPI")
    queue_first_sight(connection, None)
    (told,) = explain(connection, "spidev")
    assert told["yanked"] == "breaks SPI"


def test_what_nobody_builds_is_told_with_why(connection: Connection) -> None:
    release = add_sdist(connection, "spidev", "3.6")
    add_file(connection, release, "spidev-3.6-py3-none-any.whl")
    (told,) = explain(connection, "spidev")
    assert (told["state"], told["reason"]) == ("skipped", "upstream serves spidev-3.6-py3-none-any.whl")


def test_what_the_catalog_does_not_have_is_an_error_with_a_remedy(connection: Connection) -> None:
    with pytest.raises(NotInCatalog, match="piwright add nothing"):
        explain(connection, "nothing")
    add_sdist(connection, "spidev", "3.6")
    with pytest.raises(NotInCatalog, match=r"no version 9\.9"):
        explain(connection, "spidev", "9.9")
    with pytest.raises(ValueError, match="VERSION='latest'"):
        explain(connection, "spidev", "latest")


def test_a_project_that_could_not_be_read_says_so(connection: Connection) -> None:
    add_project(connection, "spidev")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE project SET skip_reason = 'the page is HTML'")
    with pytest.raises(NotInCatalog, match="the page is HTML"):
        explain(connection, "spidev")
    assert read_status(connection).skipped == {"spidev": "the page is HTML"}


def test_status_says_who_builds_what(connection: Connection) -> None:
    add_worker(connection)
    add_sdist(connection, "spidev", "3.6")
    queue_first_sight(connection, None)
    (batch,) = plan_batches(connection, "run", None, batch_seconds=300)
    (row,) = fetch_all(connection, "SELECT job_id, target_id FROM job")
    assert take_lease(connection, batch.batch_id, row.target_id) is not None
    renew_lease(connection, batch.batch_id, row.job_id)
    status = read_status(connection)
    assert status.building == ["spidev 3.6"]
    assert status.jobs["leased"] == 1
    data = status.to_json()
    assert data["workers"][0]["leases"][0]["building"] == "spidev 3.6"
    assert set(data) == {"jobs", "projects", "wheels", "held", "stale_projects", "skipped", "workers"}
