"""Registers piwright with Airflow; the only file the plugin loader runs."""

from airflow.plugins_manager import AirflowPlugin

from piwright_airflow.links import IndexLink


class PiwrightPlugin(AirflowPlugin):
    """Links of the wheel build operator."""

    name = "piwright"
    operator_extra_links = [IndexLink()]  # noqa: RUF012 - Airflow declares it so
