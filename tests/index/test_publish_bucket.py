"""A bucket is published to as a directory is, and it too has no state in which a page lies."""

import hashlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from people_pages import PeoplePages
from published_shop import INDEXES, UPSTREAM, Shop
from s3_server import S3Server

from piwright.database.connection import Connection
from piwright.database.provision import Access
from piwright.index.storage import open_storage
from piwright.index.storage_objects import ObjectStorage


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture
def shop(connection: Connection, tmp_path: Path, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Shop:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    shop = Shop(connection, tmp_path)
    shop.storage = open_storage(s3.new_bucket())
    return shop


def objects(shop: Shop) -> dict[str, bytes]:
    """Everything in the bucket."""
    return {path: content for path in shop.storage.files("") if (content := shop.storage.read(path)) is not None}


def check(found: dict[str, bytes]) -> int:
    """Follow every link of every page in JSON; how many there were."""
    followed = 0
    for path, content in found.items():
        if path.endswith("/index.v1_json") and (files := json.loads(content).get("files")):
            for file in files:
                if file["url"].startswith("../"):
                    wheel = file["url"].lstrip("./")
                    assert hashlib.sha256(found[wheel]).hexdigest() == file["hashes"]["sha256"], path
                    metadata = hashlib.sha256(found[f"{wheel}.metadata"]).hexdigest()
                    assert metadata == file["core-metadata"]["sha256"], path
                    followed += 1
    for project in json.loads(found.get("extra/simple/index.v1_json", b'{"projects": []}'))["projects"]:
        assert f"extra/simple/{project['name']}/index.html" in found
    return followed


def test_a_bucket_has_what_the_directory_has(shop: Shop, tmp_path: Path) -> None:
    shop.upstream_file("spidev", "3.6", "spidev-3.6.tar.gz")
    shop.wheel("spidev", "3.6")
    shop.wheel("smbus2", "1.0")
    report = shop.publish()
    assert (report.projects, report.pages_written, report.files_added) == (2, 9, 2)
    in_bucket = objects(shop)
    assert check(in_bucket) == 6
    bucket, shop.storage = shop.storage, open_storage(tmp_path / "index")
    shop.publish(everything=True)
    assert in_bucket == {path: shop.storage.read(path) for path in shop.storage.files("")}
    shop.storage = bucket
    assert shop.publish(everything=True).pages_written == 0


def test_what_was_removed_is_gone_from_the_bucket(shop: Shop) -> None:
    wheel = shop.wheel("spidev", "3.6")
    shop.wheel("smbus2", "1.0")
    shop.publish()
    shop.remove_wheel(wheel)
    report = shop.publish()
    assert (report.pages_removed, report.files_removed) == (3, 1)
    assert not [path for path in objects(shop) if "spidev" in path]
    assert check(objects(shop)) == 3


def test_everything_restores_lost_objects_and_removes_strange_ones(shop: Shop) -> None:
    shop.wheel("spidev", "3.6")
    shop.wheel("smbus2", "1.0")
    shop.publish()
    before = objects(shop)
    assert isinstance(shop.storage, ObjectStorage)
    lost = [path for path in sorted(before) if "spidev" in path] + ["simple/index.html"]
    shop.storage.remove([path for path in lost if not path.endswith(".gz")])
    shop.storage.write({"simple/nobody/index.html": b"?", "files/ab/cd/stray-1.0-py3-none-any.whl": b"?"})
    report = shop.publish(everything=True)
    assert (report.files_added, report.pages_removed, report.files_removed) == (1, 1, 1)
    assert objects(shop) == before


def test_worker_processes_write_to_the_bucket(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("piwright.index.publication.TASK", 1)
    for name in ("a", "b", "c", "d"):
        shop.wheel(name, "1.0")
    assert shop.storage.names("") == set()  # the publisher has a connection, which its workers must not use
    assert shop.publish(processes=2).projects == 4
    assert check(objects(shop)) == 12


PUBLISHER = """
import sys
from pathlib import Path
from people_pages import PeoplePages
from piwright.database.connection import connect
from piwright.index.publish import publish
from piwright.index.storage import open_storage

url, store, address, upstream, log = sys.argv[1:]
with connect(url) as connection:
    sys.stdout.write("ready\\n")
    sys.stdout.flush()
    sys.stdin.readline()
    publish(connection, storage=open_storage(address), store_root=Path(store), upstream_url=upstream,
            sources=[PeoplePages(Path(log))], processes=1)
"""


def test_killing_the_publisher_between_any_two_requests_leaves_true_pages(shop: Shop, database: Access) -> None:
    log = shop.store.root.parent / "log"
    log.write_bytes(b"log")
    sources = [PeoplePages(log)]
    for name in ("stays", "goes"):
        shop.wheel(name, "1.0")
        shop.wheel(name, "2.0")
    started = time.perf_counter()
    shop.publish(sources=sources)
    whole = time.perf_counter() - started
    chance = random.Random(3)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent)])}
    assert isinstance(shop.storage, ObjectStorage)
    command = [sys.executable, "-c", PUBLISHER, database.application, str(shop.store.root), shop.storage.address]
    killed = 0
    for turn in range(8):
        gone: dict[str, Any] = {"removed_at": "2026-01-01"} if turn % 2 else {"removed_at": None}
        shop.execute("UPDATE wheel SET removed_at = %(removed_at)s WHERE filename LIKE 'goes-%%'", gone)
        shop.execute("UPDATE wheel SET removed_at = %(removed_at)s WHERE filename LIKE 'stays-1%%'", gone)
        shop.execute("UPDATE project SET stale_since = clock_timestamp()")
        with subprocess.Popen(
            [*command, UPSTREAM, str(log)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        ) as publisher:
            assert publisher.stdin is not None
            assert publisher.stdout is not None
            publisher.stdout.readline()
            publisher.stdin.write(b"go\n")
            publisher.stdin.flush()
            time.sleep(chance.uniform(0, 1.5 * whole))
            publisher.kill()
        killed += publisher.returncode != 0
        check(objects(shop))
    assert killed > 2
    shop.publish(sources=sources)
    report = shop.publish(sources=sources, everything=True)
    assert (report.pages_written, report.pages_removed, report.files_added, report.files_removed) == (0, 0, 0, 0)
    found = objects(shop)
    assert check(found) == len(INDEXES)
    assert not [path for path in found if "goes" in path]
