"""Every line counts once: whatever is rotated, cut short, killed or run twice in between."""

import gzip
import os
import random
import shutil
import subprocess
import sys
import threading
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from download_shop import FIREFOX, PDM, PIP, UV, DownloadShop, ServedWheel, request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from piwright.database.connection import Connection, connect, fetch_all, fetch_one
from piwright.database.provision import Access
from piwright.downloads import tally
from piwright.downloads.count import count_downloads
from piwright.downloads.rotation import log_files


@pytest.fixture
def shop(connection: Connection) -> DownloadShop:
    return DownloadShop(connection)


@pytest.fixture
def wheel(shop: DownloadShop) -> ServedWheel:
    return shop.wheel("spidev", "3.6", "cp311-cp311-linux_armv7l")


def append(path: Path, *lines: bytes) -> None:
    with path.open("ab") as log:
        log.write(b"".join(lines))


def test_downloads_are_counted_by_file_day_target_python_and_installer(
    connection: Connection, shop: DownloadShop, wheel: ServedWheel, tmp_path: Path
) -> None:
    pure = shop.wheel("blinka", "1.0+local.1")
    log = tmp_path / "access.log"
    append(
        log,
        request(wheel.path, agent=PIP),
        request(wheel.path, agent=PIP),
        request(wheel.path, agent=PIP, time="2026-11-21T00:00:00+00:00"),
        request(pure.path, agent=UV),
        request(pure.path, agent=PDM),
        request(pure.path, agent=FIREFOX),
        request("/simple/spidev/", agent=PIP),
        request(wheel.path + ".metadata", agent=PIP),
        request(wheel.path, agent=PIP, method="HEAD"),
        b"nonsense\n",
    )
    report = count_downloads(connection, [log])
    assert (report.lines, report.downloads, report.strangers, report.unreadable) == (10, 6, 0, 1)
    assert report.projects == 2
    assert shop.counted() == {
        (wheel.filename, "2026-11-20", "bookworm-cp311-armv7l", "3.11", "pip"): 2,
        (wheel.filename, "2026-11-21", "bookworm-cp311-armv7l", "3.11", "pip"): 1,
        (pure.filename, "2026-11-20", "trixie-cp313-aarch64", "3.13", "uv"): 1,
        (pure.filename, "2026-11-20", "", "", "pdm"): 1,
        (pure.filename, "2026-11-20", "", "", "other"): 1,
    }
    assert shop.total() == 6


