"""Checks of what came and went in the standards: old names of metadata, a rejected proposal, the end of HTML."""

from piwright.conformance.check import RECOMMENDED, REQUIRED, Group, Seeing, judge, nothing
from piwright.conformance.index import Index

CHECKS = Group("history")

_KNOWN_ATTRIBUTES = frozenset(
    f"data-{name}"
    for name in ("requires-python", "yanked", "core-metadata", "dist-info-metadata", "gpg-sig", "provenance")
)


@CHECKS.check(
    "legacy-metadata-equal",
    "data-dist-info-metadata, where it is, says what data-core-metadata says",
    "PEP 714, Servers",
    REQUIRED,
    "Write both attributes with one value; never the old name alone.",
)
async def legacy_metadata_equal(index: Index) -> Seeing:
    for project in index.projects:
        for file in project.html.files if project.html else ():
            old, new = file.said.get("data-dist-info-metadata"), file.said.get("data-core-metadata")
            if old is not None:
                yield judge(old == new, project.url, f"{file.filename}: old name says {old!r}, new name says {new!r}")
    yield nothing("No sampled file has the old attribute.")


@CHECKS.check(
    "legacy-metadata-html",
    "Metadata is announced under its old name too, for the pip of older distributions",
    "PEP 714, Recommendations; PEP 658",
    RECOMMENDED,
    "Write data-dist-info-metadata beside data-core-metadata, in HTML only.",
)
async def legacy_metadata_html(index: Index) -> Seeing:
    for project in index.projects:
        for file in project.html.files if project.html else ():
            if "data-core-metadata" in file.said:
                yield judge("data-dist-info-metadata" in file.said, project.url, f"{file.filename}: the new name only")
    yield nothing("No sampled file has metadata in HTML.")


@CHECKS.check(
    "legacy-metadata-json",
    "JSON does not have dist-info-metadata, at which pip from 22.3 to 23.1 fails",
    "PEP 714, Recommendations",
    RECOMMENDED,
    "Write core-metadata only.",
)
async def legacy_metadata_json(index: Index) -> Seeing:
    for project in index.projects:
        for file in project.json.files if project.json else ():
            yield judge("dist-info-metadata" not in file.said, project.url, f"{file.filename}: has dist-info-metadata")
    yield nothing("No sampled project has a file in JSON.")


@CHECKS.check(
    "html-frozen",
    "HTML has no attributes of its own invention: what is new goes into JSON",
    "PEP 833",
    RECOMMENDED,
    "Take the attribute off, and put a member whose name starts with an underscore into JSON.",
)
async def html_frozen(index: Index) -> Seeing:
    for project in index.projects:
        for file in project.html.files if project.html else ():
            new = sorted({name for name in file.said if name.startswith("data-")} - _KNOWN_ATTRIBUTES)
            yield judge(not new, project.url, f"{file.filename}: {', '.join(new)}")
    yield nothing("No sampled project has a file in HTML.")


@CHECKS.check(
    "no-tracks",
    "Pages have nothing of the rejected proposal on alternate locations",
    "PEP 708 (rejected 2026-04)",
    RECOMMENDED,
    "Leave `tracks` and `alternate-locations` out: no client will read them.",
)
async def no_tracks(index: Index) -> Seeing:
    for page in index.pages:
        found = {name for name in ("pypi:tracks", "pypi:alternate-locations") if page.html and page.html.meta(name)}
        if page.json is not None:
            meta = page.json.data.get("meta")
            found |= {"tracks"} if isinstance(meta, dict) and "tracks" in meta else set()
            found |= {"alternate-locations"} & set(page.json.data)
        yield judge(not found, page.url, ", ".join(sorted(found)))
