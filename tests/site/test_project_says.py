"""What a project's page says where it would be easy to claim too much, or too little."""

from typing import Any

import pytest
from msgspec.structs import replace
from project_rows import SITE, UPSTREAM
from test_matrix import BOOKWORM, BUILT, FAILED, RELEASE, SDIST, TRIXIE, TRIXIE_64, WHEEL, facts, job, release

from piwright.site.badge import badge_title
from piwright.site.matrix import decide_matrix
from piwright.site.project_facts import ProjectFacts
from piwright.site.project_page import ProjectView, render_project, view

CONFIGURED = "configured for good"


def shown(known: ProjectFacts) -> ProjectView:
    return view(known, decide_matrix(known), SITE, UPSTREAM)


def page(known: ProjectFacts) -> str:
    return render_project(shown(known)).decode()


@pytest.mark.parametrize(
    ("known", "enough"),
    [
        (BUILT, True),
        ({**BUILT, "wheels": (replace(WHEEL, needs_distribution=True),)}, False),
        ({**BUILT, "wheels": (replace(WHEEL, apt_packages=("libffi8",)),)}, False),
        ({**BUILT, "releases": release(yanked=True)}, False),
        ({**BUILT, "releases": (RELEASE, replace(RELEASE, release_id=11, version="3.7"))}, False),
        ({}, False),
    ],
)
def test_the_name_alone_is_enough_only_where_the_one_index_and_no_more_is_needed(
    known: dict[str, Any], enough: bool
) -> None:
    assert (CONFIGURED in page(facts(**known))) is enough


@pytest.mark.parametrize(
    ("known", "headline"),
    [
        ({}, "No wheel: pip would have to compile version 3.6."),
        ({"releases": release("spidev-3.6-cp39-cp39-win32.whl")}, "Version 3.6 cannot be installed on any target."),
        (
            {"releases": (replace(RELEASE, files=(replace(SDIST, requires_python=">=3.14"),)),)},
            "Version 3.6 cannot be installed on any target.",
        ),
        ({"targets": ()}, "No target is set up here."),
    ],
)
def test_pip_would_compile_only_what_there_are_sources_of(known: dict[str, Any], headline: str) -> None:
    assert shown(facts(**known)).headline == headline


def test_why_upstream_yanked_a_version_can_be_read_without_a_mouse() -> None:
    html = page(facts(**{**BUILT, "releases": release(yanked=True, yanked_reason="breaks <GPIO>")}))
    assert "Upstream yanked 3.6: breaks &lt;GPIO&gt;" in html
    assert "title=" not in html[html.index("<table") :]
    assert '<span class="evidence">breaks &lt;GPIO&gt;</span></th>' in html


@pytest.mark.parametrize("count", [3, 4, 700])
def test_many_versions_nobody_asked_for_share_a_line_that_says_how_many(count: int) -> None:
    releases = tuple(replace(RELEASE, release_id=number, version=f"1.{number}") for number in range(count))
    html = page(facts(releases=releases, targets=(BOOKWORM, TRIXIE)))
    lines = html[html.index("<tbody>") : html.index("</tbody>")].count('<th scope="row">')
    assert lines == (1 if count >= 4 else count)
    assert ("and 200 older ones" in html) is (count == 700)
    assert "older version" not in html


def test_what_was_built_for_a_target_that_is_no_more_was_not_ignored() -> None:
    releases = tuple(replace(RELEASE, release_id=number, version=f"1.{number}") for number in range(5))
    jobs = tuple(replace(job("built")[0], job_id=number, release_id=number, target_id=99) for number in range(5))
    html = page(facts(releases=releases, jobs=jobs))
    assert html[html.index("<tbody>") : html.index("</tbody>")].count('<th scope="row">') == 5


NEEDS_312 = replace(SDIST, filename="spidev-4.0.tar.gz", requires_python=">=3.12")
NEWER = replace(RELEASE, release_id=11, version="4.0", files=(NEEDS_312,))
PRE = replace(RELEASE, release_id=12, version="4.0b1")
BUILT_PRE = {
    "jobs": job("built", release_id=12),
    "attempts": BUILT["attempts"],
    "wheels": (replace(WHEEL, release_id=12, filename="spidev-4.0b1-cp311-cp311-linux_armv7l.whl"),),
}


