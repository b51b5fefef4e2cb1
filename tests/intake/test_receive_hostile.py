"""An attack on one build costs that build: its reason is recorded, nothing is published, the rest of the batch is kept."""

from pathlib import Path

import pytest

from intake.hostile_contents import CONTENTS, LAYOUT
from intake.hostile_wheels import CORPUS, Hostile
from intake.hostile_zips import ZIPS
from intake.receiving import TRIXIE, Shop, open_shop, pure
from piwright.database.connection import Connection
from piwright.intake.receive import Received

BY_NAME = {case.name: case for case in (*CORPUS, *CONTENTS, *ZIPS, *LAYOUT)}
OF_THE_ISSUE = (
    *("traversal", "absolute", "symlink", "device", "duplicate", "case collision", "second end record"),
    *("larger than declared", "bomb", "a bomb of many files", "many files", "control character", "huge METADATA"),
    *("RECORD with other hash", "RECORD names more", "second dist-info", "wrong name", "wrong version", "foreign tag"),
    *("WHEEL with a bomb of tags", "headers behind a colon", "RECORD of millions of rows", "quoted overlap"),
    *("hidden member", "fewer announced", "a script called outside", "a file over another by its scheme"),
)


@pytest.fixture
def shop(connection: Connection, tmp_path: Path) -> Shop:
    return open_shop(connection, tmp_path)


@pytest.mark.parametrize("name", OF_THE_ISSUE)
def test_a_hostile_wheel_among_good_ones_is_the_only_one_that_fails(shop: Shop, name: str) -> None:
    case = BY_NAME[name]
    bad, good = shop.job(), shop.job("trixie-cp313-armv7l", TRIXIE)
    received = shop.receive(shop.build(bad, wheel=case.make))
    assert received == Received("failed", "rejected", False, ())
    assert case.reason in shop.one("SELECT message FROM attempt").message
    assert (shop.all("SELECT * FROM wheel"), shop.stored()) == ([], [])
    assert shop.receive(shop.build(good, wheel=pure)).outcome == "built"
    assert (shop.state(bad), shop.state(good)) == ("failed", "built")
    assert shop.stored() == ["spidev-3.6-py3-none-any.whl"]


@pytest.mark.parametrize("name", ["result.json", "log.txt", "wheel"])
def test_terabytes_of_anything_are_refused_and_not_stored(shop: Shop, name: str) -> None:
    directory = shop.build(shop.job())
    path = next((directory / "wheels").iterdir()) if name == "wheel" else directory / name
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert shop.receive(directory) == Received("failed", "rejected", False, ())
    assert f"{path.name} has {1 << 40} bytes" in shop.one("SELECT message FROM attempt").message
    assert shop.stored() == []
    assert _size_of(shop.store.root) < 1 << 20


def _size_of(root: Path) -> int:
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())


def test_a_wheel_whose_hash_is_not_as_claimed_is_refused_although_it_is_sound(shop: Shop) -> None:
    directory = shop.build(shop.job())
    wheel = next((directory / "wheels").iterdir())
    claim = {"filename": wheel.name, "size": wheel.stat().st_size, "sha256": "0" * 64}
    other = shop.build(shop.job("trixie-cp313-armv7l", TRIXIE), wheel=pure, wheels=[claim])
    assert shop.receive(other) == Received("failed", "rejected", False, ())
    assert shop.stored() == []


def test_what_the_worker_says_was_around_a_build_reaches_the_verdict(shop: Shop) -> None:
    sandbox = {"kind": "none", "memory": "watchdog", "processes": "rlimit", "space": "none", "escape": "\0"}
    received = shop.receive(
        shop.build(shop.job(), sandbox=sandbox, connections={"outside": 1, "loopback": 2, "lookups": 3})
    )
    assert received.outcome == "built"


def test_contents_of_the_corpus_have_names_of_their_own() -> None:
    names = [case.name for case in (*CORPUS, *CONTENTS, *ZIPS, *LAYOUT)]
    assert len(set(names)) == len(names) > 230
    assert all(isinstance(case, Hostile) and case.reason for case in (*CORPUS, *CONTENTS, *ZIPS, *LAYOUT))
