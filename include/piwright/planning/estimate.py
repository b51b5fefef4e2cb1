"""How long a build will take, in seconds, before it was ever tried here.

    estimate(history, sdist_bytes)

What the project took before is the best guess; where there is no history, the size of its source distribution.
"""

from collections.abc import Sequence
from statistics import median

UNKNOWN_SECONDS = 30.0
"""Setting up an isolated environment, and a small compile."""

_SECONDS_PER_MEGABYTE = 20.0
_SHORTEST, _LONGEST = 5.0, 4 * 3600.0


def estimate(history: Sequence[float], sdist_bytes: int | None) -> float:
    """Expected seconds. `history` has what earlier builds of the project took; `sdist_bytes` may be unknown."""
    if history:
        guess = median(history)
    elif sdist_bytes is None:
        guess = UNKNOWN_SECONDS
    else:
        guess = UNKNOWN_SECONDS / 2 + _SECONDS_PER_MEGABYTE * sdist_bytes / 1_000_000
    return min(max(guess, _SHORTEST), _LONGEST)
