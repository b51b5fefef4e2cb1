"""The shop the verbs are about: its settings and its database."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2

from piwright.commands.terminal import complain, fail
from piwright.database.connection import Connection, connect
from piwright.database.provision import Access
from piwright.settings import Settings, unknown_variables


def load_settings() -> Settings:
    """The settings; a variable nobody reads is most likely misspelt, so it is named."""
    settings = Settings.from_environment()
    for name in unknown_variables(os.environ):
        complain(f"{name} is no setting of piwright and was not read: docs/settings.md lists them.")
    return settings


def access(settings: Settings) -> Access:
    """Addresses of the databases; ends the command when there is no stack yet."""
    path = settings.secrets_directory / "databases.json"
    try:
        return Access(**json.loads(path.read_text()))
    except FileNotFoundError:
        fail(f"There is no shop in {settings.home} yet: `make up` opens it.")


@contextmanager
def open_shop(settings: Settings) -> Iterator[Connection]:
    """The piwright database; ends the command when it does not answer."""
    url = access(settings).application
    try:
        with connect(url) as database:
            yield database
    except psycopg2.OperationalError as error:
        fail(f"The database does not answer ({str(error).strip()}): `piwright up` starts it.")
