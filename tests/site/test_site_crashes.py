"""Publishers of the whole site are killed at any moment, and no reader ever follows a link that leads nowhere."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from index.published_shop import Shop
from index.serving import IndexServer
from piwright.database.connection import Connection
from piwright.database.provision import Access
from support.crawler import crawl

PUBLISHER = """
import sys
from piwright.database.connection import connect
from piwright.settings import Settings
from piwright.site.publication import publish_projects, write_shop
settings = Settings.from_environment({"PIWRIGHT_HOME": sys.argv[2], "PIWRIGHT_PUBLISHERS": "2"})
print("begins", flush=True)
with connect(sys.argv[1]) as connection:
    report = publish_projects(connection, settings, "http://127.0.0.1:9/simple/")
    write_shop(connection, settings)
assert not report.problems, report.problems
"""

NAMES = [f"project-{number}" for number in range(24)]


def begin(database: Access, home: Path) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", PUBLISHER, database.application, str(home)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begins\n"
    return process


def change(shop: Shop, dice: random.Random, round_number: int) -> None:
    """Something of everything that moves pages and files: wheels come, go and are held; projects close and open."""
    for name in dice.sample(NAMES, 12):
        match dice.randrange(6):
            case 0 | 1:
                shop.wheel(name, f"{round_number}.{dice.randrange(1000)}")
            case 2:
                job = shop.job(name, f"9.{round_number}", state="failed")
                shop.attempt(job, "setup_error", message="it fails")
                shop.project(name)
            case 3:
                row = shop.value(
                    "SELECT max(filename) FROM wheel WHERE removed_at IS NULL AND filename LIKE %s",
                    name.replace("-", "_") + "-%",
                )
                if row:
                    shop.remove_wheel(row)
            case 4:
                status = dice.choice(["active", "quarantined"])
                shop.project(name, status=status)
            case 5:
                row = shop.value(
                    "SELECT min(filename) FROM wheel WHERE removed_at IS NULL AND filename LIKE %s",
                    name.replace("-", "_") + "-%",
                )
                if row:
                    shop.hold(row)


@pytest.mark.timeout(600)
def test_killed_publishers_leave_no_broken_link_for_anybody_who_reads_meanwhile(
    connection: Connection, database: Access, tmp_path: Path
) -> None:
    shop, dice = Shop(connection, tmp_path), random.Random(20261122)
    for name in NAMES:
        shop.wheel(name, "1.0")
    connection.commit()
    assert begin(database, tmp_path).wait(120) == 0
    problems: list[str] = []
    walks = 0
    over = threading.Event()
    with IndexServer(shop.index_root, "http://127.0.0.1:9/simple/") as server:
        pages = [f"{server.url}/project/{name}/" for name in NAMES]

        def read() -> None:
            nonlocal walks
            while not over.is_set():
                problems.extend(crawl(f"{server.url}/", *pages).problems)
                walks += 1

        reader = threading.Thread(target=read)
        reader.start()
        killed = 0
        try:
            began = time.monotonic()
            assert begin(database, tmp_path).wait(120) == 0
            usual = time.monotonic() - began
            for number in range(2, 18):
                change(shop, dice, number)
                process = begin(database, tmp_path)
                try:
                    process.wait(dice.uniform(0, usual))  # the moment is what is under test
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    killed += 1
                process.wait(60)
            assert begin(database, tmp_path).wait(120) == 0
        finally:
            over.set()
            reader.join()
        assert problems == []
        assert killed > 5
        assert walks > 1
        finished = crawl(f"{server.url}/", *pages)
    assert finished.problems == []
    assert shop.stale() == []
    assert set(pages) <= set(finished.pages)
    attempts = shop.value("SELECT count(*) FROM attempt")
    assert len([page for page in finished.pages if "/build/" in page]) == attempts > len(NAMES)
