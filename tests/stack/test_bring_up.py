"""`piwright up` when something is in its way: named, with what to do, and an exit code that tells the truth."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from piwright.settings import Settings
from piwright.stack.postgres import Cluster
from piwright.stack.supervise import Supervisor
from support.ports import free_port

PIWRIGHT = str(Path(sys.executable).with_name("piwright"))


def up(home: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PIWRIGHT_", "AIRFLOW"))}
    ports = {
        "PIWRIGHT_AIRFLOW_PORT": str(free_port()),
        "PIWRIGHT_INDEX_PORT": str(free_port()),
        "PIWRIGHT_WORKER_PORT": str(free_port()),
        "PIWRIGHT_WORKERS": "1",
    }
    environment = inherited | ports | {"PIWRIGHT_HOME": str(home)} | more
    try:
        return subprocess.run([PIWRIGHT, "up"], env=environment, capture_output=True, text=True, timeout=120)
    finally:
        subprocess.run([PIWRIGHT, "down"], env=environment, capture_output=True, timeout=120)


def test_a_component_that_cannot_live_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    data = tmp_path / "home" / "postgres"
    data.mkdir(parents=True, mode=0o700)
    (data / "PG_VERSION").write_text("9.6\n")
    done = up(tmp_path / "home")
    assert done.returncode == 1
    assert "postgres died" in done.stderr
    assert "postgresql.conf" in done.stderr  # the server's own words
    assert Supervisor(Settings.from_environment({"PIWRIGHT_HOME": str(tmp_path / "home")})).process() is None


def test_a_database_server_that_does_not_answer_is_named(tmp_path: Path) -> None:
    address = f"postgresql://me:secret@127.0.0.1:{free_port()}/postgres"
    done = up(tmp_path / "home", PIWRIGHT_DATABASE_URL=address)
    assert done.returncode == 1
    assert "The database does not answer" in done.stderr
    assert "secret" not in done.stderr


def test_a_folder_name_too_long_for_a_socket_is_no_obstacle(tmp_path: Path) -> None:
    deep = tmp_path / ("deep" * 20) / ("deeper" * 10) / "postgres"
    cluster = Cluster(deep, "password")
    assert len(str(cluster.socket_directory)) < 90
    assert Cluster(tmp_path / "elsewhere" / ("x" * 100), "password").socket_directory != cluster.socket_directory


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to step down for PostgreSQL")
def test_root_without_user_namespaces_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("piwright.stack.postgres.shutil.which", lambda _: None)
    with pytest.raises(RuntimeError, match="PIWRIGHT_DATABASE_URL"):
        Cluster(tmp_path / "postgres", "password").create()
