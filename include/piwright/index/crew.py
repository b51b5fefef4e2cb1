"""Worker processes of a publication: they make pages ready while the publisher reads and writes the database.

    with crew(processes, work) as members:
        results = members.start([task, task, task])       # at the same time, as far as there are processes
        for result in results(): ...

With one process, or little to do, the work is done where it is asked for: a single project is published before a process
would have started.
"""

import ctypes
import gc
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

_PR_SET_PDEATHSIG = 1

_OBJECTS = 50_000
"""New ones that make Python look for circles of them. Rows of a database are many, and none of them is in a circle."""


class Crew(Generic[Task, Result]):
    """Calls `work` for tasks, in worker processes as soon as there are several tasks at a time."""

    def __init__(self, processes: int, work: Callable[[Task], Result]) -> None:
        self.processes = processes
        self.work = work
        self._pool: Executor | None = None

    def start(self, tasks: Sequence[Task]) -> Callable[[], list[Result]]:
        """Begin with these tasks; what it returns waits for their results, in order, or raises what one of them raised."""
        if self._pool is None and self.processes > 1 and len(tasks) > 1:
            self._pool = _pool(self.processes, self.work)
        if self._pool is None:
            return lambda: [self.work(task) for task in tasks]
        futures = [self._pool.submit(_do, task) for task in tasks]
        return lambda: [future.result() for future in futures]

    def stop(self) -> None:
        """End the worker processes, after what they are at."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


@contextmanager
def crew(processes: int | None, work: Callable[[Task], Result]) -> Iterator[Crew[Task, Result]]:
    """A crew that ends with the block. `processes`: None or 0 for one on each processor there is for us."""
    if multiprocessing.current_process().daemon:
        processes = 1  # such a process may not have any of its own
    members = Crew(processes or len(os.sched_getaffinity(0)), work)
    often = gc.get_threshold()
    gc.set_threshold(_OBJECTS, *often[1:])
    try:
        yield members
    finally:
        members.stop()
        gc.set_threshold(*often)


def _pool(processes: int, work: Callable[[Any], Any]) -> Executor:
    # Forked: a fresh interpreter takes longer to import this package than a thousand pages take to be made; and what
    # `work` holds need not be sent with each task.
    context = multiprocessing.get_context("fork")
    return ProcessPoolExecutor(processes, context, initializer=_begin, initargs=(os.getpid(), work))


_given: Callable[[Any], Any]
"""What a worker process does."""


def _begin(parent: int, work: Callable[[Any], Any]) -> None:
    """Begin a worker process. A publisher that is killed takes it along, so that it does not write while the next one does."""
    global _given
    _given = work
    gc.freeze()  # what is there now stays: not looked through again, and its memory stays shared
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the publisher decides what an interrupt means
    if os.getppid() != parent:
        os._exit(1)


def _do(task: Any) -> Any:
    return _given(task)
