"""What operators decide, on the pages: wheels that are held or offered, and builds that may use the network."""

from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from published_shop import Shop

from piwright.database.connection import Connection
from piwright.index.offer import hold_wheel, offer_wheel
from piwright.planning.network import allow_network, forbid_network

REASON = 'downloads <a href="http://evil.invalid/x-9.whl">its</a> firmware & "fonts"'


@pytest.fixture
def shop(connection: Connection, tmp_path: Path) -> Shop:
    return Shop(connection, tmp_path)


def served(shop: Shop) -> list[str]:
    return sorted(path.name for path in shop.index_root.glob("files/*/*/*[al]"))


def hold(shop: Shop, filename: str, reason: str = "crashes") -> None:
    hold_wheel(shop.connection, filename, reason=reason, by="alice")
    shop.connection.commit()


def offer(shop: Shop, filename: str) -> None:
    offer_wheel(shop.connection, filename, reason="fine", by="alice")
    shop.connection.commit()


def html(shop: Shop, name: str) -> BeautifulSoup:
    return BeautifulSoup((shop.index_root / "simple" / name / "index.html").read_bytes(), "html.parser")


def test_a_wheel_that_was_held_from_the_start_is_on_no_page_and_cannot_be_fetched(shop: Shop) -> None:
    good = shop.wheel("spidev", "3.5")
    bad = shop.wheel("spidev", "3.6")
    shop.execute("UPDATE wheel SET held_reason = 'it does not import' WHERE filename = %s", (bad,))
    report = shop.publish()
    assert (report.files_added, report.problems) == (1, ())
    for index in ("simple", "extra/simple"):
        assert shop.filenames("spidev", index) == [good]
    assert served(shop) == [good, f"{good}.metadata"]
    assert shop.value("SELECT published_at FROM wheel WHERE filename = %s", bad) is None
    assert shop.stale() == []
    assert shop.check_tree() == 12


def test_a_project_with_nothing_but_held_wheels_is_upstreams(shop: Shop) -> None:
    shop.upstream_file("spidev", "3.6", "spidev-3.6.tar.gz")
    hold(shop, shop.wheel("spidev", "3.6"))
    shop.publish()
    assert shop.page("spidev") is None
    assert served(shop) == []


def test_a_held_wheel_is_published_once_an_operator_offers_it(shop: Shop) -> None:
    wheel = shop.wheel("spidev", "3.6")
    hold(shop, wheel)
    shop.publish()
    offer(shop, wheel)
    assert shop.stale() == ["spidev"]
    assert shop.publish().files_added == 1
    assert shop.filenames("spidev") == [wheel]
    shop.check_tree()


def test_a_published_wheel_that_is_held_leaves_the_pages_and_then_the_tree_and_can_come_back(shop: Shop) -> None:
    kept, bad = shop.wheel("spidev", "3.5"), shop.wheel("spidev", "3.6")
    shop.publish()
    hold(shop, bad)
    assert shop.publish().files_removed == 1
    assert shop.filenames("spidev") == [kept]
    assert served(shop) == [kept, f"{kept}.metadata"]
    shop.check_tree()
    offer(shop, bad)
    shop.publish()
    assert shop.filenames("spidev") == [kept, bad]
    shop.check_tree()


def test_a_rebuilt_tree_has_no_held_wheel_either(shop: Shop) -> None:
    wheel = shop.wheel("spidev", "3.6")
    shop.publish()
    shop.execute("UPDATE wheel SET held_reason = 'it does not import'")
    shop.publish(everything=True)
    assert (shop.page("spidev"), served(shop), wheel.endswith(".whl")) == (None, [], True)


def test_a_page_tells_that_builds_may_use_the_network_why_and_since_when(shop: Shop) -> None:
    wheel = shop.wheel("spidev", "3.6")
    allow_network(shop.connection, "spidev", reason=REASON, by="alice")
    shop.execute("UPDATE network_exception SET allowed_at = '2026-11-22T23:30:00-05:00'")
    shop.publish()
    page = shop.page("spidev")
    assert page is not None
    assert page["_piwright-network-exception"] == {"reason": REASON, "since": "2026-11-23"}
    assert html(shop, "spidev").find("p").text == f"Its builds here may use the network, since 2026-11-23: {REASON}"
    assert [anchor.text for anchor in html(shop, "spidev").find_all("a")] == [wheel]
    assert "alice" not in str(html(shop, "spidev")) + str(page)  # who it was is nobody's business outside


def test_an_exception_that_was_taken_back_leaves_the_page(shop: Shop) -> None:
    shop.wheel("spidev", "3.6")
    shop.publish()
    before = (shop.index_root / "simple/spidev/index.v1_json").read_bytes()
    allow_network(shop.connection, "spidev", reason=REASON, by="alice")
    shop.connection.commit()
    assert shop.publish().pages_written == 3
    assert (shop.index_root / "simple/spidev/index.v1_json").read_bytes() != before
    forbid_network(shop.connection, "spidev")
    shop.connection.commit()
    assert shop.publish().pages_written == 3
    assert (shop.index_root / "simple/spidev/index.v1_json").read_bytes() == before
    assert html(shop, "spidev").find("p") is None
