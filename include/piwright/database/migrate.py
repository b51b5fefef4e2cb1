"""Brings a piwright database to the newest schema.

migrate(owner_url)      # creates or upgrades; a no-op when it is current
current_revision(url)   # "0001", or None before the first migration
"""

from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(owner_url: str, revision: str = "head") -> None:
    """Run every migration up to `revision` the database has not seen, each in a transaction of its own."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    engine = sqlalchemy.create_engine(sqlalchemy_url(owner_url))
    try:
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
            connection.commit()
    finally:
        engine.dispose()


def current_revision(url: str) -> str | None:
    """The revision the database is at; None when it has never been migrated."""
    engine = sqlalchemy.create_engine(sqlalchemy_url(url))
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()


def newest_revision() -> str:
    """The revision this checkout wants."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    head = ScriptDirectory.from_config(config).get_current_head()
    assert head is not None
    return head


def sqlalchemy_url(url: str) -> str:
    """The same address with the psycopg2 driver named, as SQLAlchemy and Airflow want it."""
    scheme, _, rest = url.partition("://")
    return f"postgresql+psycopg2://{rest}" if scheme in ("postgres", "postgresql") else url
