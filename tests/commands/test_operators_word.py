"""`piwright offer`, `hold` and `network`: what an operator says, who said it and why, against a real database."""

import dataclasses
import getpass
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from piwright.database.connection import Connection, Json, fetch_one
from piwright.database.provision import Access
from support.shop import add_sdist, add_worker

PIWRIGHT = str(Path(sys.executable).with_name("piwright"))
WHEEL = "spidev-3.6-py3-none-any.whl"


@pytest.fixture
def home(tmp_path: Path, database: Access, connection: Connection) -> Path:
    """A shop with one project, built; its wheel does not import and is held."""
    secrets = tmp_path / "home" / "secrets"
    secrets.mkdir(parents=True)
    (secrets / "databases.json").write_text(json.dumps(dataclasses.asdict(database)))
    add_worker(connection)
    release = add_sdist(connection, "spidev", "3.6")
    smoke = {"outcome": "broken", "detail": "spidev: [red]SyntaxError[/red]", "modules": []}
    sandbox = {"kind": "bubblewrap", "memory": "cgroup2", "processes": "cgroup2", "space": "tmpfs"}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH j AS (INSERT INTO job (release_id, target_id, priority, estimate_seconds, state, attempts)
                       SELECT %s, target_id, 1, 1, 'built', 1 FROM target RETURNING job_id),
                 a AS (INSERT INTO attempt (job_id, number, outcome, started_at, finished_at, smoke, sandbox, environment,
                                            connections, peak_memory_bytes)
                       SELECT job_id, 1, 'built', now(), now(), %s, %s, %s, 5, 104857600 FROM j RETURNING attempt_id)
            INSERT INTO wheel (attempt_id, release_id, filename, sha256, size, tags, metadata_sha256, built_at, held_reason,
                               note, apt_packages)
            SELECT attempt_id, %s, %s, repeat('0', 64), 1, '{py3-none-any}', repeat('0', 64), now(), 'it does not import',
                   'It has no compiled code, and 3.5 had.', '{libffi8}'
            FROM a
            """,
            (
                release,
                Json(smoke),
                Json(sandbox),
                Json({"connections": {"outside": 3, "loopback": 1, "lookups": 2}}),
                release,
                WHEEL,
            ),
        )
        cursor.execute("UPDATE project SET stale_since = NULL")
    connection.commit()
    return tmp_path / "home"


def run(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PIWRIGHT_")}
    command = [PIWRIGHT, *arguments]
    return subprocess.run(
        command, env=inherited | {"PIWRIGHT_HOME": str(home)}, capture_output=True, text=True, timeout=120
    )


def wheel(connection: Connection) -> tuple[str | None, str | None, str | None, str | None]:
    row = fetch_one(connection, "SELECT held_reason, held_by, released_reason, released_by FROM wheel")
    connection.commit()
    assert row is not None
    return tuple(row)


def test_a_held_wheel_is_offered_by_name_and_held_again(home: Path, connection: Connection) -> None:
    me = getpass.getuser()
    done = run(home, "offer", WHEEL, "--reason", "needs a screen,\nthe test has none")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{WHEEL} is offered from the next publication on" in done.stdout
    assert wheel(connection) == (None, None, "needs a screen, the test has none", me)
    again = run(home, "offer", WHEEL, "--reason", "again", "--json")
    assert json.loads(again.stdout) == {
        "filename": WHEEL,
        "offered": True,
        "changed": False,
        "reason": "again",
        "by": me,
    }
    assert wheel(connection)[2] == "needs a screen, the test has none"
    done = run(home, "hold", WHEEL, "--reason", "crashes", "--json")
    assert (done.returncode, json.loads(done.stdout)["changed"]) == (0, True)
    assert wheel(connection) == ("crashes", me, None, None)


@pytest.mark.parametrize("verb", ["offer", "hold"])
def test_a_name_that_is_no_wheel_is_an_error_with_a_remedy(home: Path, verb: str) -> None:
    done = run(home, verb, "nothing-1.0-py3-none-any.whl", "--reason", "why not")
    assert (done.returncode, done.stdout) == (1, "")
    assert "None of our wheels is called nothing-1.0-py3-none-any.whl" in done.stderr
    assert "piwright why NAME" in done.stderr


@pytest.mark.parametrize("arguments", [["offer", WHEEL], ["hold", WHEEL], ["network", "allow", "spidev"]])
def test_nothing_is_decided_without_a_reason(home: Path, connection: Connection, arguments: list[str]) -> None:
    before = wheel(connection)
    for reason in ([], ["--reason", " \n "], ["--reason", "x" * 501]):
        done = run(home, *arguments, *reason)
        assert done.returncode == 2
        assert "--reason" in done.stderr
    assert wheel(connection) == before
    assert json.loads(run(home, "network", "list", "--json").stdout) == []


def test_an_exception_for_the_network_is_allowed_listed_told_and_taken_back(home: Path) -> None:
    assert run(home, "network", "list").stdout == "No build may use the network.\n"
    done = run(home, "network", "allow", "SpiDev", "--reason", "downloads [bold]firmware[/bold]")
    assert (done.returncode, done.stderr) == (0, "")
    assert "piwright network forbid spidev" in done.stdout
    (listed,) = json.loads(run(home, "network", "list", "--json").stdout)
    assert listed | {"since": None} == {
        "project": "spidev",
        "reason": "downloads [bold]firmware[/bold]",
        "by": getpass.getuser(),
        "since": None,
    }
    assert "downloads [bold]firmware[/bold]" in run(home, "network", "list").stdout
    assert "Builds of spidev may use the network" in run(home, "why", "spidev").stdout
    done = run(home, "network", "forbid", "spidev", "--json")
    assert json.loads(done.stdout) == {"project": "spidev", "network": False, "changed": True}
    done = run(home, "network", "forbid", "spidev")
    assert (done.returncode, done.stdout) == (0, "spidev had no exception.\n")
    assert "may use the network" not in run(home, "why", "spidev").stdout


def test_a_project_nobody_knows_gets_no_exception(home: Path) -> None:
    done = run(home, "network", "allow", "unheard-of", "--reason", "r")
    assert (done.returncode, done.stdout) == (1, "")
    assert "`piwright add unheard-of`" in done.stderr


def test_why_tells_what_is_held_what_it_tried_and_what_held_the_build(home: Path) -> None:
    done = run(home, "why", "spidev")
    assert done.returncode == 0
    for line in (
        f"wheel: {WHEEL}",
        "held, not offered: it does not import",
        f"`piwright offer {WHEEL} --reason TEXT`",
        "It has no compiled code, and 3.5 had.",
        "needs at run time: apt install libffi8",
        "import test: it does not import: spidev: [red]SyntaxError[/red]",
        "connections it tried without a network: 3 to other machines, 2 look-ups, 1 to itself",
        "sandbox: bubblewrap; bounded: memory by cgroup2, processes by cgroup2, space by tmpfs",
        "at most 100 MiB of memory",
    ):
        assert line in done.stdout
    (told,) = json.loads(run(home, "why", "spidev", "--json").stdout)
    assert told["wheels"][0]["held"] == {"reason": "it does not import", "by": None}
    assert told["connections"] == {"outside": 3, "loopback": 1, "lookups": 2}
    run(home, "offer", WHEEL, "--reason", "fine")
    said = run(home, "why", "spidev").stdout
    assert f"offered by {getpass.getuser()} although it was held: fine" in said
    assert "not offered" not in said


def test_status_counts_what_is_held(home: Path) -> None:
    assert json.loads(run(home, "status", "--json").stdout)["held"] == 1
    assert "1 wheels (1 held" in run(home, "status").stdout


def test_upgrading_the_schema_lets_every_role_use_it(home: Path, connection: Connection) -> None:
    done = run(home, "db", "upgrade")
    assert (done.returncode, done.stdout.startswith("The schema is at")) == (0, True)
    assert fetch_one(connection, "SELECT count(*) FROM network_exception") is not None
