"""The operator and its triggers, against real workers: whatever dies, nothing is lost and nothing is built twice."""

import asyncio
import os
import signal
from typing import Any

import psutil
import pytest

from piwright_airflow.operators.wheel_build import WheelBuildOperator, WorkerLost
from plugins.conftest import Pi, Shop, drive, fire, step
from support.builds import let_go, new_token, running, started, waiting
from support.scripted import scripted
from support.upstream import make_sdist
from support.worker import wait_for

FAILING = scripted("broken", 'raise RuntimeError("this project needs libquux")')


def task(batch_id: int) -> WheelBuildOperator:
    return WheelBuildOperator(task_id="build", batch_id=batch_id)


def runners(pi: Pi) -> list[int]:
    """Process ids of the worker programs that run batches on a worker."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if any(str(pi.state) in part for part in process.info["cmdline"] or ())
        and "worker-" in str(process.info["cmdline"])
    ]


def test_a_batch_is_built_recorded_and_its_slot_given_back(shop: Shop) -> None:
    batch = shop.plan(scripted("good"), FAILING)
    assert drive(task(batch)) == batch
    assert shop.jobs() == {"good": "built", "broken": "failed"}
    assert shop.attempts() == [("broken", 1, "setup_error"), ("good", 1, "built")]
    assert shop.rows("SELECT filename FROM wheel")[0].filename == "good-1.0-py3-none-any.whl"
    assert shop.rows("SELECT * FROM lease") == []
    assert shop.rows("SELECT state FROM batch")[0].state == "done"
    assert [list((pi.state / "batches").glob("*")) for pi in shop.pis if (pi.state / "batches").exists()] == [[]]
    assert list((shop.home / "incoming").rglob("*.whl")) == []


def test_finished_builds_are_collected_while_others_still_run(shop: Shop) -> None:
    token = new_token()
    batch = shop.plan(scripted("aaa"), scripted("slow", waiting(token)))
    shop.put_last("slow")
    operator = task(batch)
    deferred = step(operator)
    deferred.trigger.hand_over_seconds = 0
    event = fire(deferred.trigger)
    assert event["kind"] == "collect"
    deferred = step(operator, deferred, event)
    assert shop.jobs() == {"aaa": "built", "slow": "leased"}
    assert len(shop.rows("SELECT * FROM lease")) == 1
    started(token)
    let_go(token)
    step(operator, deferred, fire(deferred.trigger))
    assert shop.jobs() == {"aaa": "built", "slow": "built"}


def test_the_lease_says_what_is_being_built(shop: Shop) -> None:
    token = new_token()
    batch = shop.plan(scripted("slow", waiting(token)))
    deferred = step(task(batch))

    async def watch() -> None:
        events = deferred.trigger.run()
        waiting = asyncio.ensure_future(anext(events))
        while not shop.rows("SELECT job_id FROM lease WHERE job_id IS NOT NULL"):
            await asyncio.sleep(0.1)
        waiting.cancel()

    asyncio.run(asyncio.wait_for(watch(), 60))
    assert shop.rows("SELECT job_id FROM lease")[0].job_id == shop.rows("SELECT job_id FROM job")[0].job_id
    let_go(token)


def test_a_retried_task_attaches_to_the_batch_that_runs(shop: Shop) -> None:
    token = new_token()
    batch = shop.plan(scripted("slow", waiting(token)))
    step(task(batch))
    first = started(token)
    deferred = step(task(batch))
    assert started(token) == first
    let_go(token)
    operator = task(batch)
    assert step(operator, deferred, fire(deferred.trigger)) == batch
    assert shop.rows("SELECT round FROM batch")[0].round == 1
    assert shop.attempts() == [("slow", 1, "built")]


def test_a_runner_that_is_killed_goes_on_where_it_was(shop: Shop) -> None:
    token = new_token()
    batch = shop.plan(scripted("slow", waiting(token)), scripted("zzz"))
    operator = task(batch)
    deferred = step(operator)
    first = started(token)
    for pid in runners(shop.pi_of(batch)):
        os.kill(pid, signal.SIGKILL)
    event = fire(deferred.trigger)
    assert event == {"kind": "stopped", "detail": "dead"}
    deferred = step(operator, deferred, event)
    wait_for(lambda: running(token) not in ([], [first]))
    let_go(token)
    step(operator, deferred, fire(deferred.trigger))
    assert shop.attempts() == [("slow", 1, "built"), ("zzz", 1, "built")]
    assert shop.rows("SELECT round FROM batch")[0].round == 1


def test_a_worker_that_comes_back_in_time_is_not_lost(shop: Shop) -> None:
    token = new_token()
    batch = shop.plan(scripted("slow", waiting(token)))
    operator = task(batch)
    deferred = step(operator)
    first = started(token)
    pi = shop.pi_of(batch)

    async def plug_out_and_in() -> dict[str, Any]:
        waiting = asyncio.ensure_future(anext(deferred.trigger.run()))
        await asyncio.sleep(0)
        pi.unplug()
        await asyncio.sleep(deferred.trigger.poll_seconds)
        await asyncio.to_thread(pi.plug_in)
        assert running(token) == [first]
        let_go(token)
        return dict((await waiting).payload)

    assert asyncio.run(plug_out_and_in())["kind"] in ("collect", "stopped")
    step(operator, deferred, {"kind": "stopped", "detail": "finished"})
    assert shop.attempts() == [("slow", 1, "built")]


def test_a_lost_worker_fails_the_task_and_the_next_try_builds_the_rest_elsewhere(shop: Shop) -> None:
    token = new_token()
    batch = shop.plan(scripted("aaa"), scripted("slow", waiting(token)))
    shop.put_last("slow")
    operator = task(batch)
    deferred = step(operator)
    deferred.trigger.hand_over_seconds = 0
    deferred = step(operator, deferred, fire(deferred.trigger))
    assert shop.jobs()["aaa"] == "built"
    lost = shop.pi_of(batch)
    first = started(token)
    lost.unplug()
    event = fire(deferred.trigger)
    assert event["kind"] == "lost"
    with pytest.raises(WorkerLost, match="out of reach"):
        step(operator, deferred, event)
    assert [row.state for row in shop.rows("SELECT state FROM worker ORDER BY state")] == ["live", "lost"]
    operator = task(batch)  # what Airflow does after retry_delay
    deferred = step(operator)
    wait_for(lambda: set(running(token)) - {first})
    let_go(token)
    assert step(operator, deferred, fire(deferred.trigger)) == batch
    assert shop.attempts() == [("aaa", 1, "built"), ("slow", 1, "built")]
    (worker,) = shop.rows("SELECT w.name FROM attempt JOIN worker w USING (worker_id) ORDER BY attempt_id DESC LIMIT 1")
    assert worker.name != lost.worker.name


def test_a_lost_worker_that_is_back_for_the_next_try_keeps_its_batch(shop: Shop) -> None:
    token = new_token()
    batch = shop.plan(scripted("slow", waiting(token)))
    operator = task(batch)
    deferred = step(operator)
    first = started(token)
    pi = shop.pi_of(batch)
    pi.unplug()
    event = fire(deferred.trigger)
    with pytest.raises(WorkerLost):
        step(operator, deferred, event)
    pi.plug_in()
    operator = task(batch)
    deferred = step(operator)
    assert running(token) == [first]
    let_go(token)
    assert step(operator, deferred, fire(deferred.trigger)) == batch
    assert {row.state for row in shop.rows("SELECT state FROM worker")} == {"live"}


def test_a_task_that_is_cancelled_ends_its_processes_and_gives_the_slot_back(shop: Shop) -> None:
    token = new_token()
    batch = shop.plan(scripted("slow", waiting(token)))
    deferred = step(task(batch))
    started(token)
    asyncio.run(deferred.trigger.on_kill())
    assert running(token) == []
    assert runners(shop.pi_of(batch)) == []
    assert shop.rows("SELECT * FROM lease") == []


def test_a_cleared_task_builds_again_what_was_cancelled_and_only_that(shop: Shop) -> None:
    token = new_token()
    batch = shop.plan(scripted("slow", waiting(token)))
    deferred = step(task(batch))
    started(token)
    asyncio.run(deferred.trigger.on_kill())
    operator = task(batch)
    deferred = step(operator)
    started(token)
    let_go(token)
    assert step(operator, deferred, fire(deferred.trigger)) == batch
    assert shop.attempts() == [("slow", 1, "built")]


def test_a_build_whose_process_was_killed_from_outside_is_tried_again(shop: Shop) -> None:
    token = new_token()
    batch = shop.plan(scripted("unlucky", waiting(token)))
    operator = task(batch)
    deferred = step(operator)
    first = psutil.Process(started(token))
    parent = first.parent()
    assert parent is not None
    parent.kill()
    deferred = step(operator, deferred, fire(deferred.trigger))
    wait_for(lambda: set(running(token)) - {first.pid})
    let_go(token)
    assert step(operator, deferred, fire(deferred.trigger)) == batch
    assert shop.attempts() == [("unlucky", 1, "killed"), ("unlucky", 2, "built")]
    assert shop.jobs() == {"unlucky": "built"}


def test_a_batch_without_a_free_slot_waits_for_one(shop: Shop) -> None:
    batch = shop.plan(scripted("good"))
    shop.change("UPDATE worker SET state = 'drained'")
    operator = task(batch)
    deferred = step(operator)
    assert type(deferred.trigger).__name__ == "SlotTrigger"
    deferred.trigger.poll_seconds = 0.1

    async def free_a_slot() -> dict[str, Any]:
        waiting = asyncio.ensure_future(anext(deferred.trigger.run()))
        await asyncio.sleep(0)
        shop.change("UPDATE worker SET state = 'live'")
        return dict((await waiting).payload)

    event = asyncio.run(asyncio.wait_for(free_a_slot(), 30))
    assert event == {"kind": "leased"}
    deferred = step(operator, deferred, event)
    assert step(operator, deferred, fire(deferred.trigger)) == batch


def test_a_hanging_build_times_out_and_the_rest_is_built(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIWRIGHT_BUILD_TIMEOUT", "4")
    batch = shop.plan(scripted("hangs", "time.sleep(600)"), scripted("good"))
    drive(task(batch))
    assert shop.attempts() == [("good", 1, "built"), ("hangs", 1, "timeout")]


def test_a_source_that_is_not_what_upstream_said_is_never_built(shop: Shop) -> None:
    batch = shop.plan(scripted("good"))
    shop.change("UPDATE upstream_file SET hashes = jsonb_build_object('sha256', repeat('0', 64))")
    drive(task(batch))
    assert shop.attempts() == [("good", 1, "hash_mismatch")]


def test_the_triggers_can_be_stored_and_loaded(shop: Shop) -> None:
    batch = shop.plan(make_sdist("never", "1.0"))
    deferred = step(task(batch))
    path, arguments = deferred.trigger.serialize()
    assert path == "piwright_airflow.triggers.batch.BatchTrigger"
    assert type(deferred.trigger)(**arguments).serialize() == (path, arguments)
