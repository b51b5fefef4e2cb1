"""Whatever ends a publication, and whenever: every page there is tells the truth, and the next publication finishes."""

import contextlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from people_pages import PeoplePages
from published_shop import UPSTREAM, Shop

from piwright.database.connection import Connection
from piwright.database.provision import Access
from piwright.index import storage_directory
from piwright.index.publish import PublishReport

OPERATIONS = ("replace", "link", "unlink", "rmdir", "mkdir")
INDEXES = ("simple", "extra/simple", "bookworm/simple", "trixie/simple")


class Season:
    """A shop that can be in two states; between them wheels and whole projects come, go and change, both ways."""

    def __init__(self, connection: Connection, home: Path) -> None:
        self.shop = Shop(connection, home)
        self.log = home / "log.txt.gz"
        self.log.write_bytes(b"a log")
        self.spring = True
        for name in ("blooms", "stays", "rests", "withers"):
            self.shop.upstream_file(name, "1.0", f"{name}-1.0.tar.gz")
            self.shop.wheel(name, "1.0", target="trixie")
            self.shop.wheel(
                name, "2.0", "cp311-cp311-linux_armv7l", target="bookworm", facts={"needs_distribution": True}
            )
        self.change()
        self.publish()

    def publish(self, **options: Any) -> PublishReport:
        return self.shop.publish(sources=[PeoplePages(self.log)], **options)

    def change(self) -> None:
        """Turn the season: the next publication has work of every kind."""
        self.spring = not self.spring
        execute = self.shop.execute
        execute("UPDATE wheel SET removed_at = CASE WHEN %s THEN now() END", (self.spring,))
        only_in_spring = "filename LIKE 'blooms-%%' OR filename = 'stays-2.0-cp311-cp311-linux_armv7l.whl'"
        execute(f"UPDATE wheel SET removed_at = CASE WHEN NOT %s THEN now() END WHERE {only_in_spring}", (self.spring,))
        execute("UPDATE wheel SET removed_at = NULL WHERE filename LIKE 'stays-1.0-%%' OR filename LIKE 'rests-%%'")
        resting = "UPDATE project SET status = CASE WHEN %s THEN 'quarantined' ELSE 'active' END WHERE name = 'rests'"
        execute(resting, (self.spring,))
        execute("UPDATE release SET yanked = %s WHERE version = '1.0'", (self.spring,))
        execute("UPDATE project SET stale_since = clock_timestamp()")

    def check(self) -> None:
        """No page lies."""
        self.shop.check_tree()

    def check_finished(self) -> None:
        """Every page says what the database says, and nothing else is lying about."""
        self.check()
        report = self.publish(everything=True)
        assert (report.pages_written, report.pages_removed, report.files_added, report.files_removed) == (0, 0, 0, 0)
        assert not list(self.shop.index_root.glob(".new/*/"))
        assert not list(self.shop.index_root.glob("**/.*.new"))
        offering = ["blooms", "rests", "stays"] if self.spring else ["rests", "stays", "withers"]
        assert self.pages("simple") == self.pages("trixie/simple") == offering
        assert self.pages("bookworm/simple") == offering
        assert self.pages("project") == [name for name in offering if not (self.spring and name == "rests")]
        assert len(self.shop.filenames("stays", "bookworm/simple")) == (3 if self.spring else 2)
        assert len(self.shop.filenames("stays", "extra/simple")) == 1  # the other needs its distribution
        assert len(self.shop.filenames("rests")) == (0 if self.spring else 2)
        sums = self.shop.value("SELECT (sum(projects), sum(releases), sum(wheels), sum(bytes))::text FROM offer_count")
        columns = (
            "count(*) FILTER (WHERE offered_wheels > 0), sum(offered_releases), sum(offered_wheels), sum(offered_bytes)"
        )
        assert sums == self.shop.value(f"SELECT ({columns})::text FROM project")

    def pages(self, folder: str) -> list[str]:
        return sorted(path.name for path in (self.shop.index_root / folder).iterdir() if path.is_dir())


@pytest.fixture
def season(connection: Connection, tmp_path: Path) -> Season:
    return Season(connection, tmp_path)


