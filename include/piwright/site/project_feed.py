"""The Atom feed of a project: its last builds, newest first.

project_feed(view)       # bytes of feed.atom
"""

from piwright.intake.failure_classes import CLASSES
from piwright.site.atom import Entry, atom_feed
from piwright.site.page_environment import duration
from piwright.site.project_lines import AttemptShown
from piwright.site.project_page import ProjectView

MOST_ENTRIES = 30


def project_feed(view: ProjectView) -> bytes:
    """feed.atom of the project. It changes only when something was built."""
    shown = [each for each in view.history if each.attempt.has_page][:MOST_ENTRIES]
    name = view.facts.name
    return atom_feed(
        title=f"{name}: builds for Raspberry Pi",
        identity=view.url,
        url=view.url,
        feed_url=f"{view.url}feed.atom",
        updated=max((each.attempt.recorded_at for each in shown), default=None),
        entries=[_entry(view, each) for each in shown],
        subtitle=view.facts.summary or "",
    )


def _entry(view: ProjectView, shown: AttemptShown) -> Entry:
    each = shown.attempt
    url = f"{view.url}build/{each.attempt_id}/"
    what = f"{view.facts.name} {shown.version} for {shown.target}"
    if each.outcome == "built":
        summary = f"Built in {duration(each.seconds)}" + (f" on {each.worker}." if each.worker else ".")
        return Entry(url, f"{what}: built", url, each.recorded_at, summary)
    words = (each.failure_class or "failed").replace("_", " ")
    known = CLASSES.get(each.failure_class or "")
    said = [known.meaning if known else "", each.evidence or ""]
    return Entry(url, f"{what}: {words}", url, each.recorded_at, "\n".join(text for text in said if text))
