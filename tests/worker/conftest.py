"""A loopback upstream with the one real build requirement, and workers with a state directory of their own."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from pypi_simple import PyPISimple

from piwright.worker.program.batch import Batch
from piwright.worker.program.cancel import cancel
from support.scripted import scripted
from support.upstream import Distribution, LoopbackUpstream
from support.worker import LocalWorker


@pytest.fixture(scope="session")
def setuptools_wheel(tmp_path_factory: pytest.TempPathFactory) -> Distribution:
    """The newest setuptools that Python 3.9 can have, fetched once from the real upstream."""
    path = tmp_path_factory.mktemp("wheelhouse") / "wheel"
    with PyPISimple() as client:
        wheels = [
            each
            for each in client.get_project_page("setuptools").packages
            if each.package_type == "wheel"
            and not each.is_yanked
            and each.version is not None
            and SpecifierSet(each.requires_python or "").contains("3.9.0")
        ]
        newest = max(wheels, key=lambda each: Version(each.version or "0"))
        client.download_package(newest, path)
    return Distribution(newest.filename, path.read_bytes())


@pytest.fixture(scope="session")
def upstream(setuptools_wheel: Distribution) -> Iterator[LoopbackUpstream]:
    """An index that holds setuptools and whatever tests add; it knows no other upstream."""
    with LoopbackUpstream(redirect_to=None) as running:
        running.add(setuptools_wheel)
        yield running


@pytest.fixture(scope="session")
def first_worker(tmp_path_factory: pytest.TempPathFactory, upstream: LoopbackUpstream) -> LocalWorker:
    """A worker that began with nothing, not even uv, and has made the batches `one` and `two` at the same time."""
    worker = LocalWorker(tmp_path_factory.mktemp("first") / "state", uv=False)
    sdist = upstream.add(scripted("first"))
    for name in ("one", "two"):
        worker.upload(worker.batch(name, upstream, [sdist]))
        worker.run(name)
    for name in ("one", "two"):
        assert worker.wait(name).state == "finished"
    return worker


@pytest.fixture(scope="session")
def make_worker(first_worker: LocalWorker) -> Callable[..., LocalWorker]:
    """Workers by state directory. What the first one made for all builds is there before any test looks at a clock: the
    virtual environment with pip, and the program unpacked."""

    def make(state: Path, python: str = sys.executable, *, uv: bool = True, **environment: str) -> LocalWorker:
        state.mkdir(parents=True, exist_ok=True)
        for each in ("tools", f"worker-{first_worker.app.version}"):
            (state / each).symlink_to(first_worker.state / each)
        return LocalWorker(state, python, {**os.environ, **environment}, uv=uv)

    return make


@pytest.fixture
def worker(tmp_path: Path, make_worker: Callable[..., LocalWorker]) -> Iterator[LocalWorker]:
    """A worker with an empty state directory, cleared away at the end."""
    made = make_worker(tmp_path / "state")
    yield made
    for directory in (made.state / "batches").glob("*"):
        if (directory / "lock").exists():
            cancel(Batch(made.state.resolve(), directory.name))


@pytest.fixture(scope="module")
def shared_worker(tmp_path_factory: pytest.TempPathFactory, make_worker: Callable[..., LocalWorker]) -> LocalWorker:
    """One worker for tests of a file that leave nothing behind but batches by different names."""
    return make_worker(tmp_path_factory.mktemp("shared") / "state")
