"""What builds come to: wheels and failures, each with what a person needs to know."""

import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from piwright.worker import BatchSpec
from support.scripted import PYPROJECT, scripted
from support.upstream import Distribution, LoopbackUpstream, make_sdist
from support.worker import LocalWorker

PHASES = ["fetch", "prepare", "build", "inspect", "smoke"]
DYNAMIC = """
from setuptools.build_meta import *
def get_requires_for_build_wheel(config_settings=None):
    return ["flavour"]
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    import flavour
    from setuptools import build_meta
    return build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)
"""
DYNAMIC_PYPROJECT = (
    PYPROJECT.replace("[]", '["setuptools"]')
    + '[project]\nname = "dynamic"\nversion = "1.0"\n[tool.setuptools]\npy-modules = ["dynamic"]\n'
)


@dataclass(frozen=True)
class Built:
    """Finished batches; results, and where they are (batch and build), by project."""

    worker: LocalWorker
    results: dict[str, dict[str, Any]]
    places: dict[str, tuple[str, str]]

    def log(self, project: str) -> str:
        return self.worker.log(*self.places[project])

    def directory(self, project: str) -> Path:
        return self.worker.directory(*self.places[project])


def sdists() -> list[Distribution]:
    with_backend = {"backend.py": DYNAMIC, "pyproject.toml": DYNAMIC_PYPROJECT}
    return [
        make_sdist("speedup", "1.0", "c-extension"),
        make_sdist("plain", "2.0", "pure"),
        make_sdist("broken", "1.0", "failing"),
        scripted("flavour"),
        make_sdist("dynamic", "1.0", "pure", with_backend),
        scripted("wheelless", "os._exit(0)"),
        scripted("crashing", "os.abort()"),
        scripted("unlucky", "raise LookupError('no luck')"),
        make_sdist("needy", "1.0", files={"pyproject.toml": PYPROJECT.replace("[]", '["no-such-thing-here>=3"]')}),
        make_sdist("lost", "1.0", files={"pyproject.toml": PYPROJECT.replace('"."', '"../.."')}),
        make_sdist("garbled", "1.0", files={"pyproject.toml": "[build-system\n"}),
        make_sdist("sly", "1.0", files={"pyproject.toml": PYPROJECT.replace("[]", '["--index-url=http://127.0.0.1:9/"]')}),
        scripted("vanished"),
        scripted("forged"),
        replace(scripted("mangled"), content=b"no archive at all"),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def built(
    tmp_path_factory: pytest.TempPathFactory, make_worker: Callable[..., LocalWorker], upstream: LoopbackUpstream
) -> Built:
    """All of them in two batches side by side, in which one build's failure must not touch the next."""
    worker = make_worker(tmp_path_factory.mktemp("builds") / "state")
    made = [upstream.add(each) for each in sdists()]
    upstream.remove(next(each for each in made if each.project == "vanished"))
    batches = [worker.batch(name, upstream, made[start::2]) for start, name in enumerate(("even", "odd"))]
    batches = [with_forged_hash(spec, "forged") for spec in batches]
    for spec in batches:
        worker.upload(spec)
        worker.run(spec.batch)
    results, places = {}, {}
    for spec in batches:
        done = worker.build(spec)
        for each in spec.builds:
            results[each.project] = done[each.build]
            places[each.project] = (spec.batch, each.build)
    return Built(worker, results, places)


def with_forged_hash(spec: BatchSpec, project: str) -> BatchSpec:
    wrong = {"sha256": "0" * 64}
    builds = (
        replace(each, sdist=replace(each.sdist, hashes=wrong)) if each.project == project else each
        for each in spec.builds
    )
    return replace(spec, builds=tuple(builds))


@pytest.mark.parametrize(
    ("project", "ending"),
    [
        ("speedup", "linux_x86_64.whl"),
        ("plain", "plain-2.0-py3-none-any.whl"),
        ("flavour", "flavour-1.0-py3-none-any.whl"),
        ("dynamic", "dynamic-1.0-py3-none-any.whl"),
    ],
)
def test_c_pure_in_tree_and_dynamic_backends_all_give_a_wheel(built: Built, project: str, ending: str) -> None:
    result = built.results[project]
    assert result["outcome"] == "built", result
    assert result["failure"] is None
    (wheel,) = result["wheels"]
    assert wheel["filename"].endswith(ending.replace("x86_64", result["environment"]["machine"]))
    content = (built.directory(project) / "wheels" / wheel["filename"]).read_bytes()
    assert (wheel["size"], wheel["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    names = [each["name"] for each in result["phases"]]
    # What a backend asks for is fetched; of `flavour` there is no wheel, so that is built on the way.
    asked = ["fetch", "prepare", "fetch", "fetch", "prepare", "build", "fetch", "build", "inspect", "smoke"]
    assert names == (asked if project == "dynamic" else PHASES)
    assert result["smoke"]["outcome"] == "imported"


@pytest.mark.parametrize(
    ("project", "kind", "words"),
    [
        ("broken", "backend", "RuntimeError: this project needs libquux"),
        ("wheelless", "backend", "left no answer"),
        ("crashing", "backend", "crashed with signal 6"),
        ("unlucky", "backend", "LookupError: no luck"),
        ("needy", "requirements", "no-such-thing-here>=3 cannot be installed"),
        ("lost", "bad_sdist", "backend-path '../..' leads out"),
        ("garbled", "bad_sdist", "pyproject.toml cannot be read: TOMLDecodeError"),
        ("sly", "requirements", "cannot be used: it must be a project of the index"),
        ("vanished", "upstream_gone", "upstream answers 404"),
        ("forged", "hash_mismatch", "not " + "0" * 64),
        ("mangled", "bad_sdist", "not an archive"),
    ],
)
def test_each_failure_has_its_kind_and_one_sentence(built: Built, project: str, kind: str, words: str) -> None:
    result = built.results[project]
    assert (result["outcome"], result["failure"]["kind"], result["wheels"]) == ("failed", kind, [])
    assert words in result["failure"]["message"]
    assert "\n" not in result["failure"]["message"]
    assert f"=== piwright: failed ({kind}): " in built.log(project)


def test_phases_point_into_the_log_and_carry_time_and_memory(built: Built) -> None:
    result = built.results["speedup"]
    log = (built.directory("speedup") / "log.txt").read_bytes()
    assert result["log"] == {"bytes": len(log), "truncated": False}
    for phase, after in zip(result["phases"], [*result["phases"][1:], None], strict=True):
        part = log[phase["log_start"] : phase["log_end"]].decode()
        assert part.startswith(f"=== piwright: phase {phase['name']}\n")
        assert after is None or phase["log_end"] == after["log_start"]
        assert phase["seconds"] >= 0
        assert phase["cpu_seconds"] >= 0
    by_name = {each["name"]: each for each in result["phases"]}
    assert by_name["build"]["peak_memory_bytes"] > 5_000_000
    assert result["peak_memory_bytes"] == max(each["peak_memory_bytes"] for each in result["phases"])
    assert by_name["build"]["cpu_seconds"] > 0.1
    assert by_name["build"]["scratch_bytes"] > 10_000
    assert by_name["fetch"]["fetched_bytes"] >= 500
    assert "running build_ext" in log[by_name["build"]["log_start"] :].decode()


def test_the_environment_says_what_built_it(built: Built) -> None:
    environment = built.results["dynamic"]["environment"]
    assert environment["worker_version"] == built.worker.app.version
    assert {each.split("==")[0] for each in environment["requirements"]} == {"setuptools", "flavour"}
    assert environment["installer"].startswith("uv ")
    assert environment["compiler"]
    for name in ("python", "implementation", "platform", "machine", "libc", "distribution"):
        assert environment[name], name


def test_only_what_is_kept_is_left(built: Built) -> None:
    assert sorted(path.name for path in built.directory("speedup").iterdir()) == ["log.txt", "result.json", "wheels"]
    assert [list((built.worker.directory(name) / "scratch").glob("b*")) for name in ("even", "odd")] == [[], []]


def test_the_upload_time_decides_the_times_inside_the_wheel(built: Built) -> None:
    (wheel,) = (built.directory("speedup") / "wheels").iterdir()
    with zipfile.ZipFile(wheel) as bundle:
        assert {member.date_time[:3] for member in bundle.infolist()} == {(2023, 11, 14)}


def test_a_wheel_over_its_limit_is_thrown_away(worker: LocalWorker, upstream: LoopbackUpstream) -> None:
    stout = upstream.add(scripted("stout", "return '#' * 5000"))
    result = worker.build(worker.batch("limit", upstream, [stout], wheel_bytes=4096))["b0"]
    assert (result["failure"]["kind"], result["wheels"]) == ("wheel_limit", [])
    assert list((worker.directory("limit", "b0") / "wheels").iterdir()) == []


def test_an_interpreter_that_cannot_run_is_the_workers_fault(
    worker: LocalWorker, upstream: LoopbackUpstream, tmp_path: Path
) -> None:
    fake = tmp_path / "python"
    fake.write_text("#!/bin/sh\necho 'no such luck' >&2\nexit 3\n")
    fake.chmod(0o755)
    sdist = upstream.add(scripted("hapless"))
    result = worker.build(replace(worker.batch("fake", upstream, [sdist]), python=str(fake)))["b0"]
    assert result["failure"]["kind"] == "internal"
    assert "no such luck" in result["failure"]["message"]


def test_without_ensurepip_the_systems_pip_serves_and_without_both_there_is_a_remedy(
    make_worker: Callable[..., LocalWorker], upstream: LoopbackUpstream, tmp_path: Path
) -> None:
    worker = make_worker(tmp_path / "state", uv=False)
    sdist = upstream.add(make_sdist("debianish", "1.0", "pure"))
    spec = worker.batch("system", upstream, [sdist])
    base = Path(sys._base_executable)  # type: ignore[attr-defined]  # virtual environments may come without pip
    outcomes = {}
    for name, blocked in (("pip", "('ensurepip',)"), ("nothing", "('ensurepip', 'pip')")):
        # An interpreter as Debian ships it: the module is not there.
        fake = tmp_path / f"python-{name}"
        fake.write_text(f'#!/bin/sh\nexec "{base}" "{tmp_path}/without.py" "{blocked}" "$@"\n')
        fake.chmod(0o755)
        (tmp_path / "without.py").write_text(WITHOUT)
        if (
            name == "pip"
            and subprocess.run([fake, "-m", "pip", "--version"], capture_output=True, check=False).returncode
        ):
            pytest.skip(f"{base} has no pip of its own")
        outcomes[name] = worker.build(replace(spec, batch=f"system-{name}", python=str(fake)))["b0"]
    assert outcomes["pip"]["outcome"] == "built", json.dumps(outcomes["pip"]) + worker.log("system-pip", "b0")
    assert outcomes["nothing"]["failure"]["kind"] == "internal"
    assert "apt install python3-venv" in outcomes["nothing"]["failure"]["message"]


WITHOUT = """
import runpy, sys
blocked, arguments = eval(sys.argv[1]), [each for each in sys.argv[2:] if each != "-I"]
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in blocked:
            raise ModuleNotFoundError("No module named " + name, name=name)
sys.meta_path.insert(0, Absent())
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in blocked else real(name, package)
if arguments[0] == "-m":
    sys.argv = arguments[1:]
    runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
elif arguments[0] == "-c":
    exec(arguments[1])
else:
    exec(sys.stdin.read(), {"__name__": "__main__"}) if arguments[0] == "-" else None
    if arguments[0] != "-":
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")
"""
