"""Fuzzing of what reads a stranger's files: `fuzz_wheel`, `fuzz_result`, `fuzz_facts`.

    cd tests && PYTHONPATH=.:../include python -m intake.fuzz.fuzz_wheel -max_total_time=600

Needs atheris (libFuzzer for Python). `seeds` writes the hostile corpus as a starting point, `shapes` turns any bytes into
a wheel that is worth looking at, `oracle` says what may never happen. The ordinary suite uses the same with `hypothesis`.
"""
