"""Which files a page shows, decided without a database."""

import json
import random
from collections.abc import Callable, Container
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from packaging.tags import parse_tag
from packaging.utils import parse_wheel_filename
from published_shop import BUILT

from piwright.index.compose import GONE, compose_pages, is_listed, offered_wheels, served_wheels, withheld_wheels
from piwright.index.contents import OurWheel, ProjectContents
from piwright.index.layout import EXTRA, SIMPLE, Flavour, TargetTags, target_flavour
from piwright.index.page import PageFile, SimplePage, render_html, render_json

NATIVE = "a-1.0-cp311-cp311"


def ours(filename: str, wheel_id: int = 1, **more: object) -> OurWheel:
    version = filename.split("-")[1]
    wheel = OurWheel(wheel_id, version, filename, "ab" + "c" * 62, 10, "d" * 64, BUILT)
    return replace(wheel, **more)  # type: ignore[arg-type]


def compose_page(contents: ProjectContents, flavour: Flavour, missing: Container[int] = ()) -> SimplePage | None:
    """The project's page in one index, as the publication has it made."""
    return compose_pages(contents, [flavour], offered_wheels(contents, missing))[flavour]


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
        (f"{NATIVE}-manylinux_2_36_armv7l.whl", f"{NATIVE}-manylinux_2_17_armv7l.manylinux2014_armv7l.whl", False),
        (f"{NATIVE}-manylinux_2_17_armv7l.whl", f"{NATIVE}-manylinux2014_armv7l.whl", False),
        (f"{NATIVE}-manylinux_2_17_armv7l.whl", f"{NATIVE}-manylinux_2_36_armv7l.whl", True),
        (f"{NATIVE}-linux_armv7l.whl", f"{NATIVE}-manylinux_2_17_armv7l.whl", False),
        (f"{NATIVE}-linux_armv7l.whl", f"{NATIVE}-manylinux_2_36_armv7l.whl", True),
        (f"{NATIVE}-linux_armv6l.linux_armv7l.whl", f"{NATIVE}-manylinux_2_17_armv7l.whl", True),
        (f"{NATIVE}-manylinux_2_36_armv7l.whl", f"{NATIVE}-manylinux_2_17_aarch64.whl", True),
        (f"{NATIVE}-manylinux_2_36_armv7l.whl", f"{NATIVE}-musllinux_1_2_armv7l.whl", True),
        (f"{NATIVE}-manylinux_2_36_armv7l.whl", "a-1.0-cp312-cp312-manylinux_2_17_armv7l.whl", True),
        (f"{NATIVE}-manylinux_2_36_armv7l.whl", "a-1.0-cp311-abi3-manylinux_2_17_armv7l.whl", True),
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
        ({"status": "quarantined"}, "Upstream says: quarantined"),
        ({"status": "quarantined", "status_reason": "malware"}, "Upstream says: quarantined: malware"),
        ({"gone": True}, "Upstream no longer has this project."),
        ({"gone": True, "status": "archived"}, "Upstream says: archived"),
    ],
)
def test_a_closed_project_keeps_an_empty_page_that_says_why(closed: dict[str, object], said: str) -> None:
    contents = ProjectContents(1, "a", "1", wheels=(ours("a-1.0-py3-none-any.whl"),), upstream=(theirs("a-1.0.zip"),))
    contents = replace(contents, **closed)  # type: ignore[arg-type]
    page = compose_page(contents, SIMPLE)
    assert page is not None
    assert page.files == ()
    html = render_html(page).decode()
    assert f"<p>{said}</p>" in html
    assert json.loads(render_json(page)).get("_piwright-note") == (GONE if "gone" in closed else None)
    assert (f"<p>{GONE}</p>" in html) is ("gone" in closed)
    assert served_wheels(contents) == []
    assert compose_page(replace(contents, wheels=()), SIMPLE) is None


def test_an_archived_project_is_still_installable() -> None:
    contents = ProjectContents(1, "a", "1", status="archived", wheels=(ours("a-1.0-py3-none-any.whl"),))
    page = compose_page(contents, SIMPLE)
    assert page is not None
    assert page.status == "archived"
    assert len(page.files) == 1


BOOKWORM = target_flavour(
    "bookworm-cp311-armv7l",
    TargetTags(
        "bookworm",
        frozenset(
            ["cp311-cp311-linux_armv7l", "cp311-abi3-linux_armv7l", "cp311-abi3-manylinux_2_36_armv7l", "py3-none-any"]
        ),
    ),
)


