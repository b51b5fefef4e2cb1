"""Pages as files: each representation and its `.gz` twin, written, listed and removed.

Every file is replaced as a whole. Between two replacements the representations of a page may differ for a moment; each
of them is true all the while, because files come before the first and go after the last.
"""

import gzip
import os
from collections.abc import Iterable
from pathlib import Path

from piwright.index.layout import HTML, JSON, REPRESENTATIONS, Flavour, page_directory
from piwright.index.page import SimplePage, render_html, render_json, render_root_html, render_root_json
from piwright.index.tree import make_directory, remove_directory_if_empty, remove_file, write_file
from piwright.intake.store import sync_directory


def write_page(index_root: Path, flavour: Flavour, page: SimplePage) -> bool:
    """Write a project's page where it differs from what is there; False if it does not differ."""
    content = {JSON: render_json(page), HTML: render_html(page)}
    return _write(page_directory(index_root, flavour, page.name), content)


def write_root(index_root: Path, flavour: Flavour, names: Iterable[str]) -> bool:
    """Write the list of projects where it differs from what is there; False if it does not differ."""
    names = list(names)
    return _write(index_root / flavour.path, {JSON: render_root_json(names), HTML: render_root_html(names)})


def write_with_twin(path: Path, content: bytes) -> bool:
    """Write a file and its `.gz` twin; False if both were there already. The directory still has to be synced."""
    changed = write_file(path, content)
    return write_file(_twin(path), gzip.compress(content, compresslevel=6, mtime=0)) or changed


def remove_page(index_root: Path, flavour: Flavour, name: str) -> None:
    """Remove a project's page, or what is left of it."""
    directory = page_directory(index_root, flavour, name)
    for representation in reversed(REPRESENTATIONS):
        remove_file(directory / representation)
        remove_file(_twin(directory / representation))
    if directory.is_dir():
        sync_directory(directory)  # whatever is removed next must not outlive its page in reverse
        remove_directory_if_empty(directory)
        sync_directory(directory.parent)


def project_directories(index_root: Path, flavour: Flavour) -> set[str]:
    """Names that have a directory in an index, with a whole page in it or not."""
    try:
        with os.scandir(index_root / flavour.path) as entries:
            return {entry.name for entry in entries if entry.is_dir()}
    except FileNotFoundError:
        return set()


def existing_pages(index_root: Path, flavour: Flavour) -> set[str]:
    """Names that have a whole page in an index."""
    names = project_directories(index_root, flavour)
    return {name for name in names if (page_directory(index_root, flavour, name) / HTML).is_file()}


def _write(directory: Path, content: dict[str, bytes]) -> bool:
    make_directory(directory)
    changed = [write_with_twin(directory / name, content[name]) for name in REPRESENTATIONS]
    # Also when nothing differs: a publisher that was killed may not have come this far.
    sync_directory(directory)
    return any(changed)


def _twin(path: Path) -> Path:
    return path.with_name(path.name + ".gz")
