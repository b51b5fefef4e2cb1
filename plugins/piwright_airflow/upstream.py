"""The upstream index's address: the Airflow connection `pypi` where there is one, the setting otherwise."""

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException

from piwright.settings import Settings, parse_upstream_url

UPSTREAM_CONNECTION = "pypi"


def upstream_url(settings: Settings) -> str:
    """The address of the simple index. The connection's host field holds it whole."""
    try:
        found = BaseHook.get_connection(UPSTREAM_CONNECTION)
    except AirflowNotFoundException:
        return settings.upstream_url
    try:
        return parse_upstream_url(found.host or "")
    except ValueError as error:
        raise AirflowFailException(
            f"Connection {UPSTREAM_CONNECTION}, host = {found.host!r} cannot be used: it must be {error}."
        ) from None
