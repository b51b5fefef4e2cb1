"""The runner: the detached process that makes the builds of a batch, one after the other.

It is started by `launch` with the descriptor of the batch's lock, which it holds until it ends.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
from typing import Mapping

from . import clock, processes
from .batch import Batch
from .build import Build, Surroundings
from .cgroups import remove_leftovers
from .environment import SYSTEM_PATH
from .failure import Stopped, one_sentence
from .means import find_means
from .program import program_folder
from .protocol import BatchSpec
from .sandbox import Sandbox, interpreter_prefixes
from .signals import Stop
from .system import system_facts
from .version import WORKER_VERSION, read_resource

FACTS_SECONDS = 120
FACTS = ("python", "implementation", "platform", "machine", "libc", "distribution", "executable", "prefix")


def run_batch(batch: Batch, lock: int) -> int:
    """Make all builds that have no result yet; the exit code nobody reads."""
    os.set_inheritable(lock, False)  # a build that outlived us would keep the batch "running"
    stop = Stop(batch.cancelled_file)
    stop.listen()
    os.umask(0o022)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.chdir(batch.directory)
    adopted = processes.adopt_orphans()
    _note(f"runner {os.getpid()} of worker {WORKER_VERSION} starts" + ("" if adopted else ", without adopting orphans"))
    batch.write_progress(runner=os.getpid(), build=None, phase=None)
    if processes.end(lambda: processes.find(0, batch.mark()), grace=0.0):
        _note("processes of an earlier runner could not be ended")
    remove_leftovers()
    spec = batch.accepted_spec()
    if spec is None:
        _note("accepted.json is missing")
        return 1
    surroundings = look_around(batch, spec)
    for each in spec.builds:
        if stop.requested():
            break
        if batch.is_done(each.build):
            continue
        _note(f"build {each.build}: {each.project} {each.version}")
        try:
            Build(batch, spec, each, stop, surroundings).run()
        except Stopped:
            break
        except OSError as error:  # not even a result could be written; `run` will try this build again
            _note(f"build {each.build}: {error}")
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                break
    batch.write_progress(runner=os.getpid(), build=None, phase=None)
    _note("told to stop" if stop.requested() else "all builds are done")
    return 0


def look_around(batch: Batch, spec: BatchSpec) -> Surroundings:
    """What the builds of a batch have in common."""
    facts = read_facts(spec.python)
    sandbox = Sandbox.find(interpreter_prefixes(facts if isinstance(facts, Mapping) else {}), batch.state / "bin")
    means = find_means(sandbox, spec.limits, spec.slot, spec.slots)
    _note(f"sandbox: {means.to_json(sandbox)} {means.details}")
    return Surroundings(facts, sandbox, means, program_folder(batch.state), system_facts(batch.state, spec.python))


def read_facts(python: str) -> Mapping[str, str] | str:
    """What `facts.py` says about the interpreter, or the reason why it says nothing."""
    try:
        answer = subprocess.run(
            [python, "-I", "-"],
            input=read_resource("facts.py"),
            capture_output=True,
            timeout=FACTS_SECONDS,
            env={"PATH": SYSTEM_PATH, "LANG": "C.UTF-8"},
            check=True,
        ).stdout
        facts = json.loads(answer)
        return {name: str(facts[name])[:500] for name in FACTS}
    except subprocess.CalledProcessError as error:
        return one_sentence(f"{python} cannot be used: {error.stderr.decode('utf-8', 'replace')[-200:]}")
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError) as error:
        return one_sentence(f"{python} cannot be used: {type(error).__name__}: {error}")


def _note(text: str) -> None:
    """A line of runner.log, which standard error leads to."""
    print(f"{clock.now()} {text}", file=sys.stderr, flush=True)
