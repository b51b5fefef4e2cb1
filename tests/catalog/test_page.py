"""Upstream's pages as data."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version

from catalog.pages import BASE, body, entry, page
from piwright.catalog.page import PageError, ProjectPage, parse_page

A = canonicalize_name("a")
URL = f"{BASE}a/"


def test_a_page_of_today_is_read_completely() -> None:
    read = page(
        "RPi.GPIO",
        entry(
            "RPi.GPIO-0.7.1.tar.gz",
            hashes={"SHA256": "AB" * 32, "md5": "0" * 32, "new-hash": "?"},
            requires_python=">=3.7,<4",
            yanked="broken on <b>Pi</b>\n& elsewhere",
        ),
        entry(
            "RPi.GPIO-0.7.1-cp311-cp311-linux_armv7l.whl",
            url="https://files.example/x%2By.whl#sha256=00",
            size=2**40,
            core_metadata={"sha256": "cd" * 32},
            provenance="https://upstream.example/integrity/x",
        ),
        meta={"api-version": "1.4", "_last-serial": 7},
        versions=["0.7.1", "0.7.0", "gpio-svn"],
        project_status={"status": "archived", "reason": "use another"},
    )
    assert (read.name, read.display_name, read.serial, read.api_version) == ("rpi-gpio", "RPi.GPIO", 7, "1.4")
    assert (read.status, read.status_reason, read.problems) == ("archived", "use another", ())
    assert read.versions == {Version("0.7.1"): "0.7.1", Version("0.7.0"): "0.7.0"}
    sdist, wheel = read.files
    assert (sdist.kind, sdist.version, sdist.size) == ("sdist", Version("0.7.1"), 1000)
    assert sdist.url == "https://upstream.example/files/RPi.GPIO-0.7.1.tar.gz"
    assert sdist.hashes == {"sha256": "ab" * 32, "md5": "0" * 32}
    assert sdist.uploaded_at == datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert (sdist.yanked, sdist.yanked_reason) == (True, "broken on <b>Pi</b>\n& elsewhere")
    assert (sdist.requires_python, sdist.core_metadata, sdist.provenance) == (">=3.7,<4", None, None)
    assert (wheel.kind, wheel.url, wheel.size) == ("wheel", "https://files.example/x%2By.whl", 2**40)
    assert wheel.core_metadata == {"sha256": "cd" * 32}
    assert wheel.provenance == "https://upstream.example/integrity/x"


def test_a_page_of_the_first_api_lacks_much_and_is_fine() -> None:
    bare = {"filename": "a-1.0.tar.gz", "url": "/files/a-1.0.tar.gz", "hashes": {}}
    read = page("a", bare, api="1.0")
    (file,) = read.files
    assert (file.size, file.uploaded_at, file.hashes, file.yanked) == (None, None, {}, False)
    assert file.url == "https://upstream.example/files/a-1.0.tar.gz"
    assert read.versions == {Version("1.0"): "1.0"}
    assert (read.status, read.serial, read.problems) == ("active", None, ())


def test_a_mirror_may_send_null_or_nothing_for_what_it_does_not_know() -> None:
    unknown = ("requires-python", "size", "upload-time", "yanked", "core-metadata", "provenance")
    nulls = json.dumps({**entry("a-1.0.tar.gz"), **dict.fromkeys(unknown)})
    empty = json.dumps({**entry("a-2.0.tar.gz"), "requires-python": "", "upload-time": "", "provenance": ""})
    content = f'{{"meta": {{"api-version": "1.1", "_last-serial": "12"}}, "name": "a", "files": [{nulls}, {empty}]}}'
    read = parse_page(content.encode(), project=A, url=URL)
    assert read.problems == ()
    assert read.serial == 12
    assert [(each.requires_python, each.uploaded_at, each.provenance) for each in read.files] == [
        (None, None, None)
    ] * 2


@pytest.mark.parametrize(
    ("value", "yanked", "reason"),
    [(False, False, None), (True, True, None), ("", True, None), ("bad", True, "bad"), ("false", True, "false")],
)
def test_yanked_is_a_truth_or_a_reason(value: Any, yanked: bool, reason: str | None) -> None:
    (file,) = page("a", entry("a-1.0.tar.gz", yanked=value)).files
    assert (file.yanked, file.yanked_reason) == (yanked, reason)


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({}, None),
        ({"core_metadata": True}, True),
        ({"core_metadata": False}, None),
        ({"core_metadata": {"sha256": "EF" * 32}}, {"sha256": "ef" * 32}),
        ({"core_metadata": {"unheard-of": "1"}}, True),
        ({"dist_info_metadata": {"sha256": "ef" * 32}}, {"sha256": "ef" * 32}),
        ({"data_dist_info_metadata": True}, True),
        ({"core_metadata": False, "dist_info_metadata": True}, None),
    ],
)
def test_core_metadata_has_three_names_and_the_newest_counts(fields: dict[str, Any], wanted: Any) -> None:
    (file,) = page("a", entry("a-1.0-py3-none-any.whl", **fields)).files
    assert file.core_metadata == wanted


def test_requires_python_stays_text_even_when_it_is_none() -> None:
    (file,) = page("a", entry("a-1.0.tar.gz", requires_python="3.7 or so")).files
    assert file.requires_python == "3.7 or so"


def test_two_spellings_of_a_version_are_one_release() -> None:
    read = page("a", entry("a-1.0.0-py3-none-any.whl"), entry("a-1.0.tar.gz"), entry("a-2.0.0.zip"), versions=["2.0"])
    assert {str(version): text for version, text in read.versions.items()} == {"2.0": "2.0", "1.0": "1.0"}
    assert [str(file.version) for file in read.files] == ["1.0", "1.0", "2.0"]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"filename": "a-one.tar.gz"}, r"files\[0\].filename is 'a-one.tar.gz', expected a version"),
        ({"filename": "b-1.0.tar.gz"}, "starts with a"),
        ({"filename": "../../a-1.0.tar.gz"}, "plain file name"),
        ({"filename": 5}, r"files\[0\].filename is 5, expected str"),
        ({"url": "ftp://x.example/a"}, r"files\[0\].url of a-1.0.tar.gz is 'ftp://x.example/a', expected an http"),
        ({"url": "file:///etc/passwd"}, "http or https"),
        ({"url": "javascript:alert(1)"}, "http or https"),
        ({"url": "https://me:secret@x.example/a"}, "without user name"),
        ({"url": "https://x.example:port/a"}, "http or https"),
        ({"url": "https://[::1/a"}, "http or https"),
        ({"url": "https://x.example/a b"}, "http or https"),
        ({"url": ""}, "http or https"),
        ({"hashes": {"sha256": "ab" * 31}}, "hashes.sha256 of a-1.0.tar.gz is .*64 hexadecimal digits"),
        ({"hashes": {"sha256": "zz" * 32}}, "64 hexadecimal digits"),
        ({"hashes": {"sha256": 1}}, r"expected str"),
        ({"hashes": None}, r"files\[0\].hashes is <missing>"),
        ({"upload_time": "yesterday"}, r"upload-time of a-1.0.tar.gz is 'yesterday', expected a time such as"),
        ({"upload_time": "2024-13-01T00:00:00Z"}, "a time such as"),
        ({"upload_time": "0001-01-01T00:00:00+14:00"}, "a time such as"),
        ({"size": -1}, "a number of bytes"),
        ({"size": 2**63}, "a number of bytes"),
        ({"size": "12"}, r"files\[0\].size is '12', expected int"),
        ({"core_metadata": {"sha256": "x"}}, "core-metadata.sha256 of a-1.0.tar.gz"),
        ({"provenance": "mailto:x"}, "provenance of a-1.0.tar.gz"),
    ],
)
def test_a_bad_file_is_named_and_left_out_and_the_rest_goes_on(changes: dict[str, Any], named: str) -> None:
    bad = entry("a-1.0.tar.gz") | {key.replace("_", "-"): value for key, value in changes.items()}
    bad = {key: value for key, value in bad.items() if value is not None}
    read = page("a", bad, entry("a-2.0.tar.gz"))
    assert [file.filename for file in read.files] == ["a-2.0.tar.gz"]
    (problem,) = read.problems
    assert problem.name == "a"
    with pytest.raises(AssertionError, match=named):
        raise AssertionError(problem.text)
    assert problem.text.endswith("; the file is left out")


@pytest.mark.parametrize("bad", ["a-1.0.tar.gz", None, 7, [], {}])
def test_an_entry_that_is_no_file_is_left_out_too(bad: Any) -> None:
    read = page("a", entry("a-2.0.tar.gz"), bad)
    assert len(read.files) == len(read.problems) == 1
    assert "files[1]" in read.problems[0].text


def test_of_two_files_of_one_name_the_first_counts() -> None:
    read = page("a", entry("a-1.0.tar.gz", size=1), entry("a-1.0.tar.gz", size=2))
    assert [file.size for file in read.files] == [1]
    assert "a name that no file before it has" in read.problems[0].text


def test_a_page_none_of_whose_files_can_be_read_is_not_believed() -> None:
    with pytest.raises(PageError, match=r"files is <2 entries>, expected at least one that can be read \(files\[1\]"):
        page("a", entry("x.tar.gz"), entry("y.tar.gz"))


def test_a_page_without_files_is_a_project_without_files() -> None:
    assert page("a", versions=["1.0"]).versions == {Version("1.0"): "1.0"}


def test_a_newer_minor_api_is_read_with_a_warning_and_a_newer_major_is_refused() -> None:
    read = page("a", entry("a-1.0.tar.gz"), api="1.5")
    assert len(read.files) == 1
    assert "'1.5'" in read.problems[0].text
    with pytest.raises(PageError, match=r"meta.api-version is '2.0', expected 1.x; this page is too new"):
        parse_page(b'{"meta": {"api-version": "2.0"}, "projects": 5}', project=A, url=URL)


def test_an_unknown_status_counts_as_active_and_is_named() -> None:
    read = page("a", entry("a-1.0.tar.gz"), project_status={"status": "haunted"})
    assert read.status == "active"
    assert "haunted" in read.problems[0].text


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "the page is <0 bytes>, expected JSON"),
        (b"<html>", "expected JSON"),
        (b'{"meta": {"api-version": "1.4"}, "name": "a", "fi', "expected JSON"),
        (b"\xff\xfe", "expected JSON"),
        (b"[]", r"the page is \[\], expected object"),
        (b"{}", "meta is <missing>, expected to be there"),
        (b'{"meta": {}}', "meta.api-version is <missing>"),
        (b'{"meta": {"api-version": 1.4}}', "meta.api-version is 1.4, expected str"),
        (b'{"meta": {"api-version": "one"}}', "meta.api-version is 'one', expected MAJOR.MINOR"),
        (b'{"meta": {"api-version": "1.0"}}', "name is <missing>"),
        (b'{"meta": {"api-version": "1.0"}, "name": "a"}', "files is <missing>"),
        (b'{"meta": {"api-version": "1.0"}, "name": "a", "files": {}}', r"files is \{\}, expected array"),
        (b'{"meta": {"api-version": "1.0"}, "name": "b", "files": []}', "name is 'b', expected the page of a"),
        (b'{"meta": {"api-version": "1.0"}, "name": "a", "files": [], "versions": [1]}', r"versions\[.*expected str"),
        (b"[" * 200_000, "the page is <not even JSON>, expected object"),
    ],
)
def test_what_is_no_page_is_refused_by_field_value_and_expectation(content: bytes, named: str) -> None:
    with pytest.raises(PageError, match=named):
        parse_page(content, project=A, url=URL)


def test_texts_the_database_cannot_keep_are_made_fit() -> None:
    read = page("a", entry("a-1.0.tar.gz", yanked="x\x00y"), project_status={"status": "active", "reason": " "})
    assert read.files[0].yanked_reason == "x\ufffdy"
    assert read.status_reason is None


# --- properties ---------------------------------------------------------------------------------------------------

HASHES = st.fixed_dictionaries({}, optional={"sha256": st.binary(min_size=32, max_size=32).map(bytes.hex)})
MOMENTS = st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
VERSIONS = st.lists(st.integers(0, 30), min_size=1, max_size=3).map(lambda parts: ".".join(map(str, parts)))


@st.composite
def entries(draw: st.DrawFn) -> dict[str, Any]:
    ending = draw(st.sampled_from([".tar.gz", ".zip", "-py3-none-any.whl", "-cp311-cp311-linux_armv7l.whl"]))
    filename = f"a-{draw(VERSIONS)}{ending}"
    return entry(
        filename,
        hashes=draw(HASHES),
        size=draw(st.none() | st.integers(0, 2**40)),
        upload_time=draw(st.none() | MOMENTS.map(lambda moment: moment.isoformat().replace("+00:00", "Z"))),
        requires_python=draw(st.none() | st.sampled_from([">=3.7", "<4", "nonsense"])),
        yanked=draw(st.booleans() | st.text(max_size=5)),
        core_metadata=draw(st.none() | st.booleans() | HASHES.filter(bool)),
    )


def _said_again(read: ProjectPage) -> bytes:
    files = [
        entry(
            file.filename,
            url=file.url,
            hashes=dict(file.hashes),
            size=file.size,
            upload_time=file.uploaded_at and file.uploaded_at.isoformat(),
            requires_python=file.requires_python,
            yanked=(file.yanked_reason or True) if file.yanked else False,
            core_metadata=file.core_metadata,
        )
        for file in read.files
    ]
    return body("a", *files, versions=list(read.versions.values()))


@given(st.lists(entries(), max_size=8, unique_by=lambda each: each["filename"]))
def test_what_was_read_and_is_said_again_reads_the_same(files: list[dict[str, Any]]) -> None:
    read = page("a", *files)
    assert [file.filename for file in read.files] == [each["filename"] for each in files]
    assert {file.version for file in read.files} == set(read.versions)
    assert parse_page(_said_again(read), project=A, url=URL) == read


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = [
    "filename",
    "url",
    "hashes",
    "size",
    "upload-time",
    "requires-python",
    "yanked",
    "core-metadata",
    "provenance",
]


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(FIELDS), JSON, min_size=1))
def test_whatever_a_file_says_the_page_is_read_or_the_file_is_named(hostile: dict[str, Any]) -> None:
    read = page("a", entry("a-1.0.tar.gz") | hostile, entry("a-2.0.tar.gz"))
    assert len(read.files) + len(read.problems) == 2
    assert read.files[-1].filename == "a-2.0.tar.gz"


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(["meta", "name", "files", "versions", "project-status"]), JSON) | JSON)
def test_whatever_a_page_says_it_is_read_or_refused_as_a_page(hostile: Any) -> None:
    good = json.loads(body("a", entry("a-1.0.tar.gz")))
    content = json.dumps(good | hostile if isinstance(hostile, dict) else hostile).encode()
    try:
        read = parse_page(content, project=A, url=URL)
    except PageError as error:
        said = str(error)
    else:
        said = read.name
    assert said
