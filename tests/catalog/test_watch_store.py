"""The watch list in the database."""

from piwright.catalog.watch_list import parse_watch_list
from piwright.catalog.watch_store import store_watch
from piwright.database.connection import Connection, fetch_all

LINES = "SELECT name, display_name, specifier FROM watch JOIN project USING (project_id) ORDER BY name, specifier"


def test_lines_are_stored_and_only_new_ones_are_first_seen(connection: Connection) -> None:
    first = store_watch(connection, parse_watch_list(b"RPi.GPIO\nspidev>=3\nspidev==2.0\n"))
    assert [(each.name, each.specifier) for each in first] == [("rpi-gpio", ""), ("spidev", "==2.0"), ("spidev", ">=3")]
    again = store_watch(connection, parse_watch_list(b"# moved\nspidev ==2.0\nrpi_gpio\nspidev>=3.5\n"))
    assert [(each.name, each.specifier) for each in again] == [("spidev", ">=3.5")]
    assert [tuple(row) for row in fetch_all(connection, LINES)] == [
        ("rpi-gpio", "RPi.GPIO", ""),
        ("spidev", "spidev", "==2.0"),
        ("spidev", "spidev", ">=3.5"),
    ]


def test_a_first_sight_names_its_project(connection: Connection) -> None:
    (sight,) = store_watch(connection, parse_watch_list(b"spidev"))
    assert fetch_all(connection, "SELECT project_id FROM project WHERE name = 'spidev'")[0][0] == sight.project_id


def test_an_empty_list_watches_nothing_and_forgets_no_project(connection: Connection) -> None:
    store_watch(connection, parse_watch_list(b"spidev"))
    assert store_watch(connection, parse_watch_list(b"")) == ()
    assert fetch_all(connection, LINES) == []
    assert len(fetch_all(connection, "SELECT FROM project")) == 1


def test_another_project_with_the_same_specifier_is_new_all_the_same(connection: Connection) -> None:
    store_watch(connection, parse_watch_list(b"spidev\nevdev>=1\n"))
    added = store_watch(connection, parse_watch_list(b"spidev\nevdev>=1\nsmbus2\ngpiozero>=1\n"))
    assert [(each.name, each.specifier) for each in added] == [("gpiozero", ">=1"), ("smbus2", "")]
