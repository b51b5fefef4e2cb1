# Asked of each wheel, and `Path` would double what that costs.
# ruff: noqa: PTH116
"""Makes a project ready to be published: places its wheels, makes its pages, stages them. Runs in worker processes.

    prepare = Preparation(storage, group, store, upstream_url, flavours, sources, everything)
    for prepared in prepare([(rows, values), ...]): ...

Nothing it does is seen by a reader, but for wheels that no page names yet. `publication.py` does the rest.
"""

import errno
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from piwright.index.compose import (
    compose_pages,
    is_for,
    is_listed,
    offered_wheels,
    served_wheels,
    withheld_wheels,
)
from piwright.index.contents import OurWheel, ProjectContents, ProjectRows, parse_rows
from piwright.index.layout import (
    EXTRA,
    Flavour,
    metadata_path,
    page_paths,
    wheel_path,
)
from piwright.index.page import render_html, render_json
from piwright.index.page_sources import PageSource, Rendered
from piwright.index.storage import Group, Storage
from piwright.intake.store import FileStore


@dataclass
class Prepared:
    """A project that is ready, and what remains to be done with it, in this order.

    `staged` is revealed; `pages_gone` is removed, and `listed_pages_gone` once no list has them; then `files_gone`; then
    `listed` and so on are written to the database, and `sources_done` told. `problems`: it stays due. `offered` are
    wheels, releases and bytes; None: its pages could not be made.
    """

    project_id: int
    name: str
    row_version: str
    stale: bool
    was_listed: tuple[bool, bool]
    was_offered: tuple[int, int, int]
    listed: tuple[bool, bool] = (False, False)
    staged: list[Any] = field(default_factory=list)
    pages_written: int = 0
    files_added: int = 0
    pages_gone: list[str] = field(default_factory=list)
    listed_pages_gone: list[str] = field(default_factory=list)
    files_gone: list[str] = field(default_factory=list)
    others_gone: list[str] = field(default_factory=list)
    published: list[int] = field(default_factory=list)
    offered: tuple[int, int, int] | None = None
    problems: list[str] = field(default_factory=list)
    sources_done: set[int] = field(default_factory=set)

    @property
    def changes_its_row(self) -> bool:
        """True if the database has to say something else of the project than it did when it was read."""
        return self.offered is not None and (
            self.stale or self.listed != self.was_listed or self.offered != self.was_offered
        )


_PIECE = 1 << 16

Task = Sequence[tuple[ProjectRows, dict[int, Any]]]
"""Projects: their rows, and what the sources with these numbers read for them."""


