"""Which files a page shows, decided without a database."""

from dataclasses import replace

import pytest
from published_shop import BUILT

from piwright.index.compose import compose_page, served_wheels, withheld_wheels
from piwright.index.contents import OurWheel, ProjectContents
from piwright.index.layout import EXTRA, SIMPLE
from piwright.index.page import PageFile


def ours(filename: str, wheel_id: int = 1, **more: object) -> OurWheel:
    version = filename.split("-")[1]
    wheel = OurWheel(wheel_id, version, filename, "ab" + "c" * 62, 10, "d" * 64, BUILT)
    return replace(wheel, **more)  # type: ignore[arg-type]


def theirs(filename: str, version: str = "1.0") -> PageFile:
    return PageFile(filename, version, f"http://files.invalid/{filename}", {"sha256": "e" * 64})


@pytest.mark.parametrize(
    ("wheel", "upstream", "shown"),
    [
        ("a-1.0-py3-none-any.whl", "a-1.0.tar.gz", True),
        ("a-1.0-py3-none-any.whl", "a-1.0-py3-none-any.whl", False),
        ("a-1.0-py3-none-any.whl", "A-1.0-py3-none-any.whl", False),
        ("a-1.0-py3-none-any.whl", "a-1.0-py2.py3-none-any.whl", False),
        ("a-1.0-1-py3-none-any.whl", "a-1.0-py3-none-any.whl", False),
        ("a-1.0-py2.py3-none-any.whl", "a-1.0-py3-none-any.whl", True),
        ("a-1.0-cp311-cp311-linux_armv7l.whl", "a-1.0-py3-none-any.whl", True),
        ("a-1.0-cp311-cp311-linux_armv7l.whl", "a-1.0-cp311-cp311-manylinux_2_17_x86_64.whl", True),
        ("a-1.0-py3-none-any.whl", "a-1.0.whl", True),
    ],
)
def test_upstream_comes_first_for_what_upstream_serves(wheel: str, upstream: str, shown: bool) -> None:
    contents = ProjectContents(1, "a", "1", wheels=(ours(wheel),), upstream=(theirs(upstream),))
    for flavour in (SIMPLE, EXTRA):
        page = compose_page(contents, flavour)
        assert (page is not None) is shown


def test_another_release_of_upstream_hides_nothing() -> None:
    upstream = theirs("a-2.0-py3-none-any.whl", "2.0")
    contents = ProjectContents(1, "a", "1", wheels=(ours("a-1.0-py3-none-any.whl"),), upstream=(upstream,))
    assert len(compose_page(contents, SIMPLE).files) == 2  # type: ignore[union-attr]


def test_the_extra_index_has_our_files_only_and_links_that_fit_its_place() -> None:
    wheel = ours("a-1.0+pi-py3-none-any.whl")
    contents = ProjectContents(1, "a", "1", wheels=(wheel,), upstream=(theirs("a-1.0.tar.gz"),))
    [file] = compose_page(contents, EXTRA).files  # type: ignore[union-attr]
    assert file.url == f"../../../files/ab/{'c' * 62}/a-1.0%2Bpi-py3-none-any.whl"
    [file, _] = compose_page(contents, SIMPLE).files  # type: ignore[union-attr]
    assert file.url == f"../../files/ab/{'c' * 62}/a-1.0%2Bpi-py3-none-any.whl"


def test_a_withdrawn_wheel_is_neither_listed_nor_served() -> None:
    kept, gone = ours("a-1.0-py3-none-any.whl"), ours("a-2.0-py3-none-any.whl", 2, withdrawn=True)
    contents = ProjectContents(1, "a", "1", wheels=(kept, gone))
    assert served_wheels(contents) == [kept]
    assert withheld_wheels(contents) == [gone]
    assert [file.filename for file in compose_page(contents, SIMPLE).files] == [kept.filename]  # type: ignore[union-attr]


def test_a_held_wheel_is_neither_listed_nor_served() -> None:
    kept, held = ours("a-1.0-py3-none-any.whl"), ours("a-2.0-py3-none-any.whl", 2, held=True, published=True)
    contents = ProjectContents(1, "a", "1", wheels=(kept, held), upstream=(theirs("a-2.0.tar.gz", "2.0"),))
    assert withheld_wheels(contents) == [held]
    assert [file.filename for file in compose_page(contents, EXTRA).files] == [kept.filename]  # type: ignore[union-attr]
    assert compose_page(replace(contents, wheels=(held,)), SIMPLE) is None


def test_a_wheel_that_is_missing_is_not_named() -> None:
    contents = ProjectContents(1, "a", "1", wheels=(ours("a-1.0-py3-none-any.whl", 7),))
    assert compose_page(contents, SIMPLE, missing={7}) is None


@pytest.mark.parametrize(
    ("closed", "said"),
    [
        ({"status": "quarantined"}, None),
        ({"status": "quarantined", "status_reason": "malware"}, "malware"),
        ({"gone": True}, "Upstream no longer has this project."),
    ],
)
def test_a_closed_project_keeps_an_empty_page_that_says_why(closed: dict[str, object], said: str | None) -> None:
    contents = ProjectContents(1, "a", "1", wheels=(ours("a-1.0-py3-none-any.whl"),), upstream=(theirs("a-1.0.zip"),))
    contents = replace(contents, **closed)  # type: ignore[arg-type]
    page = compose_page(contents, SIMPLE)
    assert page is not None
    assert page.files == ()
    assert page.status_reason == said
    assert served_wheels(contents) == []
    assert compose_page(replace(contents, wheels=()), SIMPLE) is None


def test_an_archived_project_is_still_installable() -> None:
    contents = ProjectContents(1, "a", "1", status="archived", wheels=(ours("a-1.0-py3-none-any.whl"),))
    page = compose_page(contents, SIMPLE)
    assert page is not None
    assert page.status == "archived"
    assert len(page.files) == 1
