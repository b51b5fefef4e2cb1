"""The lists of projects: what the root pages of the indexes say.

    names = listed_names(connection, LISTED)
    storage.write(root_files([SIMPLE], names))

`project.listed` and `project.listed_extra` say which names the published lists may have, so that the names of all projects
are read only when one of them comes or goes. There are 886,000: everything here is done with bytes, not name by name.
"""

import io
from collections.abc import Collection, Iterable, Sequence

from piwright.database.connection import Connection
from piwright.index.layout import HTML, JSON, REPRESENTATIONS, Flavour
from piwright.index.page import API_VERSION, document

LISTED = 'SELECT name FROM project WHERE listed AND name <> ALL (%(leaving)s) ORDER BY name COLLATE "C"'
"""By `project_listed`, names only."""

LISTED_EXTRA = 'SELECT name FROM project WHERE listed_extra AND name <> ALL (%(leaving)s) ORDER BY name COLLATE "C"'
"""By `project_listed_extra`, names only."""


def listed_names(connection: Connection, query: str, leaving: Collection[str] = ()) -> list[bytes]:
    """The names on a list without those that leave it, in order."""
    names = io.BytesIO()
    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY ({cursor.mogrify(query, {'leaving': list(leaving)}).decode()}) TO STDOUT", names)
    return names.getvalue().splitlines()


def root_files(flavours: Iterable[Flavour], names: Sequence[bytes]) -> dict[str, bytes]:
    """The root pages of indexes that list the same names, by path; the bytes are shared."""
    content = {JSON: render_root_json(names), HTML: render_root_html(names)}
    return {f"{flavour.path}/{name}": said for flavour in flavours for name, said in content.items()}


def root_paths(flavour: Flavour) -> list[str]:
    """The representations of an index's root page."""
    return [f"{flavour.path}/{name}" for name in REPRESENTATIONS]


def render_root_html(names: Sequence[bytes]) -> bytes:
    """The root page: every project, by normalised name, in the order given."""
    before, after = document("Simple index", [], ["\0"]).split(b"\0\n")
    return b"".join([before, *[b'<a href="%b/">%b</a><br>\n' % (name, name) for name in names], after])


def render_root_json(names: Sequence[bytes]) -> bytes:
    """The root page as `application/vnd.pypi.simple.v1+json`."""
    projects = b'{"name":"' + b'"},{"name":"'.join(names) + b'"}' if names else b""
    return b'{"meta":{"api-version":"%b"},"projects":[%b]}' % (API_VERSION.encode(), projects)
