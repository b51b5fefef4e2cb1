"""A shop that is published and served once for all clients, who only read it; and the client of each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.installers import Installer
from clients.shop_for_clients import Served, served_shop
from piwright.database.provision import Access
from support.postgres import fresh_database


@pytest.fixture(scope="session")
def served(
    postgres_server: str, postgres_template: Access, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """The served shop."""
    with (
        fresh_database(postgres_server, postgres_template) as access,
        served_shop(access, tmp_path_factory.mktemp("clients")) as found,
    ):
        yield found


@pytest.fixture
def installer(request: pytest.FixtureRequest, tmp_path: Path) -> Installer:
    """The installer that the test is parametrised with, in an environment of the test's own."""
    return Installer.make(request.param, tmp_path)
