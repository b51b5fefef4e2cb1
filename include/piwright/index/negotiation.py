"""Chooses what a client gets from its `Accept` and `Accept-Encoding` headers (RFC 9110, section 12).

choose_type("application/vnd.pypi.simple.v1+json, text/html;q=0.1")   # Type.JSON
choose_type(None)                                                     # Type.HTML
choose_type("application/vnd.pypi.simple.v2+json")                    # None: 406
choose_encodings("gzip, zstd")                                        # (".zst", ".gz")

`deploy/nginx.conf` chooses with the same expressions; tests send both the same headers.
"""

import re
from enum import Enum
from functools import lru_cache


class Type(Enum):
    """What a page can be sent as; the value is the content type."""

    JSON = "application/vnd.pypi.simple.v1+json"
    VERSIONED_HTML = "application/vnd.pypi.simple.v1+html"
    HTML = "text/html"


_QUOTED = r'"[^"]*+"'
_BEFORE = rf"^(?:(?>{_QUOTED}|[^,])*+,)*[ \t]*"
_AFTER = (
    rf"[ \t]*(?:;(?![ \t]*q[ \t]*=)(?>{_QUOTED}|[^,;])*+)*+"
    rf"(?:;[ \t]*q[ \t]*=[ \t]*([0-9]+\.?[0-9]*|\.[0-9]+)[ \t]*(?:;(?>{_QUOTED}|[^,])*+)?)?(?:,|$)"
)
"""An element of a header between those before and after it. Its weight counts where it is a number; otherwise the
element is as good as absent. The last one of a name wins. No header, however odd, is read more than a few times over."""


def _named(expression: str) -> re.Pattern[str]:
    return re.compile(_BEFORE + expression + _AFTER, re.ASCII | re.IGNORECASE)


_PYPI = r"application/vnd\.pypi\.simple\."
_NAMES = {
    Type.JSON: (_named(_PYPI + r"v1\+json"), _named(_PYPI + r"latest\+json")),
    Type.VERSIONED_HTML: (_named(_PYPI + r"v1\+html"), _named(_PYPI + r"latest\+html")),
    Type.HTML: (_named("text/html"),),
}
"""The names of each type; the first one that is in the header counts."""

_APPLICATION, _TEXT, _ANY_TYPE = _named(r"application/\*"), _named(r"text/\*"), _named(r"\*/\*")
_GROUPS = {Type.JSON: _APPLICATION, Type.VERSIONED_HTML: _APPLICATION, Type.HTML: _TEXT}

_NAMED, _GROUP, _ANYTHING = 3, 2, 1
"""How a range of a header names a type: by its name, by `application/*`, by `*/*`; the most exact one counts."""

_LIKED = {
    _NAMED: (Type.HTML, Type.VERSIONED_HTML, Type.JSON),
    _GROUP: (Type.HTML, Type.VERSIONED_HTML, Type.JSON),
    _ANYTHING: (Type.VERSIONED_HTML, Type.JSON, Type.HTML),
}
"""What we prefer, last first, between types the client likes equally: JSON says more, but anything means HTML."""


@lru_cache(maxsize=512)
def choose_type(accept: str | None) -> Type | None:
    """The representation for an `Accept` header; None if nothing we have fits it."""
    if accept is None or not accept.strip(" \t"):
        return Type.HTML
    best: tuple[int, int, int] = (0, 0, 0)
    chosen = None
    for candidate in Type:
        weight, exactness = _weight_of(candidate, accept)
        liking = (weight, exactness, _LIKED[exactness].index(candidate))
        if weight > 0 and liking > best:
            best, chosen = liking, candidate
    return chosen


_GZIP, _X_GZIP, _ZSTD, _IDENTITY, _ANY_ENCODING = map(_named, ("gzip", "x-gzip", "zstd", "identity", r"\*"))


@lru_cache(maxsize=512)
def choose_encodings(accept_encoding: str | None) -> tuple[str, ...]:
    """Endings of the compressed twins the client takes, the best first; none if it likes the plain bytes better.

    zstd has to be named: who takes "anything" may not have thought of it.
    """
    header = accept_encoding or ""
    plain = _weight(_IDENTITY, header) or 0
    gzip = next(
        (weight for each in (_GZIP, _X_GZIP, _ANY_ENCODING) if (weight := _weight(each, header)) is not None), 0
    )
    zstd = _weight(_ZSTD, header) or 0
    twins = [".zst"] if zstd > 0 and zstd >= max(gzip, plain) else []
    if gzip > 0 and gzip >= plain:
        twins.append(".gz")
    return tuple(twins)


def _weight_of(candidate: Type, accept: str) -> tuple[int, int]:
    for element in _NAMES[candidate]:
        if (weight := _weight(element, accept)) is not None:
            return weight, _NAMED
    if (weight := _weight(_GROUPS[candidate], accept)) is not None:
        return weight, _GROUP
    return _weight(_ANY_TYPE, accept) or 0, _ANYTHING


def _weight(element: re.Pattern[str], header: str) -> int | None:
    """The weight of an element in thousandths, at most 1,000; None if the header has no such element."""
    match = element.search(header)
    if match is None:
        return None
    whole, _, fraction = (match[1] or "1").partition(".")
    return 1000 if whole.strip("0") else int(f"{fraction[:3]:0<3}")