def test_a_newer_version_for_another_python_is_not_in_the_way_of_pip() -> None:
    project = facts(**BUILT, releases=(RELEASE, NEWER))
    page = shown(project)
    assert page.headline == "Version 3.6 installs on every target, without compiling."
    assert page.subline == "Bookworm 32-bit: 4.0 is newer. Needs Python >=3.12, the target has 3.11."
    assert page.ways[0].pip.endswith("/simple/ spidev")
    assert page.once_configured
    assert badge_title(project, page.answers) == "spidev 3.6: 1 of 1 targets"


def test_what_failed_is_not_hidden_by_a_newer_version_for_another_python() -> None:
    known = {"jobs": job("failed"), "attempts": (FAILED,), "releases": (RELEASE, NEWER)}
    page = shown(facts(**known))
    assert page.headline == "No wheel: pip would have to compile version 3.6."
    assert page.state == "failed"
    assert page.evidence == ("build/1000/", "The log", "fatal error: ffi.h")
    only_newer = shown(facts(releases=(RELEASE, NEWER)))
    assert only_newer.subline == "Needs Python >=3.12, the target has 3.11."


@pytest.mark.parametrize(("final", "line"), [(True, "spidev==4.0b1"), (False, "spidev")])
def test_pip_takes_a_pre_release_by_name_only_where_there_was_never_a_final_version(final: bool, line: str) -> None:
    releases = (replace(RELEASE, yanked=True), PRE) if final else (PRE,)
    [way] = shown(facts(**BUILT_PRE, releases=releases)).ways
    assert way.pip.split()[-1] == line


def test_of_targets_where_nothing_installs_the_answer_is_about_the_one_that_tells_most() -> None:
    targets = (BOOKWORM, TRIXIE, TRIXIE_64)
    failed = replace(job("failed", target_id=TRIXIE_64.target_id)[0], job_id=101)
    attempt = replace(FAILED, job_id=101)
    page = shown(facts(targets=targets, jobs=(failed,), attempts=(attempt,)))
    assert page.state == "failed"
    assert page.subline == "Trixie 64-bit: A C or C++ header is not installed on the worker."
    assert page.evidence == ("build/1000/", "The log for Trixie 64-bit", "fatal error: ffi.h")
    waits = job("waiting", target_id=TRIXIE.target_id, ahead=0)[0]
    page = shown(facts(targets=targets, jobs=(failed, waits), attempts=(attempt,)))
    assert page.headline == "Not yet: version 3.6 is in the queue."
    assert page.subline.startswith("Trixie 32-bit: Next in the queue")
    assert page.evidence
    assert page.evidence[1] == "The log for Trixie 64-bit"


def test_the_same_on_every_target_is_said_without_naming_one() -> None:
    assert shown(facts(targets=(BOOKWORM, TRIXIE))).subline.startswith("It is not in the queue: ")


def test_two_pythons_of_one_distribution_are_told_apart_wherever_a_target_is_named() -> None:
    newer = replace(TRIXIE, target_id=4, name="trixie-cp314-armv7l", python="3.14")
    html = page(facts(targets=(BOOKWORM, TRIXIE, newer)))
    for title in ("Bookworm 32-bit", "Trixie 32-bit, Python 3.13", "Trixie 32-bit, Python 3.14"):
        assert f"<h3>{title}</h3>" in html
        assert f'<th scope="col">{title}<br>' in html


@pytest.mark.parametrize(
    ("known", "address"),
    [
        (BUILT, "../../simple/spidev/"),
        ({**BUILT, "wheels": (replace(WHEEL, needs_distribution=True),)}, "../../bookworm-cp311-armv7l/simple/spidev/"),
        ({**BUILT, "wheels": (replace(WHEEL, held_reason="it crashes"),)}, None),
        ({"releases": release("spidev-3.6-py3-none-any.whl")}, None),
        ({}, None),
    ],
)
def test_our_index_is_linked_to_where_it_has_a_page_of_the_project(known: dict[str, Any], address: str | None) -> None:
    html = page(facts(**known))
    assert ("Its page in our index" in html) is (address is not None)
    assert address is None or f'<a href="{address}">Its page in our index</a>' in html


def test_the_badge_is_described_by_its_own_words() -> None:
    assert 'alt="piwright: spidev 3.6: 1 of 2 targets"' in page(facts(**{**BUILT, "targets": (BOOKWORM, TRIXIE)}))
