"""The plugin registers, and the loader touches nothing else."""

import subprocess
import sys
from pathlib import Path

from piwright.settings import ROOT

LOAD = """
import sys
from airflow import plugins_manager
plugins, errors = plugins_manager._get_plugins()
assert not errors, errors
print("piwright" in {plugin.name for plugin in plugins}, "batch" in sys.modules, "database" in sys.modules)
"""


def test_airflow_loads_the_plugin_and_runs_no_other_file_under_its_bare_name(tmp_path: Path) -> None:
    environment = {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
    }
    done = subprocess.run([sys.executable, "-c", LOAD], env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout.split()[-3:] == ["True", "False", "False"], done.stdout + done.stderr


def test_a_batch_links_to_the_index() -> None:
    from piwright_airflow.links import IndexLink
    from piwright_airflow.operators.wheel_build import WheelBuildOperator

    assert [type(link) for link in WheelBuildOperator.operator_extra_links] == [IndexLink]
    assert (
        IndexLink().get_link(WheelBuildOperator(task_id="x", batch_id=1), ti_key=None).startswith("http://127.0.0.1:")
    )
