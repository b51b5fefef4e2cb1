"""Readers of both web servers while a real shop publishes."""

import gzip
import hashlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from backports import zstd
from published_shop import Shop
from serving import JSON, SERVERS, UPSTREAM, Answer, RunningServer

from piwright.database.connection import Connection
from piwright.index.storage import open_storage


@pytest.fixture
def shop(connection: Connection, tmp_path: Path) -> Shop:
    shop = Shop(connection, tmp_path)
    shop.storage = open_storage(shop.index_root, ("gz", "zst"))
    shop.wheel("spidev", "3.6")
    shop.publish()
    return shop


@pytest.fixture(params=SERVERS)
def shop_server(request: pytest.FixtureRequest, shop: Shop) -> Iterator[RunningServer]:
    with SERVERS[request.param](shop.index_root, UPSTREAM) as running:
        yield running


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "identity"])
def test_a_new_page_is_served_at_once_with_a_new_tag(shop_server: RunningServer, shop: Shop, encoding: str) -> None:
    before = shop_server.get("/simple/spidev/", Accept=JSON, Accept_Encoding=encoding)
    newer = shop.wheel("spidev", "3.7")
    shop.publish()
    after = shop_server.get("/simple/spidev/", Accept=JSON, Accept_Encoding=encoding)
    assert json.loads(unpacked(after))["versions"] == ["3.6", "3.7"]
    assert after.headers["ETag"] != before.headers["ETag"]
    known = {"Accept_Encoding": encoding, "If_None_Match": before.headers["ETag"]}
    assert shop_server.get("/simple/spidev/", Accept=JSON, **known).status == 200
    shop.remove_wheel(newer)
    shop.publish()
    again = shop_server.get("/simple/spidev/", Accept=JSON, Accept_Encoding=encoding)
    assert unpacked(again) == unpacked(before)
    assert again.headers["ETag"] != after.headers["ETag"]


def test_readers_during_publications_never_see_a_broken_page(shop_server: RunningServer, shop: Shop) -> None:
    stop = threading.Event()
    wrong: list[object] = []
    read = 0

    def crawl() -> None:
        nonlocal read
        while not stop.is_set():
            for encoding in ("gzip", "zstd", "identity"):
                answer = shop_server.get("/simple/spidev/", Accept=JSON, Accept_Encoding=encoding)
                wrong.extend(broken_links(shop_server, answer))
                read += 1

    crawler = threading.Thread(target=crawl)
    crawler.start()
    for round_ in range(8):
        filename = shop.wheel("spidev", f"4.{round_}")
        shop.publish()
        if round_ % 2:
            shop.remove_wheel(filename)
            shop.publish()
    stop.set()
    crawler.join(30)
    assert wrong == []
    assert read > 10


def unpacked(answer: Answer) -> bytes:
    unpack = {"gzip": gzip.decompress, "zstd": zstd.decompress, None: bytes}
    return unpack[answer.headers["Content-Encoding"]](answer.body)


def broken_links(server: RunningServer, answer: Answer) -> list[object]:
    """Links of a page that was fetched a moment ago; a file may have gone since only if a newer page says so."""
    if answer.status != 200:
        return [answer]
    problems: list[object] = []
    for file in json.loads(unpacked(answer))["files"]:
        found = server.get(file["url"].removeprefix("../.."))
        if found.status == 404:
            newer = json.loads(server.get("/simple/spidev/", Accept=JSON).body)
            if any(each["filename"] == file["filename"] for each in newer["files"]):
                problems.append(file["filename"])
        elif hashlib.sha256(found.body).hexdigest() != file["hashes"]["sha256"]:
            problems.append((file["filename"], found.status))
    return problems
