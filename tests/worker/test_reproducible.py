"""The same source gives the same bytes, wherever and in whatever slot it is built."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from support.upstream import Distribution, LoopbackUpstream, make_sdist
from support.worker import IN_MEMORY, ON_DISK, LocalWorker

PYPROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "constant"
version = "1.0"
dynamic = ["readme"]

[project.scripts]
constant = "constant:main"

[tool.setuptools]
packages = ["constant"]
package-data = {constant = ["*.txt"]}
ext-modules = [{name = "constant._speed", sources = ["speed.c", "more.c"], extra-compile-args = ["-g"]}]

[tool.setuptools.dynamic]
readme = {file = "README"}
"""
SPEED = """
#include <Python.h>
#include <assert.h>
int more(int);
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_speed", __FILE__, -1, NULL};
PyMODINIT_FUNC PyInit__speed(void) { assert(more(1) == 2); return PyModule_Create(&definition); }
"""


def constant() -> Distribution:
    """An ordinary project: a package with data, a script, and an extension that has paths and debug information in it."""
    return make_sdist(
        "constant",
        "1.0",
        files={
            "pyproject.toml": PYPROJECT,
            "README": "Constant.\n",
            "constant/__init__.py": "def main():\n    print({'a', 'b', 'c'})\n",
            "constant/data.txt": "x\n" * 100,
            "speed.c": SPEED,
            "more.c": "int more(int n) { return n + 1; }\n",
        },
    )


@pytest.fixture(scope="module")
def wheels(
    tmp_path_factory: pytest.TempPathFactory, make_worker: Callable[..., LocalWorker], upstream: LoopbackUpstream
) -> list[dict[str, Any]]:
    """The wheel of one worker that builds in memory with uv, and of another that builds on disk, with pip, in another slot,
    in a folder by another name and under another user mask."""
    made = []
    for name, slots, uv in (("a", IN_MEMORY, True), ("a-much-longer-name", ON_DISK, False)):
        worker = make_worker(tmp_path_factory.mktemp(name) / "state", uv=uv)
        worker.environment |= {"TZ": "Asia/Tokyo", "LANG": "de_DE.UTF-8", "PYTHONHASHSEED": "7"} if not uv else {}
        spec = worker.batch(f"batch-{name}", upstream, [upstream.add(constant())], slots=slots)
        result = worker.build(replace(spec, slot=slots))["b0"]
        assert result["outcome"] == "built", worker.log(spec.batch, "b0")
        assert result["sandbox"]["space"] == ("tmpfs" if slots == IN_MEMORY else "disk")
        made.append({**result["wheels"][0], "requirements": result["environment"]["requirements"]})
    return made


def test_two_workers_make_the_same_bytes(wheels: list[dict[str, Any]]) -> None:
    assert wheels[0]["filename"].startswith("constant-1.0-cp3")
    assert wheels[0] == wheels[1]


def test_both_installers_say_in_the_same_words_what_was_installed(wheels: list[dict[str, Any]]) -> None:
    assert len(wheels[0]["requirements"]) == 1
    assert wheels[0]["requirements"][0].startswith("setuptools==")
    assert " --hash=sha256:" in wheels[0]["requirements"][0]


def test_building_again_on_the_same_worker_changes_nothing(worker: LocalWorker, upstream: LoopbackUpstream) -> None:
    sdist = upstream.add(constant())
    results = [worker.build(worker.batch(name, upstream, [sdist]))["b0"] for name in ("first", "second")]
    assert results[0]["wheels"] == results[1]["wheels"]
