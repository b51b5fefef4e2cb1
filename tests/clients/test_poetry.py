"""Poetry locks and installs a project from the served index as its only one."""

import subprocess
from pathlib import Path

from clients.installers import Done, clean_environment, program
from clients.recording_proxy import RecordingProxy
from clients.shop_for_clients import PROJECTS, Served

PYPROJECT = """\
[project]
name = "user-of-the-shop"
version = "1.0"
requires-python = ">=3.11,<3.15"
dependencies = ["app"]

[tool.poetry]
package-mode = false

[[tool.poetry.source]]
name = "shop"
url = "{url}"
priority = "primary"
"""

CHOSEN = ("app-2.0-*.whl", "lib-2.0-*.whl", "odd_version-1!*.whl")


def test_a_project_is_locked_by_metadata_and_installed(served: Served, tmp_path: Path) -> None:
    poetry = program("poetry==2.5.1", "poetry")
    home, project = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    project.mkdir()
    environment = clean_environment(home) | {
        "POETRY_VIRTUALENVS_IN_PROJECT": "true",
        "POETRY_CACHE_DIR": str(tmp_path / "cache"),
    }

    def run(verb: str) -> Done:
        return subprocess.run(
            [poetry, verb, "--no-interaction"],
            capture_output=True,
            text=True,
            env=environment,
            cwd=project,
            timeout=180,
            check=False,
        )

    with RecordingProxy(served.server.port) as proxy:
        (project / "pyproject.toml").write_text(PYPROJECT.format(url=f"{proxy.url}/simple/"))
        locked = run("lock")
        assert locked.returncode == 0, locked.stdout + locked.stderr
        assert not [each for each in proxy.fetched if each.is_wheel], proxy.fetched
        assert [each for each in proxy.fetched if each.is_metadata]
        assert proxy.received <= served.cost_of_resolving(*PROJECTS)
        installed = run("install")
        assert installed.returncode == 0, installed.stdout + installed.stderr
        wheels = [each.size for each in proxy.fetched if each.is_wheel]
        assert sorted(wheels) == sorted(served.wheel(each).stat().st_size for each in CHOSEN)
    text = (project / "poetry.lock").read_text()
    assert all(served.sha256(each) in text for each in CHOSEN)
    python = project / ".venv/bin/python"
    code = "import app, lib; print(app.VERSION, lib.VERSION)"
    said = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    assert said.stdout.split() == ["2.0", "2.0"], said.stderr
