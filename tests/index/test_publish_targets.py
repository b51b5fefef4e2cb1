"""Each target has an index of its own, and it changes with the target."""

import json
from pathlib import Path

import pytest
from published_shop import Shop

from piwright.database.connection import Connection

NATIVE = "cp311-cp311-linux_armv7l"


@pytest.fixture
def shop(connection: Connection, tmp_path: Path) -> Shop:
    return Shop(connection, tmp_path)


def test_a_wheel_that_needs_its_distribution_is_in_that_index_only(shop: Shop) -> None:
    wheel = shop.wheel(
        "spidev", "3.6", NATIVE, target="bookworm-a", facts={"needs_distribution": True}, apt=["libatlas3"]
    )
    pure = shop.wheel("spidev", "3.6", target="trixie-a", facts={"needs_distribution": False})
    shop.publish()
    assert shop.filenames("spidev", "bookworm-a/simple") == [wheel, pure]
    for index in ("simple", "extra/simple", "trixie-a/simple"):
        assert shop.filenames("spidev", index) == [pure]
    page = shop.page("spidev", "bookworm-a/simple")
    assert page is not None
    assert [file.get("_piwright-apt-packages") for file in page["files"]] == [["libatlas3"], None]
    shop.check_tree()


def test_a_project_with_nothing_for_a_target_has_no_page_there_and_is_listed_all_the_same(shop: Shop) -> None:
    shop.wheel("spidev", "3.6", NATIVE, target="bookworm-a")
    shop.job("spidev", "3.6", "trixie-a", "failed")
    shop.publish()
    assert shop.page("spidev", "trixie-a/simple") is None
    assert b'href="spidev/"' in (shop.index_root / "trixie-a/simple/index.html").read_bytes()
    assert shop.page("spidev", "simple") is not None


def test_a_new_target_gets_pages_of_projects_that_did_not_change(shop: Shop) -> None:
    pure = shop.wheel("spidev", "3.6")
    shop.publish()
    shop.job("other", "1.0", "trixie-a", "waiting")
    shop.execute("UPDATE project SET stale_since = NULL")
    shop.publish()
    assert shop.filenames("spidev", "trixie-a/simple") == [pure]
    assert shop.publish().projects == 0


def test_a_target_with_other_tags_gets_other_pages(shop: Shop) -> None:
    shop.wheel("spidev", "3.6", NATIVE)
    pure = shop.wheel("spidev", "3.6")
    shop.publish()
    assert len(shop.filenames("spidev", "here/simple")) == 2
    shop.execute("UPDATE target SET tags = '{py3-none-any}'")
    assert shop.stale() == []
    shop.publish()
    assert shop.filenames("spidev", "here/simple") == [pure]
    said = json.loads((shop.index_root / "here/target.json").read_bytes())
    assert said == {"name": "here", "distribution": "here", "tags": ["py3-none-any"]}


def test_a_target_that_was_given_up_leaves_nothing_behind_and_comes_back_whole(shop: Shop) -> None:
    wheel = shop.wheel("spidev", "3.6")
    shop.publish()
    before = (shop.index_root / "here/simple/spidev/index.v1_json").read_bytes()
    shop.execute("UPDATE target SET active = false")
    shop.publish()
    assert not (shop.index_root / "here").exists()
    assert shop.filenames("spidev") == [wheel]
    shop.execute("UPDATE target SET active = true")
    shop.publish()
    assert (shop.index_root / "here/simple/spidev/index.v1_json").read_bytes() == before
    shop.check_tree()


def test_what_is_offered_is_counted_once_whatever_the_number_of_indexes(shop: Shop) -> None:
    first = shop.wheel("spidev", "3.6", NATIVE, facts={"needs_distribution": True})
    second, third = shop.wheel("spidev", "3.7"), shop.wheel("smbus2", "1.0")
    shop.wheel("lonely", "1.0", "cp399-cp399-linux_x", target="here", facts={"needs_distribution": True})
    shop.publish()

    def counted() -> tuple[int, ...]:
        counts = shop.value("SELECT ARRAY[sum(projects), sum(releases), sum(wheels), sum(bytes)] FROM offer_count")
        return tuple(map(int, counts))

    def size(*names: str) -> int:
        return int(shop.value("SELECT sum(size) FROM wheel WHERE filename = ANY (%s)", list(names)))

    assert counted() == (2, 3, 3, size(first, second, third))
    assert shop.value("SELECT offered_wheels FROM project WHERE name = 'spidev'") == 2
    shop.remove_wheel(third)
    shop.hold(first)
    shop.publish()
    assert counted() == (1, 1, 1, size(second))
    shop.publish(everything=True)
    assert counted() == (1, 1, 1, size(second))
