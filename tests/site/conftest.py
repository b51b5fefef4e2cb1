"""What tests of the site share: a shop at work, written once, and a browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from busy_shop import fill_names, fill_shop
from served_site import ServedSite

from piwright.database.connection import connect
from piwright.database.provision import Access
from piwright.index.storage import open_storage
from piwright.site.shop_pages import write_shop_pages
from support.browser import Browser, open_browser
from support.postgres import fresh_database

MANY = 20_000
"""Projects of the large shop."""


@pytest.fixture(scope="session")
def busy_database(postgres_server: str, postgres_template: Access) -> Iterator[Access]:
    """A shop with months of builds. For reading only."""
    with fresh_database(postgres_server, postgres_template) as access:
        with connect(access.owner) as owner:
            fill_shop(owner)
            fill_names(owner, MANY)
            with owner.cursor() as cursor:
                cursor.execute("ANALYZE")
        yield access


@pytest.fixture(scope="session")
def busy_tree(busy_database: Access, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of that shop, as a site below a path would have them. For reading only."""
    tree = tmp_path_factory.mktemp("busy") / "index"
    with connect(busy_database.application) as connection:
        write_shop_pages(connection, open_storage(tree), site_url="https://wheels.example/shop")
    return tree


@pytest.fixture(scope="session")
def busy_site(busy_tree: Path) -> Iterator[str]:
    """Where that site is served, below /shop."""
    with ServedSite(busy_tree, prefix="/shop") as site:
        yield site.url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A running Chromium."""
    with open_browser() as opened:
        yield opened
