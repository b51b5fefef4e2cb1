"""Decides what a project's pages show and which of our files are served.

    page = compose_page(contents, SIMPLE)      # None: the project has no page there
    wheels = served_wheels(contents)

Upstream comes first: where it serves a wheel that pip could take for ours, ours is not listed. It stays where it is,
because lock files name its address; only what was removed, by us or upstream, goes, and what is held back.
"""

from collections.abc import Container
from functools import lru_cache

from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from piwright.index.contents import OurWheel, ProjectContents
from piwright.index.layout import SIMPLE, Flavour, file_url
from piwright.index.page import PageFile, SimplePage

GONE_REASON = "Upstream no longer has this project."


def is_closed(contents: ProjectContents) -> bool:
    """True if nothing of the project may be installed: upstream holds it in quarantine or does not know it any more."""
    return contents.gone or contents.status == "quarantined"


def served_wheels(contents: ProjectContents) -> list[OurWheel]:
    """Our files that can be fetched."""
    return [] if is_closed(contents) else [wheel for wheel in contents.wheels if not wheel.withdrawn and not wheel.held]


def withheld_wheels(contents: ProjectContents) -> list[OurWheel]:
    """Our files that must not be there."""
    served = {wheel.wheel_id for wheel in served_wheels(contents)}
    return [wheel for wheel in contents.wheels if wheel.wheel_id not in served]


def compose_page(contents: ProjectContents, flavour: Flavour, missing: Container[int] = ()) -> SimplePage | None:
    """The project's page in one of the indexes; None where we have nothing: upstream's own page serves better.

    `missing` has the `wheel_id` of wheels that could not be put in place and therefore must not be named.
    A closed project that had wheels of ours keeps a page without files, so that nobody is sent elsewhere for them.
    """
    if is_closed(contents):
        if not contents.wheels:
            return None
        reason = contents.status_reason or (GONE_REASON if contents.gone else None)
        return SimplePage(contents.name, contents.status, reason)
    ours = [
        _page_file(wheel, flavour)
        for wheel in served_wheels(contents)
        if wheel.wheel_id not in missing and not _upstream_serves(wheel, contents.upstream)
    ]
    if not ours:
        return None
    files = (*ours, *contents.upstream) if flavour == SIMPLE else tuple(ours)
    return SimplePage(contents.name, contents.status, contents.status_reason, files, contents.network)


def _page_file(wheel: OurWheel, flavour: Flavour) -> PageFile:
    return PageFile(
        filename=wheel.filename,
        version=wheel.version,
        url=file_url(flavour, wheel.sha256, wheel.filename),
        hashes={"sha256": wheel.sha256},
        size=wheel.size,
        uploaded_at=wheel.built_at,
        requires_python=wheel.requires_python,
        yanked=wheel.yanked,
        yanked_reason=wheel.yanked_reason,
        core_metadata={"sha256": wheel.metadata_sha256},
    )


def _upstream_serves(wheel: OurWheel, upstream: tuple[PageFile, ...]) -> bool:
    """True if upstream has this file, or one for all its tags, over which a build tag of ours would win."""
    ours = _wheel_tags(wheel.filename)
    for file in upstream:
        if file.version != wheel.version:
            continue
        if file.filename.casefold() == wheel.filename.casefold():
            return True
        if ours and ours <= _wheel_tags(file.filename):
            return True
    return False


@lru_cache(maxsize=50_000)
def _wheel_tags(filename: str) -> frozenset[Tag]:
    """The tags in a wheel's name; none for what is no wheel."""
    try:
        return parse_wheel_filename(filename)[3]
    except InvalidWheelFilename:
        return frozenset()
