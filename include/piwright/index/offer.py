"""An operator's word on which of our wheels are offered.

offer_wheel(connection, filename, reason="works on a Pi 4, the test has no camera", by="alice")
hold_wheel(connection, filename, reason="crashes on a Pi Zero", by="alice")

What does not import is held by the shop itself (`piwright.intake`). A held wheel stays in the store, on no page, and cannot
be fetched. Both functions make the project's page stale; the next publication does the rest.
"""

from typing import Any

from piwright.database.connection import Connection, fetch_all, fetch_one

# wheel_filename_key, then primary keys.
_FIND = """
SELECT w.wheel_id, a.job_id, r.release_id, r.project_id
FROM wheel w JOIN attempt a USING (attempt_id) JOIN release r ON r.release_id = w.release_id
WHERE w.filename = %s
"""

_STATE = "SELECT held_reason, held_by, removed_at, removed_reason FROM wheel WHERE wheel_id = %s FOR UPDATE"

_OFFER = """
UPDATE wheel SET held_reason = NULL, held_by = NULL, released_reason = %(reason)s, released_by = %(by)s,
    released_at = now()
WHERE wheel_id = %(wheel)s
"""

_HOLD = """
UPDATE wheel SET held_reason = %(reason)s, held_by = %(by)s, released_reason = NULL, released_by = NULL,
    released_at = NULL
WHERE wheel_id = %(wheel)s
"""

# A built job has a reason only where its wheel is held, and the reason begins with the wheel's name.
_SAY_SO = "UPDATE job SET reason = %(said)s, changed_at = now() WHERE job_id = %(job)s AND state = 'built'"
_SAY_NO_MORE = """
UPDATE job SET reason = NULL, changed_at = now()
WHERE release_id = %(release)s AND state = 'built' AND starts_with(reason, %(filename)s)
"""

_STALE = "UPDATE project SET stale_since = coalesce(stale_since, now()) WHERE project_id = %(project)s"


class NoSuchWheel(LookupError):
    """A file name none of our wheels has, or had until it was removed; the message says what to do."""


def offer_wheel(connection: Connection, filename: str, *, reason: str, by: str) -> bool:
    """Offer a wheel that is held; False if it is offered already, and nothing changes then."""
    found, state = _lock(connection, filename)
    if state.held_reason is None:
        return False
    values = {"reason": reason, "by": by, "wheel": found.wheel_id, "filename": filename}
    where = {"release": found.release_id, "project": found.project_id}
    _execute(connection, (_OFFER, _SAY_NO_MORE, _STALE), values | where)
    return True


def hold_wheel(connection: Connection, filename: str, *, reason: str, by: str) -> bool:
    """Stop offering a wheel; False if it was held already, for this or another reason that is replaced now."""
    found, state = _lock(connection, filename)
    said = f"{filename} is held by {by}: {reason}"
    values = {"reason": reason, "by": by, "wheel": found.wheel_id, "said": said}
    _execute(connection, (_HOLD, _SAY_SO, _STALE), values | {"job": found.job_id, "project": found.project_id})
    return state.held_reason is None


def _lock(connection: Connection, filename: str) -> tuple[Any, Any]:
    """The wheel, with locks in the order of `intake.record`: jobs, the wheel; the project is last."""
    found = fetch_one(connection, _FIND, (filename,))
    if found is None:
        raise NoSuchWheel(f"None of our wheels is called {filename}: `piwright why NAME` lists those of a project.")
    # Jobs of the release, for more than one of them may be served by this wheel (job_release_id_target_id_key).
    fetch_all(connection, "SELECT FROM job WHERE release_id = %s ORDER BY job_id FOR UPDATE", (found.release_id,))
    state = fetch_one(connection, _STATE, (found.wheel_id,))
    assert state is not None
    if state.removed_at is not None:
        raise NoSuchWheel(f"{filename} was removed ({state.removed_reason}): build it again to offer it.")
    return found, state


def _execute(connection: Connection, statements: tuple[str, ...], values: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement, values)
