"""Projects whose builds may use the network: only those an operator wrote down."""

import pytest

from piwright.database.connection import Connection, fetch_one
from piwright.planning import batches
from piwright.planning.jobs import queue_first_sight
from piwright.planning.network import NoSuchProject, allow_network, forbid_network, network_exceptions
from piwright.planning.plan import plan_batches
from support.shop import add_sdist, add_worker


@pytest.fixture(autouse=True)
def catalog(connection: Connection) -> None:
    add_worker(connection)
    for name in ("spidev", "evdev"):
        add_sdist(connection, name, "1.0")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE project SET stale_since = NULL")


def stale(connection: Connection) -> bool:
    row = fetch_one(connection, "SELECT count(*) AS projects FROM project WHERE stale_since IS NOT NULL")
    return bool(row and row.projects)


def test_only_builds_of_the_project_that_is_named_get_the_network(connection: Connection) -> None:
    allow_network(connection, "SpiDev", reason="downloads its firmware", by="alice")
    queue_first_sight(connection, None)
    (batch,) = plan_batches(connection, "run", None, batch_seconds=300)
    builds = batches.open_builds(connection, batch.batch_id)
    assert {each.project: each.network for each in builds} == {"spidev": True, "evdev": False}
    forbid_network(connection, "spidev")
    assert not any(each.network for each in batches.open_builds(connection, batch.batch_id))


def test_an_exception_is_listed_with_who_and_why_and_its_page_is_due(connection: Connection) -> None:
    assert network_exceptions(connection) == []
    allow_network(connection, "spidev", reason="downloads its firmware", by="alice")
    assert stale(connection)
    (found,) = network_exceptions(connection)
    assert (found.project, found.reason, found.allowed_by) == ("spidev", "downloads its firmware", "alice")
    allow_network(connection, "spidev", reason="and its fonts", by="bob")
    (found,) = network_exceptions(connection)
    assert (found.reason, found.allowed_by) == ("and its fonts", "bob")


def test_what_is_taken_back_is_gone_and_its_page_is_due(connection: Connection) -> None:
    assert not forbid_network(connection, "spidev")
    assert not stale(connection)
    allow_network(connection, "spidev", reason="r", by="me")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE project SET stale_since = NULL")
    assert forbid_network(connection, "spidev")
    assert network_exceptions(connection) == []
    assert stale(connection)


def test_a_project_nobody_knows_is_an_error_with_a_remedy(connection: Connection) -> None:
    with pytest.raises(NoSuchProject, match="piwright add no-such"):
        allow_network(connection, "No.Such", reason="r", by="me")
    with pytest.raises(NoSuchProject, match="piwright add no-such"):
        forbid_network(connection, "no_such")
