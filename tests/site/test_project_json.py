"""The data beside the pages is what docs/json.md and its schemas say."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from project_example import fill_example
from project_rows import ProjectRows

from piwright.database.connection import Connection

DOCS = Path(__file__).parents[2] / "docs"
KINDS = {"project": r"project/[^/]+/json", "build": r"project/[^/]+/build/\d+/json"}


def validator(kind: str) -> jsonschema.Draft202012Validator:
    schema = json.loads((DOCS / "json" / f"{kind}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def wrong(kind: str, document: Any) -> list[str]:
    return [f"{list(error.path)}: {error.message[:200]}" for error in validator(kind).iter_errors(document)]


def all_keys(document: Any, path: str = "") -> set[str]:
    """Every key in the document, with where it is; names of targets and the like stand for one."""
    if isinstance(document, list):
        return {key for each in document for key in all_keys(each, f"{path}[]")}
    if isinstance(document, dict):
        found = set()
        for key, value in document.items():
            name = "*" if path.endswith((".targets", ".captured", ".environment", ".sandbox", ".hashes")) else key
            found |= {f"{path}.{name}"} | all_keys(value, f"{path}.{name}")
        return found
    return set()


def examples(kind: str) -> list[Any]:
    """The documents of this kind in docs/json.md."""
    return [
        json.loads(text) for text in re.findall(rf"```json {kind}\n(.*?)```", (DOCS / "json.md").read_text(), re.DOTALL)
    ]


@pytest.fixture
def documents(connection: Connection, tmp_path: Path) -> dict[str, list[Any]]:
    rows = ProjectRows(connection, tmp_path)
    fill_example(rows)
    files: dict[str, bytes] = {}
    for name in ("spidev", "rpi-lgpio", "waits", "many-versions", "evil", "shut"):
        files |= rows.rendered(name).files
    return {
        kind: [json.loads(content) for path, content in files.items() if re.fullmatch(pattern, path)]
        for kind, pattern in KINDS.items()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_every_document_is_as_its_schema_says(documents: dict[str, list[Any]], kind: str) -> None:
    assert len(documents[kind]) > 5
    for document in documents[kind]:
        assert wrong(kind, document) == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_documented_example_has_the_keys_that_are_written(documents: dict[str, list[Any]], kind: str) -> None:
    [example] = examples(kind)
    assert wrong(kind, example) == []
    written = {key for document in documents[kind] for key in all_keys(document)}
    missing = {key for key in written if not key.startswith((".import.", ".wheels[].", ".network_exception."))}
    assert missing <= all_keys(example) | {".targets.*"}, missing - all_keys(example)


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_finds_what_is_wrong(kind: str) -> None:
    [example] = examples(kind)
    for key in example:
        assert wrong(kind, {name: value for name, value in example.items() if name != key}), key
    assert wrong(kind, example | {"piwright": {"json": "2.0"}})
    assert not wrong(kind, example | {"added_later": 1})


def test_every_state_is_documented() -> None:
    from piwright.site.matrix import STATES

    schema = json.loads((DOCS / "json" / "project.schema.json").read_text())
    cell = schema["properties"]["releases"]["items"]["properties"]["targets"]["additionalProperties"]
    assert cell["properties"]["state"]["enum"] == list(STATES)
    text = (DOCS / "json.md").read_text()
    assert all(f"| `{state}` |" in text for state in STATES)
