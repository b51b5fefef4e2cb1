"""Whoever changes what a project's page says of its jobs has the page written again."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from piwright.database.connection import Connection, fetch_all
from piwright.planning import batches
from piwright.planning import plan as planning
from piwright.planning.jobs import queue_first_sight, settle_removed
from support.shop import add_file, add_sdist, add_worker


@pytest.fixture(autouse=True)
def worker(connection: Connection) -> int:
    return add_worker(connection)


@contextmanager
def stale_after(connection: Connection, *names: str) -> Iterator[None]:
    """Exactly these projects become stale within the block."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE project SET stale_since = NULL")
    yield
    rows = fetch_all(connection, "SELECT name FROM project WHERE stale_since IS NOT NULL ORDER BY name")
    assert [row.name for row in rows] == sorted(names)


def test_a_release_that_is_queued(connection: Connection) -> None:
    add_sdist(connection, "mine", "1.0")
    add_sdist(connection, "other", "1.0", watch=None)
    with stale_after(connection, "mine"):
        queue_first_sight(connection, None)


def test_a_release_that_upstream_removed(connection: Connection) -> None:
    add_sdist(connection, "mine", "1.0")
    gone = add_sdist(connection, "other", "1.0")
    queue_first_sight(connection, None)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE release SET gone_at = now() WHERE release_id = %s", (gone,))
    with stale_after(connection, "other"):
        assert settle_removed(connection) == 1


def test_a_release_that_needs_no_build_any_more(connection: Connection) -> None:
    add_sdist(connection, "mine", "1.0")
    served = add_sdist(connection, "other", "1.0")
    queue_first_sight(connection, None)
    add_file(connection, served, "other-1.0-py3-none-any.whl")
    with stale_after(connection, "other"):
        planning.plan_batches(connection, "run", None, batch_seconds=300)


def test_a_build_whose_batch_ended_early_waits_again(connection: Connection) -> None:
    add_sdist(connection, "mine", "1.0")
    queue_first_sight(connection, None)
    planning.plan_batches(connection, "run", None, batch_seconds=300)
    with stale_after(connection, "mine"):
        assert batches.return_leftovers(connection, "run") == ["mine 1.0"]


def test_nothing_is_stale_when_nothing_changed(connection: Connection) -> None:
    add_sdist(connection, "mine", "1.0")
    queue_first_sight(connection, None)
    with stale_after(connection):
        queue_first_sight(connection, None)
        settle_removed(connection)
