"""A worker says what it is, and which means keep a build within its limits here, or why one does not."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.surroundings import with_bubblewrap, without_bubblewrap, without_control_groups
from support.worker import LocalWorker


def probe(worker: LocalWorker) -> dict[str, Any]:
    answer = worker.answer("probe", worker.python)
    assert (answer["format"], answer["worker_version"]) == (1, worker.app.version)
    return answer["facts"]


def test_it_says_what_machine_it_is(worker: LocalWorker) -> None:
    facts = probe(worker)
    assert facts["python"] == ".".join(map(str, sys.version_info[:3]))
    assert facts["machine"] == os.uname().machine
    assert facts["kernel"] == os.uname().release
    assert facts["cores"] == len(os.sched_getaffinity(0))
    assert 1 << 28 < facts["memory_bytes"] < 1 << 44
    assert facts["disk_free_bytes"] > 1 << 20
    assert facts["tools"]["uv"]
    for name in ("implementation", "platform", "libc", "distribution"):
        assert facts[name], name
    assert len(json.dumps(facts)) < 1 << 20


def test_with_bubblewrap_it_says_so(worker: LocalWorker) -> None:
    sandbox = probe(worker)["sandbox"]
    assert (sandbox["kind"], sandbox["why"]) == ("bubblewrap", "")
    assert tuple(map(int, sandbox["version"].split(".")[:2])) >= (0, 8)


def test_without_control_groups_it_says_what_is_done_instead(worker: LocalWorker) -> None:
    worker.around = without_control_groups()
    sandbox = probe(worker)["sandbox"]
    assert sandbox["kind"] == "bubblewrap"
    assert sandbox["memory"] == "watchdog"
    assert sandbox["processes"] == "watchdog"  # the kernel takes it for root
    assert "watched" in sandbox["details"]["memory"]
    assert "watched" in sandbox["details"]["processes"]


def test_without_bubblewrap_it_says_how_to_get_it(worker: LocalWorker) -> None:
    worker.around = without_bubblewrap()
    sandbox = probe(worker)["sandbox"]
    assert (sandbox["kind"], sandbox["version"]) == ("none", "")
    assert sandbox["why"].startswith("bubblewrap is not installed")
    assert "apt install bubblewrap" in sandbox["why"]


FAKES = {
    "too old": ("bubblewrap 0.4.1", "exit 1", "bubblewrap 0.4.1 is too old"),
    "no version": ("something else", "exit 1", "too old"),
    "forbidden": (
        "bubblewrap 0.8.0",
        "echo 'bwrap: No permissions to create new namespace' >&2; exit 1",
        "No permissions to create new namespace",
    ),
    "no program": ("bubblewrap 0.8.0", "exit 127", "exit code 127"),
    "no sandbox": ("bubblewrap 0.8.0", 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"', "does not work"),
}


@pytest.mark.parametrize("case", FAKES)
def test_a_bubblewrap_that_is_of_no_use_is_named_with_its_reason(
    tmp_path: Path, make_worker: Callable[..., LocalWorker], case: str
) -> None:
    version, does, words = FAKES[case]
    fake = tmp_path / "bwrap"
    fake.write_text(f'#!/bin/sh\nif [ "$1" = --version ]; then echo "{version}"; exit; fi\n{does}\n')
    fake.chmod(0o755)
    worker = make_worker(tmp_path / "state")
    worker.around = with_bubblewrap(fake)
    sandbox = probe(worker)["sandbox"]
    assert sandbox["kind"] == "none"
    assert words in sandbox["why"]
    assert "apt install bubblewrap" in sandbox["why"]
    assert sandbox["details"]["sandbox"]


@pytest.mark.parametrize("python", ["python3", "/no/such/python", "/etc/passwd", "/bin/true"])
def test_an_interpreter_that_cannot_be_used_is_refused(worker: LocalWorker, python: str) -> None:
    refused = worker.call("probe", python)
    assert refused.returncode == 2
    assert python in json.loads(refused.stdout)["error"]
