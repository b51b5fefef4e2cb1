"""What DAG tasks call: partitions, and the form of a manual build."""

from datetime import UTC, datetime, timedelta

import pytest
from airflow.sdk.exceptions import AirflowFailException

from piwright_airflow import stages
from plugins.conftest import Shop
from support.scripted import scripted

DAY = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "partition"),
    [
        (DAY, DAY + timedelta(days=1), "2026-11-20"),
        (DAY, DAY + timedelta(minutes=15), "2026-11-20T00:00"),
        (DAY + timedelta(hours=6), DAY + timedelta(days=1, hours=6), "2026-11-20T06:00"),
        (DAY.astimezone(), (DAY + timedelta(days=1)).astimezone(), "2026-11-20"),
    ],
)
def test_a_partition_is_named_for_its_day_or_the_moment_it_begins(
    start: datetime, end: datetime, partition: str
) -> None:
    assert stages.partition_of(start, end) == (partition, start, end)


@pytest.mark.parametrize("interval", [(None, None), (DAY, DAY)])
def test_a_run_without_an_interval_is_about_the_last_full_day(
    interval: tuple[datetime | None, datetime | None],
) -> None:
    partition, start, end = stages.partition_of(*interval)
    assert end - start == timedelta(days=1)
    assert end <= datetime.now(UTC) < end + timedelta(days=1)
    assert partition == f"{start:%Y-%m-%d}"


def test_a_form_builds_a_package_that_is_on_no_watch_list(shop: Shop) -> None:
    shop.upstream.add(scripted("asked-for"))
    (batch,) = stages.plan_batches("manual", None, {"packages": ["asked-for"], "targets": [], "force": False})
    assert batch["contents"] == "asked-for 1.0"
    assert shop.jobs() == {"asked-for": "leased"}


@pytest.mark.parametrize(
    ("form", "named"),
    [
        ({"packages": ["not a requirement!"]}, "packages: 'not a requirement!'"),
        ({"packages": ["a[extra]"]}, "packages: 'a[extra]'"),
        ({"packages": ["good"], "targets": ["amiga-cp311-m68k"]}, "targets: 'amiga-cp311-m68k'"),
    ],
)
def test_a_form_that_cannot_be_is_refused_with_field_and_value(
    shop: Shop, form: dict[str, list[str]], named: str
) -> None:
    shop.upstream.add(scripted("good"))
    with pytest.raises(AirflowFailException) as error:
        stages.plan_batches("manual", None, form)
    assert named in str(error.value)


def test_an_upstream_connection_overrides_the_setting(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from piwright.settings import Settings
    from piwright_airflow.upstream import upstream_url

    assert upstream_url(Settings.from_environment()) == shop.upstream.url
    monkeypatch.setenv("AIRFLOW_CONN_PYPI", '{"conn_type": "http", "host": "http://127.0.0.1:9/simple"}')
    assert upstream_url(Settings.from_environment()) == "http://127.0.0.1:9/simple/"
    monkeypatch.setenv("AIRFLOW_CONN_PYPI", '{"conn_type": "http", "host": "somewhere"}')
    with pytest.raises(AirflowFailException, match="host = 'somewhere'"):
        upstream_url(Settings.from_environment())
