"""Project and build pages through the publisher and the server, as readers get them."""

import gzip
import json
from pathlib import Path

import pytest
from project_rows import TRIXIE, ProjectRows

from index.serving import UPSTREAM, IndexServer
from piwright.database.connection import Connection
from piwright.index.publish import publish
from piwright.index.storage import open_storage


@pytest.fixture
def rows(connection: Connection, tmp_path: Path) -> ProjectRows:
    return ProjectRows(connection, tmp_path)


def publication(rows: ProjectRows, **options: bool) -> Path:
    """Publish what is due; answers the tree."""
    rows.connection.commit()
    tree = rows.home / "tree"
    report = publish(
        rows.connection,
        storage=open_storage(str(tree)),
        store_root=rows.store.root,
        upstream_url=UPSTREAM,
        sources=[rows.site],
        processes=1,
        **options,
    )
    assert report.problems == ()
    return tree


def mark(rows: ProjectRows, name: str) -> None:
    rows.execute("UPDATE project SET stale_since = now() WHERE name = %s", name)


def test_readers_get_page_data_badge_feed_and_log(rows: ProjectRows) -> None:
    build = rows.attempt(rows.job("spidev", "3.6", state="failed"), "timeout", log="one\ntwo\n", evidence_line=2)
    mark(rows, "spidev")
    with IndexServer(publication(rows), UPSTREAM) as server:
        for path, kind in (
            ("/project/spidev/", "text/html"),
            ("/project/spidev/json", "application/json"),
            ("/project/spidev/badge.svg", "image/svg+xml"),
            ("/project/spidev/feed.atom", "application/atom+xml"),
            (f"/project/spidev/build/{build}/", "text/html"),
            (f"/project/spidev/build/{build}/json", "application/json"),
            (f"/project/spidev/build/{build}/log.txt", "text/plain"),
        ):
            answer = server.get(path)
            assert answer.status == 200, path
            assert answer.headers["Content-Type"].startswith(kind), path
            assert answer.headers["X-Content-Type-Options"] == "nosniff", path
        assert server.get(f"/project/spidev/build/{build}/log.txt").body == b"one\ntwo\n"
        packed = server.get(f"/project/spidev/build/{build}/log.txt", **{"Accept-Encoding": "gzip"})
        assert packed.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(packed.body) == b"one\ntwo\n"
        assert server.get("/project/nobody/").status == 404
        assert server.get("/project/spidev/build/999999/").status == 404


def test_a_log_is_no_second_copy(rows: ProjectRows) -> None:
    build = rows.attempt(rows.job("spidev", "3.6"), log="one\n")
    mark(rows, "spidev")
    placed = publication(rows) / f"project/spidev/build/{build}/log.txt.gz"
    stored = rows.store.log_path(rows.value("SELECT log_path FROM attempt"))
    assert placed.stat().st_ino == stored.stat().st_ino


def test_a_publication_writes_what_changed_and_nothing_else(rows: ProjectRows) -> None:
    first = rows.attempt(rows.job("spidev", "3.6"), log="one\n")
    rows.project("other")
    for name in ("spidev", "other"):
        mark(rows, name)
    tree = publication(rows)

    def written() -> dict[str, int]:
        return {
            str(path.relative_to(tree)): path.stat().st_ino
            for path in tree.rglob("*")
            if path.is_file() and path.name.endswith((".html", "json", ".svg", ".atom"))
        }

    before = written()
    assert rows.value("SELECT count(*) FROM project WHERE stale_since IS NOT NULL") == 0
    assert rows.value("SELECT count(*) FROM attempt WHERE page_at IS NULL") == 0
    publication(rows)
    assert written() == before
    second = rows.attempt(rows.job("spidev", "3.6", TRIXIE, "failed"), "timeout")
    mark(rows, "spidev")
    publication(rows)
    changed = {path for path, inode in written().items() if before.get(path) != inode}
    assert {"project/spidev/index.html", f"project/spidev/build/{second}/index.html"} <= changed
    assert not [path for path in changed if path.startswith((f"project/spidev/build/{first}/", "project/other/"))]


def test_a_lost_tree_comes_back_with_everything(rows: ProjectRows) -> None:
    build = rows.attempt(rows.job("spidev", "3.6"), log="one\n")
    mark(rows, "spidev")
    tree = publication(rows)
    before = {str(path.relative_to(tree)): path.read_bytes() for path in tree.rglob("project/**/*") if path.is_file()}
    tree.rename(rows.home / "lost")
    publication(rows, everything=True)
    assert {path: (tree / path).read_bytes() for path in before} == before
    assert f"project/spidev/build/{build}/log.txt.gz" in before


def test_a_project_nobody_wants_any_more_has_no_page(rows: ProjectRows) -> None:
    project = rows.project("spidev", skip_reason="404")
    mark(rows, "spidev")
    tree = publication(rows)
    assert json.loads((tree / "project/spidev/json").read_bytes())["problem"] == "404"
    rows.execute("DELETE FROM watch WHERE project_id = %s", project)
    rows.execute("UPDATE project SET skip_reason = NULL")
    mark(rows, "spidev")
    publication(rows)
    assert not (tree / "project/spidev").exists()
