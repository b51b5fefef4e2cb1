"""The fuzzers start, take the corpus, and find nothing in some thousand tries. For minutes they are run by hand."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from intake.fuzz.oracle import judge_facts, judge_result
from intake.fuzz.seeds import facts_seeds, result_seeds, wheel_seeds

TESTS = Path(__file__).parent.parent


def test_there_is_something_sound_and_a_lot_that_is_hostile_to_start_with() -> None:
    results, facts = [judge_result(each) for each in result_seeds()], [judge_facts(each) for each in facts_seeds()]
    assert (results[0], facts[0]) == (True, True)
    assert True not in results[1:] + facts[1:]
    assert len(results) > 40
    assert len(list(wheel_seeds())) > 150


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="atheris is not installed: it has wheels for Linux on x86-64 only",
)
@pytest.mark.parametrize(("name", "runs"), [("fuzz_wheel", 1500), ("fuzz_result", 5000), ("fuzz_facts", 5000)])
def test_a_short_run_of_a_fuzzer_finds_nothing(name: str, runs: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"intake.fuzz.{name}", f"-runs={runs}", "-seed=1", f"-artifact_prefix={tmp_path}/"],
        env=os.environ | {"PYTHONPATH": f"{TESTS}:{TESTS.parent / 'include'}"},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"Done {runs} runs" in done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith("piwright: ")]
    assert told, done.stderr[-3000:]
    accepted = int(told[-1].split()[3])
    assert accepted > 0
