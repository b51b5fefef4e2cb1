"""Workers are asked before they are used; who cannot shut builds in is refused, and nobody waits for it in silence."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from piwright.planning.network import allow_network
from piwright.worker import BatchSpec, build_worker_zipapp
from piwright_airflow.operators.wheel_build import NoUsableWorker, WheelBuildOperator
from plugins.conftest import Pi, Shop, drive, fire, step
from support.builds import let_go, new_token, started, waiting
from support.scripted import scripted


def task(batch_id: int) -> WheelBuildOperator:
    return WheelBuildOperator(task_id="build", batch_id=batch_id)


def workers(shop: Shop) -> dict[str, tuple[str, bool]]:
    """State of each worker, and whether it was asked."""
    rows = shop.rows("SELECT name, state, probed_at IS NOT NULL AS probed FROM worker ORDER BY name")
    return {row.name: (row.state, row.probed) for row in rows}


def take_bubblewrap_away(pi: Pi, directory: Path) -> None:
    """Give a worker an interpreter that says of every probe that there is no bubblewrap."""
    liar = directory / f"python-of-{pi.worker.name}"
    python = Path(pi.python)
    liar.write_text(
        f"""#!{python}
import json, os, subprocess, sys
done = subprocess.run([{str(python)!r}, *sys.argv[1:]], stdout=subprocess.PIPE if "probe" in sys.argv else None)
if "probe" in sys.argv:
    answer = json.loads(done.stdout)
    answer["facts"]["sandbox"].update(kind="none", why="bwrap is not installed")
    print(json.dumps(answer))
