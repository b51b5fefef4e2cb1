"""Assets: what one DAG makes and another waits for."""

from airflow.sdk import Asset

RELEASES = Asset(name="releases", uri="piwright://catalog/releases", group="catalog")
"""Jobs of an interval are queued; one partition an interval."""

BUILDS = Asset(name="builds", uri="piwright://intake/builds", group="intake")
"""Wheels and failures of a run are recorded."""
