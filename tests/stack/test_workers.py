"""Which workers and targets the shop has, as emulated Pis come and go."""

from pathlib import Path

import pytest

from piwright.database.connection import Connection, fetch_all
from piwright.planning.targets import machine_target
from piwright.settings import Settings
from piwright.stack.emulated.shelf import Shelf
from piwright.stack.workers import register, stack_targets, stack_workers
from support.shop import add_sdist


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings.from_environment({"PIWRIGHT_HOME": str(tmp_path), "PIWRIGHT_WORKERS": "1"})


def states(connection: Connection) -> dict[str, str]:
    rows = fetch_all(connection, "SELECT name, state, state_reason FROM worker")
    return {row.name: row.state_reason or row.state for row in rows}


def active(connection: Connection) -> set[str]:
    return {row.name for row in fetch_all(connection, "SELECT name FROM target WHERE active")}


def test_a_pi_brings_its_target_and_takes_it_along(connection: Connection, home: Settings) -> None:
    shelf = Shelf(home)
    register(connection, home, shelf)
    assert active(connection) == {machine_target().name}
    shelf.add("pi-1", "trixie", "armv7l")
    register(connection, home, shelf, anew=False)
    assert active(connection) == {machine_target().name, "trixie-cp313-armv7l"}
    assert states(connection) == {"worker-1": "live", "pi-1": "live"}
    shelf.forget("pi-1")
    register(connection, home, shelf, anew=False)
    assert active(connection) == {machine_target().name}
    assert states(connection) == {"worker-1": "live", "pi-1": "removed"}
    shelf.add("pi-1", "bookworm", "armv7l")  # another one of that name
    register(connection, home, shelf, anew=False)
    assert states(connection) == {"worker-1": "live", "pi-1": "live"}


def test_a_worker_an_operator_drained_stays_drained(connection: Connection, home: Settings) -> None:
    shelf = Shelf(home)
    register(connection, home, shelf)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE worker SET state = 'drained', state_reason = 'its card is dying'")
    register(connection, home, shelf)
    assert [row.state for row in fetch_all(connection, "SELECT state FROM worker")] == ["drained"]


def test_adding_a_pi_asks_no_other_worker_anew(connection: Connection, home: Settings) -> None:
    shelf = Shelf(home)
    register(connection, home, shelf)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE worker SET probed_at = now(), state = 'lost', state_reason = 'unplugged'")
    shelf.add("pi-1", "trixie", "armv7l")
    register(connection, home, shelf, anew=False)
    rows = fetch_all(connection, "SELECT name, state, probed_at IS NULL AS due FROM worker ORDER BY name")
    assert [tuple(row) for row in rows] == [("pi-1", "live", True), ("worker-1", "lost", False)]
    register(connection, home, shelf)  # a start of the stack: everybody is asked
    assert states(connection) == {"worker-1": "live", "pi-1": "live"}


def test_what_was_queued_before_a_target_came_is_queued_for_it_too(connection: Connection, home: Settings) -> None:
    shelf = Shelf(home)
    register(connection, home, shelf)
    add_sdist(connection, "demo", "1.0")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE watch SET queued_at = now()")
    new = "SELECT count(*) AS lines FROM watch WHERE queued_at IS NULL"
    register(connection, home, shelf)
    assert fetch_all(connection, new)[0].lines == 0  # a start changes nothing
    shelf.add("pi-1", "trixie", "armv7l")
    register(connection, home, shelf, anew=False)
    assert fetch_all(connection, new)[0].lines == 1


def test_a_connection_pins_the_host_key_and_does_not_compress(home: Settings, tmp_path: Path) -> None:
    shelf = Shelf(home)
    shelf.add("pi-1", "trixie", "armv7l")
    embedded, pi = stack_workers(home, shelf)
    assert pi.port == embedded.port + 1
    connection = pi.airflow_connection(tmp_path / "key")
    assert connection["login"] == "pi"
    assert '"compress": "false"' in str(connection["extra"])
    assert " ".join(shelf.host_key(shelf.pis()[0]).split()[:2]) in str(connection["extra"])
    assert connection["connection_id"] != embedded.airflow_connection(tmp_path / "key")["connection_id"]


def test_a_configured_target_wins_over_what_is_known_of_it(tmp_path: Path) -> None:
    targets = tmp_path / "targets.toml"
    targets.write_text(
        '[[target]]\ndistribution = "trixie"\npython = "3.13"\narchitecture = "armv7l"\nglibc = "2.40"\npreinstalled = []\n'
    )
    home = Settings.from_environment({"PIWRIGHT_HOME": str(tmp_path), "PIWRIGHT_TARGETS_FILE": str(targets)})
    shelf = Shelf(home)
    shelf.add("pi-1", "trixie", "armv7l")
    (trixie,) = [each for each in stack_targets(home, shelf) if each.distribution == "trixie"]
    assert (trixie.libc, trixie.preinstalled) == (("glibc", 2, 40), ())
