"""Whatever ends a publication, and whenever: every page there is tells the truth, and the next publication finishes."""

import contextlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from published_shop import UPSTREAM, Shop

from piwright.database.connection import Connection
from piwright.database.provision import Access
from piwright.index.publish import PublishReport

OPERATIONS = ("replace", "link", "unlink", "rmdir", "mkdir", "fsync")


class Season:
    """A shop that can be in two states; between them wheels and whole projects come, go and change, both ways."""

    def __init__(self, connection: Connection, home: Path) -> None:
        self.shop = Shop(connection, home)
        self.spring = True
        for name in ("blooms", "stays", "rests", "withers"):
            self.shop.upstream_file(name, "1.0", f"{name}-1.0.tar.gz")
            self.shop.wheel(name, "1.0")
            self.shop.wheel(name, "2.0", "cp311-cp311-linux_armv7l")
        self.change()
        self.shop.publish()

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
        report = self.shop.publish(everything=True)
        assert (report.pages_written, report.pages_removed, report.files_added, report.files_removed) == (0, 0, 0, 0)
        assert not list(self.shop.index_root.glob("**/.*.new"))
        assert sorted(path.name for path in (self.shop.index_root / "simple").iterdir() if path.is_dir()) == (
            ["blooms", "rests", "stays"] if self.spring else ["rests", "stays", "withers"]
        )
        assert len(self.shop.filenames("stays", "extra/simple")) == (2 if self.spring else 1)
        assert len(self.shop.filenames("rests")) == (0 if self.spring else 3)


@pytest.fixture
def season(connection: Connection, tmp_path: Path) -> Season:
    return Season(connection, tmp_path)


def intercept(monkeypatch: pytest.MonkeyPatch, before: Callable[[], None], after: Callable[[], None]) -> None:
    """Call `before` and `after` around everything that changes a directory or waits for the disk."""
    for name in OPERATIONS:
        original = getattr(os, name)

        def operation(*arguments: Any, _original: Callable[..., Any] = original, **options: Any) -> Any:
            before()
            result = _original(*arguments, **options)
            after()
            return result

        monkeypatch.setattr(os, name, operation)


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
            season.shop.publish()
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
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # nobody pulls the plug here
    number, reached = 0, True
    while reached:
        number += 1
        reached = False
        for _ in range(2):  # into either season
            season.change()
            fault = Fault(number)
            with monkeypatch.context() as patched:
                intercept(patched, *((fault, nothing) if when == "before" else (nothing, fault)))
                with contextlib.suppress(OSError):
                    season.shop.publish()
            reached = reached or fault.countdown <= 0
            season.check()
            season.shop.publish()
            assert season.shop.stale() == []
        if number % 20 == 0 or not reached:
            season.check_finished()
    assert number > 40


PUBLISHER = """
import sys
from pathlib import Path
from piwright.database.connection import connect
from piwright.index.publish import publish

with connect(sys.argv[1]) as connection:
    sys.stdout.write("ready\\n")
    sys.stdout.flush()
    sys.stdin.readline()
    publish(connection, store_root=Path(sys.argv[2]), index_root=Path(sys.argv[3]), upstream_url=sys.argv[4])
"""


def test_killing_the_publisher_leaves_true_pages_and_is_made_good(season: Season, database: Access) -> None:
    started = time.perf_counter()
    season.change()
    season.shop.publish()
    whole = time.perf_counter() - started
    chance = random.Random(7)
    killed = 0
    for _ in range(12):
        season.change()
        shop = season.shop
        command = [sys.executable, "-c", PUBLISHER, database.application, shop.store.root, shop.index_root, UPSTREAM]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        publisher = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        assert publisher.stdin is not None
        assert publisher.stdout is not None
        with publisher:
            assert publisher.stdout.readline() == b"ready\n"
            publisher.stdin.write(b"go\n")
            publisher.stdin.flush()
            time.sleep(chance.uniform(0, whole))
            publisher.kill()
        killed += publisher.returncode != 0
        season.check()
    assert killed > 3
    assert isinstance(season.shop.publish(), PublishReport)
    season.check_finished()
