"""Whether our wheels of a release are yanked, from what upstream says of its own files.

    yank_of(files)                                # (True, "breaks on 32 bit")
    taken_back(files, {"a-1.0.tar.gz": True})     # True if the files say that a yank is over

A yank is a warning that somebody gave, so it takes somebody to take it back: files that go away do not.
"""

from collections.abc import Mapping, Sequence

from piwright.catalog.page import UnreadFile, UpstreamFile

File = UpstreamFile | UnreadFile


def yank_of(files: Sequence[File]) -> tuple[bool, str | None]:
    """Whether a release with these files is yanked, and why: if all its sources are, or, without a source, all its files.

    A wheel of upstream's that is not yanked says nothing for ours, which were made of the source that is.
    """
    deciding = [file for file in files if file.kind == "sdist"] or files
    if not deciding or not all(file.yanked for file in deciding):
        return False, None
    return True, next((file.yanked_reason for file in deciding if file.yanked_reason), None)


def taken_back(files: Sequence[File], before: Mapping[str, bool]) -> bool:
    """Whether there is a file that was yanked and is not any more, or a new source that is not.

    `before` has the files that were there, by name: were they yanked?
    """
    return any(not file.yanked and before.get(file.filename, file.kind == "sdist") for file in files)
