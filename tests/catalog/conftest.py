"""Settings of the catalog's tests."""

from hypothesis import settings

# A machine that builds something else at the same time is slow, and that is no failure.
settings.register_profile("shared-machine", deadline=None)
settings.load_profile("shared-machine")
