"""What is built first. The greater number wins."""

PERSON = 100
"""Somebody asked for it."""

FIRST_SIGHT = 50
"""The newest release of a project that was just put on the watch list."""

NEW = 20
"""Uploaded in the interval a run is about."""

YANKED = 0
"""Taken back by its maintainer: still installable by pin, so built, but last."""

ANY_RUN = FIRST_SIGHT
"""From here on a job does not wait for the run of its own interval."""
