"""The catalog brought up to date from an index on loopback."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest

from catalog.pages import body, entry
from piwright.catalog import update
from piwright.catalog.fetch import Outcome, Patience
from piwright.catalog.update import (
    CatalogReport,
    Progress,
    UpstreamUnreachable,
    update_catalog,
    update_projects,
)
from piwright.catalog.watch_list import parse_watch_list
from piwright.database.connection import Connection, fetch_all, prepare
from piwright.database.provision import Access
from support.upstream import JSON_TYPE, LoopbackUpstream, make_sdist

HASTY = Patience(first_wait=0.001, longest_wait=0.01, attempts=2)


@pytest.fixture
def upstream() -> Iterator[LoopbackUpstream]:
    with LoopbackUpstream(redirect_to=None) as running:
        running.add(make_sdist("alpha", "1.0"))
        running.add(make_sdist("beta", "2.0"))
        yield running


def sync(connection: Connection, upstream: LoopbackUpstream, lines: str, **more: Any) -> CatalogReport:
    watch_list = parse_watch_list(lines.encode())
    return update_catalog(connection, upstream_url=upstream.url, watch_list=watch_list, patience=HASTY, **more)


def reasons(connection: Connection) -> dict[str, str | None]:
    return {row.name: row.skip_reason for row in fetch_all(connection, "SELECT name, skip_reason FROM project")}


def test_a_watch_list_becomes_a_catalog(connection: Connection, upstream: LoopbackUpstream) -> None:
    seen: list[Progress] = []
    report = sync(connection, upstream, "alpha\nbeta>=1\n", progress=seen.append)
    assert (report.projects, report.changed, report.new_releases, report.new_files) == (2, 2, 2, 2)
    assert [(each.name, each.specifier) for each in report.first_sight] == [("alpha", ""), ("beta", ">=1")]
    assert report.problems == ()
    assert [(each.done, each.total, each.outcome) for each in seen] == [(1, 2, Outcome.PAGE), (2, 2, Outcome.PAGE)]
    assert {each.name for each in seen} == {"alpha", "beta"}


def test_a_second_look_is_conditional_and_writes_nothing(connection: Connection, upstream: LoopbackUpstream) -> None:
    sync(connection, upstream, "alpha\nbeta\n")
    report = sync(connection, upstream, "alpha\nbeta\nalpha>=1\n")
    assert (report.changed, report.not_modified, report.new_files) == (0, 2, 0)
    assert [each.specifier for each in report.first_sight] == [">=1"]
    assert [request.status for request in upstream.requests] == [200, 200, 304, 304]


def test_only_the_project_that_changed_is_read_again(connection: Connection, upstream: LoopbackUpstream) -> None:
    sync(connection, upstream, "alpha\nbeta\n")
    upstream.add(make_sdist("alpha", "1.1"))
    report = sync(connection, upstream, "alpha\nbeta\n")
    assert (report.changed, report.not_modified, report.new_releases) == (1, 1, 1)


def test_what_is_wrong_with_one_is_named_and_the_rest_goes_on(
    connection: Connection, upstream: LoopbackUpstream
) -> None:
    upstream.plan("/simple/html/", (200, b"<html>"))
    upstream.plan("/simple/down/", 500, 500)
    upstream.add(make_sdist("future", "1.0"))
    upstream.set_details("future", meta={"api-version": "2.0"})
    upstream.add(make_sdist("stranger", "1.0"))
    upstream.set_details("stranger", name="danger")
    report = sync(connection, upstream, "alpha\nhtml\ndown\nfuture\nstranger\nmissing\nnot a name\nbeta\n")
    told = {problem.name: problem.text for problem in report.problems}
    assert (report.projects, report.changed, report.missing, report.unreachable) == (7, 2, 1, 1)
    assert set(told) == {"line 7", "html", "down", "future", "stranger", "missing"}
    assert "upstream answered text/plain: piwright needs the JSON simple API" in told["html"]
    assert "upstream answered 500" in told["down"]
    assert "too new" in told["future"]
    assert "expected the page of stranger" in told["stranger"]
    assert "404" in told["missing"]
    said = reasons(connection)
    assert (said["alpha"], said["beta"]) == (None, None)
    assert all(said[name] for name in ("html", "down", "future", "stranger", "missing"))


def test_a_malformed_page_leaves_what_was_stored_and_heals(connection: Connection, upstream: LoopbackUpstream) -> None:
    sync(connection, upstream, "alpha\n")
    upstream.set_details("alpha", files=5)
    report = sync(connection, upstream, "alpha\n")
    assert "files is 5, expected array" in report.problems[0].text
    assert "cannot be used" in str(reasons(connection)["alpha"])
    assert len(fetch_all(connection, "SELECT FROM upstream_file")) == 1
    upstream.set_details("alpha")
    report = sync(connection, upstream, "alpha\n")
    assert (report.not_modified, report.problems) == (1, ())
    assert reasons(connection)["alpha"] is None


@pytest.mark.parametrize(
    "odd",
    [
        {"strange": "\ud800"},
        {"project_status": {"status": "Quarantined", "reason": 5}},
        {"project_status": "quarantined"},
        {"versions": [1.0]},
        {"meta": {"api-version": "1.4", "_last-serial": 1.5}},
        {"files": [entry("alpha-2004d.tar.gz")]},
    ],
)
def test_no_odd_value_hides_that_a_project_was_quarantined(
    connection: Connection, upstream: LoopbackUpstream, odd: dict[str, Any]
) -> None:
    sync(connection, upstream, "alpha\n")
    upstream.set_details("alpha", **{"project_status": {"status": "quarantined"}, **odd})
    assert sync(connection, upstream, "alpha\n").vanished_files == 1
    assert "quarantine" in str(reasons(connection)["alpha"])
    assert len(fetch_all(connection, "SELECT FROM release WHERE gone_at IS NOT NULL")) == 1


def test_a_project_that_went_away_is_gone_and_comes_back_whole(
    connection: Connection, upstream: LoopbackUpstream
) -> None:
    sync(connection, upstream, "alpha\nbeta\n")
    upstream.plan("/simple/alpha/", 404)
    report = sync(connection, upstream, "alpha\nbeta\n")
    assert (report.missing, report.changed, report.vanished_files) == (1, 1, 1)
    report = sync(connection, upstream, "alpha\nbeta\n")
    assert (report.changed, report.new_files, report.new_releases) == (1, 1, 0)
    assert upstream.requests[-1].status in (200, 304)


def test_an_upstream_that_nobody_can_reach_is_an_error_of_its_own(
    connection: Connection, upstream: LoopbackUpstream
) -> None:
    upstream.plan("/simple/alpha/", 503, 503)
    upstream.plan("/simple/beta/", 503, 503)
    with pytest.raises(UpstreamUnreachable, match="None of 2 projects could be read from http://127") as caught:
        sync(connection, upstream, "alpha\nbeta\n")
    assert "PIWRIGHT_UPSTREAM_URL" in str(caught.value)
    assert "503" in str(reasons(connection)["alpha"])
    report = sync(connection, upstream, "alpha\nbeta\n")
    assert report.changed == 2


def test_an_index_that_lost_everything_at_once_is_not_believed(
    connection: Connection, upstream: LoopbackUpstream
) -> None:
    sync(connection, upstream, "alpha\nbeta\n")
    upstream.plan("/simple/alpha/", 404)
    upstream.plan("/simple/beta/", 410)
    with pytest.raises(UpstreamUnreachable, match="has none of 2 projects, and it had some before"):
        sync(connection, upstream, "alpha\nbeta\n")
    assert len(fetch_all(connection, "SELECT FROM upstream_file")) == 2
    assert fetch_all(connection, "SELECT FROM release WHERE gone_at IS NOT NULL") == []
    assert "not believed" in str(reasons(connection)["alpha"])
    assert sync(connection, upstream, "alpha\nbeta\n").not_modified == 2


def test_a_list_of_nothing_but_misspelt_names_is_a_list_of_problems(
    connection: Connection, upstream: LoopbackUpstream
) -> None:
    for _ in range(2):
        report = sync(connection, upstream, "alhpa\nbeat\n")
        assert (report.missing, len(report.problems)) == (2, 2)


def test_an_empty_list_is_no_error(connection: Connection, upstream: LoopbackUpstream) -> None:
    assert sync(connection, upstream, "# nothing yet\n") == CatalogReport()


def test_the_database_refusing_one_project_loses_no_other(
    connection: Connection, upstream: LoopbackUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = update.store_page

    def refuse_beta(connection: Connection, page: Any, *, etag: str | None) -> Any:
        if page.name == "beta":
            with connection.cursor() as cursor:
                cursor.execute("INSERT INTO project (name, display_name) VALUES ('Not Normal', '')")
        return store(connection, page, etag=etag)

    monkeypatch.setattr(update, "store_page", refuse_beta)
    report = sync(connection, upstream, "beta\nalpha\n")
    assert report.changed == 1
    assert "the database refused it" in report.problems[0].text
    assert reasons(connection)["alpha"] is None


def test_a_lost_database_is_not_a_problem_of_a_project(database: Access, upstream: LoopbackUpstream) -> None:
    lost = prepare(psycopg2.connect(database.application))

    def lose(progress: Progress) -> None:
        lost.close()

    with pytest.raises(psycopg2.InterfaceError):
        sync(lost, upstream, "alpha\nbeta\n", progress=lose)


def test_projects_can_be_looked_at_without_watching_them(connection: Connection, upstream: LoopbackUpstream) -> None:
    names = ["Alpha", "ALPHA", "gamma", "no name!"]
    report = update_projects(connection, names, upstream_url=upstream.url, patience=HASTY)
    assert (report.projects, report.changed, report.missing) == (2, 1, 1)
    assert {problem.name for problem in report.problems} == {"gamma", "no name!"}
    assert fetch_all(connection, "SELECT FROM watch") == []


def test_many_problems_of_one_project_are_counted_rather_than_listed(
    connection: Connection, upstream: LoopbackUpstream
) -> None:
    bad = [entry(f"alpha-svn-{number}.zip") for number in range(40)]
    members = json.loads(body("alpha", entry("alpha-1.0.zip"), *bad))
    upstream.set_details("alpha", files=members["files"])
    report = sync(connection, upstream, "alpha\n")
    assert len(report.problems) == 6
    assert report.problems[-1].text == "and 35 more like these"
    assert upstream.requests[0].headers["accept"] == JSON_TYPE
