"""The reading of what a worker says about itself, under libFuzzer.

cd tests && PYTHONPATH=.:../include python -m intake.fuzz.fuzz_facts -max_total_time=600 [folder that keeps the corpus]
"""

import sys

import atheris

with atheris.instrument_imports(include=["piwright"]):
    from intake.fuzz.oracle import judge_facts
    from intake.fuzz.run import fuzz
    from intake.fuzz.seeds import facts_seeds

if __name__ == "__main__":
    fuzz(judge_facts, facts_seeds(), sys.argv[1:])
