"""`piwright downloads`: what a person sees, what a program gets, and what the exit code says."""

import dataclasses
import json
from datetime import date
from pathlib import Path

import pytest
from download_shop import PIP, UV, DownloadShop, request
from typer.testing import CliRunner

from piwright.commands.downloads import app
from piwright.database.connection import Connection
from piwright.database.provision import Access
from piwright.downloads.summary import BY_CLIENT, BY_DAY, read_downloads


@pytest.fixture
def home(tmp_path: Path, database: Access, monkeypatch: pytest.MonkeyPatch) -> Path:
    secrets = tmp_path / "home" / "secrets"
    secrets.mkdir(parents=True)
    (secrets / "databases.json").write_text(json.dumps(dataclasses.asdict(database)))
    monkeypatch.setenv("PIWRIGHT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, result.output
    return result.output


def test_without_a_log_there_is_nothing_to_count_and_that_is_no_error(home: Path) -> None:
    assert "There is no access log yet" in run("count")


def test_the_shops_own_log_is_counted_with_its_rotated_siblings(home: Path, connection: Connection) -> None:
    shop = DownloadShop(connection)
    wheel = shop.wheel("spidev", "3.6", "cp311-cp311-linux_armv7l")
    (home / "logs").mkdir()
    (home / "logs" / "access.log.1").write_bytes(request(wheel.path, agent=PIP) * 3)
    (home / "logs" / "access.log").write_bytes(request(wheel.path, agent=UV) * 2 + b"nonsense\n")
    said = run("count")
    assert "6 new lines in 2 logs: 5 downloads of 1 projects" in said
    assert "1 lines cannot be read" in said
    assert shop.total() == 5
    assert "0 new lines in 2 logs" in run("count")


def test_given_logs_are_counted_and_one_that_is_missing_is_an_error(
    home: Path, connection: Connection, tmp_path: Path
) -> None:
    wheel = DownloadShop(connection).wheel("spidev", "3.6")
    given = tmp_path / "elsewhere.log"
    given.write_bytes(request(wheel.path))
    assert json.loads(run("count", str(given), "--json"))["downloads"] == 1
    assert "missing.log: is not there" in run("count", str(tmp_path / "missing.log"), code=1)


def test_a_project_shows_its_downloads_by_day_and_by_what_fetched_it(
    home: Path, connection: Connection, tmp_path: Path
) -> None:
    wheel = DownloadShop(connection).wheel("spidev", "3.6", "cp311-cp311-linux_armv7l")
    log = tmp_path / "access.log"
    log.write_bytes(request(wheel.path) * 2 + request(wheel.path, agent="x"))
    run("count", str(log))
    assert "3 in all" in run("show", "Spidev")
    said = json.loads(run("show", "spidev", "--json"))
    assert said["total"] == 3
    assert said["days"] == {"2026-11-20": 3}
    assert "'nobody' is not in the catalog" in run("show", "nobody", code=1)


def test_only_the_last_thirty_days_are_told_apart(home: Path, connection: Connection, tmp_path: Path) -> None:
    wheel = DownloadShop(connection).wheel("spidev", "3.6", "cp311-cp311-linux_armv7l")
    log = tmp_path / "access.log"
    log.write_bytes(
        request(wheel.path, time="2026-10-01T00:00:00Z") * 5 + request(wheel.path, time="2026-10-23T00:00:00Z") * 2
    )
    run("count", str(log))
    found = read_downloads(connection, "spidev", date(2026, 11, 21))
    assert found is not None
    assert (found.total, found.recent) == (7, 2)
    assert found.installers == {"pip": 2}
    assert found.targets == {"bookworm-cp311-armv7l": 2}


def test_what_is_shown_walks_indexes(connection: Connection) -> None:
    def plan(statement: str, parameters: tuple[object, ...]) -> str:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN {statement}", parameters)
            return "\n".join(str(row[0]) for row in cursor.fetchall())

    assert "project_download_pkey" in plan(BY_DAY, (1,))
    by_client = plan(BY_CLIENT, (1, "2026-11-01"))
    assert "release_project_id_version_key" in by_client
    assert "wheel_release" in by_client
    assert "download_pkey" in by_client
