"""The check of wheels, under libFuzzer.

cd tests && PYTHONPATH=.:../include python -m intake.fuzz.fuzz_wheel -max_total_time=600 [folder that keeps the corpus]
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["piwright.intake", "installer", "packaging"]):
    from intake.fuzz.oracle import judge_wheel
    from intake.fuzz.run import fuzz
    from intake.fuzz.seeds import wheel_seeds
    from intake.fuzz.shapes import wheel_from


def judge(data: bytes) -> bool:
    """One file, in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="piwright-fuzz-", dir=_MEMORY) as directory:
        return judge_wheel(wheel_from(data), Path(directory))


_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None

if __name__ == "__main__":
    fuzz(judge, wheel_seeds(), sys.argv[1:])