def test_a_file_the_shop_does_not_have_counts_as_nothing(
    connection: Connection, shop: DownloadShop, wheel: ServedWheel, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    other_hash = "0" * 64
    append(
        log,
        request(f"/files/{other_hash[:2]}/{other_hash[2:]}/{wheel.filename}"),
        request(wheel.path.replace("spidev", "spidex")),
    )
    report = count_downloads(connection, [log])
    assert (report.downloads, report.strangers) == (0, 2)
    assert shop.total() == 0


def test_pages_of_downloaded_projects_are_out_of_date_and_no_others(
    connection: Connection, shop: DownloadShop, wheel: ServedWheel, tmp_path: Path
) -> None:
    shop.wheel("quiet", "1.0")
    log = tmp_path / "access.log"
    append(log, request(wheel.path))
    count_downloads(connection, [log])
    assert shop.stale() == {"spidev"}
    with connection.cursor() as cursor:
        cursor.execute("UPDATE project SET stale_since = NULL")
    connection.commit()
    count_downloads(connection, [log])
    assert shop.stale() == set()


def test_nobodys_address_or_agent_is_kept(
    connection: Connection, database: Access, shop: DownloadShop, wheel: ServedWheel, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    secret = "x-4b1d-unmistakable"
    append(
        log,
        request(wheel.path, agent=PIP.replace("6.12.25", secret), remote_addr=secret),
        request(wheel.path, agent=f"{secret}/1.0"),
        request(wheel.path.replace("spidev", secret)),
        secret.encode() + b"\n",
    )
    report = count_downloads(connection, [log])
    assert secret not in str(report.to_json())
    with connect(database.owner) as owner:
        for table in ("download", "project_download", "access_log"):
            rows = fetch_all(owner, f"SELECT * FROM {table}")
            assert rows
            assert secret not in str(rows)


def test_counting_again_counts_only_what_is_new(
    connection: Connection, shop: DownloadShop, wheel: ServedWheel, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    line = request(wheel.path)
    append(log, line, line[:50])
    assert count_downloads(connection, [log]).downloads == 1
    assert count_downloads(connection, [log]).lines == 0
    append(log, line[50:], line)
    assert count_downloads(connection, [log]).downloads == 2
    assert shop.total() == 3


def test_a_copy_of_a_log_is_the_same_log(
    connection: Connection, shop: DownloadShop, wheel: ServedWheel, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    append(log, *[request(wheel.path)] * 40)
    (tmp_path / "copy.gz").write_bytes(gzip.compress(log.read_bytes()))
    shutil.copy(log, tmp_path / "copy")
    report = count_downloads(connection, [tmp_path / "copy.gz", log, tmp_path / "copy"])
    assert report.problems == []
    assert shop.total() == 40


def test_a_copy_that_was_made_in_the_middle_of_a_line_loses_no_line_of_the_log(
    connection: Connection, shop: DownloadShop, wheel: ServedWheel, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    append(log, request(wheel.path), request(wheel.path)[:70])
    (tmp_path / "copy.gz").write_bytes(gzip.compress(log.read_bytes()))
    append(log, request(wheel.path)[70:])
    count_downloads(connection, [tmp_path / "copy.gz"])
    report = count_downloads(connection, [log])
    assert (shop.total(), report.unreadable) == (2, 0)


def test_one_log_that_cannot_be_read_does_not_keep_the_others_from_being_counted(
    connection: Connection, shop: DownloadShop, wheel: ServedWheel, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    append(log, request(wheel.path))
    broken = tmp_path / "broken.gz"
    broken.write_bytes(b"no gzip at all")
    report = count_downloads(connection, [tmp_path / "missing", broken, tmp_path, log])
    assert shop.total() == 1
    assert len(report.problems) == 3
    assert "missing: is not there" in report.problems[0]
    assert "cannot be unpacked" in report.problems[1]
    assert "no regular file" in report.problems[2]


def test_a_compressed_log_counts_up_to_its_break_and_goes_on_when_it_is_whole(
    connection: Connection, shop: DownloadShop, wheel: ServedWheel, tmp_path: Path
) -> None:
    rng = random.Random(4)
    lines = [request(wheel.path, bytes=rng.getrandbits(64)) for _ in range(5000)]
    packed = gzip.compress(b"".join(lines))
    log = tmp_path / "access.log.1.gz"
    log.write_bytes(packed[: len(packed) // 2])
    report = count_downloads(connection, [log])
    assert len(report.problems) == 1
    assert 1000 < shop.total() < 4000
    log.write_bytes(packed)
    assert count_downloads(connection, [log]).problems == []
    assert shop.total() == 5000


class Web:
    """A server that writes a log, and logrotate; every line is unlike the others."""

    def __init__(self, folder: Path, wheel: ServedWheel) -> None:
        self.folder = folder
        self.wheel = wheel
        self.log = folder / "access.log"
        self.log.touch()
        self.written = 0
        self.pending = b""

    def serve(self, lines: int) -> None:
        for _ in range(lines):
            self.written += 1
            append(self.log, self.pending + request(self.wheel.path, bytes=self.written))
            self.pending = b""

    def serve_half_a_line(self) -> None:
        if not self.pending:
            line = request(self.wheel.path, bytes=self.written + 1)
            append(self.log, line[:60])
            self.written += 1
            self.pending = line[60:]

    def rotate(self, copytruncate: bool) -> None:
        if self.pending:  # a server finishes its line before it lets go of a file
            append(self.log, self.pending)
            self.pending = b""
        for number in range(8, 1, -1):
            older = self.folder / f"access.log.{number}.gz"
            if older.exists():
                older.rename(self.folder / f"access.log.{number + 1}.gz")
        first = self.folder / "access.log.1"
        if first.exists():
            (self.folder / "access.log.2.gz").write_bytes(gzip.compress(first.read_bytes()))
            first.unlink()
        if copytruncate:
            shutil.copy(self.log, first)
            os.truncate(self.log, 0)
        else:
            self.log.rename(first)
            self.log.touch()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("serve"), st.integers(1, 60)),
        st.sampled_from([("half", 0), ("count", 0), ("count", 0), ("rename", 0), ("copytruncate", 0)]),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, batch=st.sampled_from([1, 7, 50_000]))
def test_however_a_log_grows_and_is_rotated_every_line_counts_once(
    connection: Connection,
    database: Access,
    shop: DownloadShop,
    wheel: ServedWheel,
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[str, int]],
    batch: int,
) -> None:
    with connect(database.owner) as owner, owner.cursor() as cursor:
        cursor.execute("TRUNCATE download, project_download, access_log")
    web = Web(tmp_path_factory.mktemp("web"), wheel)
    # Rotation more often than counting would lose what falls off the end, as logrotate's `rotate` says.
    rotations = 0
    for step, number in [*steps, ("count", 0)]:
        match step:
            case "serve":
                web.serve(number)
            case "half":
                web.serve_half_a_line()
            case "count":
                count_downloads(connection, log_files(web.log), batch_lines=batch)
                assert shop.total() == web.written - bool(web.pending)
                rotations = 0
            case _ if rotations < 6:
                rotations += 1
                web.rotate(copytruncate=step == "copytruncate")


def test_a_log_that_is_cut_short_while_it_is_read_counts_once(
    connection: Connection, shop: DownloadShop, wheel: ServedWheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = Web(tmp_path, wheel)
    web.serve(100)
    rotated = []
    store = tally._add

    def rotate_then_store(*arguments: Any) -> Any:
        # Batches of 30 lines; after 60 are counted, the third finds the log gone and as long again.
        if len(rotated) == 2:
            web.rotate(copytruncate=True)
            web.serve(300)
        rotated.append(True)
        return store(*arguments)

    monkeypatch.setattr(tally, "_add", rotate_then_store)
    count_downloads(connection, log_files(web.log), batch_lines=30)
    assert len(rotated) > 3
    assert shop.total() == 60 + 300
    count_downloads(connection, log_files(web.log))
    assert shop.total() == web.written == 400


def test_a_run_that_is_killed_between_batches_counts_nothing_twice(
    connection: Connection, database: Access, shop: DownloadShop, wheel: ServedWheel, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    append(log, *(request(wheel.path, bytes=number) for number in range(3000)))
    script = """
import os, sys
from pathlib import Path
from piwright.database.connection import connect
from piwright.downloads import count

url, log, at, when = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
store, calls = count.store_batch, 0

def die(): os.kill(os.getpid(), 9)

class DiesInsteadOfCommitting:
    def __init__(self, real): self.real = real
    def __getattr__(self, name): return getattr(self.real, name)
    def commit(self): die()

def store_batch(connection, *arguments, **more):
    global calls
    calls += 1
    if calls != at:
        return store(connection, *arguments, **more)
    if when == "before":
        die()
    store(DiesInsteadOfCommitting(connection) if when == "within" else connection, *arguments, **more)
    die()

count.store_batch = store_batch
with connect(url) as connection:
    count.count_downloads(connection, [log], batch_lines=500)
"""
    reached = []
    for at, when in ((2, "before"), (1, "within"), (1, "after"), (2, "after")):
        ran = subprocess.run([sys.executable, "-c", script, database.application, str(log), str(at), when], check=False)
        assert ran.returncode == -9
        reached.append(shop.total())
    assert reached == [500, 500, 1000, 2000]
    count_downloads(connection, [log])
    assert shop.total() == 3000


def test_two_that_count_the_same_logs_at_a_time_count_each_line_once(
    connection: Connection, database: Access, shop: DownloadShop, wheel: ServedWheel, tmp_path: Path
) -> None:
    web = Web(tmp_path, wheel)
    web.serve(2000)
    web.rotate(copytruncate=False)
    web.serve(2000)
    failures: list[BaseException] = []
    reports = []

    def count() -> None:
        try:
            with connect(database.application) as own:
                reports.append(count_downloads(own, log_files(web.log), batch_lines=50))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=count) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sum(report.downloads for report in reports) == shop.total() == 4000


def test_a_long_log_is_counted_in_little_memory(
    connection: Connection, shop: DownloadShop, wheel: ServedWheel, tmp_path: Path
) -> None:
    def peak(lines: int) -> int:
        log = tmp_path / f"access-{lines}.log"
        with log.open("wb") as file:
            for number in range(lines):
                file.write(request(wheel.path, agent=PIP.replace("6.12.25", f"6.12.{number}"), bytes=lines))
        tracemalloc.start()
        count_downloads(connection, [log], batch_lines=2000)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(6000)  # fills the caches
    assert peak(40_000) < 1.2 * peak(6001)
    assert shop.total() == 6000 + 40_000 + 6001


def plan(connection: Connection, statement: str, parameters: tuple[Any, ...]) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {statement}", parameters)
        return "\n".join(str(row[0]) for row in cursor.fetchall())


def test_what_counts_walks_indexes(connection: Connection) -> None:
    wheels = plan(connection, tally.FIND_WHEELS, (["a.whl", "b.whl"],))
    assert "wheel_filename_key" in wheels
    assert "release_pkey" in wheels
    assert "access_log_fingerprint_key" in plan(connection, tally.FIND_LOG, (["64:0", "128:0"],))
    assert "access_log_pkey" in plan(connection, tally.MOVE_LOG, ("64:0", 5, 1))


def test_no_fingerprint_is_kept_twice_when_a_log_grows(
    connection: Connection, shop: DownloadShop, wheel: ServedWheel, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    for _ in range(20):
        append(log, request(wheel.path))
        count_downloads(connection, [log])
    row = fetch_one(
        connection, "SELECT count(*) AS logs, max(fingerprint) AS longest, max(position) AS end FROM access_log"
    )
    assert row is not None
    assert (row.logs, row.end) == (1, log.stat().st_size)
    assert row.longest.startswith("4096:")
    assert Counter(shop.counted().values()) == {20: 1}
