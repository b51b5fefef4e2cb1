"""The reading of result.json, under libFuzzer.

cd tests && PYTHONPATH=.:../include python -m intake.fuzz.fuzz_result -max_total_time=600 [folder that keeps the corpus]
"""

import sys

import atheris

with atheris.instrument_imports(include=["piwright"]):
    from intake.fuzz.oracle import judge_result
    from intake.fuzz.run import fuzz
    from intake.fuzz.seeds import result_seeds

if __name__ == "__main__":
    fuzz(judge_result, result_seeds(), sys.argv[1:])
