"""The lists of projects: what they say, and when they are written."""

import json
from pathlib import Path

import pytest
from published_shop import INDEXES, Shop
from pypi_simple import IndexPage

from piwright.database.connection import Connection
from piwright.index.publication import ROOTS_DUE
from piwright.index.roots import LISTED, listed_names, render_root_html, render_root_json


@pytest.fixture
def shop(connection: Connection, tmp_path: Path) -> Shop:
    return Shop(connection, tmp_path)


def listed(shop: Shop, index: str) -> list[str]:
    """The names on a list, which must be the same in both representations."""
    root = shop.index_root / index
    names = [each["name"] for each in json.loads((root / "index.v1_json").read_bytes())["projects"]]
    assert IndexPage.from_html((root / "index.html").read_bytes(), "utf-8").projects == names
    return names


def written(shop: Shop) -> dict[str, int]:
    """Which file each list is: one that is written again is another."""
    return {index: (shop.index_root / index / "index.html").stat().st_ino for index in INDEXES}


@pytest.mark.parametrize("names", [[], [b"a"], [b"a", b"a-b", b"b"]])
def test_both_representations_list_the_names_in_their_order(names: list[bytes]) -> None:
    expected = [name.decode() for name in names]
    page = json.loads(render_root_json(names))
    assert page == {"meta": {"api-version": "1.4"}, "projects": [{"name": name} for name in expected]}
    html = IndexPage.from_html(render_root_html(names), "utf-8")
    assert (html.projects, html.repository_version) == (expected, "1.4")


def test_the_complete_indexes_list_every_project_that_can_be_installed(shop: Shop) -> None:
    shop.wheel("ours", "1.0")
    shop.project("theirs")
    shop.project("empty", skip_reason="its page cannot be read")  # and never could
    shop.project("gone", gone_at="2026-01-01")
    shop.project("bad", status="quarantined")
    shop.wheel("turned-bad", "1.0")
    shop.project("turned-bad", status="quarantined")
    shop.publish()
    assert listed(shop, "simple") == listed(shop, "here/simple") == ["ours", "theirs", "turned-bad"]
    assert listed(shop, "extra/simple") == ["ours", "turned-bad"]


def test_a_change_that_lists_nothing_else_leaves_the_lists_alone(shop: Shop) -> None:
    shop.wheel("spidev", "3.6")
    shop.publish()
    before = written(shop)
    shop.wheel("spidev", "3.7")
    shop.project("spidev", status="archived")
    assert shop.publish().pages_written == 3
    assert written(shop) == before


def test_a_new_project_of_upstream_is_listed_in_the_complete_indexes_only(shop: Shop) -> None:
    shop.wheel("spidev", "3.6")
    shop.publish()
    before = written(shop)
    shop.project("numpy")
    assert shop.publish().pages_written == 2
    assert listed(shop, "simple") == listed(shop, "here/simple") == ["numpy", "spidev"]
    assert written(shop)["extra/simple"] == before["extra/simple"]


def test_a_project_that_is_gone_is_listed_no_more(shop: Shop) -> None:
    shop.wheel("spidev", "3.6")
    shop.project("numpy")
    shop.publish()
    shop.project("numpy", gone_at="2026-01-01")
    shop.publish()
    assert listed(shop, "simple") == ["spidev"]
    assert not shop.value("SELECT listed FROM project WHERE name = 'numpy'")


def test_lists_that_were_not_finished_are_written_by_the_next_publication(shop: Shop) -> None:
    shop.wheel("spidev", "3.6")
    shop.publish()
    assert not shop.storage.has(ROOTS_DUE)
    # As a publisher leaves it that was killed after it said so in the database, and before it wrote.
    shop.storage.write({ROOTS_DUE: b"", "simple/index.v1_json": b"{}", "simple/index.html": b"old"})
    assert shop.publish().projects == 0
    assert listed(shop, "simple") == ["spidev"]
    assert not shop.storage.has(ROOTS_DUE)


def test_names_are_in_the_order_of_their_letters_whatever_the_database_thinks(shop: Shop) -> None:
    names = ["a-b", "a0", "ab", "a", "zz", "0"]
    for name in names:
        shop.project(name)
    shop.publish()
    assert listed_names(shop.connection, LISTED) == sorted(name.encode() for name in names)
    assert listed_names(shop.connection, LISTED, leaving=["a0", "zz"]) == [b"0", b"a", b"a-b", b"ab"]
