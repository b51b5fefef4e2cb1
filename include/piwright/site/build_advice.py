"""What would have to change for a failed build to succeed: one sentence for each class of failure.

    advice("missing_header", {"header": "ffi.h"}, number=1)
    # "Whoever runs this shop: a package with ffi.h has to be installed on the workers."

Sentences of `intake.failure_classes` say what is wrong; these say who can do something about it. Some name what the log
named: it was cleaned when it was recorded, and is escaped when it is shown.
"""

from collections.abc import Mapping

from piwright.intake.failure_classes import CLASSES
from piwright.intake.record import MOST_ATTEMPTS

_US = "Whoever runs this shop: "
_THEM = "The project: "

_ADVICE = {
    "missing_header": _US + "a package with {header} has to be installed on the workers.",
    "missing_library": _US + "a package with {library} has to be installed on the workers.",
    "missing_pkg_config": _US + "a development package with {module}.pc has to be installed on the workers.",
    "missing_program": _US + "{program} has to be installed on the workers.",
    "removed_module": _THEM
    + "it has to stop using what this Python no longer has. An older Python may still build it.",
    "python2_syntax": _THEM + "it has to be ported to Python 3. A newer version may be.",
    "missing_build_requirement": _THEM + "it has to declare what its build imports in pyproject.toml.",
    "build_requirement_unavailable": _THEM
    + "what it requires to be built has to exist for this Python, or be asked for "
    "less strictly.",
    "compiler_error": _THEM + "its code has to be made to compile with this compiler, on this architecture.",
    "wants_network": _THEM
    + "its build must not download anything. Or whoever runs this shop lets it, and writes down why.",
    "setup_error": _THEM + "its set-up code has to work here; the log has the error.",
    "unknown": "Somebody has to read the log. If it is plain to you, tell whoever runs this shop.",
    "upstream_gone": "Upstream would have to offer its source again.",
    "hash_mismatch": "Upstream's index and its file have to agree again.",
    "bad_sdist": _THEM + "its source distribution has to be an archive with one folder in it.",
    "timeout": _US + "it may be allowed more time (PIWRIGHT_BUILD_TIMEOUT), or a faster worker.",
    "silent": _US
    + "it may be allowed to be silent for longer (PIWRIGHT_BUILD_SILENCE), if it does not wait for somebody.",
    "log_limit": _US + "it may be allowed more log (PIWRIGHT_LOG_LIMIT).",
    "no_wheel": _THEM + "its build has to leave a wheel, or fail.",
    "wheel_limit": _US + "wheels may be allowed to be larger (PIWRIGHT_WHEEL_LIMIT).",
    "memory_limit": _US + "a worker with more memory, or fewer slots on it (PIWRIGHT_BUILD_MEMORY).",
    "disk_limit": _US + "it may be allowed more space (PIWRIGHT_BUILD_DISK, PIWRIGHT_BUILD_FILE).",
    "process_limit": _US + "it may be allowed more processes (PIWRIGHT_BUILD_PROCESSES).",
    "cpu_limit": _US + "it may be allowed more CPU time (PIWRIGHT_BUILD_CPU).",
    "rejected": _THEM + "its build has to make a wheel that is what its name says; the message has what is not.",
    "out_of_memory": _US + "it needs a worker with more memory, or fewer slots on it.",
    "fetch_failed": _US + "the worker has to reach the index.",
    "killed": _US + "something on the worker ends builds.",
    "no_space": _US + "the worker's disk needs room.",
    "no_sandbox": _US + "the worker needs bubblewrap.",
    "worker_fault": _US + "the worker program has a fault that its log shows.",
    "worker_lost": _US + "the worker went away while it built.",
}
_AGAIN = "Nothing yet: it is our doing, and is tried again by itself. "
_GIVEN_UP = f"It was tried {MOST_ATTEMPTS} times, and is not tried again by itself. "
_NAMED = {"header": "the header", "library": "the library", "module": "the module", "program": "the program"}


def advice(failure_class: str, captured: Mapping[str, str], number: int) -> str:
    """The sentence for a class, with the names the log gave; `number` is which try of its job it was."""
    sentence = _ADVICE.get(failure_class, _ADVICE["unknown"])
    for name, otherwise in _NAMED.items():
        sentence = sentence.replace(f"{{{name}}}", captured.get(name) or otherwise)
    sentence = sentence[:1].upper() + sentence[1:]
    if failure_class in CLASSES and CLASSES[failure_class].infrastructure:
        return (_AGAIN if number < MOST_ATTEMPTS else _GIVEN_UP) + sentence
    return sentence
