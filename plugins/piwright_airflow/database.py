"""Opens the piwright database from Airflow: the connection `piwright_db`, in tasks and in triggers.

psycopg2 is asked directly: Airflow's own hook picks its driver by the version of SQLAlchemy it finds.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from airflow.providers.common.compat.connection import get_async_connection
from airflow.sdk import BaseHook
from psycopg2.extensions import make_dsn

from piwright.database.connection import Connection, connect

DATABASE_CONNECTION = "piwright_db"

T = TypeVar("T")


def _address(found: Any) -> str:
    """What libpq connects with, from an Airflow connection; its extra may hold more of libpq's parameters (`sslmode`)."""
    parts = {
        **found.extra_dejson,
        "host": found.host,
        "port": found.port,
        "user": found.login,
        "password": found.password,
        "dbname": found.schema,
    }
    return str(make_dsn(**{name: value for name, value in parts.items() if value}))


@contextmanager
def task_database(connection_id: str = DATABASE_CONNECTION) -> Iterator[Connection]:
    """A database connection for one piece of a task's work: commits at the end, rolls back on an error."""
    with connect(_address(BaseHook.get_connection(connection_id))) as connection:
        yield connection


async def in_trigger(connection_id: str, work: Callable[[Connection], T]) -> T:
    """Run a short piece of database work for a trigger, in a thread: psycopg2 would block the event loop."""
    address = _address(await get_async_connection(connection_id))

    def run() -> T:
        with connect(address) as connection:
            return work(connection)

    return await asyncio.to_thread(run)