sys.exit(done.returncode)
"""
    )
    liar.chmod(0o755)
    pi.python = str(liar)


def refuse(shop: Shop, tmp_path: Path, *pis: Pi) -> None:
    for pi in pis:
        take_bubblewrap_away(pi, tmp_path)
        shop.change(f"UPDATE worker SET python = '{pi.python}' WHERE name = '{pi.worker.name}'")


def specs(pi: Pi) -> list[BatchSpec]:
    return [BatchSpec.from_json(path.read_bytes()) for path in (pi.state / "batches").glob("*/spec.json")]


def test_a_worker_is_asked_before_its_first_batch_and_not_before_the_next(shop: Shop) -> None:
    drive(task(shop.plan(scripted("good"))))
    (row,) = shop.rows("SELECT name, facts, probed_at FROM worker WHERE probed_at IS NOT NULL")
    assert row.facts["worker_version"] == build_worker_zipapp().version
    assert row.facts["sandbox"]["kind"] == "bubblewrap"
    assert row.facts["cores"] >= 1
    assert "libraries" not in row.facts
    shop.change(f"UPDATE worker SET state = 'drained' WHERE name <> '{row.name}'")
    drive(task(shop.plan_more(scripted("better"))))
    (again,) = shop.rows("SELECT probed_at FROM worker WHERE probed_at IS NOT NULL")
    assert again.probed_at == row.probed_at
    assert shop.jobs() == {"good": "built", "better": "built"}
    sandboxes = shop.rows("SELECT sandbox ->> 'kind' AS kind FROM attempt")
    assert [each.kind for each in sandboxes] == ["bubblewrap", "bubblewrap"]


def test_a_worker_without_a_sandbox_is_refused_and_the_batch_goes_to_another(shop: Shop, tmp_path: Path) -> None:
    batch = shop.plan(scripted("good"))
    refuse(shop, tmp_path, shop.pis[0])
    drive(task(batch))
    assert workers(shop) == {"worker-1": ("refused", True), "worker-2": ("live", True)}
    assert specs(shop.pis[0]) == []
    assert shop.jobs() == {"good": "built"}
    assert shop.rows("SELECT * FROM lease") == []


def test_a_farm_without_a_usable_worker_fails_the_task_and_says_what_to_do(shop: Shop, tmp_path: Path) -> None:
    batch = shop.plan(scripted("good"))
    refuse(shop, tmp_path, *shop.pis)
    with pytest.raises(NoUsableWorker) as failed:
        step(task(batch))
    said = str(failed.value)
    for words in ("No worker may build good 1.0", "worker-1 is refused", "bwrap is not installed"):
        assert words in said
    assert "name worker-2 in PIWRIGHT_ALLOW_UNSANDBOXED" in said
    assert shop.jobs() == {"good": "leased"}  # until the run settles what it leaves
    assert [specs(pi) for pi in shop.pis] == [[], []]
    assert shop.rows("SELECT * FROM lease") == []
    # An operator repairs one of them and clears the task: it is asked again at once.
    shop.change(f"UPDATE worker SET python = '{shop.pis[1].original_python}' WHERE name = 'worker-2'")
    assert drive(task(batch)) == batch
    assert workers(shop)["worker-2"] == ("live", True)
    assert shop.jobs() == {"good": "built"}


def test_a_task_that_waits_for_a_slot_learns_that_nobody_is_left(shop: Shop) -> None:
    batch = shop.plan(scripted("good"))
    shop.change("UPDATE worker SET state = 'drained'")
    deferred = step(task(batch))
    deferred.trigger.poll_seconds = 0.1

    async def refuse_all() -> dict[str, Any]:
        event = asyncio.ensure_future(anext(deferred.trigger.run()))
        await asyncio.sleep(0)
        shop.change("UPDATE worker SET state = 'refused', state_reason = 'no sandbox'")
        return dict((await event).payload)

    assert asyncio.run(asyncio.wait_for(refuse_all(), 30)) == {"kind": "refused"}


def test_an_operator_allows_a_worker_by_name_and_its_batches_say_so(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = shop.plan(scripted("good"))
    refuse(shop, tmp_path, *shop.pis)
    monkeypatch.setenv("PIWRIGHT_ALLOW_UNSANDBOXED", "worker-1,worker-2")
    deferred = step(task(batch))
    (spec,) = specs(shop.pi_of(batch))
    assert spec.unsandboxed
    assert workers(shop)[shop.pi_of(batch).worker.name] == ("live", True)
    asyncio.run(deferred.trigger.on_kill())


def test_a_batch_carries_its_slot_the_limits_and_who_may_use_the_network(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"MEMORY": 1 << 30, "DISK": 2 << 30, "FILE": 1 << 30, "PROCESSES": 100, "CPU": 1000}
    for name, value in given.items():
        monkeypatch.setenv(f"PIWRIGHT_BUILD_{name}", str(value))
    token = new_token()
    batch = shop.plan(scripted("slow", waiting(token)), scripted("zzz"))
    shop.change("UPDATE worker SET slots = 3")
    with shop.database() as database:
        allow_network(database, "zzz", reason="downloads a font", by="alice")
    operator = task(batch)
    deferred = step(operator)
    started(token)
    (spec,) = specs(shop.pi_of(batch))
    limits = spec.limits
    assert (spec.slot, spec.slots, spec.unsandboxed) == (1, 3, False)
    assert {each.project: each.network for each in spec.builds} == {"slow": False, "zzz": True}
    assert (limits.memory_bytes, limits.disk_bytes, limits.file_bytes) == (1 << 30, 2 << 30, 1 << 30)
    assert (limits.processes, limits.cpu_seconds, limits.seconds) == (100, 1000, 20)
    let_go(token)
    assert step(operator, deferred, fire(deferred.trigger)) == batch


def test_a_wheel_that_does_not_import_is_built_and_held(shop: Shop) -> None:
    drive(task(shop.plan(scripted("wrong", "return 'import nothing_like_this.at_all +'"))))
    assert shop.jobs() == {"wrong": "built"}
    (wheel,) = shop.rows("SELECT held_reason FROM wheel")
    assert "it does not import" in wheel.held_reason
    assert shop.rows("SELECT smoke ->> 'outcome' AS outcome FROM attempt")[0].outcome == "broken"


@pytest.mark.parametrize("answer", ["no json", '{"format": 1}', '{"error": "the Python is too old"}'])
def test_a_worker_that_answers_nonsense_is_lost_and_the_task_tries_again(
    shop: Shop, tmp_path: Path, answer: str
) -> None:
    batch = shop.plan(scripted("good"))
    pi = shop.pis[0]
    liar = tmp_path / "liar"
    liar.write_text(f"#!/bin/sh\necho '{answer}'\n")
    liar.chmod(0o755)
    shop.change("UPDATE worker SET state = 'drained' WHERE name = 'worker-2'")
    shop.change(f"UPDATE worker SET python = '{liar}' WHERE name = '{pi.worker.name}'")
    with pytest.raises(Exception, match="answered nonsense to `probe`"):
        step(task(batch))
    assert workers(shop)["worker-1"] == ("lost", False)
    assert shop.rows("SELECT * FROM lease") == []
