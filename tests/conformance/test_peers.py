"""What the checks find in index servers that people use: the ids are those of the versions in `peers.py`."""

import asyncio
from pathlib import Path

from peers import pypiserver, simple_repository_server

from piwright.conformance import Level, Report, Verdict, check_index


def failing(report: Report, level: Level) -> set[str]:
    assert not report.of(Verdict.ERROR), report.of(Verdict.ERROR)
    return {each.check.id for each in report.of(Verdict.FAIL, level=level)}


def test_pypiserver_lacks_json_metadata_tags_and_caching(tmp_path: Path) -> None:
    with pypiserver(tmp_path) as url:
        report = asyncio.run(check_index(url))
    assert set(report.projects) == {"spi-dev", "other"}
    # It sends parts of a file to a client that has the rest of another file, and 416 for units that it does not know.
    assert failing(report, Level.REQUIRED) == {"if-range", "range-unknown-unit"}
    assert failing(report, Level.RECOMMENDED) == {
        *("html-version", "version-current", "upload-time-known", "metadata-offered", "requires-python-told"),
        *("negotiate-json", "negotiate-v1-html", "negotiate-latest"),
        *("range-unsatisfiable", "if-range-matches"),
        *("etag-sent", "cache-pages", "cache-files", "gzip-offered"),
    }
    assert not report.conforms
    json_only = {"json-members", "size-format", "agree-files", "negotiate-quality", "vary-accept"}
    assert json_only <= {each.check.id for each in report.of(Verdict.NOT_APPLICABLE)}


def test_simple_repository_server_lacks_hashes_current_pages_and_caching(tmp_path: Path) -> None:
    with simple_repository_server(tmp_path) as url:
        report = asyncio.run(check_index(url))
    # It compares If-None-Match as one text, and answers 400 to units of ranges that it does not know.
    assert failing(report, Level.REQUIRED) == {"not-modified", "range-unknown-unit"}
    assert failing(report, Level.RECOMMENDED) == {
        *("version-current", "html-hashes", "hash-secure", "legacy-metadata-html", "requires-python-told"),
        *("metadata-offered", "negotiate-latest", "vary-accept"),
        *("etag-sent", "cache-pages", "cache-files", "gzip-offered"),
    }
    assert {"file-hash", "metadata-hash"} <= {each.check.id for each in report.of(Verdict.NOT_APPLICABLE)}
