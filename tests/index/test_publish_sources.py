"""What else is published with a project comes after its pages in the index, and never keeps them from being published."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from people_pages import PeoplePages
from published_shop import Shop

from piwright.database.connection import Connection
from piwright.index.page_sources import Rendered


class Notes:
    """A source that says the same of every project, and remembers what it was told."""

    def __init__(self, rendered: Rendered | Exception) -> None:
        self.rendered = rendered
        self.everything: list[bool] = []
        self.settled: list[int] = []

    def read(self, connection: Connection, project_ids: Sequence[int], *, everything: bool) -> dict[int, Any]:
        self.everything.append(everything)
        return dict.fromkeys(project_ids, "value")

    def render(self, project: Any) -> Rendered:
        assert project == "value"
        if isinstance(self.rendered, Exception):
            raise self.rendered
        return self.rendered

    def settle(self, connection: Connection, project_ids: Sequence[int]) -> None:
        self.settled += project_ids


@pytest.fixture
def shop(connection: Connection, tmp_path: Path) -> Shop:
    return Shop(connection, tmp_path)


def test_files_come_with_their_twins_places_as_they_are_and_what_is_gone_goes(shop: Shop, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"log")
    shop.wheel("spidev", "3.6")
    shop.storage.write({"project/spidev/old/index.html": b"old"})
    rendered = Rendered(
        {"project/spidev/index.html": b"page", "project/spidev/json": b"{}"},
        {"project/spidev/build/1/log.txt.gz": log},
        gone=("project/spidev/old/",),
    )
    source = Notes(rendered)
    assert shop.publish(sources=[source]).problems == ()
    assert sorted(shop.storage.files("project/")) == [
        "project/spidev/build/1/log.txt.gz",
        "project/spidev/index.html",
        "project/spidev/index.html.gz",
        "project/spidev/json",
        "project/spidev/json.gz",
    ]
    assert (shop.index_root / "project/spidev/build/1/log.txt.gz").samefile(log)
    assert source.everything == [False]
    assert source.settled == [shop.value("SELECT project_id FROM project")]
    shop.publish(sources=[source], everything=True)
    assert source.everything == [False, True]


def test_a_project_without_wheels_has_pages_of_other_sources(shop: Shop) -> None:
    shop.project("numpy")
    shop.publish(sources=[Notes(Rendered({"project/numpy/index.html": b"page"}))])
    assert shop.storage.read("project/numpy/index.html") == b"page"


@pytest.mark.parametrize(
    "wrong",
    [ValueError("what is that"), Rendered({"project/spidev/index.html": b"page"}, {"project/x": Path("/nowhere/log")})],
)
def test_a_page_that_cannot_be_made_is_a_problem_of_its_own(shop: Shop, wrong: Any) -> None:
    wheel = shop.wheel("spidev", "3.6")
    source = Notes(wrong)
    report = shop.publish(sources=[source])
    assert len(report.problems) == 1
    assert report.problems[0].startswith("Notes of spidev is not published: ")
    assert shop.filenames("spidev") == [wheel]
    assert list(shop.storage.files("project/")) == []
    assert shop.stale() == ["spidev"]
    assert source.settled == []
    source.rendered = Rendered({"project/spidev/index.html": b"page"})
    assert shop.publish(sources=[source]).problems == ()
    assert shop.stale() == []


def test_a_full_disk_is_no_problem_of_a_project(shop: Shop) -> None:
    shop.wheel("spidev", "3.6")
    with pytest.raises(OSError, match="No space left"):
        shop.publish(sources=[Notes(OSError(28, "No space left on device"))])
    assert shop.stale() == ["spidev"]


def test_a_project_the_database_says_nonsense_of_does_not_keep_others_from_being_published(shop: Shop) -> None:
    shop.wheel("spidev", "3.6")
    shop.wheel("smbus2", "1.0")
    shop.upstream_file("smbus2", "1.0", "smbus2-1.0.tar.gz", hashes="[1]")
    report = shop.publish()
    assert [problem.partition(":")[0] for problem in report.problems] == ["smbus2 is not published"]
    assert shop.page("spidev") is not None
    assert shop.stale() == ["smbus2"]


@pytest.mark.parametrize("processes", [1, 3])
def test_the_tree_is_the_same_whatever_the_number_of_processes(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    monkeypatch.setattr("piwright.index.publication.TASK", 2)
    monkeypatch.setattr("piwright.index.publish.BATCH", 7)
    log = tmp_path / "log"
    log.write_bytes(b"log")
    names = [f"project-{number:02}" for number in range(20)]
    for name in names:
        shop.wheel(name, "1.0")
    told: list[str] = []
    sources = [PeoplePages(log)]
    report = shop.publish(processes=processes, sources=sources, progress=lambda name, _: told.append(name))
    assert (report.projects, report.files_added, report.pages_written) == (20, 20, 20 * 3 + 3)
    assert told == names
    assert shop.check_tree() == 20 * 14
    assert shop.publish(processes=processes, sources=sources, everything=True).pages_written == 0


def test_what_fails_in_a_worker_process_fails_the_publication(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("piwright.index.publication.TASK", 1)
    for name in ("a", "b", "c"):
        shop.wheel(name, "1.0")
    with pytest.raises(OSError, match="No space left"):
        shop.publish(processes=2, sources=[Notes(OSError(28, "No space left on device"))])
    monkeypatch.undo()
    assert shop.publish().projects == 3