def intercept(monkeypatch: pytest.MonkeyPatch, before: Callable[[], None], after: Callable[[], None]) -> None:
    """Call `before` and `after` around everything that changes a directory or waits for the disk."""
    for place, name in [*((os, name) for name in OPERATIONS), (storage_directory, "sync_file_system")]:
        original = getattr(place, name)

        def operation(*arguments: Any, _original: Callable[..., Any] = original, **options: Any) -> Any:
            before()
            result = _original(*arguments, **options)
            after()
            return result

        monkeypatch.setattr(place, name, operation)


def nothing() -> None:
    pass


def test_no_page_lies_between_any_two_operations(season: Season, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        season.change()
        moments = []

        def look(moments: list[int] = moments) -> None:
            season.check()
            moments.append(1)

        with monkeypatch.context() as patched:
            intercept(patched, nothing, look)
            season.publish()
        assert len(moments) > 40
        season.check_finished()


class Fault:
    """An input/output error at one operation, counted from 1."""

    def __init__(self, number: int) -> None:
        self.countdown = number

    def __call__(self) -> None:
        self.countdown -= 1
        if self.countdown == 0:
            raise OSError(5, "Input/output error")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_failure_at_any_operation_leaves_true_pages_and_is_made_good(
    season: Season, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    monkeypatch.setattr(storage_directory, "sync_file_system", lambda directory: None)  # nobody pulls the plug here
    number, reached = 0, True
    while reached:
        number += 1
        season.change()
        fault = Fault(number)
        with monkeypatch.context() as patched:
            intercept(patched, *((fault, nothing) if when == "before" else (nothing, fault)))
            with contextlib.suppress(OSError):
                season.publish()
        reached = fault.countdown <= 0
        season.check()
        season.publish()
        assert season.shop.stale() == []
        if number % 20 == 0 or not reached:
            season.check_finished()
    assert number > 40


PUBLISHER = """
import sys
from pathlib import Path
from people_pages import PeoplePages
from piwright.database.connection import connect
from piwright.index import publication
from piwright.index.publish import publish
from piwright.index.storage import open_storage

publication.TASK = 1  # so that there are worker processes for four projects
url, store, index, upstream, log = sys.argv[1:]
with connect(url) as connection:
    sys.stdout.write("ready\\n")
    sys.stdout.flush()
    sys.stdin.readline()
    publish(connection, storage=open_storage(index), store_root=Path(store), upstream_url=upstream,
            sources=[PeoplePages(Path(log))], processes=2)
"""

CRAWLER = """
import sys, select
from pathlib import Path
from published_shop import crawl

rounds = followed = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    followed += crawl(Path(sys.argv[1]))
    rounds += 1
print(rounds, followed)
"""

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent)])}


@contextlib.contextmanager
def crawling(root: Path) -> Iterator[None]:
    """Somebody reads every page and follows every link, over and over; a lie fails the test."""
    command = [sys.executable, "-c", CRAWLER, str(root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT) as crawler:
        try:
            yield
        finally:
            said, _ = crawler.communicate(b"stop\n", timeout=60)
    assert crawler.returncode == 0, "a link was broken, or a hash wrong, while a publication was under way"
    rounds, followed = map(int, said.split())
    assert rounds > 5
    assert followed > 100


def children(process: int) -> set[int]:
    """Processes another one has started."""
    found = set()
    for listed in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found.update(map(int, listed.read_text().split()))
    return found


def test_killing_the_publisher_while_somebody_reads_leaves_true_pages_and_is_made_good(
    season: Season, database: Access
) -> None:
    shop = season.shop
    addresses = (database.application, shop.store.root, shop.index_root, UPSTREAM, season.log)
    started = time.perf_counter()
    season.change()
    season.publish(processes=1)
    whole = 3 * (time.perf_counter() - started)
    chance = random.Random(7)
    killed, orphans = 0, set()
    with crawling(shop.index_root):
        for _ in range(14):
            season.change()
            command = [sys.executable, "-c", PUBLISHER, *map(str, addresses)]
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT) as publisher:
                assert publisher.stdin is not None
                assert publisher.stdout is not None
                assert publisher.stdout.readline() == b"ready\n"
                publisher.stdin.write(b"go\n")
                publisher.stdin.flush()
                time.sleep(chance.uniform(0, whole))
                orphans |= children(publisher.pid)
                publisher.kill()
            killed += publisher.returncode != 0
            season.check()
        season.change()
        season.publish()
    assert killed > 3
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{each}/stat").exists() for each in orphans):
        assert time.monotonic() < deadline, "a worker process outlived its publisher"
    season.check_finished()