@pytest.mark.parametrize(
    ("tags", "built_for", "needs_distribution", "indexes"),
    [
        (["py3-none-any"], "trixie", False, "simple extra target"),
        (["cp311-abi3-manylinux_2_36_armv7l"], "trixie", False, "simple extra target"),
        (["cp311-cp311-linux_armv7l"], "bookworm", False, "simple extra target"),
        (["cp311-cp311-linux_armv6l", "cp311-cp311-linux_armv7l"], "bookworm", False, "simple extra target"),
        # Another distribution's libraries may be missing here; its own index has it.
        (["cp311-cp311-linux_armv7l"], "trixie", False, "simple extra"),
        # By its name it fits several distributions, and it works on one: only that one's index has it.
        (["cp311-abi3-linux_armv7l"], "bookworm", True, "target"),
        (["cp311-abi3-linux_armv7l"], "trixie", True, ""),
        # The tag with a floor is true anywhere; without one it is true on its own distribution only.
        (["cp311-abi3-manylinux_2_36_armv7l", "cp311-abi3-linux_armv6l"], "trixie", True, "target"),
        (["cp313-cp313-linux_armv7l"], "bookworm", False, "simple extra"),
    ],
)
def test_an_index_names_what_its_clients_can_install_and_run(
    tags: list[str], built_for: str, needs_distribution: bool, indexes: str
) -> None:
    more = {"tags": tuple(tags), "distribution": built_for, "needs_distribution": needs_distribution}
    contents = ProjectContents(1, "a", "1", wheels=(ours("a-1.0-x-y-z.whl", **more),))
    flavours = {"simple": SIMPLE, "extra": EXTRA, "target": BOOKWORM}
    assert " ".join(name for name, flavour in flavours.items() if compose_page(contents, flavour)) == indexes


@pytest.mark.parametrize(
    ("more", "listed"),
    [
        ({}, True),
        ({"wheels": (ours("a-1.0-py3-none-any.whl"),)}, True),
        ({"status": "archived"}, True),
        ({"status": "quarantined"}, False),
        ({"status": "quarantined", "wheels": (ours("a-1.0-py3-none-any.whl"),)}, True),
        ({"gone": True, "wheels": (ours("a-1.0-py3-none-any.whl"),)}, False),
        ({"known": False}, False),
    ],
)
def test_a_complete_index_lists_what_can_be_installed_from_here_or_there(more: dict[str, object], listed: bool) -> None:
    assert is_listed(replace(ProjectContents(1, "a", "1"), **more)) is listed  # type: ignore[arg-type]


interpreters = st.sampled_from(["cp311-cp311", "cp313-cp313", "cp311-abi3", "py3-none", "py2.py3-none"])
platforms = st.sampled_from(["any", "linux_armv7l", "linux_armv6l.linux_armv7l", "manylinux_2_36_armv7l"])


def _some_wheels(make: Callable[..., Any]) -> st.SearchStrategy[list[Any]]:
    """Wheels of a few versions, with odd ones and build tags among them."""
    versions = st.sampled_from(["1.0", "1!2.0", "2.0rc1", "2.0+pi"])
    names = st.tuples(versions, st.sampled_from(["", "-1", "-10a"]), interpreters, platforms)
    return st.lists(names.map(lambda each: make(*each)), max_size=8, unique_by=lambda each: each.filename)


def _our_wheel(version: str, build: str, interpreter: str, platform: str) -> OurWheel:
    tag = f"{interpreter}-{platform}"
    wheel = replace(ours(f"a-{version}{build}-{tag}.whl"), version=version, tags=tuple(map(str, parse_tag(tag))))
    return replace(wheel, distribution="bookworm", wheel_id=abs(hash(wheel.filename)))


def _their_wheel(version: str, build: str, interpreter: str, platform: str) -> PageFile:
    return theirs(f"a-{version}{build}-{interpreter}-{platform}.whl", version)


@given(_some_wheels(_our_wheel), _some_wheels(_their_wheel), st.randoms(use_true_random=False))
def test_an_installer_never_meets_a_file_twice_nor_loses_one_of_upstreams(
    our_wheels: list[OurWheel], their_files: list[PageFile], chance: random.Random
) -> None:
    contents = ProjectContents(1, "a", "1", wheels=tuple(our_wheels), upstream=tuple(their_files))
    chance.shuffle(our_wheels)
    chance.shuffle(their_files)
    other = replace(contents, wheels=tuple(our_wheels), upstream=tuple(their_files))
    for flavour in (SIMPLE, EXTRA, BOOKWORM):
        page, same = compose_page(contents, flavour), compose_page(other, flavour)
        assert (page and render_html(page)) == (same and render_html(same))
        if page is None:
            continue
        names = [file.filename for file in page.files]
        assert len(names) == len(set(names))
        assert {file.filename for file in their_files} <= set(names) or flavour == EXTRA
        served = [parse_wheel_filename(file.filename) for file in their_files]
        for file in page.files:
            if file.url.startswith(".."):
                _, version, _, tags = parse_wheel_filename(file.filename)
                assert not any(version == each[1] and tags <= each[3] for each in served)
