"""Creates the databases and roles on a PostgreSQL server, once or again.

access = provision(admin_url, passwords, prefix="piwright")
access.application     # what tasks and the command connect with
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import psycopg2
from psycopg2 import sql

from piwright.database.migrate import migrate

ROLES = ("owner", "application", "analyst", "airflow")
_GRANTS = Path(__file__).with_name("roles.sql")


@dataclass(frozen=True)
class Access:
    """Addresses (libpq URLs, with password) of the databases, one for each role."""

    owner: str
    application: str
    analyst: str
    airflow: str


def provision(admin_url: str, passwords: Mapping[str, str], prefix: str = "piwright") -> Access:
    """Make the databases `<prefix>` and `<prefix>_airflow`, their roles and the newest schema.

    `admin_url` names a server and somebody who may create roles and databases there; `passwords` has one for each of
    `ROLES`. Running it again changes passwords and grants to what they should be and loses nothing.
    """
    names = {role: f"{prefix}_{role}" for role in ROLES}
    admin = psycopg2.connect(admin_url)
    try:
        admin.autocommit = True  # CREATE DATABASE refuses to run in a transaction
        with admin.cursor() as cursor:
            for role, name in names.items():
                cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,))
                verb = "ALTER" if cursor.fetchone() else "CREATE"
                statement = sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {}")
                cursor.execute(statement.format(sql.SQL(verb), sql.Identifier(name), sql.Literal(passwords[role])))
            for database, owner in ((prefix, "owner"), (f"{prefix}_airflow", "airflow")):
                cursor.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(names[owner])))
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,))
                if cursor.fetchone() is None:
                    statement = sql.SQL("CREATE DATABASE {} OWNER {}")
                    cursor.execute(statement.format(sql.Identifier(database), sql.Identifier(names[owner])))
                statement = sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC")
                cursor.execute(statement.format(sql.Identifier(database)))
            for role in ("application", "analyst"):
                statement = sql.SQL("GRANT CONNECT ON DATABASE {} TO {}")
                cursor.execute(statement.format(sql.Identifier(prefix), sql.Identifier(names[role])))
    finally:
        admin.close()

    def address(role: str, database: str) -> str:
        return _address(admin_url, names[role], passwords[role], database)

    access = Access(
        owner=address("owner", prefix),
        application=address("application", prefix),
        analyst=address("analyst", prefix),
        airflow=address("airflow", f"{prefix}_airflow"),
    )
    bring_up_to_date(access)
    return access


def bring_up_to_date(access: Access) -> None:
    """Migrate to the newest schema, and let each role do what it may there: a new table is nobody's before."""
    migrate(access.owner)
    roles = {"app": access.application, "analyst": access.analyst}
    names = {role: sql.Identifier(unquote(urlsplit(url).username or "")) for role, url in roles.items()}
    connection = psycopg2.connect(access.owner)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql.SQL(_GRANTS.read_text()).format(**names))
    finally:
        connection.close()


def _address(admin_url: str, user: str, password: str, database: str) -> str:
    """`admin_url` with another user, password and database; host, port and options stay."""
    parts = urlsplit(admin_url)
    host = parts.netloc.rpartition("@")[2]
    netloc = f"{quote(user, safe='')}:{quote(password, safe='')}@{host}"
    return urlunsplit((parts.scheme, netloc, f"/{database}", parts.query, ""))
