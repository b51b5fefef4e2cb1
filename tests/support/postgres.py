"""A real PostgreSQL for tests: one server a session, one database a test, copied from a migrated template."""

import itertools
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2

from piwright.database.provision import Access, provision
from piwright.stack.postgres import Cluster

PASSWORDS = dict.fromkeys(("owner", "application", "analyst", "airflow"), "test")
_numbers = itertools.count()


@contextmanager
def running_server(directory: Path) -> Iterator[str]:
    """The superuser's address of a server that lives as long as the block."""
    cluster = Cluster(directory / "postgres", password="test")
    cluster.create()
    with (directory / "postgres.log").open("wb") as log:
        server = subprocess.Popen(cluster.command(fsync="off", full_page_writes="off"), stdout=log, stderr=log)
    try:
        _wait_for(cluster.admin_url, server, directory / "postgres.log")
        yield cluster.admin_url
    finally:
        server.terminate()
        server.wait(timeout=30)


def _wait_for(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg2.connect(url).close()
            return
        except psycopg2.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}") from None
            time.sleep(0.05)


def make_template(admin_url: str) -> Access:
    """Provision the database every test's own is a copy of."""
    return provision(admin_url, PASSWORDS, prefix="template_piwright")


@contextmanager
def fresh_database(admin_url: str, template: Access) -> Iterator[Access]:
    """A migrated, empty database of one's own, with all its roles; dropped at the end."""
    name = f"test_{next(_numbers)}"
    admin = psycopg2.connect(admin_url)
    admin.autocommit = True
    try:
        with admin.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name} TEMPLATE template_piwright")

        def renamed(url: str) -> str:
            return url.replace("/template_piwright?", f"/{name}?")

        yield Access(
            owner=renamed(template.owner),
            application=renamed(template.application),
            analyst=renamed(template.analyst),
            airflow=template.airflow,
        )
    finally:
        with admin.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        admin.close()
