"""Pages of the tests' own, as upstream would send them."""

import json
from typing import Any

from packaging.utils import canonicalize_name

from piwright.catalog.page import ProjectPage, parse_page

BASE = "https://upstream.example/simple/"
MOMENT = "2024-05-06T07:08:09.000000Z"


def entry(filename: str, **fields: Any) -> dict[str, Any]:
    """An entry of `files`; give fields by name with underscores, None to leave one out."""
    said = {
        "filename": filename,
        "url": f"../../files/{filename}",
        "hashes": {"sha256": "ab" * 32},
        "size": 1000,
        "upload-time": MOMENT,
        "yanked": False,
    } | {name.replace("_", "-"): value for name, value in fields.items()}
    return {name: value for name, value in said.items() if value is not None}


def body(name: str, *files: Any, api: str = "1.4", meta: Any = None, **members: Any) -> bytes:
    """The JSON of a page."""
    members = {key.replace("_", "-"): value for key, value in members.items()}
    return json.dumps({"meta": meta or {"api-version": api}, "name": name, "files": list(files), **members}).encode()


def page(name: str, *files: Any, **members: Any) -> ProjectPage:
    """A parsed page."""
    project = canonicalize_name(name)
    return parse_page(body(name, *files, **members), project=project, url=f"{BASE}{project}/")
