"""The classes of failure: why an attempt failed, whose doing it is, and which the worker tells by itself.

CLASSES["missing_header"].meaning
KIND_TO_CLASS["timeout"]
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class FailureClass:
    """Why an attempt failed. `meaning` is one sentence for a maintainer.

    `infrastructure` classes are our doing, not the project's: they never count against it and are retried.
    """

    name: str
    meaning: str
    infrastructure: bool = False


def _classes(*classes: FailureClass) -> dict[str, FailureClass]:
    return {each.name: each for each in classes}


CLASSES = _classes(
    FailureClass("missing_header", "A C or C++ header is not installed on the worker."),
    FailureClass("missing_library", "A library to link against is not installed on the worker."),
    FailureClass("missing_pkg_config", "A pkg-config module is not installed on the worker."),
    FailureClass("missing_program", "The build runs a program that is not installed on the worker."),
    FailureClass("removed_module", "The code uses a part of the standard library that this Python no longer has."),
    FailureClass("python2_syntax", "The code is written for Python 2."),
    FailureClass("missing_build_requirement", "The build imports a package it does not declare as a requirement."),
    FailureClass("build_requirement_unavailable", "A declared build requirement cannot be had for this Python."),
    FailureClass("compiler_error", "The project's code does not compile here."),
    FailureClass("wants_network", "The build downloads something while it runs."),
    FailureClass("setup_error", "The project's own set-up code stopped with an error."),
    FailureClass("unknown", "The log does not say why in a way we know."),
    FailureClass("upstream_gone", "Upstream no longer serves the source distribution."),
    FailureClass("hash_mismatch", "The source distribution is not the file the index names."),
    FailureClass("bad_sdist", "The source distribution is no archive with one folder in it."),
    FailureClass("timeout", "The build took longer than it may."),
    FailureClass("silent", "The build said nothing for longer than it may; most often it waits for something."),
    FailureClass("log_limit", "The build wrote more log than it may."),
    FailureClass("no_wheel", "The build ended without an error and without a wheel."),
    FailureClass("wheel_limit", "The wheel is larger than it may be."),
    # Limits of the build's own: the same again would end the same, so only a person or other limits make it worth a try.
    FailureClass("memory_limit", "The build needed more memory than it may use."),
    FailureClass("disk_limit", "The build wrote more, or a larger file, than it may."),
    FailureClass("process_limit", "The build started more processes than it may."),
    FailureClass("cpu_limit", "The build used more CPU time than it may."),
    FailureClass("rejected", "What came back is not a wheel we may publish."),
    # It may be the worker's memory rather than the project's appetite, so another try, elsewhere, is fair.
    FailureClass("out_of_memory", "The compiler ran out of memory on the worker.", infrastructure=True),
    FailureClass("fetch_failed", "The worker could not reach the index.", infrastructure=True),
    FailureClass("killed", "Something outside of the build ended it.", infrastructure=True),
    FailureClass("no_space", "The worker's disk was full.", infrastructure=True),
    FailureClass("no_sandbox", "The worker could not shut the build in, so it did not build.", infrastructure=True),
    FailureClass("worker_fault", "The worker program itself failed.", infrastructure=True),
    FailureClass("worker_lost", "The worker went away and did not come back.", infrastructure=True),
)

KIND_TO_CLASS = {
    **{kind: kind for kind in ("upstream_gone", "fetch_failed", "hash_mismatch", "bad_sdist", "timeout", "silent")},
    **{kind: kind for kind in ("log_limit", "killed", "no_wheel", "wheel_limit", "no_space", "no_sandbox")},
    **{kind: kind for kind in ("memory_limit", "disk_limit", "process_limit", "cpu_limit")},
    "internal": "worker_fault",
}
"""What the worker saw itself. The other kinds, `backend` and `requirements`, are told by the log."""
