"""Notices a release that lost its extension: pure, where the releases before it had compiled wheels only.

    dropped_extension(["py3-none-any"], [("1.9", ["cp311-cp311-linux_armv7l"]), ("1.8", [...])])
    # "It has no compiled code, and 1.9 had: its extension may have failed to build without a word."

Many setup scripts try to build an extension and go on without it when that fails. The wheel works, slowly.
"""

from collections.abc import Iterable

from packaging.version import InvalidVersion, Version


def dropped_extension(new_tags: Iterable[str], earlier_tags: Iterable[tuple[str, Iterable[str]]]) -> str | None:
    """A sentence, or None when all is as before.

    `earlier_tags` has the tags of all wheels of each earlier release, in any order; a release may come several times,
    as our wheels and upstream's. The newest release with any wheel decides. One that had pure wheels beside compiled
    ones says that the project does well without.
    """
    if not _all_pure(new_tags):
        return None
    releases: dict[Version, set[str]] = {}
    for text, tags in earlier_tags:
        try:
            releases.setdefault(Version(text), set()).update(tags)
        except InvalidVersion:
            continue
    with_wheels = sorted((version for version, tags in releases.items() if tags), reverse=True)
    if not with_wheels or any(_is_pure(tag) for tag in releases[with_wheels[0]]):
        return None
    return f"It has no compiled code, and {with_wheels[0]} had: its extension may have failed to build without a word."


def _all_pure(tags: Iterable[str]) -> bool:
    tags = tuple(tags)
    return bool(tags) and all(map(_is_pure, tags))


def _is_pure(tag: str) -> bool:
    return tag.endswith("-any")
