"""A badge says on how many targets the newest version installs, readably, whatever it is about."""

from xml.etree import ElementTree

import pytest
from msgspec.structs import replace
from test_matrix import BUILT, FAILED, JOB, RELEASE, TRIXIE, facts

from piwright.site import badge
from piwright.site.badge import badge_for, badge_words, draw_badge, text_width
from piwright.site.matrix import decide_matrix
from piwright.site.project_answers import answer_targets

SVG = "{http://www.w3.org/2000/svg}"


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2)."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_colour_has_contrast_enough_for_small_white_letters() -> None:
    for colour in {*badge._COLOURS.values(), badge._OTHER, badge._LABEL_COLOUR}:
        assert 1.05 / (luminance(colour) + 0.05) > 7, colour


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (BUILT, ("1 of 1 targets", "built", "3.6")),
        ({**BUILT, "targets": (*facts().targets, TRIXIE)}, ("1 of 2 targets", "waiting", "3.6")),
        ({"jobs": (replace(JOB, state="failed"),), "attempts": (FAILED,)}, ("failed", "failed", "3.6")),
        ({"jobs": (replace(JOB, state="waiting"),)}, ("waiting", "waiting", "3.6")),
        ({"jobs": (replace(JOB, state="leased"),)}, ("being built", "building", "3.6")),
        ({}, ("no wheel", "unknown", "3.6")),
        ({"releases": ()}, ("nothing known", "unknown", None)),
        ({"status": "quarantined"}, ("quarantined", "removed", None)),
        ({"gone": True}, ("gone upstream", "removed", None)),
        (
            {**BUILT, "releases": (RELEASE, replace(RELEASE, release_id=11, version="4.0a1"))},
            ("1 of 1 targets", "built", "3.6"),
        ),
    ],
)
def test_it_is_about_what_pip_would_choose(known: dict[str, object], said: tuple[str, str, str | None]) -> None:
    project = facts(**known)
    assert badge_words(project, answer_targets(project, decide_matrix(project))) == said


def test_the_drawing_is_as_wide_as_its_words() -> None:
    drawn = ElementTree.fromstring(draw_badge("piwright", "3 of 4 targets", "built"))
    texts = drawn.findall(f".//{SVG}text")
    assert [text.text for text in texts] == ["piwright", "3 of 4 targets"]
    widths = [int(text.get("textLength", "0")) for text in texts]
    assert widths == [text_width("piwright"), text_width("3 of 4 targets")]
    assert int(drawn.get("width", "0")) == sum(widths) + 24
    assert drawn.get("aria-label") == "piwright: 3 of 4 targets"
    assert text_width("mmmm") > text_width("nnnn") > text_width("iiii")


def test_a_hostile_name_is_only_text() -> None:
    evil = '"/><script>alert(1)</script>\x1b\u202e&' + "A" * 5000
    drawn = draw_badge("piwright", evil, "built", evil)
    parsed = ElementTree.fromstring(drawn)
    assert b"<script" not in drawn
    assert "<script>alert(1)</script>" in (parsed.findtext(f"{SVG}title") or "")
    assert len(drawn) < 2500
    project = replace(facts(), name=evil)
    ElementTree.fromstring(badge_for(project, answer_targets(project, decide_matrix(project))))
