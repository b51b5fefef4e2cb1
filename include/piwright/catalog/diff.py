"""What a page changes in what is stored: decided here, written by `store`.

    changes = compare(known_releases, known_files, page)
    changes.new_releases, changes.vanished_files, changes.anything

Pure: rows in, rows out.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from packaging.version import Version

from piwright.catalog.page import ProjectPage, UnreadFile, UpstreamFile
from piwright.catalog.yank import taken_back, yank_of


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """A release as the database has it; `version` is canonical, `yanked` says whether our wheels of it are."""

    version: str
    original_version: str
    uploaded_at: datetime | None
    yanked: bool
    yanked_reason: str | None


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file as the database has it; `core_metadata` is None, True or a dictionary."""

    filename: str
    kind: str
    url: str
    hashes: dict[str, str]
    size: int | None
    uploaded_at: datetime | None
    requires_python: str | None
    yanked: bool
    yanked_reason: str | None
    core_metadata: Any
    provenance: str | None


@dataclass(frozen=True, slots=True)
class KnownRelease:
    """A stored release; `gone` while upstream does not have it."""

    release_id: int
    row: ReleaseRow
    gone: bool


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A stored file."""

    upstream_file_id: int
    version: str
    row: FileRow


@dataclass(slots=True)
class Changes:
    """What to write. Files to insert carry the version of their release; rows to update carry their id.

    `changed_releases` include those that `returned`; `yanked` and `unyanked` count releases that upstream has.
    """

    new_releases: list[ReleaseRow] = field(default_factory=list)
    changed_releases: list[tuple[int, ReleaseRow]] = field(default_factory=list)
    gone_releases: list[int] = field(default_factory=list)
    new_files: list[tuple[str, FileRow]] = field(default_factory=list)
    changed_files: list[tuple[int, FileRow]] = field(default_factory=list)
    vanished_files: list[int] = field(default_factory=list)
    yanked: int = 0
    unyanked: int = 0
    returned: int = 0

    @property
    def anything(self) -> bool:
        """Whether there is anything to write."""
        return any(
            (
                self.new_releases,
                self.changed_releases,
                self.gone_releases,
                self.new_files,
                self.changed_files,
                self.vanished_files,
            )
        )


def compare(
    known_releases: Iterable[KnownRelease], known_files: Collection[KnownFile], page: ProjectPage | None
) -> Changes:
    """What makes the stored rows of a project equal to its page; None is a project that upstream does not have.

    A release in quarantine or without page is gone and its files vanish; its row, and what was built of it, stays. One
    whose files were deleted is gone too, though upstream goes on listing it, and comes back with a file.
    """
    offered = None if page is None or page.status == "quarantined" else page
    files = offered.files if offered else ()
    # By value: a release stored as 1.0 stays that row when upstream respells it 1.0.0.
    known = {Version(each.row.version): each for each in known_releases}
    yanked_before: dict[str, dict[str, bool]] = {}
    for stored in known_files:
        yanked_before.setdefault(stored.version, {})[stored.row.filename] = stored.row.yanked
    by_release: dict[Version, list[UpstreamFile | UnreadFile]] = {}
    entries: list[UpstreamFile | UnreadFile] = [*files, *(offered.unread if offered else ())]
    for file in entries:
        by_release.setdefault(file.version, []).append(file)
    changes = Changes()
    there = set()
    for version, original in offered.versions.items() if offered else ():
        old = known.get(version)
        before = yanked_before.get(old.row.version, {}) if old else {}
        its_files = by_release.get(version, [])
        if old and not its_files and (old.gone or before or old.row.uploaded_at):
            continue  # its files were deleted; one that never had any is there, as upstream says
        there.add(version)
        row = _release_row(old.row if old else None, version, original, its_files, before)
        if old is None:
            changes.new_releases.append(row)
        elif old.row != row or old.gone:
            changes.changed_releases.append((old.release_id, row))
            changes.returned += old.gone
        changes.yanked += row.yanked and not (old and old.row.yanked)
        changes.unyanked += bool(old and old.row.yanked and not row.yanked)
    changes.gone_releases.extend(
        old.release_id
        for version, old in known.items()
        if version not in there and not old.gone and not (offered and offered.may_have_files_of(version))
    )
    spelling = {version: old.row.version for version, old in known.items()}
    wanted = {(spelling.get(file.version, str(file.version)), file.filename): _file_row(file) for file in files}
    _compare_files({(each.version, each.row.filename): each for each in known_files}, wanted, changes)
    return changes


def _compare_files(
    known: Mapping[tuple[str, str], KnownFile], wanted: Mapping[tuple[str, str], FileRow], changes: Changes
) -> None:
    for key, row in wanted.items():
        old = known.get(key)
        if old is None:
            changes.new_files.append((key[0], row))
        elif old.row != row:
            changes.changed_files.append((old.upstream_file_id, row))
    changes.vanished_files.extend(old.upstream_file_id for key, old in known.items() if key not in wanted)


def _release_row(
    old: ReleaseRow | None,
    version: Version,
    original: str,
    files: Sequence[UpstreamFile | UnreadFile],
    before: Mapping[str, bool],
) -> ReleaseRow:
    dated = sorted(file.uploaded_at for file in files if isinstance(file, UpstreamFile) and file.uploaded_at)
    yanked, reason = yank_of(files)
    if old and old.yanked and not yanked and not taken_back(files, before):
        yanked, reason = True, old.yanked_reason
    return ReleaseRow(
        version=old.version if old else str(version),
        original_version=original,
        # A release whose files cannot be read now was still uploaded when it was.
        uploaded_at=dated[0] if dated else old.uploaded_at if old else None,
        yanked=yanked,
        yanked_reason=reason,
    )


def _file_row(file: UpstreamFile) -> FileRow:
    metadata = file.core_metadata
    return FileRow(
        filename=file.filename,
        kind=file.kind,
        url=file.url,
        hashes=dict(file.hashes),
        size=file.size,
        uploaded_at=file.uploaded_at,
        requires_python=file.requires_python,
        yanked=file.yanked,
        yanked_reason=file.yanked_reason,
        core_metadata=metadata if metadata is None or metadata is True else dict(metadata),
        provenance=file.provenance,
    )
