"""One file, the same everywhere, that old and new Pythons can run."""

import io
import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from piwright.worker import BatchSpec, build_worker_zipapp, worker_command
from support.scripted import scripted
from support.upstream import LoopbackUpstream, make_sdist
from support.worker import LocalWorker

SOURCES = Path(__file__).resolve().parents[2] / "include" / "piwright" / "worker" / "program"


def find_python(version: str) -> str | None:
    """A working interpreter of this minor version, on PATH or from pyenv."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = [shutil.which(f"python{version}"), *sorted(root.glob(f"versions/{version}.*/bin/python"))]
    for each in map(str, filter(None, found)):
        tried = subprocess.run(
            [each, "-c", "import ssl, venv, sys; print(sys.version)"], capture_output=True, check=False
        )
        if tried.stdout.decode().startswith(version + "."):
            return each
    return None


def test_the_same_sources_give_the_same_bytes_in_any_process() -> None:
    script = "from piwright.worker import build_worker_zipapp as b; import sys; sys.stdout.buffer.write(b().content)"
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    other = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=True).stdout
    assert other == build_worker_zipapp().content


def test_it_holds_the_program_and_its_version_and_nothing_else() -> None:
    app = build_worker_zipapp()
    with zipfile.ZipFile(io.BytesIO(app.content)) as bundle:
        names = set(bundle.namelist())
        assert bundle.read("piwright_worker/VERSION").decode() == app.version
    assert names == {"__main__.py", "piwright_worker/VERSION"} | {
        f"piwright_worker/{path.name}" for path in SOURCES.glob("*.py")
    }


def test_the_command_is_one_simple_shell_command() -> None:
    line = worker_command("/usr/bin/python3", "/home/pi/piwright state/", "abc", "sweep", "--keep", "17-1; rm -rf ~")
    assert shlex.split(line) == [
        "/usr/bin/python3",
        "/home/pi/piwright state/worker-abc.pyz",
        "--state",
        "/home/pi/piwright state/",
        "sweep",
        "--keep",
        "17-1; rm -rf ~",
    ]


def test_the_controllers_side_is_imported_without_anything_heavy() -> None:
    script = "import sys; known = set(sys.modules); import piwright.worker; print(*(set(sys.modules) - known))"
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    loaded = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    outside = {each.partition(".")[0] for each in loaded.stdout.split()} - set(sys.stdlib_module_names)
    assert outside == {"piwright"}


@pytest.mark.parametrize(
    "arguments", [[], ["dance"], ["status"], ["sweep", "--older-than", "soon"], ["sweep", "--keep", ".."]]
)
def test_arguments_that_mean_nothing_are_refused_in_one_line_of_json(worker: LocalWorker, arguments: list[str]) -> None:
    refused = worker.call(*arguments)
    assert refused.returncode == 2
    assert refused.stdout.startswith('{"error": ')
    assert refused.stdout.count("\n") == 1


OLDEST_AND_NEWEST = ("3.9", "3.13")


@pytest.fixture(scope="module")
def other_workers(
    tmp_path_factory: pytest.TempPathFactory, upstream: LoopbackUpstream
) -> dict[str, tuple[LocalWorker, BatchSpec]]:
    """By version, a worker that is at its batch; all work at the same time."""
    sdists = [upstream.add(each) for each in (make_sdist("versatile", "1.0", "c-extension"), scripted("portable"))]
    workers = {}
    for version in OLDEST_AND_NEWEST:
        python = find_python(version)
        if python is not None:
            worker = LocalWorker(tmp_path_factory.mktemp("other") / "state", python)
            workers[version] = worker, worker.batch("other", upstream, sdists)
            worker.upload(workers[version][1])
            worker.run("other")
    return workers


@pytest.mark.parametrize("version", OLDEST_AND_NEWEST)
def test_the_oldest_and_the_newest_python_run_it_and_build_for_themselves(
    other_workers: dict[str, tuple[LocalWorker, BatchSpec]], version: str
) -> None:
    if version not in other_workers:
        pytest.skip(f"no Python {version} on PATH or in pyenv")
    worker, spec = other_workers[version]
    results = worker.build(spec)
    assert results["b0"]["outcome"] == "built", worker.log("other", "b0")
    assert f"-cp{version.replace('.', '')}-" in results["b0"]["wheels"][0]["filename"]
    assert results["b0"]["environment"]["python"].startswith(version + ".")
    assert results["b1"]["outcome"] == "built"


def test_a_python_that_is_too_old_gets_an_answer(tmp_path: Path) -> None:
    python = next(filter(None, map(find_python, ("3.8", "3.7", "3.6", "2.7"))), None)
    if python is None:
        pytest.skip("no Python before 3.9 on PATH or in pyenv")
    app = build_worker_zipapp()
    (tmp_path / "worker.pyz").write_bytes(app.content)
    refused = subprocess.run([python, tmp_path / "worker.pyz", "sweep"], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "needs Python 3.9 or newer" in refused.stdout
