"""Settings: one variable each, refused by name when wrong, listed in one table."""

import dataclasses

import pytest

from piwright.settings import ROOT, Settings, SettingsError, describe_settings, unknown_variables

WRONG = {
    "PIWRIGHT_UPSTREAM_URL": ["ftp://example.invalid/simple/", "example.invalid", "http://me:secret@127.0.0.1/simple/"],
    "PIWRIGHT_WATCH_FILE": ["no/such/file"],
    "PIWRIGHT_SCOPE": ["everything"],
    "PIWRIGHT_TARGETS_FILE": ["no/such/file"],
    "PIWRIGHT_SYNC_SCHEDULE": ["daily", "0 0 * *", "99 0 * * *"],
    "PIWRIGHT_DATABASE_URL": ["mysql://127.0.0.1/x"],
    "PIWRIGHT_AIRFLOW_PORT": ["0", "65536", "http", "-1", "8080.0"],
    "PIWRIGHT_INDEX_PORT": ["70000"],
    "PIWRIGHT_WORKER_PORT": ["x"],
    "PIWRIGHT_WORKERS": ["0", "21"],
    "PIWRIGHT_WORKER_SLOTS": ["0"],
    "PIWRIGHT_WORKER_GRACE": ["4"],
    "PIWRIGHT_SSH_SERVER": ["dropbear"],
    "PIWRIGHT_PARALLELISM": ["1"],
    "PIWRIGHT_BATCH_SECONDS": ["0", "-5", "many"],
    "PIWRIGHT_BUILD_TIMEOUT": ["0", "1e3"],
    "PIWRIGHT_BUILD_SILENCE": ["0"],
    "PIWRIGHT_LOG_LIMIT": ["1"],
    "PIWRIGHT_WHEEL_LIMIT": ["1"],
    "PIWRIGHT_BUILD_MEMORY": ["1", "2G", "-1"],
    "PIWRIGHT_BUILD_DISK": ["0", "8 GiB"],
    "PIWRIGHT_BUILD_FILE": ["0"],
    "PIWRIGHT_BUILD_PROCESSES": ["0", "15"],
    "PIWRIGHT_BUILD_CPU": ["-1", "1.5"],
    "PIWRIGHT_ALLOW_UNSANDBOXED": ["*", "pi 1", "pi-1;pi-2", "../pi"],
    "PIWRIGHT_INDEX_STORAGE": ["/srv/index", "s3:bucket", "s3://key:secret@bucket/x", "s3://bucket/x?y=z"],
    "PIWRIGHT_PUBLIC_URL": ["wheels.example", "ftp://wheels.example", "https://me:secret@wheels.example"],
    "PIWRIGHT_ENCODINGS": ["br", "zst", "gz;zst"],
    "PIWRIGHT_PUBLISHERS": ["-1", "65", "two"],
    "PIWRIGHT_ACCESS_LOG": ["/"],
    "PIWRIGHT_DEBIAN_MIRROR": ["ftp://example.invalid/debian", "example.invalid", "http://me:secret@127.0.0.1/debian"],
}


@pytest.mark.parametrize(("variable", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value_is_refused_by_name_and_value(variable: str, value: str) -> None:
    with pytest.raises(SettingsError) as error:
        Settings.from_environment({variable: value})
    (problem,) = error.value.problems
    assert problem.startswith(f"{variable}={value!r} cannot be used: it must be ")


def test_every_setting_that_can_be_wrong_is_tried_wrong() -> None:
    assert {"PIWRIGHT_" + each.name.upper() for each in dataclasses.fields(Settings)} - set(WRONG) == {"PIWRIGHT_HOME"}


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        Settings.from_environment({"PIWRIGHT_AIRFLOW_PORT": "x", "PIWRIGHT_SCOPE": "y"})
    assert len(error.value.problems) == 2


def test_defaults_are_the_documented_ones() -> None:
    settings = Settings.from_environment({})
    assert (settings.airflow_port, settings.index_port, settings.worker_port) == (8080, 8000, 2201)
    assert settings.home == ROOT / ".piwright"
    assert settings.upstream_url.endswith("/simple/")
    assert (settings.build_memory, settings.build_cpu) == (0, 0)
    assert (settings.build_disk, settings.build_file, settings.build_processes) == (8 << 30, 4 << 30, 512)
    assert (settings.allow_unsandboxed, settings.debian_mirror) == ((), None)


def test_settings_survive_the_way_to_another_process() -> None:
    given = {"PIWRIGHT_BATCH_SECONDS": "7", "PIWRIGHT_HOME": "/somewhere", "PIWRIGHT_ALLOW_UNSANDBOXED": "pi-1, pi-2,"}
    settings = Settings.from_environment(given)
    assert settings.allow_unsandboxed == ("pi-1", "pi-2")
    assert Settings.from_environment(settings.to_environment()) == settings


def test_a_misspelt_variable_is_noticed() -> None:
    assert unknown_variables({"PIWRIGHT_BATCH_SECOND": "7", "PIWRIGHT_HOME": "/", "HOME": "/"}) == [
        "PIWRIGHT_BATCH_SECOND"
    ]


def test_the_table_in_the_docs_lists_every_setting_as_it_is() -> None:
    table = (ROOT / "docs" / "settings.md").read_text()
    for variable, _, about in describe_settings():
        (row,) = [line for line in table.splitlines() if line.startswith(f"| `{variable}` |")]
        assert row.endswith(f"| {about} |")
