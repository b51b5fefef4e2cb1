"""Settings become a publication: what readers find is made with the code and the settings of now."""

import gzip
from dataclasses import replace
from pathlib import Path

import pytest
from project_rows import UPSTREAM

from piwright.database.connection import Connection
from piwright.settings import Settings
from piwright.site import publication
from piwright.site.publication import publish_projects, write_shop
from support.shop import add_project, add_sdist


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.from_environment({"PIWRIGHT_HOME": str(tmp_path), "PIWRIGHT_PUBLISHERS": "1"})


def publish(connection: Connection, settings: Settings) -> int:
    connection.commit()
    return publish_projects(connection, settings, UPSTREAM).projects


def test_nothing_is_written_twice_while_nothing_changes(connection: Connection, settings: Settings) -> None:
    add_sdist(connection, "spidev", "3.6")
    assert publish(connection, settings) == 1
    assert publish(connection, settings) == 0


@pytest.mark.parametrize(
    "change", [{"public_url": "https://wheels.example"}, {"encodings": ("gz",)}], ids=["address", "encodings"]
)
def test_pages_are_made_anew_when_a_setting_they_show_changes(
    connection: Connection, settings: Settings, change: dict[str, object]
) -> None:
    add_sdist(connection, "spidev", "3.6")
    publish(connection, settings)
    assert publish(connection, replace(settings, **change)) == 1
    assert publish(connection, replace(settings, **change)) == 0


def test_pages_are_made_anew_after_an_upgrade(
    connection: Connection, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_sdist(connection, "spidev", "3.6")
    publish(connection, settings)
    monkeypatch.setattr(publication, "_code", lambda: "the code of tomorrow")
    assert publish(connection, settings) == 1


def test_what_every_project_page_leads_to_is_there_before_the_first_project_page(
    connection: Connection, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_project(connection, "spidev")
    index = settings.index_directory
    seen: list[Path] = []
    true_publish = publication.publish

    def watched(*arguments: object, **more: object) -> object:
        seen.extend(index.rglob("*"))
        return true_publish(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(publication, "publish", watched)
    publish(connection, settings)
    there = {path.relative_to(index).as_posix() for path in seen}
    assert {"search/index.html", "status/index.html", "feed.atom", "404.html"} <= there
    assert any(path.endswith("/style.css") for path in there)


def test_the_twins_of_pages_hold_the_same(connection: Connection, settings: Settings) -> None:
    add_sdist(connection, "spidev", "3.6")
    publish(connection, settings)
    write_shop(connection, settings)
    page = settings.index_directory / "project" / "spidev" / "index.html"
    assert gzip.decompress(page.with_name("index.html.gz").read_bytes()) == page.read_bytes()
