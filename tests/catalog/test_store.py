"""Pages in a real PostgreSQL."""

import time
from datetime import UTC, datetime
from typing import Any

import psycopg2
import pytest

from catalog.pages import entry, page
from piwright.catalog.store import known_etags, store_failure, store_missing, store_page, store_unchanged
from piwright.database.connection import Connection, connect, fetch_all, fetch_one
from piwright.database.provision import Access

PROJECT = "SELECT * FROM project WHERE name = %s"
RELEASES = """
    SELECT version, original_version, uploaded_at, yanked, yanked_reason, release.gone_at IS NOT NULL AS gone
    FROM release JOIN project USING (project_id) WHERE name = %s ORDER BY release_id
"""
FILES = """
    SELECT release.version, upstream_file.* FROM upstream_file JOIN release USING (release_id)
    JOIN project USING (project_id) WHERE name = %s ORDER BY filename
"""
# xmin is the transaction that wrote the row last.
WRITTEN = """
    SELECT 'release' AS kind, release_id::text AS key, xmin::text FROM release
    UNION ALL SELECT 'file', upstream_file_id::text, xmin::text FROM upstream_file ORDER BY 1, 2
"""


def project(connection: Connection, name: str = "a") -> Any:
    return fetch_one(connection, PROJECT, (name,))


def releases(connection: Connection, name: str = "a") -> dict[str, Any]:
    return {row.version: row for row in fetch_all(connection, RELEASES, (name,))}


def files(connection: Connection, name: str = "a") -> dict[str, Any]:
    return {row.filename: row for row in fetch_all(connection, FILES, (name,))}


def put(connection: Connection, *entries: Any, etag: str | None = '"1"', **members: Any) -> Any:
    stored = store_page(connection, page("a", *entries, **members), etag=etag)
    connection.commit()
    return stored


SDIST = entry("a-1.0.tar.gz", upload_time="2024-01-02T03:04:05.678901Z", requires_python=">=3.7")
WHEEL = entry("a-1.0-py3-none-any.whl", core_metadata={"sha256": "cd" * 32}, provenance="https://x.example/p")


def test_a_page_is_stored_with_all_it_says(connection: Connection) -> None:
    meta = {"api-version": "1.4", "_last-serial": 42}
    stored = put(connection, SDIST, WHEEL, meta=meta, project_status={"status": "deprecated", "reason": "old"})
    assert (stored.changed, len(stored.new_releases), stored.new_files, stored.undated_releases) == (True, 1, 2, ())
    row = project(connection)
    assert (row.display_name, row.status, row.status_reason, row.serial, row.etag) == (
        "a",
        "deprecated",
        "old",
        42,
        '"1"',
    )
    assert row.checked_at
    assert row.changed_at
    assert row.stale_since
    assert (row.skip_reason, row.gone_at) == (None, None)
    release = releases(connection)["1.0"]
    assert release.uploaded_at == datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    assert (release.original_version, release.yanked, release.gone) == ("1.0", False, False)
    sdist, wheel = files(connection)["a-1.0.tar.gz"], files(connection)["a-1.0-py3-none-any.whl"]
    assert (sdist.kind, sdist.size, sdist.requires_python, sdist.core_metadata) == ("sdist", 1000, ">=3.7", None)
    assert (sdist.url, sdist.hashes) == ("https://upstream.example/files/a-1.0.tar.gz", {"sha256": "ab" * 32})
    assert (wheel.kind, wheel.core_metadata, wheel.provenance) == (
        "wheel",
        {"sha256": "cd" * 32},
        "https://x.example/p",
    )


def test_storing_the_same_page_again_writes_no_release_and_no_file_and_leaves_our_pages_true(
    connection: Connection,
) -> None:
    put(connection, SDIST, WHEEL, entry("a-2.0.zip", yanked="bad", core_metadata=True))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE project SET stale_since = NULL")
    before, rows = project(connection), fetch_all(connection, WRITTEN)
    connection.commit()
    stored = put(connection, SDIST, WHEEL, entry("a-2.0.zip", yanked="bad", core_metadata=True), etag='"2"')
    after = project(connection)
    assert not stored.changed
    assert fetch_all(connection, WRITTEN) == rows
    assert (after.changed_at, after.stale_since) == (before.changed_at, None)
    assert after.checked_at > before.checked_at
    assert after.etag == '"2"'


def test_an_unchanged_page_uses_up_no_keys(connection: Connection) -> None:
    for _ in range(3):
        put(connection, SDIST)
    put(connection, SDIST, entry("a-2.0.tar.gz"))
    keys = fetch_all(connection, "SELECT release_id, project_id FROM release ORDER BY release_id")
    assert [tuple(row) for row in keys] == [(1, 1), (2, 1)]


