"""Finds the sdist to build for a requirement that has no wheel. Runs alone, with the Python that has pip, with network.

    python choose_sdist.py REQUEST.json ANSWER.json

The request: `index_url`, `project` (normalised), `requirements` (all of them, for the versions they allow) and
`python_version`. The answer: `{"value": {"filename", "url", "hashes", "size", "version"}}` or `{"error": sentence}`.
"""

import json
import sys
import urllib.parse
import urllib.request
from typing import Any, Dict, Iterator, List, Optional, Tuple

from pip._vendor.packaging.requirements import InvalidRequirement, Requirement
from pip._vendor.packaging.specifiers import InvalidSpecifier, SpecifierSet
from pip._vendor.packaging.utils import InvalidSdistFilename, canonicalize_name, parse_sdist_filename
from pip._vendor.packaging.version import InvalidVersion, Version

ACCEPT = "application/vnd.pypi.simple.v1+json"
MAX_PAGE_BYTES = 64 << 20
HASHES = ("sha256", "sha384", "sha512")


def specifier_of(project: str, requirements: List[str]) -> SpecifierSet:
    """What the requirements allow of a project; everything if it is only somebody's dependency."""
    allowed = SpecifierSet()
    for each in requirements:
        try:
            requirement = Requirement(each)
        except InvalidRequirement:
            continue
        if canonicalize_name(requirement.name) == project and (
            requirement.marker is None or requirement.marker.evaluate()
        ):
            allowed &= requirement.specifier
    return allowed


def candidates(page: Dict[str, Any], project: str, base: str) -> Iterator[Tuple[Version, Dict[str, Any]]]:
    """(version, file) of the sdists on a page of the index that can be fetched by hash."""
    for each in page.get("files", []):
        try:
            name, version = parse_sdist_filename(each["filename"])
            hashes = {kind: digest for kind, digest in each["hashes"].items() if kind in HASHES}
        except (InvalidSdistFilename, InvalidVersion, KeyError, TypeError, AttributeError):
            continue
        if name == project and hashes and not each.get("yanked"):
            url = urllib.parse.urljoin(base, each["url"]).partition("#")[0]
            found = {"filename": each["filename"], "url": url, "hashes": hashes, "size": each.get("size")}
            yield version, {**found, "version": str(version), "requires": each.get("requires-python") or ""}


def runs_on(requires: str, python_version: str) -> bool:
    try:
        return SpecifierSet(requires).contains(python_version, prereleases=True)
    except InvalidSpecifier:
        return False


def choose(page: Dict[str, Any], request: Dict[str, Any], base: str) -> Optional[Dict[str, Any]]:
    """The newest sdist that the requirements and this Python allow; None if there is none."""
    allowed = specifier_of(request["project"], request["requirements"])
    found = [
        (version, file)
        for version, file in candidates(page, request["project"], base)
        if runs_on(file["requires"], request["python_version"])
    ]
    fitting = list(allowed.filter([version for version, _ in found]))  # pre-releases only if there is nothing else
    if not fitting:
        return None
    newest = max(fitting)
    return next(file for version, file in found if version == newest)


def main(request_file: str, answer_file: str) -> int:
    with open(request_file, encoding="utf-8") as file:
        request = json.load(file)
    url = urllib.parse.urljoin(request["index_url"].rstrip("/") + "/", request["project"] + "/")
    try:
        asked = urllib.request.Request(url, headers={"Accept": ACCEPT})
        with urllib.request.urlopen(asked, timeout=60) as answer:
            data = answer.read(MAX_PAGE_BYTES + 1)
            base = answer.url
        if len(data) > MAX_PAGE_BYTES:
            raise ValueError("the page is too long")
        chosen = choose(json.loads(data), request, base)
        result = {"value": chosen} if chosen else {"error": "no sdist fits either"}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        result = {"error": "{}: {}".format(url, error)[:500]}
    with open(answer_file, "w", encoding="utf-8") as file:
        json.dump(result, file)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
