"""One downloaded build directory: what its worker says is carried to the verdict, and decides nothing by itself."""

from pathlib import Path

from intake.hostile_results import BROKEN, CONNECTIONS, SANDBOX, SMOKE
from intake.hostile_wheels import TAG
from intake.test_bounds import build
from piwright.intake.examine import Verdict, examine
from piwright.intake.limits import Limits
from piwright.intake.wheel_check import Wanted


def examined(place: Path) -> Verdict:
    return examine(place, Wanted("spidev", "3.6", (TAG,), "armv7l"), Limits())


def test_a_wheel_that_does_not_import_is_built_all_the_same(tmp_path: Path) -> None:
    verdict = examined(build(tmp_path, smoke=BROKEN))
    assert verdict.failure is None
    assert len(verdict.wheels) == 1
    assert verdict.smoke is not None
    assert (verdict.smoke.outcome, verdict.smoke.detail) == ("broken", "it crashed")


def test_what_was_around_a_build_is_ready_for_json(tmp_path: Path) -> None:
    verdict = examined(build(tmp_path, sandbox=SANDBOX, connections=CONNECTIONS, smoke=SMOKE))
    assert (verdict.sandbox, verdict.connections) == (SANDBOX, CONNECTIONS)


def test_a_build_that_is_refused_keeps_what_is_known_about_its_course(tmp_path: Path) -> None:
    place = build(tmp_path, sandbox=SANDBOX, connections=CONNECTIONS)
    next((place / "wheels").iterdir()).write_bytes(b"no zip")
    verdict = examined(place)
    assert verdict.failure is not None
    assert verdict.failure.failure_class == "rejected"
    assert (verdict.sandbox, verdict.connections) == (SANDBOX, CONNECTIONS)


def test_a_result_of_an_earlier_worker_leaves_them_open(tmp_path: Path) -> None:
    verdict = examined(build(tmp_path))
    assert (verdict.sandbox, verdict.connections, verdict.smoke) == (None, None, None)
