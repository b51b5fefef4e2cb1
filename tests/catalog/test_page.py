"""Upstream's pages as data."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version

from catalog.pages import BASE, body, entry, page
from piwright.catalog.page import PageError, ProjectPage, parse_page
from piwright.index.page import PageFile, SimplePage, render_html

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
            url="https://files.example/x%2By/RPi.GPIO-0.7.1-cp311-cp311-linux_armv7l.whl#sha256=00",
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
    assert wheel.url == "https://files.example/x%2By/RPi.GPIO-0.7.1-cp311-cp311-linux_armv7l.whl"
    assert (wheel.kind, wheel.size) == ("wheel", 2**40)
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
        ({"hashes": None}, r"files\[0\].hashes of a-1.0.tar.gz is <missing>"),
        ({"hashes": ["sha256"]}, r"files\[0\].hashes of a-1.0.tar.gz is \['sha256'\], expected object"),
        ({"url": 5}, r"files\[0\].url of a-1.0.tar.gz is 5, expected str"),
        (
            {"url": "../../files/download?name=a-1.0.tar.gz"},
            r"files\[0\].url of a-1.0.tar.gz is .*expected an address whose last part is the file's name, a-1.0.tar.gz",
        ),
        ({"url": "https://x.example/A-1.0.tar.gz"}, "whose last part is the file's name"),
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


@pytest.mark.parametrize(
    ("field", "odd", "named"),
    [
        ("upload-time", "yesterday", "is 'yesterday', expected a time such as 2026"),
        ("upload-time", "2024-13-01T00:00:00Z", "a time such as"),
        ("upload-time", "0001-01-01T00:00:00+14:00", "a time such as"),
        ("upload-time", "9999-12-31T23:59:59Z", "a time between 1990 and 2200"),
        ("upload-time", "2200-01-01T00:00:00Z", "a time between 1990 and 2200"),
        ("upload-time", "1989-12-31T23:59:59Z", "a time between 1990 and 2200"),
        ("upload-time", 5, "is 5, expected str"),
        ("size", -1, "is -1, expected a number of bytes"),
        ("size", 2**63, "a number of bytes"),
        ("size", 2**70, "a number of bytes"),
        ("size", 1.5, "is 1.5, expected int"),
        ("size", "12", "is '12', expected int"),
        ("size", True, "expected int"),
        ("core-metadata", {"sha256": "x"}, "64 hexadecimal digits"),
        ("core-metadata", 1, "expected bool"),
        ("provenance", "mailto:x", "an http or https address"),
        ("provenance", "javascript:alert(1)", "an http or https address"),
        ("provenance", "https://me:secret@x.example/p", "without user name"),
        ("provenance", ["https://x.example/p"], "expected str"),
        ("requires-python", 3, "is 3, expected str"),
    ],
)
def test_an_odd_value_that_nobody_has_to_send_is_unknown_and_the_file_stays(field: str, odd: Any, named: str) -> None:
    wheel = "a-1.0-py3-none-any.whl"
    read = page("a", entry("a-1.0.tar.gz"), entry(wheel) | {field: odd})
    assert [file.filename for file in read.files] == ["a-1.0.tar.gz", wheel]
    values = {"upload-time": read.files[1].uploaded_at, "core-metadata": read.files[1].core_metadata}
    assert values.get(field, getattr(read.files[1], field.replace("-", "_"), None)) is None
    assert read.files[1].url.endswith(wheel)
    (problem,) = read.problems
    assert problem.text.startswith(f"files[1].{field}")
    assert f" of {wheel} is " in problem.text
    assert named in problem.text
    assert problem.text.endswith("; it counts as unknown")


@pytest.mark.parametrize(
    ("odd", "yanked"), [("1", True), ("1e999", True), ('["x"]', True), ("0", False), ("{}", False), ("[]", False)]
)
def test_a_yank_that_is_neither_a_truth_nor_a_reason_is_one_if_there_is_anything_in_it(odd: str, yanked: bool) -> None:
    content = body("a", entry("a-1.0.tar.gz", yanked="ODD")).replace(b'"ODD"', odd.encode())
    read = parse_page(content, project=A, url=URL)
    assert [(file.yanked, file.yanked_reason) for file in read.files] == [(yanked, None)]
    assert "files[0].yanked of a-1.0.tar.gz" in read.problems[0].text
    assert read.problems[0].text.endswith(f"; the file counts as {'yanked' if yanked else 'not yanked'}")


def test_a_number_beyond_all_numbers_costs_no_more_than_itself() -> None:
    content = body("a", entry("a-1.0.tar.gz", size=987654321), meta={"api-version": "1.4", "_last-serial": 987654321})
    read = parse_page(content.replace(b"987654321", b"1e999"), project=A, url=URL)
    assert [(file.size, file.hashes) for file in read.files] == [(None, {"sha256": "ab" * 32})]
    assert read.serial is None
    assert len(read.problems) == 2


def test_a_file_that_cannot_be_fetched_or_checked_is_known_to_be_there() -> None:
    bad = entry("a-1.0.tar.gz", url="ftp://x.example/a-1.0.tar.gz", yanked="malware")
    read = page("a", bad, entry("a-2.0.tar.gz"))
    assert [(file.filename, file.kind, file.yanked, file.yanked_reason) for file in read.unread] == [
        ("a-1.0.tar.gz", "sdist", True, "malware")
    ]
    assert set(read.versions) == {Version("1.0"), Version("2.0")}


@pytest.mark.parametrize("bad", ["a-1.0.tar.gz", None, 7, [], {}])
def test_an_entry_that_is_no_file_is_left_out_too(bad: Any) -> None:
    read = page("a", entry("a-2.0.tar.gz"), bad)
    assert len(read.files) == len(read.problems) == 1
    assert "files[1]" in read.problems[0].text
    assert (read.unread, read.doubt) == ((), "none" if bad == "a-svn.tar.gz" else "all")


def test_of_two_files_of_one_name_the_first_counts() -> None:
    read = page("a", entry("a-1.0.tar.gz", size=1), entry("a-1.0.tar.gz", size=2))
    assert [file.size for file in read.files] == [1]
    assert "a name that no file before it has" in read.problems[0].text


def test_a_page_none_of_whose_files_can_be_read_is_not_believed() -> None:
    with pytest.raises(PageError, match=r"files is <2 entries>, expected at least one that can be read \(files\[1\]"):
        page("a", entry("x.tar.gz"), entry("y.tar.gz"))


def test_a_page_of_three_thousand_files_is_read_in_no_time() -> None:
    wheel = "-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
    files = [
        entry(
            f"a-1.{number}{ending}",
            url=f"https://files.example/packages/ab/cd/{'ef' * 30}/a-1.{number}{ending}",
            requires_python=">=3.9",
            core_metadata={"sha256": "cd" * 32},
        )
        for number in range(1000)
        for ending in (".tar.gz", wheel, "-py3-none-any.whl")
    ]
    content = body("a", *files, versions=[f"1.{number}" for number in range(1000)])
    tries = []
    for _ in range(3):
        began = time.process_time()
        assert len(parse_page(content, project=A, url=URL).files) == 3000
        tries.append(time.process_time() - began)
    assert min(tries) < 1  # a twelfth of that on a quiet machine


def test_a_page_without_files_is_a_project_without_files() -> None:
    assert page("a", versions=["1.0"]).versions == {Version("1.0"): "1.0"}


def test_a_newer_minor_api_is_read_with_a_warning_and_a_newer_major_is_refused() -> None:
    read = page("a", entry("a-1.0.tar.gz"), api="1.5")
    assert len(read.files) == 1
    assert "'1.5'" in read.problems[0].text
    with pytest.raises(PageError, match=r"meta.api-version is '2.0', expected 1.x; this page is too new"):
        parse_page(b'{"meta": {"api-version": "2.0"}, "projects": 5}', project=A, url=URL)


@pytest.mark.parametrize(
    ("said", "status", "reason", "named"),
    [
        ({"status": "haunted"}, "active", None, "project-status.status is 'haunted', expected active, archived"),
        ({"status": None, "reason": "x"}, "active", "x", "project-status.status is None"),
        ({"status": ["quarantined"]}, "active", None, "project-status.status is"),
        ("quarantined", "quarantined", None, "project-status is 'quarantined', expected an object"),
        (" Archived ", "archived", None, "counts as archived"),
        ("haunted", "active", None, "counts as active"),
        (["quarantined"], "active", None, "project-status is ['quarantined'], expected an object"),
        (5, "active", None, "project-status is 5"),
        ({"status": "quarantined", "reason": 5}, "quarantined", None, "project-status.reason is 5, expected a text"),
        ({"status": "QUARANTINED", "reason": "malware"}, "quarantined", "malware", None),
        ({"status": "Archived\n"}, "archived", None, None),
        ({"reason": "hm"}, "active", "hm", None),
        ({}, "active", None, None),
        (None, "active", None, None),
    ],
)
def test_a_status_is_understood_however_it_is_written_and_else_active_and_named(
    said: Any, status: str, reason: str | None, named: str | None
) -> None:
    read = page("a", entry("a-1.0.tar.gz"), project_status=said)
    assert (read.status, read.status_reason) == (status, reason)
    assert len(read.problems) == (named is not None)
    assert (named or "") in " ".join(problem.text for problem in read.problems)


@pytest.mark.parametrize("files", [[entry("a-2004d.tar.gz")], [5], {}, None, "none"])
def test_of_a_project_in_quarantine_no_file_has_to_be_readable(files: Any) -> None:
    said = {"meta": {"api-version": "1.4"}, "name": "A", "files": files, "versions": {}}
    read = parse_page(json.dumps(said | {"project-status": {"status": "quarantined"}}).encode(), project=A, url=URL)
    assert (read.status, read.files, read.versions, read.problems) == ("quarantined", (), {}, ())
    assert read.display_name == "A"


def test_the_quarantine_of_another_project_is_not_believed() -> None:
    with pytest.raises(PageError, match="name is 'b', expected the page of a"):
        parse_page(body("b", project_status={"status": "quarantined"}), project=A, url=URL)


@pytest.mark.parametrize(
    ("said", "versions", "named"),
    [
        ([1.0], {"2.0"}, "versions[0] is 1.0, expected a text; it is passed over"),
        (
            ["1.0", None, 3, "4.0"],
            {"1.0", "2.0", "4.0"},
            "versions[1] is None, expected a text; it is passed over, as are 1",
        ),
        ({}, {"2.0"}, "versions is {}, expected a list"),
        ("1.0", {"2.0"}, "versions is '1.0', expected a list"),
    ],
)
def test_odd_versions_are_passed_over(said: Any, versions: set[str], named: str) -> None:
    read = page("a", entry("a-2.0.tar.gz"), versions=said)
    assert {str(version) for version in read.versions} == versions
    assert named in read.problems[0].text


@pytest.mark.parametrize(
    ("said", "serial", "problems"),
    [
        (12, 12, 0),
        ("12", 12, 0),
        (None, 7, 0),
        ("", 7, 0),
        (1.5, None, 1),
        ([], None, 1),
        ("x", None, 1),
        (2**70, None, 1),
    ],
)
def test_an_odd_serial_is_unknown(said: Any, serial: int | None, problems: int) -> None:
    content = body("a", entry("a-1.0.tar.gz"), meta={"api-version": "1.4", "_last-serial": said})
    read = parse_page(content, project=A, url=URL, serial=7)
    assert (read.serial, len(read.problems)) == (serial, problems)


@pytest.mark.parametrize("half", [b"\\ud800", b"\\udFFF", b"\\ud800\\ud800", b"\xed\xa0\x80", b"\xff"])
@pytest.mark.parametrize("place", ["strange", "reason", "yanked", "version"])
def test_half_a_character_anywhere_hides_nothing(half: bytes, place: str) -> None:
    content = body(
        "a",
        entry("a-1.0.tar.gz", yanked="HERE yanked" if place == "yanked" else True),
        versions=["1.0", "HERE" if place == "version" else "2.0"],
        project_status={"status": "archived", "reason": "HERE reason" if place == "reason" else "r"},
        strange="HERE" if place == "strange" else "",
    )
    read = parse_page(content.replace(b"HERE", half), project=A, url=URL)
    assert (read.status, read.files[0].yanked) == ("archived", True)
    if place == "reason":
        assert (read.status_reason or "").strip("\ufffd") == " reason"
    if place == "yanked":
        assert (read.files[0].yanked_reason or "").strip("\ufffd") == " yanked"


def test_a_name_is_shown_in_ascii_as_the_standard_has_it() -> None:
    read = page("\N{KELVIN SIGN}", entry("k-1.0.tar.gz"))
    assert (read.name, read.display_name) == ("k", "k")
    assert "expected letters and digits of ASCII" in read.problems[0].text


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
        (
            b'{"meta": {"api-version": "1.0"}, "name": 5, "files": [{"x": "\xff"}]}',
            "name is <not even JSON>, expected str",
        ),
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


def test_texts_that_one_format_could_not_say_are_made_fit_for_all() -> None:
    said = "tab\t line\n windows\r\n mac\r bell\x07 delete\x7f next\x85 wide \u202e é"
    fit = "tab\t line\n windows\n mac\n bell\ufffd delete\ufffd next\ufffd wide \u202e é"
    read = page("a", entry("a-1.0.tar.gz", yanked=said, requires_python=said), project_status={"reason": said})
    assert (read.files[0].yanked_reason, read.files[0].requires_python, read.status_reason) == (fit, fit, fit)
    # What it is made of is what HTML can say, so both formats of our pages give one text.
    ours = PageFile("a-1.0.tar.gz", "1.0", "https://x.example/a-1.0.tar.gz", {}, yanked=True, yanked_reason=fit)
    assert f'data-yanked="{fit}"' in render_html(SimplePage("a", files=(ours,))).decode()


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
def test_whatever_a_file_says_it_is_read_or_named_and_only_what_nobody_can_do_without_drops_it(
    hostile: dict[str, Any],
) -> None:
    read = page("a", entry("a-1.0.tar.gz") | hostile, entry("a-2.0.tar.gz"))
    assert read.files[-1].filename == "a-2.0.tar.gz"
    if len(read.files) == 1:
        assert hostile.keys() & {"filename", "url", "hashes"}
        assert [problem.text.endswith("; the file is left out") for problem in read.problems] == [True]
    if {"url", "hashes"} & hostile.keys() and "filename" not in hostile:
        assert len(read.files) + len(read.unread) == 2


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
