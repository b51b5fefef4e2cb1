"""Adds and removes emulated Pis of a stack, whether it runs or not.

worker = add_pi(stack, "pi-1", "trixie", "armv7l", say)     # registered, and its sshd answers
remove_pi(stack, "pi-1")
"""

from collections.abc import Callable

from piwright.stack.bring_up import NotReady, Stack
from piwright.stack.emulated.architecture import GUESTS
from piwright.stack.emulated.host import missing_for_emulation
from piwright.stack.emulated.shelf import EmulatedPi
from piwright.stack.preflight import busy_ports, clashing_ports
from piwright.stack.ssh_probe import wait_for_server
from piwright.stack.workers import StackWorker, stack_workers

_BOOT_SECONDS = 60


def add_pi(stack: Stack, name: str, suite: str, machine: str, say: Callable[[str], None]) -> StackWorker:
    """Make an emulated Pi a worker of the stack, which is started if it does not run. A no-op for one that is there.

    Raises `NotReady` before anything is changed, `ShelfError` and `TargetError` for what cannot be.
    """
    shelf = stack.shelf
    shelf.check(name, suite, machine)
    if all(each.name != name for each in shelf.pis()):
        problems = missing_for_emulation(GUESTS[machine], shelf.folder)
        if problems:
            raise NotReady("\n".join(problems))
        shelf.roots.ensure(suite, machine, say)
        pi = shelf.add(name, suite, machine)
        try:
            _check_port(stack, pi)
        except NotReady:
            shelf.forget(name)
            raise
    if stack.running and stack.has_these_settings:
        # Nothing else is touched: builds go on.
        stack.update_components()
        stack.update_workers()
    else:
        stack.start()
    worker = find_worker(stack, name)
    wait_for_server(worker.port, _BOOT_SECONDS, stack.check)
    return worker


def _check_port(stack: Stack, pi: EmulatedPi) -> None:
    """Every other component is running or will be checked at the start."""
    settings = stack.settings
    port = stack.shelf.port(pi)
    ours = [
        ("PIWRIGHT_AIRFLOW_PORT", settings.airflow_port, "Airflow"),
        ("PIWRIGHT_INDEX_PORT", settings.index_port, "the index"),
    ]
    asked = ("PIWRIGHT_WORKER_PORT", port, pi.name)
    problems = clashing_ports([*ours, asked]) + busy_ports([asked])
    if problems:
        raise NotReady("\n".join(problems))


def find_worker(stack: Stack, name: str) -> StackWorker:
    """A worker of the stack by its name. Raises `LookupError` that names those there are."""
    workers = stack_workers(stack.settings, stack.shelf)
    for each in workers:
        if each.name == name:
            return each
    raise LookupError(f"{name} is no worker of this stack: there are {', '.join(each.name for each in workers)}.")


def remove_pi(stack: Stack, name: str) -> None:
    """End an emulated Pi, forget it, and remove what it wrote. Raises `LookupError` when there is none of that name."""
    pis = {each.name: each for each in stack.shelf.pis()}
    if name not in pis:
        there = ", ".join(pis) or "none"
        raise LookupError(f"{name} is no emulated Pi: there {'is' if len(pis) < 2 else 'are'} {there}.")
    stack.shelf.forget(name)
    if stack.running:
        stack.update_components()
        stack.update_workers()
        stack.api.delete_connection(pis[name].connection_id)
    stack.shelf.clear()
