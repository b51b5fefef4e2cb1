"""Chooses what a client gets from its `Accept` and `Accept-Encoding` headers (RFC 9110, section 12).

choose_type("application/vnd.pypi.simple.v1+json, text/html;q=0.1")   # Type.JSON
choose_type(None)                                                     # Type.HTML
choose_type("application/vnd.pypi.simple.v2+json")                    # None: 406
accepts_gzip("gzip;q=0")                                              # False
"""

import re
from collections.abc import Iterator
from enum import Enum


class Type(Enum):
    """What a page can be sent as; the value is the content type."""

    JSON = "application/vnd.pypi.simple.v1+json"
    VERSIONED_HTML = "application/vnd.pypi.simple.v1+html"
    HTML = "text/html"


_NAMES = {
    Type.JSON: ("application/vnd.pypi.simple.v1+json", "application/vnd.pypi.simple.latest+json"),
    Type.VERSIONED_HTML: ("application/vnd.pypi.simple.v1+html", "application/vnd.pypi.simple.latest+html"),
    Type.HTML: ("text/html",),
}

_NAMED, _GROUP, _ANYTHING = 3, 2, 1
"""How a range of a header names a type: by its name, by `application/*`, by `*/*`; the most exact one counts."""

_LIKED = {
    _NAMED: (Type.HTML, Type.VERSIONED_HTML, Type.JSON),
    _GROUP: (Type.HTML, Type.VERSIONED_HTML, Type.JSON),
    _ANYTHING: (Type.VERSIONED_HTML, Type.JSON, Type.HTML),
}
"""What we prefer, last first, between types the client likes equally: JSON says more, but anything means HTML."""


def choose_type(accept: str | None) -> Type | None:
    """The representation for an `Accept` header; None if nothing we have fits it."""
    if accept is None or not accept.strip():
        return Type.HTML
    ranges = dict(_weights(accept))
    best: tuple[float, int, int] = (0.0, 0, 0)
    chosen = None
    for candidate, names in _NAMES.items():
        weight, exactness = _weight_of(names, ranges)
        liking = (weight, exactness, _LIKED[exactness].index(candidate) if exactness else 0)
        if weight > 0 and liking > best:
            best, chosen = liking, candidate
    return chosen


def accepts_gzip(accept_encoding: str | None) -> bool:
    """True if the client takes gzip and does not like it less than the plain bytes."""
    weights = dict(_weights(accept_encoding or ""))
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def _weight_of(names: tuple[str, ...], ranges: dict[str, float]) -> tuple[float, int]:
    named = [ranges[name] for name in names if name in ranges]
    if named:
        return max(named), _NAMED
    group = names[0].partition("/")[0] + "/*"
    if group in ranges:
        return ranges[group], _GROUP
    if "*/*" in ranges:
        return ranges["*/*"], _ANYTHING
    return 0.0, 0


_ELEMENT = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')
_WEIGHT = re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+", re.ASCII)


def _weights(header: str) -> Iterator[tuple[str, float]]:
    """(name in lower case, weight from 0 to 1) of each element; one with a weight that is no number is left out."""
    for element in _ELEMENT.findall(header):
        name, *parameters = (part.strip() for part in element.lower().split(";"))
        weight = "1"
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                weight = value.strip()
        if name and _WEIGHT.fullmatch(weight):
            yield name, min(float(weight), 1.0)
