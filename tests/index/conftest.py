"""A served tree, and each of the two web servers on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import SERVERS, UPSTREAM, RunningServer, write_served_tree


@pytest.fixture(scope="session")
def served_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published tree with one of everything. Nobody changes it."""
    root = tmp_path_factory.mktemp("served") / "index"
    root.mkdir()
    write_served_tree(root)
    return root


@pytest.fixture(scope="session", params=SERVERS)
def server(request: pytest.FixtureRequest, served_tree: Path) -> Iterator[RunningServer]:
    """The embedded server, then nginx as in production, on the served tree."""
    with SERVERS[request.param](served_tree, UPSTREAM) as running:
        yield running
