"""Decides what a project's pages show and which of our files are served.

    offered = offered_wheels(contents)
    pages = compose_pages(contents, [SIMPLE, EXTRA, target], offered)      # None: the project has no page there
    files = served_wheels(contents)

Upstream comes first: where it serves a wheel that pip could take for ours, be it since yesterday, ours is not listed.
It stays where it is, because lock files name its address; only what was removed, by us or upstream, goes, and what is held back.
"""

import re
from collections.abc import Container, Iterable, Sequence
from functools import lru_cache

from piwright.index.contents import OurWheel, ProjectContents
from piwright.index.layout import Flavour, file_url
from piwright.index.page import PageFile, SimplePage
from piwright.intake.manylinux import floor_of

GONE = "Upstream no longer has this project."

_LINUX = re.compile(r"(?:linux|manylinux(?:1|2010|2014|_[0-9]{1,3}_[0-9]{1,3}))_([a-z][a-z0-9_]*)")
_OLDEST_GLIBC = (2, 28)
"""Of the distributions that wheels are built for: what asks for no newer one runs wherever a plain `linux_*` wheel does."""


def is_closed(contents: ProjectContents) -> bool:
    """True if nothing of the project may be installed: upstream holds it in quarantine or does not know it any more."""
    return contents.gone or contents.status == "quarantined"


def is_listed(contents: ProjectContents) -> bool:
    """True if the complete indexes list the project: it can be installed, from us or by the redirect to upstream.

    What was quarantined after we built it is listed too: its page says so.
    """
    if contents.gone or not contents.known:
        return False
    return contents.status != "quarantined" or bool(contents.wheels)


def served_wheels(contents: ProjectContents) -> list[OurWheel]:
    """Our files that can be fetched."""
    return [] if is_closed(contents) else [wheel for wheel in contents.wheels if not wheel.withdrawn and not wheel.held]


def withheld_wheels(contents: ProjectContents) -> list[OurWheel]:
    """Our files that must not be there."""
    served = {wheel.wheel_id for wheel in served_wheels(contents)}
    return [wheel for wheel in contents.wheels if wheel.wheel_id not in served]


def offered_wheels(contents: ProjectContents, missing: Container[int] = ()) -> list[OurWheel]:
    """Our files that pages may name: those upstream does not serve, without the `wheel_id`s that could not be placed."""
    theirs = _upstream_by_version(contents.upstream)
    return [
        wheel
        for wheel in served_wheels(contents)
        if wheel.wheel_id not in missing and not _upstream_serves(wheel, theirs.get(wheel.version, ()))
    ]


def is_for(wheel: OurWheel, flavour: Flavour) -> bool:
    """True if an index may name the wheel: its clients could install it, and what it needs of a distribution is there.

    A target's own index is the one place where a name that says no more than `linux_armv7l` cannot mislead.
    """
    if flavour.target is None:
        return not wheel.needs_distribution
    fitting = flavour.target.tags.intersection(wheel.tags)
    if any(not _bare_platform(tag) for tag in fitting):
        return True
    return bool(fitting) and wheel.distribution == flavour.target.distribution


def compose_pages(
    contents: ProjectContents, flavours: Iterable[Flavour], offered: Sequence[OurWheel]
) -> dict[Flavour, SimplePage | None]:
    """The project's page in each of the indexes; None where we have nothing: upstream's own page serves better.

    `offered` are the `offered_wheels` of the contents. A closed project that had wheels of ours keeps a page without files,
    so that nobody is sent elsewhere for them.
    """
    if is_closed(contents):
        note = GONE if contents.gone else None
        page = SimplePage(contents.name, contents.status, contents.status_reason, note=note)
        return dict.fromkeys(flavours, page if contents.wheels else None)
    # Most indexes are equally deep, and their pages name the same files.
    depths = {flavour.up for flavour in flavours}
    ours = {up: [(wheel, _page_file(wheel, up)) for wheel in offered] for up in depths}
    return {flavour: _compose(contents, flavour, ours[flavour.up]) for flavour in flavours}


def _compose(
    contents: ProjectContents, flavour: Flavour, offered: Iterable[tuple[OurWheel, PageFile]]
) -> SimplePage | None:
    ours = tuple(file for wheel, file in offered if is_for(wheel, flavour))
    if not ours:
        return None
    files = (*ours, *contents.upstream) if flavour.redirects else ours
    return SimplePage(contents.name, contents.status, contents.status_reason, files, contents.network)


def _page_file(wheel: OurWheel, up: str) -> PageFile:
    return PageFile(
        filename=wheel.filename,
        version=wheel.version,
        url=file_url(up, wheel.sha256, wheel.filename),
        hashes={"sha256": wheel.sha256},
        size=wheel.size,
        uploaded_at=wheel.built_at,
        requires_python=wheel.requires_python,
        yanked=wheel.yanked,
        yanked_reason=wheel.yanked_reason,
        core_metadata={"sha256": wheel.metadata_sha256},
        apt_packages=wheel.apt_packages,
    )


def _upstream_by_version(upstream: Iterable[PageFile]) -> dict[str, list[PageFile]]:
    found: dict[str, list[PageFile]] = {}
    for file in upstream:
        found.setdefault(file.version, []).append(file)
    return found


def _upstream_serves(wheel: OurWheel, upstream: Sequence[PageFile]) -> bool:
    """True if upstream has this file, or one for all who take ours, over which a build tag or a newer floor would win.

    `upstream` are the files of the wheel's release.
    """
    if not upstream:
        return False
    name = wheel.filename.casefold()
    ours = _tags_in(name)
    for file in upstream:
        theirs = file.filename.casefold()
        if theirs == name:
            return True
        if ours and (tags := _tags_in(theirs)) and _tags_within(ours, tags):
            return True
    return False


def _tags_in(filename: str) -> tuple[frozenset[str], ...]:
    """The interpreters, ABIs and platforms in a wheel's name; none for what is no wheel. They stand for every combination."""
    if not filename.endswith(".whl") or filename.count("-") not in (4, 5):
        return ()
    return tuple(frozenset(part.split(".")) for part in filename.removesuffix(".whl").split("-")[-3:])


def _tags_within(ours: tuple[frozenset[str], ...], theirs: tuple[frozenset[str], ...]) -> bool:
    """True if every machine that takes a tag of ours takes one of theirs of the same interpreter and ABI."""
    if not (ours[0] <= theirs[0] and ours[1] <= theirs[1]):
        return False
    return ours[2] <= theirs[2] or _platforms_within(ours[2], theirs[2])


@lru_cache(maxsize=10_000)
def _platforms_within(ours: frozenset[str], theirs: frozenset[str]) -> bool:
    return all(any(own == other or _is_within(own, other) for other in theirs) for own in ours)


def _is_within(own: str, other: str) -> bool:
    mine, others, floor = _LINUX.fullmatch(own), _LINUX.fullmatch(other), floor_of(other)
    if mine is None or others is None or floor is None or mine[1] != others[1]:
        return False
    return floor <= (floor_of(own) or _OLDEST_GLIBC)


def _bare_platform(tag: str) -> bool:
    """True if the tag names a platform and no floor of a C library, so it cannot tell distributions apart."""
    return tag.rpartition("-")[2].startswith("linux_")
