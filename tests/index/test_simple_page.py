"""Pages as bytes: what HTML and JSON say, judged by an independent reader (`pypi-simple`)."""

import json
import random
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypi_simple import DistributionPackage, ProjectPage

from piwright.index.page import PageFile, SimplePage, render_html, render_json

BASE = "http://127.0.0.1:8000/simple/a/"


def file(filename: str = "a-1.0.tar.gz", version: str = "1.0", **more: object) -> PageFile:
    return PageFile(filename, version, **{"url": f"../../files/{filename}", "hashes": {"sha256": "0" * 64}} | more)  # type: ignore[arg-type]


def read(page: SimplePage) -> tuple[ProjectPage, ProjectPage]:
    """The page as `pypi-simple` reads it, from HTML and from JSON."""
    return (
        ProjectPage.from_html("a", render_html(page), BASE, "utf-8"),
        ProjectPage.from_json_data(json.loads(render_json(page)), BASE),
    )


def entry(page_file: PageFile) -> dict[str, object]:
    [found] = json.loads(render_json(SimplePage("a", files=(page_file,))))["files"]
    return dict(found)


@pytest.mark.parametrize(
    ("more", "field", "expected"),
    [
        ({}, "yanked", False),
        ({"yanked": True}, "yanked", True),
        ({"yanked": True, "yanked_reason": ""}, "yanked", True),
        ({"yanked": True, "yanked_reason": "false"}, "yanked", "false"),
        ({"yanked": False, "yanked_reason": "left over"}, "yanked", False),
        ({}, "core-metadata", False),
        ({"core_metadata": True}, "core-metadata", True),
        ({"core_metadata": {}}, "core-metadata", True),
        ({"core_metadata": {"sha256": "ab"}}, "core-metadata", {"sha256": "ab"}),
        ({}, "requires-python", None),
        ({"requires_python": ""}, "requires-python", None),
        ({"requires_python": ">=3.7,<4"}, "requires-python", ">=3.7,<4"),
        ({}, "provenance", None),
        ({"provenance": "https://x.invalid/p"}, "provenance", "https://x.invalid/p"),
        ({"size": 5 << 31}, "size", 5 << 31),
        ({"uploaded_at": datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)}, "upload-time", "2024-01-02T03:04:05.000000Z"),
        (
            {"uploaded_at": datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=2)))},
            "upload-time",
            "2024-01-02T01:04:05.000006Z",
        ),
    ],
)
def test_json_says_it_as_the_standard_wants_it(more: dict[str, object], field: str, expected: object) -> None:
    assert entry(file(**more))[field] == expected


def test_what_upstream_does_not_say_is_left_out() -> None:
    assert not {"size", "upload-time"} & set(entry(file()))


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"yanked": True}, ' data-yanked=""'),
        ({"yanked": True, "yanked_reason": 'a "b" <c>'}, ' data-yanked="a &quot;b&quot; &lt;c&gt;"'),
        ({"requires_python": ">=3.7,<4"}, ' data-requires-python="&gt;=3.7,&lt;4"'),
        ({"core_metadata": True}, ' data-core-metadata="true" data-dist-info-metadata="true"'),
        ({"core_metadata": {"sha256": "ab"}}, ' data-core-metadata="sha256=ab" data-dist-info-metadata="sha256=ab"'),
        ({"hashes": {"blake2b": "1", "sha256": "2"}}, '#sha256=2"'),
        ({"hashes": {"sha512": "3", "md5": "4"}}, '#md5=4"'),
        ({"hashes": {}}, 'href="../../files/a-1.0.tar.gz"'),
        ({"url": "https://x.invalid/a?b=1&c=2#old=5"}, 'href="https://x.invalid/a?b=1&amp;c=2#sha256='),
        ({"provenance": "https://x.invalid/p"}, ' data-provenance="https://x.invalid/p"'),
    ],
)
def test_html_says_it_as_the_standard_wants_it(more: dict[str, object], expected: str) -> None:
    assert expected in render_html(SimplePage("a", files=(file(**more),))).decode()


def test_files_are_in_the_order_of_versions_not_of_letters() -> None:
    names = [("a-1.10.tar.gz", "1.10"), ("a-1.9.tar.gz", "1.9"), ("a-1.9-py3-none-any.whl", "1.9"), ("a-2.tar.gz", "2")]
    names += [("a-1!0.1.tar.gz", "1!0.1"), ("a-2rc1.tar.gz", "2rc1")]
    page = json.loads(render_json(SimplePage("a", files=tuple(file(name, version) for name, version in names))))
    assert page["versions"] == ["1.9", "1.10", "2rc1", "2", "1!0.1"]
    assert [each["filename"] for each in page["files"]][:3] == [
        "a-1.9-py3-none-any.whl",
        "a-1.9.tar.gz",
        "a-1.10.tar.gz",
    ]


