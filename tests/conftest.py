"""Fixtures every room's tests share."""

import os
import tempfile
from collections.abc import Iterator

# Airflow reads these when it is first imported: tests never touch a home that is somebody's.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="piwright-airflow-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "True"

import pytest

from piwright.database.connection import Connection, connect
from piwright.database.provision import Access
from support.postgres import fresh_database, make_template, running_server


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Superuser's address of a real PostgreSQL."""
    with running_server(tmp_path_factory.mktemp("postgres")) as admin_url:
        yield admin_url


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Access:
    """The migrated database every test's own is copied from."""
    return make_template(postgres_server)


@pytest.fixture
def database(postgres_server: str, postgres_template: Access) -> Iterator[Access]:
    """Addresses of an empty, migrated database of the test's own."""
    with fresh_database(postgres_server, postgres_template) as access:
        yield access


@pytest.fixture
def connection(database: Access) -> Iterator[Connection]:
    """A connection as the application role to the test's own database."""
    with connect(database.application) as opened:
        yield opened
