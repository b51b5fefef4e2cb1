"""`piwright airflow`: Airflow's own command, with the stack's environment."""

import os
import sys
from pathlib import Path

import typer

from piwright.commands.shop import access, load_settings
from piwright.stack.airflow import airflow_environment
from piwright.stack.secrets import Secrets


def airflow(context: typer.Context) -> None:
    """Run Airflow's own command on the embedded stack, such as `piwright airflow backfill create --dag-id sync_pypi ...`."""
    settings = load_settings()
    environment = airflow_environment(settings, Secrets.load(settings), access(settings).airflow)
    program = str(Path(sys.executable).with_name("airflow"))
    os.execve(program, [program, *context.args], {**os.environ, **environment})  # noqa: S606
