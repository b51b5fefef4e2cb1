"""A build requirement of which there is no wheel is built first, by the same phases, and never published."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from support.scripted import make_wheel, scripted
from support.upstream import Distribution, LoopbackUpstream
from support.worker import LocalWorker, Outcome

INNER = [("spice", []), ("sauce", ["spice"]), ("meal", ["sauce"])]


@pytest.fixture
def own_upstream() -> Iterator[LoopbackUpstream]:
    """An index of sdists that nobody else asks."""
    with LoopbackUpstream(redirect_to=None) as running:
        for name, requires in INNER:
            uses = "\n".join(f"import {each}" for each in requires) or "pass"
            running.add(scripted(name, f"{uses}\nreturn 'MADE = True\\n'", requires=requires))
        yield running


def build(
    worker: LocalWorker, upstream: LoopbackUpstream, name: str, requires: Sequence[str], dynamic: str | None = None
) -> Outcome:
    script = "import importlib\nfacts([importlib.import_module(each).MADE for each in REQUIRES])"
    modules = [each.partition("<")[0] for each in requires]
    return worker.build_one(
        upstream, scripted(name, script.replace("REQUIRES", repr(modules)), requires=requires, dynamic=dynamic)
    )


@pytest.mark.parametrize("uv", [True, False], ids=["uv", "pip"])
def test_requirements_of_requirements_are_built_from_the_inside_out(
    tmp_path: Path, make_worker: Callable[..., LocalWorker], own_upstream: LoopbackUpstream, uv: bool
) -> None:
    worker = make_worker(tmp_path / "state", uv=uv)
    outcome = build(worker, own_upstream, "guest", ["meal"])
    assert outcome.result["outcome"] == "built", outcome.log
    assert outcome.facts == [True]
    assert [each["filename"] for each in outcome.result["wheels"]] == ["guest-1.0-py3-none-any.whl"]
    assert [each.split("==")[0] for each in outcome.result["environment"]["requirements"]] == ["meal"]
    built = [line for line in outcome.log.splitlines() if "phase build: for the build requirement" in line]
    assert [line.split("requirement ")[1].split(" ")[0] for line in built] == ["spice", "sauce", "meal"]

    counts = {name: own_upstream.count(f"/files/{name}-1.0.tar.gz") for name, _ in INNER}
    assert counts == {"spice": 1, "sauce": 1, "meal": 1}
    again = build(worker, own_upstream, "second", ["meal"])  # what was built once is kept
    assert again.facts == [True]
    assert {name: own_upstream.count(f"/files/{name}-1.0.tar.gz") for name, _ in INNER} == counts


def test_a_dynamic_requirement_is_built_too(worker: LocalWorker, own_upstream: LoopbackUpstream) -> None:
    script = "import spice\nfacts(spice.MADE)"
    outcome = worker.build_one(own_upstream, scripted("asker", script, dynamic="return ['spice']"))
    assert outcome.facts is True, outcome.log
    assert [each["name"] for each in outcome.result["phases"]][-4:] == ["fetch", "build", "inspect", "smoke"]


def test_the_version_that_is_asked_for_is_built(worker: LocalWorker, own_upstream: LoopbackUpstream) -> None:
    own_upstream.add(scripted("spice", "return 'MADE = 2\\n'", version="2.0"))
    own_upstream.add(scripted("spice", "return 'MADE = 3\\n'", version="3.0rc1"))
    assert build(worker, own_upstream, "newest", ["spice"]).facts == [2]
    assert build(worker, own_upstream, "bounded", ["spice<2"]).facts == [True]


def test_a_wheel_is_preferred_to_building(worker: LocalWorker, own_upstream: LoopbackUpstream) -> None:
    own_upstream.add(scripted("spice", "return 'MADE = 2\\n'", version="2.0"))
    own_upstream.add(make_wheel("spice", {"spice.py": "MADE = 'wheel'\n"}))
    assert build(worker, own_upstream, "lazy", ["spice"]).facts == ["wheel"]
    assert own_upstream.count("/files/spice-2.0.tar.gz") == 0


def test_a_circle_of_requirements_ends_with_a_reason(worker: LocalWorker, own_upstream: LoopbackUpstream) -> None:
    own_upstream.add(scripted("egg", requires=["chicken"]))
    own_upstream.add(scripted("chicken", requires=["egg"]))
    outcome = build(worker, own_upstream, "farm", ["egg"])
    assert outcome.failure == "requirements"
    assert "egg" in outcome.result["failure"]["message"] or "chicken" in outcome.result["failure"]["message"]
    assert outcome.log.count("phase fetch") < 20


def test_a_project_that_requires_itself_ends_too(worker: LocalWorker, own_upstream: LoopbackUpstream) -> None:
    own_upstream.add(scripted("narcissus", requires=["narcissus"]))
    assert build(worker, own_upstream, "pool", ["narcissus"]).failure == "requirements"


@pytest.mark.parametrize(
    "script",
    [
        "os.rename('backend.py', 'x')\nopen(os.path.join('/build/wheels', 'setuptools-99-py3-none-any.whl'), 'w')\nos._exit(0)",
        "open('/build/wheels/setuptools-99-py3-none-any.whl', 'w')",
        "raise SystemExit('no luck')",
        "os.abort()",
    ],
    ids=["another wheel", "two wheels", "failure", "crash"],
)
def test_a_requirement_that_does_not_become_its_own_wheel_is_named(
    worker: LocalWorker, own_upstream: LoopbackUpstream, script: str
) -> None:
    own_upstream.add(scripted("impostor", script))
    outcome = build(worker, own_upstream, "believer", ["impostor"])
    assert outcome.result["outcome"] == "failed"
    assert "impostor" in outcome.result["failure"]["message"], outcome.result["failure"]
    assert not list((worker.state / "built").glob("*")) if (worker.state / "built").exists() else True


def test_a_built_requirement_by_another_name_is_refused(worker: LocalWorker, own_upstream: LoopbackUpstream) -> None:
    # The backend answers with a wheel of another project, which would stand in for that one in every later build.
    own_upstream.add(renamed("setuptools", "99.0", filed_as="masked"))
    outcome = build(worker, own_upstream, "deceived", ["masked"])
    assert outcome.failure == "requirements"
    assert "setuptools-99.0-py3-none-any.whl" in outcome.result["failure"]["message"]


def renamed(name: str, version: str, filed_as: str) -> Distribution:
    inner = scripted(name, version=version)
    return dataclasses.replace(inner, filename=f"{filed_as}-1.0.tar.gz")