def test_status_is_in_both() -> None:
    for parsed in read(SimplePage("a", "quarantined", 'a <bad> "thing"')):
        assert parsed.repository_version == "1.4"
        assert parsed.status is not None
        assert parsed.status.value == "quarantined"
        assert parsed.status_reason == 'a <bad> "thing"'
        assert parsed.packages == []


def test_two_spellings_of_one_version_stay_apart_whatever_came_first() -> None:
    both = [file("a-1.0.tar.gz", "1.0"), file("a-1.0.0.tar.gz", "1.0.0"), file("a-1.0.zip", "1.0")]
    for files in (both, both[::-1]):
        page = json.loads(render_json(SimplePage("a", files=tuple(files))))
        assert page["versions"] == ["1.0", "1.0.0"]
        assert [each["filename"] for each in page["files"]] == ["a-1.0.tar.gz", "a-1.0.zip", "a-1.0.0.tar.gz"]


def test_the_packages_a_file_needs_are_in_json_only() -> None:
    needy = file(apt_packages=("libatlas3-base", "libgfortran5"))
    assert entry(needy)["_piwright-apt-packages"] == ["libatlas3-base", "libgfortran5"]
    assert "_piwright-apt-packages" not in entry(file())
    assert render_html(SimplePage("a", files=(needy,))) == render_html(SimplePage("a", files=(file(),)))


# Hostile text: markup, quotes, control characters, emoji, right to left; not NUL, which PostgreSQL never holds.
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
digests = st.dictionaries(
    st.sampled_from(["sha256", "sha512", "md5"]), st.text("0123456789abcdef", min_size=1), max_size=3
)
files = st.builds(
    PageFile,
    filename=st.from_regex(r"a-1\.0[A-Za-z0-9._+-]{0,20}\.tar\.gz", fullmatch=True),
    version=st.from_regex(r"([1-9]!)?[0-9]{1,3}(\.[0-9]{1,2}){0,2}(rc1)?(\+pi)?", fullmatch=True),
    url=st.from_regex(r"https://x\.invalid/[a-z0-9._~%/-]{0,20}", fullmatch=True),
    hashes=digests,
    size=st.none() | st.integers(0, 1 << 40),
    uploaded_at=st.none() | st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    requires_python=st.none() | text,
    yanked=st.booleans(),
    yanked_reason=st.none() | text,
    core_metadata=st.none() | st.just(True) | digests,
    provenance=st.none() | st.just("https://x.invalid/provenance"),
)
pages = st.builds(
    SimplePage,
    name=st.just("a"),
    status=st.sampled_from(["active", "archived", "quarantined", "deprecated"]),
    status_reason=st.none() | text,
    files=st.lists(files, max_size=6, unique_by=lambda each: each.filename).map(tuple),
)


@given(pages)
def test_html_and_json_list_the_same_files(page: SimplePage) -> None:
    html, parsed = read(page)

    def common(package: DistributionPackage) -> tuple[object, ...]:
        return (
            package.filename,
            package.url,
            package.digests.get("sha256"),
            package.is_yanked,
            package.has_metadata or False,
            (package.metadata_digests or {}).get("sha256"),
            package.provenance_url,
        )

    assert [common(each) for each in html.packages] == [common(each) for each in parsed.packages]
    assert html.status == parsed.status


@given(pages, st.randoms(use_true_random=False))
def test_bytes_depend_on_the_content_not_on_its_order(page: SimplePage, chance: random.Random) -> None:
    shuffled = list(page.files)
    chance.shuffle(shuffled)
    other = SimplePage(page.name, page.status, page.status_reason, tuple(shuffled))
    assert render_html(other) == render_html(page)
    assert render_json(other) == render_json(page)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))


@given(pages)
def test_no_text_of_upstream_becomes_markup(page: SimplePage) -> None:
    content = render_html(page).decode()
    parser = Tags()
    parser.feed(content)
    allowed = {"html", "head", "meta", "title", "body", "h1", "p", "a", "br"}
    assert {tag for tag, _ in parser.tags} <= allowed
    assert sum(tag == "a" for tag, _ in parser.tags) == len(page.files)
    known = {
        "href",
        "data-requires-python",
        "data-yanked",
        "data-core-metadata",
        "data-dist-info-metadata",
        "data-provenance",
    }
    assert {name for tag, names in parser.tags if tag == "a" for name in names} <= known
    assert not [c for c in content if (ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160]
