"""Buttons on a task in Airflow's page."""

from airflow.sdk import BaseOperatorLink

from piwright.settings import Settings


class IndexLink(BaseOperatorLink):
    """Leads from a batch to what was published."""

    name = "Published index"

    def get_link(self, operator: object, *, ti_key: object) -> str:
        """The address of the index's page for people."""
        return Settings.from_environment().index_url + "/"
