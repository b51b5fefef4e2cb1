"""Reads [build-system] of a pyproject.toml. Runs alone, with the Python that has pip (its parser serves before 3.11).

    python read_pyproject.py REQUEST.json ANSWER.json

The request: the path of the file. The answer: `{"value": table or null}` or `{"error": sentence}`.
"""

import importlib
import json
import sys

try:
    toml = importlib.import_module("tomllib")
except ImportError:
    toml = importlib.import_module("pip._vendor.tomli")


def main(request_file: str, answer_file: str) -> None:
    with open(request_file, encoding="utf-8") as file:
        path = json.load(file)
    try:
        with open(path, "rb") as toml_file:
            answer = {"value": toml.load(toml_file).get("build-system")}
        text = json.dumps(answer)
    except (ValueError, TypeError, RecursionError, OSError) as error:
        text = json.dumps({"error": "{}: {}".format(type(error).__name__, error)[:1000]})
    with open(answer_file, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
