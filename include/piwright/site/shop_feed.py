"""The Atom feed of the shop: what was built last, newest first.

shop_feed(overview.newest, settings.site_url)       # bytes of feed.atom
"""

from collections.abc import Sequence

from piwright.site.atom import Entry, atom_feed
from piwright.site.overview import BuiltWheel
from piwright.site.page_environment import filesize


def shop_feed(newest: Sequence[BuiltWheel], site_url: str) -> bytes:
    """feed.atom. It changes only when something was built."""
    base = site_url.rstrip("/") + "/"
    return atom_feed(
        title="piwright: wheels built last",
        identity=base,
        url=base,
        feed_url=f"{base}feed.atom",
        updated=max((wheel.built_at for wheel in newest), default=None),
        entries=[_entry(wheel, base) for wheel in newest],
        subtitle="Wheels for Raspberry Pi",
    )


def _entry(wheel: BuiltWheel, base: str) -> Entry:
    project = f"{base}project/{wheel.project}/"
    url = f"{project}build/{wheel.attempt_id}/" if wheel.has_page else project
    return Entry(
        f"{project}#{wheel.filename}",
        f"{wheel.project} {wheel.version}" + (" (yanked)" if wheel.yanked else ""),
        url,
        wheel.built_at,
        f"{wheel.filename}, {filesize(wheel.size)}",
    )
