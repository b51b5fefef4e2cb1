"""Judges one hostile file in a process of its own that cannot have more than a little memory and time.

python -m intake.bounded DIRECTORY      # a build directory; prints what came of it, and what that took

The limits are a backstop for the machine the tests run on: what is asserted is what was used.
"""

import json
import resource
import sys
import time
from pathlib import Path

from intake.hostile_wheels import TAG
from piwright.intake.examine import examine
from piwright.intake.limits import Limits
from piwright.intake.wheel_check import Wanted

MORE = 700 << 20
"""Bytes of address space beyond what the program itself has."""
SECONDS = 60


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def main(directory: Path) -> None:
    """Examine a build directory with the limits a shop has by default."""
    allowed = _address_space() + MORE
    resource.setrlimit(resource.RLIMIT_AS, (allowed, allowed))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    verdict = examine(directory, Wanted("spidev", "3.6", (TAG, "py3-none-any"), "armv7l"), Limits())
    used = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    failure = verdict.failure and verdict.failure.failure_class
    answer = {"failure": failure, "message": verdict.message, "bytes": used, "seconds": time.process_time() - started}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
