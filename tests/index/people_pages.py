"""A source of pages as simple as can be: for each project a page for people that links our wheels, and a file of the store."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from piwright.database.connection import Connection, fetch_all
from piwright.index.compose import offered_wheels
from piwright.index.contents import parse_rows, read_rows
from piwright.index.layout import file_url
from piwright.index.page_sources import Rendered


class PeoplePages:
    """`project/NAME/index.html` and `project/NAME/log.txt.gz`; a project without a wheel to offer has neither."""

    def __init__(self, log: Path) -> None:
        self.log = log

    def read(self, connection: Connection, project_ids: Sequence[int], *, everything: bool) -> dict[int, Any]:
        return {rows.project_id: rows for rows in read_rows(connection, project_ids) if rows.wheels}

    def render(self, project: Any) -> Rendered:
        contents = parse_rows(project, "http://upstream.invalid/simple/")
        folder = f"project/{contents.name}/"
        wheels = offered_wheels(contents)
        if not wheels:
            return Rendered(gone=(folder,))
        links = [
            f'<a href="{file_url("../../", wheel.sha256, wheel.filename)}#sha256={wheel.sha256}"'
            f' data-core-metadata="sha256={wheel.metadata_sha256}">{wheel.filename}</a>'
            for wheel in wheels
        ]
        return Rendered({f"{folder}index.html": "\n".join(links).encode()}, {f"{folder}log.txt.gz": self.log})

    def settle(self, connection: Connection, project_ids: Sequence[int]) -> None:
        fetch_all(connection, "SELECT project_id FROM project WHERE project_id = ANY (%s)", (list(project_ids),))