def test_only_the_file_that_changed_is_written(connection: Connection) -> None:
    put(connection, SDIST, WHEEL)
    before = {(row.kind, row.key): row.xmin for row in fetch_all(connection, WRITTEN)}
    stored = put(connection, SDIST, WHEEL | {"url": "https://moved.example/a-1.0-py3-none-any.whl"})
    after = {(row.kind, row.key): row.xmin for row in fetch_all(connection, WRITTEN)}
    assert (stored.changed, stored.changed_files, stored.new_files) == (True, 1, 0)
    assert len([key for key in after if after[key] != before[key]]) == 1
    assert files(connection)["a-1.0-py3-none-any.whl"].url.startswith("https://moved.example/")


def test_a_yank_with_its_reason_is_stored_and_taken_back(connection: Connection) -> None:
    put(connection, SDIST, entry("a-1.0.zip"))
    half = put(connection, SDIST | {"yanked": "wrong <tags>"}, entry("a-1.0.zip"))
    assert (half.changed, half.yanked) == (True, 0)
    assert not releases(connection)["1.0"].yanked
    whole = put(connection, SDIST | {"yanked": "wrong <tags>"}, entry("a-1.0.zip", yanked=True))
    assert (whole.changed, whole.yanked) == (True, 1)
    release = releases(connection)["1.0"]
    assert (release.yanked, release.yanked_reason) == (True, "wrong <tags>")
    back = put(connection, SDIST, entry("a-1.0.zip"))
    assert back.unyanked == 1
    release = releases(connection)["1.0"]
    assert (release.yanked, release.yanked_reason) == (False, None)


def test_an_sdist_that_comes_late_joins_its_release(connection: Connection) -> None:
    first = put(connection, WHEEL)
    late = put(connection, WHEEL, SDIST)
    assert (late.new_releases, late.new_files, late.changed) == ((), 1, True)
    assert files(connection)["a-1.0.tar.gz"].release_id == first.new_releases[0]
    assert releases(connection)["1.0"].uploaded_at == datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def test_a_file_that_vanished_is_deleted_and_a_release_that_vanished_is_marked(connection: Connection) -> None:
    put(connection, SDIST, WHEEL, entry("a-2.0.tar.gz"))
    stored = put(connection, WHEEL)
    assert (stored.vanished_files, stored.gone_releases, stored.changed) == (2, 1, True)
    assert set(files(connection)) == {"a-1.0-py3-none-any.whl"}
    assert {version: row.gone for version, row in releases(connection).items()} == {"1.0": False, "2.0": True}
    again = put(connection, WHEEL, entry("a-2.0.tar.gz"))
    assert (again.returned_releases, again.new_releases, again.new_files) == (1, (), 1)
    assert not releases(connection)["2.0"].gone


def test_a_release_whose_files_were_deleted_is_gone_with_its_yank_and_returns_with_files(
    connection: Connection,
) -> None:
    versions = ["1.0", "2.0", "3.0"]
    put(connection, SDIST, entry("a-2.0.tar.gz", yanked="malware"), versions=versions)
    stored = put(connection, SDIST, versions=versions)
    assert (stored.gone_releases, stored.vanished_files, stored.unyanked, stored.changed) == (1, 1, 0, True)
    assert {version: row.gone for version, row in releases(connection).items()} == {
        "1.0": False,
        "2.0": True,
        "3.0": False,  # never had any
    }
    assert releases(connection)["2.0"].yanked_reason == "malware"
    assert not put(connection, SDIST, versions=versions).changed
    again = put(connection, SDIST, entry("a-2.0.tar.gz"), versions=versions)
    assert (again.returned_releases, again.unyanked) == (1, 1)


def test_a_release_whose_file_cannot_be_read_keeps_its_row(connection: Connection) -> None:
    put(connection, SDIST, entry("a-2.0.tar.gz"), versions=["1.0", "2.0"])
    bad = entry("a-2.0.tar.gz", hashes={"sha256": "?"}, yanked="bad")
    stored = put(connection, SDIST, bad, versions=["1.0", "2.0"])
    assert (stored.gone_releases, stored.vanished_files, stored.yanked) == (0, 1, 1)
    assert (releases(connection)["2.0"].gone, releases(connection)["2.0"].yanked_reason) == (False, "bad")
    assert project(connection).etag is None


def test_a_project_that_is_gone_keeps_its_releases_as_gone_and_may_come_back(connection: Connection) -> None:
    put(connection, SDIST)
    stored = store_missing(connection, page("a").name)
    assert (stored.changed, stored.gone_releases, stored.vanished_files) == (True, 1, 1)
    row = project(connection)
    assert row.gone_at is not None
    assert (row.etag, row.skip_reason) == (None, "upstream no longer has this project")
    assert known_etags(connection, [page("a").name]) == {}
    connection.commit()
    again = store_missing(connection, page("a").name)
    assert not again.changed
    assert project(connection).gone_at == row.gone_at
    assert put(connection, SDIST).returned_releases == 1
    assert (project(connection).gone_at, project(connection).skip_reason) == (None, None)


def test_a_project_that_never_was_has_a_row_that_says_so(connection: Connection) -> None:
    stored = store_missing(connection, page("typo").name)
    row = project(connection, "typo")
    assert (row.skip_reason, row.gone_at, row.stale_since) == ("upstream has no project of this name", None, None)
    assert (row.project_id, stored.changed) == (stored.project_id, False)


