"""Opens connections to the piwright database.

with connect(url) as connection:      # commits at the end, rolls back on an error, always closes
    ...
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extras import Json, NamedTupleCursor, execute_values

__all__ = ["Connection", "Json", "connect", "execute_values", "fetch_all", "fetch_one", "prepare"]


def prepare(connection: Connection) -> Connection:
    """Give a connection the habits our SQL relies on: rows with names, times in UTC, no statement that waits for ever."""
    connection.cursor_factory = NamedTupleCursor
    with connection.cursor() as cursor:
        cursor.execute("SET TIME ZONE 'UTC'")
        cursor.execute("SET lock_timeout = '60s'")
    connection.commit()
    return connection


@contextmanager
def connect(url: str) -> Iterator[Connection]:
    """A connection for one piece of work."""
    connection = prepare(psycopg2.connect(url))
    try:
        with connection:
            yield connection
    finally:
        connection.close()


def fetch_all(connection: Connection, statement: str, parameters: Any = None) -> list[Any]:
    """Every row of a query, as named tuples."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall()


def fetch_one(connection: Connection, statement: str, parameters: Any = None) -> Any | None:
    """The first row of a query as a named tuple, or None."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone()
