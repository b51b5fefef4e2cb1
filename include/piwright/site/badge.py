"""The badge of a project: on how many targets what pip chooses there installs without compiling, as a small SVG.

    badge_for(facts, answer_targets(facts, rows))       # bytes of badge.svg
    draw_badge("piwright", "3 of 4 targets", "built")

White on dark: every colour has a contrast of more than 7 to 1. No font is asked for that a machine may not have: the
letters are stretched to the width that was computed.
"""

from collections.abc import Sequence
from xml.sax.saxutils import escape

from piwright.site.presentable import presentable
from piwright.site.project_answers import Answer
from piwright.site.project_facts import ProjectFacts

_COLOURS = {
    "built": "#156636",
    "upstream": "#1b5a8c",
    "waiting": "#5c4a00",
    "building": "#5c4a00",
    "held": "#5c4a00",
    "failed": "#8a3206",
    "removed": "#5a4f53",
}
_OTHER = "#5a4f53"
_LABEL_COLOUR = "#2a0f18"

# Advance widths of DejaVu Sans and Verdana at 11 pixels, in tenths of a pixel, close enough for both.
_NARROW = dict.fromkeys("iIjlt.,:;'|!()[] fr-", 43)
_WIDE = dict.fromkeys("mwMWQO%@", 100)
_HEIGHT = 20
_LONGEST = 60


def text_width(text: str) -> int:
    """How many pixels wide a text is at 11 pixels."""
    return round(sum(_NARROW.get(letter) or _WIDE.get(letter) or 71 for letter in text) / 10)


def badge_for(facts: ProjectFacts, answers: Sequence[Answer]) -> bytes:
    """badge.svg of a project."""
    said, state, _ = badge_words(facts, answers)
    return draw_badge("piwright", said, state, badge_title(facts, answers))


def badge_title(facts: ProjectFacts, answers: Sequence[Answer]) -> str:
    """What the badge says, for who cannot see it."""
    said, _, version = badge_words(facts, answers)
    return presentable(f"{facts.name} {version}: {said}" if version else f"{facts.name}: {said}")


def badge_words(facts: ProjectFacts, answers: Sequence[Answer]) -> tuple[str, str, str | None]:
    """What the badge says, the state that gives its colour, and the version it is about, if it is one."""
    if facts.closed:
        return ("gone upstream" if facts.gone else "quarantined"), "removed", None
    # What pip would choose on each target, which need not be the same version: an older Python gets an older one.
    chosen = [
        (each.row.release.version, each.cell) if each.newest else (each.newer_version, each.newer)
        for each in answers
        if each.row and each.cell
    ]
    states = [cell.state for _, cell in chosen if cell]
    if not states:
        return "nothing known", "unknown", None
    installed = {version for version, cell in chosen if cell and cell.installable}
    versions = installed or {version for version, _ in chosen}
    version = next(iter(versions)) if len(versions) == 1 else None
    count = sum(cell.installable for _, cell in chosen if cell)
    if count:
        said = f"{count} of {len(states)} targets"
        return said, ("built" if "built" in states else "upstream") if count == len(states) else "waiting", version
    for state, words in (
        ("building", "being built"),
        ("waiting", "waiting"),
        ("failed", "failed"),
        ("held", "held back"),
    ):
        if state in states:
            return words, state, version
    return "no wheel", "unknown", version


def draw_badge(label: str, said: str, state: str, title: str = "") -> bytes:
    """The drawing: `label` left, `said` right on the colour of `state`; `title` for who cannot see it."""
    label, said = presentable(label, _LONGEST), presentable(said, _LONGEST)
    title = presentable(title or f"{label}: {said}")
    left, right = text_width(label) + 12, text_width(said) + 12
    colour = _COLOURS.get(state, _OTHER)
    named = escape(title, {'"': "&quot;"})
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="{_HEIGHT}" role="img" '
        f'aria-label="{named}"><title>{named}</title>'
        f'<clipPath id="r"><rect width="{left + right}" height="{_HEIGHT}" rx="4"/></clipPath>'
        f'<g clip-path="url(#r)"><path fill="{_LABEL_COLOUR}" d="M0 0h{left}v{_HEIGHT}H0z"/>'
        f'<path fill="{colour}" d="M{left} 0h{right}v{_HEIGHT}H{left}z"/></g>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" font-size="11">'
        f'<text x="6" y="14" textLength="{left - 12}" lengthAdjust="spacingAndGlyphs">{escape(label)}</text>'
        f'<text x="{left + 6}" y="14" textLength="{right - 12}" lengthAdjust="spacingAndGlyphs">{escape(said)}</text>'
        "</g></svg>\n"
    ).encode()