@dataclass(frozen=True)
class Preparation:
    """What all projects of a publication are made ready with. `everything`: what is published is looked at too."""

    storage: Storage
    group: Group
    store: FileStore
    upstream_url: str
    flavours: tuple[Flavour, ...]
    sources: tuple[PageSource, ...] = ()
    everything: bool = False

    def __call__(self, task: Task) -> list[Prepared]:
        """Make the projects of a task ready."""
        return [self.prepare(rows, values) for rows, values in task]

    def prepare(self, rows: ProjectRows, values: dict[int, Any]) -> Prepared:
        """Make one project ready. Raises `OSError` when nothing can be written; all else is a problem of the project."""
        project_id, name, row_version, stale, listed, listed_extra, *_ = rows.project
        was_listed = (listed, listed_extra)
        prepared = Prepared(project_id, name, row_version, stale, was_listed, rows.offered, was_listed)
        try:
            self._prepare_index(parse_rows(rows, self.upstream_url), prepared)
        except Exception as error:  # one project that cannot be shown must not keep others from being published
            if isinstance(error, OSError) and error.errno != errno.ENAMETOOLONG:
                raise
            prepared.problems.append(f"{name} is not published: {error!r}; correct what the database says of it.")
            return prepared
        for number, value in values.items():
            try:
                self._prepare_others(self.sources[number].render(value), prepared)
            except Exception as error:
                if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
                    raise
                said = f"{type(self.sources[number]).__name__} of {name} is not published: {error!r}."
                prepared.problems.append(said)
            else:
                prepared.sources_done.add(number)
        return prepared

    def _prepare_index(self, contents: ProjectContents, prepared: Prepared) -> None:
        missing = self._place_wheels(contents, prepared) if contents.wheels else set()
        offered = offered_wheels(contents, missing)
        pages = compose_pages(contents, self.flavours, offered)
        listed = (is_listed(contents), EXTRA in pages and pages[EXTRA] is not None)
        files: dict[str, bytes] = {}
        for flavour, page in pages.items():
            if page is not None:
                json_path, html_path = page_paths(flavour, contents.name)
                files |= {json_path: render_json(page), html_path: render_html(page)}
            elif contents.wheels and self.storage.has(f"{flavour.path}/{contents.name}/"):
                was_listed = contents.listed if flavour.redirects else contents.listed_extra
                stays_listed = listed[0] and flavour.redirects
                gone = prepared.listed_pages_gone if was_listed and not stays_listed else prepared.pages_gone
                gone += reversed(page_paths(flavour, contents.name))
        if files:
            staged = self.group.stage(files)
            prepared.staged += staged
            prepared.pages_written = len({path.rpartition("/")[0] for each in staged for path in each.paths})
        prepared.listed = listed  # now that the pages are there
        for wheel in withheld_wheels(contents):
            path = wheel_path(wheel.sha256, wheel.filename)
            if self.storage.has(path.rpartition("/")[0] + "/"):
                prepared.files_gone += [metadata_path(path), path]
        shown = [wheel for wheel in offered if any(is_for(wheel, flavour) for flavour in self.flavours)]
        releases = len({wheel.version for wheel in shown})
        prepared.offered = (len(shown), releases, sum(wheel.size for wheel in shown))

    def _place_wheels(self, contents: ProjectContents, prepared: Prepared) -> set[int]:
        """Put the project's wheels and their metadata in place; the ids of those that could not be.

        The bytes of a wheel are looked at once, before any page names it. Not again when everything is looked at: that
        would read the whole store, which may be terabytes, and what is published is a link to what was looked at.
        """
        missing = set()
        served = served_wheels(contents)
        paths = {wheel.wheel_id: wheel_path(wheel.sha256, wheel.filename) for wheel in served}
        # Metadata comes after its wheel and goes before it: where it is, both are.
        announced = [] if self.everything else [wheel.wheel_id for wheel in served if wheel.published]
        sizes = self.storage.sizes([metadata_path(paths[each]) for each in announced]) if announced else []
        in_place = {each for each, size in zip(announced, sizes, strict=True) if size is not None}
        for wheel in served:
            if wheel.wheel_id in in_place:
                continue
            path = paths[wheel.wheel_id]
            stored = self.store.wheel_place(wheel.sha256, wheel.filename)
            metadata = self.store.metadata_beside(stored)
            said = _read_metadata(wheel, stored, metadata)
            if isinstance(said, bytes):
                added = self.storage.place_wheel(stored, path, wheel.size, metadata, said, new=not wheel.published)
                prepared.files_added += int(added)
            elif not wheel.published or not self._in_place(wheel, path):
                missing.add(wheel.wheel_id)
                prepared.problems.append(said)
                continue
            if not wheel.published:
                prepared.published.append(wheel.wheel_id)
        return missing

    def _in_place(self, wheel: OurWheel, path: str) -> bool:
        metadata = self.storage.read(metadata_path(path))
        return (
            self.storage.size(path) == wheel.size
            and metadata is not None
            and hashlib.sha256(metadata).hexdigest() == wheel.metadata_sha256
        )

    def _prepare_others(self, rendered: Rendered, prepared: Prepared) -> None:
        prepared.staged += self.group.stage(rendered.files, rendered.places)
        prepared.others_gone += rendered.gone


def _read_metadata(wheel: OurWheel, stored: str, metadata: str) -> bytes | str:
    """The metadata of a stored wheel, or why the wheel cannot be published: it is not what the database says."""
    try:
        size, sha256 = (os.stat(stored).st_size, wheel.sha256) if wheel.published else _digest(stored)
        content = _read(metadata)
    except (FileNotFoundError, NotADirectoryError) as error:
        return f"{wheel.filename} is not published: {error.filename} is missing; rebuild the wheel or remove it."
    if size != wheel.size:
        return (
            f"{wheel.filename} is not published: {stored} has {size} bytes instead of {wheel.size}; rebuild the wheel."
        )
    if sha256 != wheel.sha256:
        return f"{wheel.filename} is not published: {stored} has another hash; rebuild the wheel."
    if hashlib.sha256(content).hexdigest() != wheel.metadata_sha256:
        return f"{wheel.filename} is not published: {metadata} has another hash; rebuild the wheel."
    return content


def _digest(path: str) -> tuple[int, str]:
    """Size and SHA-256 of a file. Most are small: `hashlib.file_digest` makes a buffer for each that costs more than they do."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        size, digest = 0, hashlib.sha256()
        while part := os.read(descriptor, _PIECE):
            size += len(part)
            digest.update(part)
            if len(part) < _PIECE:
                break
        return size, digest.hexdigest()
    finally:
        os.close(descriptor)


def _read(path: str) -> bytes:
    """The content of a small file, in a third of the calls that `open` makes."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        parts = []
        while part := os.read(descriptor, _PIECE):
            parts.append(part)
            if len(part) < _PIECE:
                break
        return b"".join(parts)
    finally:
        os.close(descriptor)
