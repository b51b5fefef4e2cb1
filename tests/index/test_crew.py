"""Work is shared among processes when there is enough of it, and its results come as if it were not."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

import pytest

from piwright.index.crew import crew


def who(task: int) -> tuple[int, int]:
    """The task and the process it was done in."""
    if task < 0:
        raise OSError(28, "No space left on device")
    return task, os.getpid()


def test_results_are_in_the_order_of_the_tasks_whoever_did_them() -> None:
    with crew(3, who) as members:
        results = members.start(range(50))()
    assert [task for task, _ in results] == list(range(50))
    assert os.getpid() not in {process for _, process in results}


@pytest.mark.parametrize(("processes", "tasks"), [(1, 5), (3, 1)])
def test_a_little_work_is_done_at_once_without_a_process(processes: int, tasks: int) -> None:
    with crew(processes, who) as members:
        assert members.start(range(tasks))() == [(task, os.getpid()) for task in range(tasks)]


@pytest.mark.parametrize("processes", [1, 2])
def test_what_a_task_raises_is_raised_to_who_waits(processes: int) -> None:
    with crew(processes, who) as members:
        results = members.start([1, -1, 2])
        with pytest.raises(OSError, match="No space left"):
            results()


def test_no_process_outlives_its_block() -> None:
    with crew(2, who) as members:
        processes = {process for _, process in members.start(range(8))()}
    alive = {child.pid for child in multiprocessing.active_children()}
    assert not processes & alive


def within_a_daemon() -> bool:
    """What a task of a process pool does that is not allowed processes of its own."""
    multiprocessing.current_process()._config["daemon"] = True  # type: ignore[attr-defined]
    with crew(4, who) as members:
        return all(process == os.getpid() for _, process in members.start(range(4))())


def test_a_process_that_may_have_no_others_works_alone() -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        assert pool.submit(within_a_daemon).result()