def test_quarantine_takes_every_file_away_and_is_read_again_each_time(connection: Connection) -> None:
    put(connection, SDIST)
    status = {"status": "quarantined", "reason": "malware"}
    stored = put(connection, SDIST, project_status=status)
    assert (stored.changed, stored.gone_releases, stored.vanished_files) == (True, 1, 1)
    row = project(connection)
    assert (row.status, row.status_reason, row.etag) == ("quarantined", "malware", None)
    assert row.skip_reason == "upstream has put it in quarantine: malware"
    assert row.gone_at is None
    assert put(connection, SDIST).returned_releases == 1
    assert (project(connection).status, project(connection).skip_reason) == ("active", None)


def test_a_page_without_files_is_not_taken_for_a_good_one(connection: Connection) -> None:
    put(connection)
    assert (project(connection).skip_reason, project(connection).etag) == ("upstream lists no files of it", None)


def test_a_page_with_problems_is_read_again_so_that_they_are_named_again(connection: Connection) -> None:
    put(connection, SDIST, entry("a-x.tar.gz"))
    assert project(connection).etag is None


def test_a_failure_leaves_what_is_stored_and_says_why(connection: Connection) -> None:
    put(connection, SDIST)
    before, rows = project(connection), fetch_all(connection, WRITTEN)
    connection.commit()
    store_failure(connection, page("a").name, "upstream is down", answered=False)
    after = project(connection)
    assert after._replace(skip_reason=None, stale_since=before.stale_since) == before
    assert after.skip_reason == "upstream is down"
    assert fetch_all(connection, WRITTEN) == rows
    store_unchanged(connection, page("a").name)
    assert project(connection).skip_reason is None


def test_a_project_page_is_stale_when_the_reason_for_skipping_it_changes_and_only_then(connection: Connection) -> None:
    def settled() -> bool:
        stale = project(connection).stale_since is not None
        with connection.cursor() as cursor:
            cursor.execute("UPDATE project SET stale_since = NULL")
        return not stale

    name = page("a").name
    put(connection, SDIST)
    assert not settled()
    store_failure(connection, name, "upstream is down", answered=False)
    assert not settled()
    store_failure(connection, name, "upstream is down", answered=False)
    assert settled()
    store_unchanged(connection, name)
    assert not settled()
    store_unchanged(connection, name)
    assert settled()


def test_a_failure_of_a_project_never_seen_is_kept_too(connection: Connection) -> None:
    store_failure(connection, page("new").name, "upstream is down", answered=False)
    assert project(connection, "new").skip_reason == "upstream is down"


def test_the_spelling_a_person_wrote_stays_unless_upstream_has_its_own(connection: Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO project (name, display_name) VALUES ('a', 'A')")
    put(connection, SDIST)
    assert project(connection).display_name == "A"


def test_releases_without_an_upload_time_are_reported(connection: Connection) -> None:
    undated = [entry(f"a-1.0{ending}", upload_time=None) for ending in (".tar.gz", ".zip")]
    stored = put(connection, *undated, entry("a-2.0.tar.gz"), versions=["3.0"])
    ids = {row.version: row.release_id for row in fetch_all(connection, "SELECT version, release_id FROM release")}
    assert stored.undated_releases == (ids["1.0"],)


def test_a_change_between_reading_and_clearing_the_stale_mark_is_not_lost(connection: Connection) -> None:
    put(connection, SDIST)
    seen = project(connection).stale_since
    put(connection, SDIST, WHEEL)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE project SET stale_since = NULL WHERE name = 'a' AND stale_since = %s", (seen,))
    assert project(connection).stale_since is not None


def test_hostile_texts_are_stored_as_they_are(connection: Connection) -> None:
    reason = "'); DROP TABLE release; -- %s {} \\ \u202e"
    put(connection, SDIST | {"yanked": reason, "requires-python": "%(x)s"})
    assert releases(connection)["1.0"].yanked_reason == reason
    assert files(connection)["a-1.0.tar.gz"].requires_python == "%(x)s"


def test_two_writers_of_one_project_take_turns(connection: Connection, database: Access) -> None:
    put(connection, SDIST)
    store_page(connection, page("a", SDIST, WHEEL), etag=None)  # holds the project's row until it commits
    with connect(database.application) as other:
        with other.cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")
        with pytest.raises(psycopg2.errors.LockNotAvailable):
            store_page(other, page("a", SDIST), etag=None)
        other.rollback()


def test_five_thousand_files_are_stored_in_one_go(connection: Connection) -> None:
    entries = [entry(f"a-{number // 10}.{number % 10}.tar.gz") for number in range(5000)]
    big = page("a", *entries)
    start = time.monotonic()
    stored = store_page(connection, big, etag=None)
    first = time.monotonic() - start
    assert (len(stored.new_releases), stored.new_files) == (5000, 5000)
    assert not store_page(connection, big, etag=None).changed
    assert first < 10  # seconds; about one on a small machine, minutes if it went row by row
