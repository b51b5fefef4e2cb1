"""Keeps the table `watch` equal to the watch list, and says which lines it had not seen before."""

from dataclasses import dataclass

from piwright.catalog.watch_list import WatchList
from piwright.database.connection import Connection, fetch_all
from piwright.database.stale_pages import mark_stale

ADD_PROJECTS = """
    INSERT INTO project (name, display_name)
    SELECT DISTINCT ON (name) name, display_name
    FROM unnest(%(names)s::text[], %(display_names)s::text[]) WITH ORDINALITY AS list (name, display_name, line)
    WHERE NOT EXISTS (SELECT FROM project WHERE project.name = list.name)
    ORDER BY name, line
    ON CONFLICT (name) DO NOTHING
"""
REMOVE_LINES = """
    DELETE FROM watch USING project
    WHERE watch.project_id = project.project_id
      AND (name, specifier) NOT IN (SELECT * FROM unnest(%(names)s::text[], %(specifiers)s::text[]))
    RETURNING watch.project_id
"""
ADD_LINES = """
    WITH added AS (
        INSERT INTO watch (project_id, specifier)
        SELECT project_id, specifier
        FROM unnest(%(names)s::text[], %(specifiers)s::text[]) AS list (name, specifier) JOIN project USING (name)
        WHERE NOT EXISTS (SELECT FROM watch WHERE (watch.project_id, watch.specifier) = (project.project_id, list.specifier))
        ON CONFLICT (project_id, specifier) DO NOTHING
        RETURNING project_id, specifier
    )
    SELECT project_id, name, specifier FROM added JOIN project USING (project_id) ORDER BY name, specifier
"""


@dataclass(frozen=True, slots=True)
class FirstSight:
    """A line that was not in the table before: the newest release it admits is to be built soon."""

    project_id: int
    name: str
    specifier: str


def store_watch(connection: Connection, watch_list: WatchList) -> tuple[FirstSight, ...]:
    """Store the lines of the watch list, drop those that went, and give back the new ones. Does not commit."""
    values = {
        "names": [entry.name for entry in watch_list.entries],
        "display_names": [entry.display_name for entry in watch_list.entries],
        "specifiers": [entry.specifier for entry in watch_list.entries],
    }
    with connection.cursor() as cursor:
        cursor.execute(ADD_PROJECTS, values)
    removed = fetch_all(connection, REMOVE_LINES, values)
    added = tuple(FirstSight(*row) for row in fetch_all(connection, ADD_LINES, values))
    # Its page says whether a project is looked after.
    mark_stale(connection, [row.project_id for row in removed] + [line.project_id for line in added])
    return added
