"""Says that what is published of some projects is not true any more.

    mark_stale(connection, [17, 18])

Whoever changes what a page of a project says does this in the same transaction, after all its other locks: the project
is the last thing to be locked (`intake.record`).
"""

from collections.abc import Iterable

from piwright.database.connection import Connection

# By project_pkey. In the order of the ids, so that two that mark the same projects never wait for each other in a ring.
# The row is written even when it is stale already: a publisher that read it before must not settle it.
MARK = """
UPDATE project SET stale_since = coalesce(stale_since, now())
WHERE project_id IN (SELECT project_id FROM project WHERE project_id = ANY (%s) ORDER BY project_id FOR NO KEY UPDATE)
"""


def mark_stale(connection: Connection, project_ids: Iterable[int]) -> None:
    """Have the pages of these projects written again. Does not commit."""
    ids = sorted(set(project_ids))
    if ids:
        with connection.cursor() as cursor:
            cursor.execute(MARK, (ids,))
