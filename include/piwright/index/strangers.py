"""Finds what no row of the database stands for: pages of projects that never had a wheel of ours, and unknown files.

run.remove_pages(strange_pages(connection, storage, flavours))
run.remove_files(strange_files(connection, storage))
"""

from collections.abc import Iterable, Iterator
from itertools import islice

from piwright.database.connection import Connection, fetch_all
from piwright.index.layout import Flavour, metadata_path, page_paths, wheel_path
from piwright.index.storage import Storage

WITH_WHEELS = """
SELECT p.name FROM project p
WHERE p.name = ANY (%(names)s)
  AND EXISTS (SELECT FROM release r JOIN wheel w USING (release_id) WHERE r.project_id = p.project_id)
"""
"""By `project_name_key`, `release_project_id_version_key` and `wheel_release`."""

KNOWN_FILES = "SELECT filename, sha256 FROM wheel WHERE filename = ANY (%(names)s)"
"""By `wheel_filename_key`."""

_AT_ONCE = 1000


def strange_pages(connection: Connection, storage: Storage, flavours: Iterable[Flavour]) -> Iterator[str]:
    """Pages of names that have no wheel of ours in the database."""
    for flavour in flavours:
        folders = sorted(name[:-1] for name in storage.names(f"{flavour.path}/") if name.endswith("/"))
        for names in _batches(folders):
            rows = fetch_all(connection, WITH_WHEELS, {"names": names})
            connection.commit()
            for name in sorted(set(names) - {row.name for row in rows}):
                yield from reversed(page_paths(flavour, name))
                yield f"{flavour.path}/{name}/"


def strange_files(connection: Connection, storage: Storage) -> Iterator[str]:
    """Files that are no wheel of the database's, and no metadata of one; a wheel comes after what stands beside it."""
    for paths in _batches(storage.files("files/")):
        wheels = {path: path.partition(".whl")[0] + ".whl" for path in paths}
        names = list({wheel.rpartition("/")[2] for wheel in wheels.values()})
        rows = fetch_all(connection, KNOWN_FILES, {"names": names})
        connection.commit()
        known = {wheel_path(row.sha256, row.filename) for row in rows}
        strange = {wheel for wheel in wheels.values() if wheel not in known}
        strange |= {path for path, wheel in wheels.items() if wheel not in known}
        yield from sorted({metadata_path(path) for path in strange if path.endswith(".whl")} | strange, reverse=True)


def _batches(names: Iterable[str]) -> Iterator[list[str]]:
    left = iter(names)
    while batch := list(islice(left, _AT_ONCE)):
        yield batch
