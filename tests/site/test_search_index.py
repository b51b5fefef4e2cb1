"""What the search says of a project is what is published of it, after each publication, whatever stopped the last one."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from index.published_shop import Shop
from piwright.database.connection import Connection
from piwright.index.storage_directory import DirectoryStorage
from piwright.site.search_entries import SUMMARY_LENGTH, Entry, State, make_entry, parse_name_line
from piwright.site.search_index import DUE, LIST, MOST_DUE, SearchDue, note_due, read_due, update_search
from piwright.site.search_rows import JOBS, NEXT, SOME, entries_of
from piwright.site.search_shards import shard_lines


@pytest.fixture
def shop(connection: Connection, tmp_path: Path) -> Shop:
    return Shop(connection, tmp_path)


def storage_of(shop: Shop) -> DirectoryStorage:
    return DirectoryStorage(shop.index_root)


def publish(shop: Shop, sources: Sequence[Any] = (), **options: Any) -> None:
    shop.publish(sources=[*sources, SearchDue(storage_of(shop))], **options)
    update_search(shop.connection, storage_of(shop))
    shop.connection.commit()


def found(shop: Shop) -> dict[str, Entry]:
    """Every entry of the index, read as a browser would: through the list."""
    storage = storage_of(shop)
    entries = {}
    for label in json.loads(storage.read(LIST) or b"{}")["names"]:
        for line in shard_lines(storage.read(f"search/names/{label}.txt") or b""):
            entry = parse_name_line(line)
            entries[entry.name] = entry
    return entries


def test_the_state_of_a_project_is_what_helps_a_reader_most(shop: Shop) -> None:
    shop.wheel("ours", "1.0")
    shop.job("ours", "2.0", state="failed")
    shop.job("waits", "1.0", state="waiting")
    shop.job("waits", "0.9", state="failed")
    shop.job("building", "1.0", state="leased")
    shop.job("fails", "1.0", state="failed")
    shop.job("parked", "1.0", state="parked")
    shop.hold(shop.wheel("held", "1.0"))
    shop.project("skipped", skip_reason="its page is no JSON")
    shop.project("upstream", checked_at="2026-01-01")
    shop.project("never-seen")
    shop.project("gone-unnoticed", gone_at="2026-01-01")
    shop.job("gone", "1.0", state="removed")
    shop.project("gone", gone_at="2026-01-01")
    shop.wheel("closed", "1.0")
    shop.project("closed", status="quarantined")
    publish(shop)
    states = {name: (entry.state, entry.has_page) for name, entry in found(shop).items()}
    assert states == {
        "ours": (State.OURS, True),
        "waits": (State.WAITING, True),
        "building": (State.WAITING, True),
        "fails": (State.FAILED, True),
        "parked": (State.FAILED, True),
        "held": (State.HELD, True),
        "skipped": (State.SKIPPED, True),
        "upstream": (State.UPSTREAM, False),
        "never-seen": (State.UNKNOWN, False),
        "gone": (State.REMOVED, True),
        "closed": (State.REMOVED, True),
    }


def test_a_publication_changes_what_is_said_of_the_projects_it_published_and_writes_nothing_else(shop: Shop) -> None:
    shop.job("spidev", "3.6", state="waiting")
    shop.wheel("smbus2", "1.0")
    publish(shop)
    inodes = {path: path.stat().st_ino for path in (shop.index_root / "search").rglob("*.txt")}
    shop.wheel("smbus2", "2.0")  # says nothing new
    publish(shop)
    assert {path: path.stat().st_ino for path in (shop.index_root / "search").rglob("*.txt")} == inodes
    shop.wheel("spidev", "3.6")
    publish(shop)
    assert found(shop)["spidev"].state is State.OURS
    listed = (shop.index_root / LIST).stat().st_mtime_ns
    publish(shop)
    assert (shop.index_root / LIST).stat().st_mtime_ns == listed


def test_what_was_published_but_not_yet_searchable_is_found_by_the_next_run(shop: Shop) -> None:
    publish(shop)
    shop.wheel("spidev", "3.6")
    shop.publish(sources=[SearchDue(storage_of(shop))])  # and then the power fails
    assert "spidev" not in found(shop)
    assert shop.stale() == []
    publish(shop)
    assert found(shop)["spidev"].state is State.OURS
    assert storage_of(shop).read(DUE) is None


def test_publishing_everything_makes_the_index_anew(shop: Shop) -> None:
    shop.wheel("spidev", "3.6")
    publish(shop)
    stranger = shop.index_root / "search/names/am-spi.txt"
    stranger.write_bytes(b"left over\n")
    publish(shop, everything=True)
    assert not stranger.exists()
    assert set(found(shop)) == {"spidev"}


def test_an_index_of_another_format_or_none_is_made_anew(shop: Shop) -> None:
    shop.wheel("spidev", "3.6")
    publish(shop)
    wanted = (shop.index_root / LIST).read_bytes()
    (shop.index_root / LIST).write_bytes(b'{"version":0}')
    update_search(shop.connection, storage_of(shop))
    assert (shop.index_root / LIST).read_bytes() == wanted


def test_an_index_whose_words_were_split_in_the_old_way_is_made_anew(shop: Shop) -> None:
    shop.project("dashy", checked_at="2026-01-01", summary="Sensor\N{EN DASH}driver")
    publish(shop)
    files = [path for path in (shop.index_root / "search/words").iterdir() if path.suffix == ".txt"]
    assert [path.read_text() for path in files] == ["driver dashy\tu\nsensor dashy\tu\n"]
    files[0].write_text("sensordriver dashy\tu\n")
    (shop.index_root / LIST).write_bytes((shop.index_root / LIST).read_bytes().replace(b'"version":2', b'"version":1'))
    publish(shop)
    assert files[0].read_text() == "driver dashy\tu\nsensor dashy\tu\n"


def test_more_projects_than_are_worth_noting_are_noted_as_everything(tmp_path: Path) -> None:
    storage = DirectoryStorage(tmp_path)
    note_due(storage, range(MOST_DUE))
    assert read_due(storage) == set(range(MOST_DUE))
    note_due(storage, [MOST_DUE])
    assert read_due(storage) is None
    note_due(storage, [1])
    assert read_due(storage) is None


def test_a_hostile_summary_stays_one_line_and_is_found_by_its_words_alone(shop: Shop) -> None:
    shop.wheel("evil", "1.0")
    shop.project("evil", summary="a\tb\nrm -rf\x1b[31m <script>\u202egnp.exe " + "x" * 300)
    publish(shop)
    entry = found(shop)["evil"]
    assert len(entry.summary) <= SUMMARY_LENGTH
    assert "\t" not in entry.summary
    assert "\u202e" not in entry.summary
    files = [path for path in (shop.index_root / "search/words").iterdir() if path.suffix == ".txt"]
    words = {line.partition(" ")[0] for path in files for line in path.read_text().splitlines()}
    assert words == {"vil", "rm", "rf", "31m", "script", "gnp", "exe"}


@pytest.mark.parametrize(
    ("name", "has_page", "summary", "found_by", "not_by"),
    [
        ("pigpio", True, "", {"gpio", "igpio", "pio"}, {"io", "pigpio"}),
        ("pigpio", False, "", set(), {"gpio"}),
        ("rpi-gpio", False, "", {"gpio"}, {"rpi", "pio"}),
        ("x", True, "Zugriff über den Bus the of", {"zugriff", "uber", "den", "bus"}, {"the", "of", "x"}),
        ("x", True, "日本語 only", {"only"}, set()),
        (
            "x",
            True,
            "Fast\N{EM DASH}simple; it\N{RIGHT SINGLE QUOTATION MARK}s",
            {"fast", "simple"},
            {"fastsimple", "its"},
        ),
        ("x", True, "Fan of a Pi 5, kernels 5.4+", {"fan", "pi", "kernels"}, {"5", "4", "54"}),
    ],
)
def test_a_project_is_found_by(name: str, has_page: bool, summary: str, found_by: set[str], not_by: set[str]) -> None:
    lines = make_entry(name, State.OURS, has_page, summary).word_lines()
    words = {line.partition(" ")[0] for line in lines}
    assert found_by <= words
    assert not not_by & words


FILL = """
INSERT INTO project (name, display_name) SELECT 'project-' || n, n::text FROM generate_series(1, 20000) n;
INSERT INTO watch (project_id, specifier) SELECT project_id, '*' FROM project WHERE project_id % 3 = 0;
INSERT INTO release (project_id, version, original_version) SELECT project_id, v, v FROM project, (VALUES ('1'), ('2')) w (v);
INSERT INTO target (name, distribution, python, architecture, tags) VALUES ('t', 'd', '3.11', 'x', '{py3-none-any}');
INSERT INTO job (release_id, target_id, priority, estimate_seconds, state) SELECT release_id, 1, 1, 1, 'built' FROM release;
ANALYZE;
"""


@pytest.fixture
def large(database: Any) -> Iterator[Connection]:
    from piwright.database.connection import connect

    with connect(database.owner) as owner:
        with owner.cursor() as cursor:
            cursor.execute(FILL)
        yield owner


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        (SOME, {"ids": [5, 17]}),
        (NEXT, {"after": 19000, "limit": 50}),
        (JOBS, {"ids": [5, 17]}),
    ],
    ids=["some", "next", "jobs"],
)
def test_no_query_of_the_search_scans_what_grows(large: Connection, statement: str, values: dict[str, Any]) -> None:
    with large.cursor() as cursor:
        cursor.execute("EXPLAIN " + statement, values)
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Seq Scan" not in plan, plan


def test_projects_that_are_asked_for_are_answered_by_name(shop: Shop) -> None:
    number = shop.project("spidev", checked_at="2026-01-01", summary="An SPI bus")
    assert entries_of(shop.connection, [number]) == {"spidev": Entry("spidev", State.UPSTREAM, False, "An SPI bus")}
    assert entries_of(shop.connection, []) == {}
