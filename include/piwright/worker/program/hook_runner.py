"""Calls one PEP 517 hook of a build backend. Runs alone in the build's virtual environment, in the source directory.

    python hook_runner.py REQUEST.json ANSWER.json

The request: `hook`, `backend` ("module:object"), `backend_path` (folders of the source) and `arguments`. The answer:
`{"value": ...}`, or `{"error": sentence}` with exit code 1. The traceback goes to the log.
"""

import importlib
import json
import os
import sys
import traceback
from typing import Any, List

if sys.path and os.path.abspath(sys.path[0]) == os.path.dirname(os.path.abspath(__file__)):
    del sys.path[0]  # the backend shall not see the worker's own files


class BackendError(Exception):
    """The backend is not what pyproject.toml says."""


def load(backend: str, backend_path: List[str]) -> Any:
    """The backend object; from `backend_path` alone where that is given."""
    backend_path = [os.path.realpath(place) for place in backend_path]
    for place in backend_path:
        if not (place + os.sep).startswith(os.path.realpath(".") + os.sep):
            raise BackendError("backend-path {} leads out of the source tree".format(place))
    sys.path[:0] = backend_path
    module_name, _, attributes = backend.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ImportError as error:
        raise BackendError("the build backend {} cannot be imported: {}".format(module_name, error)) from error
    if backend_path:
        file = os.path.realpath(getattr(found, "__file__", None) or "")
        if not any(file.startswith(place + os.sep) for place in backend_path):
            raise BackendError("the build backend {} is not in backend-path".format(module_name))
    for name in filter(None, attributes.split(".")):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise BackendError("the build backend {} has no {}".format(module_name, attributes)) from None
    return found


def call(hook: str, backend: Any, arguments: List[Any]) -> Any:
    """What the hook returns; the default of an optional hook that is absent."""
    function = getattr(backend, hook, None)
    if function is not None:
        return function(*arguments)
    if hook == "get_requires_for_build_wheel":
        return []
    raise BackendError("the build backend has no hook {}".format(hook))


def main(request_file: str, answer_file: str) -> int:
    with open(request_file, encoding="utf-8") as file:
        request = json.load(file)
    try:
        backend = load(request["backend"], request["backend_path"])
        answer = {"value": call(request["hook"], backend, request["arguments"])}
    except BaseException as error:
        traceback.print_exc()
        kind = "" if isinstance(error, BackendError) else type(error).__name__ + ": "
        answer = {"error": (kind + str(error))[:1000]}
    with open(answer_file, "w", encoding="utf-8", errors="backslashreplace") as file:
        json.dump(answer, file)
    return 1 if "error" in answer else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
