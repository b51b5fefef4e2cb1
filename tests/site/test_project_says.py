"""What a project's page says where it would be easy to claim too much, or too little."""

from typing import Any

import pytest
from msgspec.structs import replace
from project_rows import SITE, UPSTREAM
from test_matrix import BOOKWORM, BUILT, RELEASE, SDIST, TRIXIE, WHEEL, facts, job, release

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
