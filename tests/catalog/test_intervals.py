"""Releases of an interval."""

from datetime import UTC, datetime

from catalog.pages import entry, page
from piwright.catalog.intervals import RELEASES_UPLOADED, releases_uploaded
from piwright.catalog.store import store_page
from piwright.database.connection import Connection, connect, fetch_all
from piwright.database.provision import Access

DAY = (datetime(2024, 5, 6, tzinfo=UTC), datetime(2024, 5, 7, tzinfo=UTC))


def test_an_interval_has_its_start_and_not_its_end_and_a_release_once(connection: Connection) -> None:
    store_page(
        connection,
        page(
            "a",
            entry("a-1.zip", upload_time="2024-05-05T23:59:59.999999Z"),
            entry("a-2.zip", upload_time="2024-05-06T00:00:00Z"),
            entry("a-3.zip", upload_time="2024-05-06T23:59:59.999999Z"),
            entry("a-3.tgz", upload_time="2024-05-06T12:00:00Z"),
            entry("a-4.zip", upload_time="2024-05-07T00:00:00Z"),
            entry("a-5.zip", upload_time=None),
            entry("a-6.whl.zip", upload_time="2024-05-06T12:00:00Z"),  # a name that says nothing: left out
            entry("a-1.tgz", upload_time="2024-05-06T01:00:00Z"),  # an sdist that came late
        ),
        etag=None,
    )
    ids = {row.release_id: row.version for row in fetch_all(connection, "SELECT release_id, version FROM release")}
    assert {ids[release] for release in releases_uploaded(connection, *DAY)} == {"1", "2", "3"}
    assert len(releases_uploaded(connection, *DAY)) == 3


def test_the_query_walks_its_index_however_many_files_there_are(connection: Connection, database: Access) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH p AS (INSERT INTO project (name, display_name) VALUES ('a', 'a') RETURNING project_id),
                 r AS (INSERT INTO release (project_id, version, original_version)
                       SELECT project_id, n::text, n::text FROM p, generate_series(1, 20000) n
                       RETURNING release_id, version)
            INSERT INTO upstream_file (release_id, filename, kind, url, uploaded_at)
            SELECT release_id, version, 'sdist', 'https://x.example/',
                   timestamptz '2024-01-01Z' + version::int * interval '1 hour'
            FROM r
            """
        )
    connection.commit()
    with connect(database.owner) as owner, owner.cursor() as cursor:
        cursor.execute("ANALYZE upstream_file")
    plan = fetch_all(connection, f"EXPLAIN {RELEASES_UPLOADED}", {"start": DAY[0], "end": DAY[1]})
    text = "\n".join(row[0] for row in plan)
    assert "upstream_file_uploaded" in text
    assert "Seq Scan" not in text
    assert len(releases_uploaded(connection, *DAY)) == 24
