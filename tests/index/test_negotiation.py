"""What a client gets for its Accept headers."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piwright.index.negotiation import Type, choose_encodings, choose_type

V1_JSON = "application/vnd.pypi.simple.v1+json"
V1_HTML = "application/vnd.pypi.simple.v1+html"
LATEST_JSON = "application/vnd.pypi.simple.latest+json"
LATEST_HTML = "application/vnd.pypi.simple.latest+html"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, Type.HTML),
        ("", Type.HTML),
        ("  ", Type.HTML),
        ("*/*", Type.HTML),
        ("text/html", Type.HTML),
        ("TEXT/HTML; charset=utf-8", Type.HTML),
        ("text/*", Type.HTML),
        (BROWSER, Type.HTML),
        (V1_JSON, Type.JSON),
        (V1_JSON.upper(), Type.JSON),
        (LATEST_JSON, Type.JSON),
        (V1_HTML, Type.VERSIONED_HTML),
        (LATEST_HTML, Type.VERSIONED_HTML),
        (f"{V1_JSON}, {V1_HTML}; q=0.1, text/html; q=0.01", Type.JSON),  # pip
        (f"{V1_JSON}, {V1_HTML};q=0.2, text/html;q=0.01", Type.JSON),  # uv
        (f"{V1_JSON}, */*;q=0.1", Type.JSON),  # Poetry
        (f"text/html, {V1_HTML}, {V1_JSON}", Type.JSON),
        (f"text/html, {V1_HTML}", Type.VERSIONED_HTML),
        (f"{V1_JSON};q=0.1, text/html;q=0.9", Type.HTML),
        (f"{V1_JSON};q=0, */*", Type.HTML),
        (f"text/html;q=0, {V1_HTML};q=0, */*", Type.JSON),
        (f"{V1_JSON};q=0", None),
        (f"{V1_JSON};q=0, {LATEST_JSON}", None),
        (f"{LATEST_JSON};q=0.2, text/html;q=0.1", Type.JSON),
        (f"{V1_JSON};q=0.3333333333, text/html;q=0.333", Type.JSON),
        ("text/html;q=0, */*;q=0.5", Type.JSON),
        ("application/*", Type.JSON),
        ("application/*;q=0.2, text/html;q=0.1", Type.JSON),
        ("*/*;q=0", None),
        ("application/json", None),
        ("application/vnd.pypi.simple.v2+json", None),
        (f"application/vnd.pypi.simple.v2+json, {V1_JSON};q=0.1", Type.JSON),
        ("text/plain, image/png", None),
        (f"{V1_JSON};q=high, text/html;q=0.1", Type.HTML),
        (f"{V1_JSON};q=7, text/html", Type.JSON),
        (f'text/plain;note="a, {V1_JSON}", text/html;q=0.5', Type.HTML),
        (";;,,;q=1,", None),
    ],
)
def test_the_representation_fits_the_accept_header(accept: str | None, expected: Type | None) -> None:
    assert choose_type(accept) is expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, ()),
        ("", ()),
        ("gzip", (".gz",)),
        ("GZIP", (".gz",)),
        ("x-gzip", (".gz",)),
        ("gzip, deflate", (".gz",)),
        ("gzip, deflate, br, zstd", (".zst", ".gz")),
        ("zstd, br", (".zst",)),
        ("zstd;q=0.5, gzip", (".gz",)),
        ("zstd, gzip;q=0.5", (".zst", ".gz")),
        ("zstd;q=0, gzip;q=0", ()),
        ("identity", ()),
        ("gzip;q=0", ()),
        ("gzip;q=0.000", ()),
        ("gzip;q=0, *", ()),
        ("*", (".gz",)),
        ("*;q=0", ()),
        ("identity, gzip;q=0.5, zstd;q=0.9", ()),
        ("identity;q=0.5, gzip", (".gz",)),
        ("identity;q=0, gzip;q=0.1", (".gz",)),
        ("gzip;q=0.001", (".gz",)),
        ("gzip;q=high", ()),
    ],
)
def test_a_twin_is_sent_to_those_who_take_it(header: str | None, expected: tuple[str, ...]) -> None:
    assert choose_encodings(header) == expected


@pytest.mark.parametrize(
    "header",
    [
        '"' * 8000,
        '\\"' * 4000,
        ',"' * 4000,
        "a," * 4000,
        ";" * 8000,
        "text/html;q=x," * 570,
        " " * 8000,
        "text/html;" * 800,
    ],
)
def test_no_header_takes_long(header: str) -> None:
    began = time.process_time()
    choose_type(header)
    choose_encodings(header)
    assert time.process_time() - began < 0.5


names = st.sampled_from([V1_JSON, V1_HTML, LATEST_JSON, LATEST_HTML, "text/html", "*/*", "application/*", "text/plain"])
weights = st.integers(0, 1000).map(lambda thousandths: thousandths / 1000)
headers = st.lists(st.tuples(names, weights), min_size=1, max_size=8, unique_by=lambda pair: pair[0])


def written(ranges: list[tuple[str, float]]) -> str:
    return ", ".join(f"{name};q={weight:.3f}" for name, weight in ranges)


@given(headers, st.randoms(use_true_random=False))
def test_the_order_of_a_header_means_nothing(ranges: list[tuple[str, float]], chance: object) -> None:
    shuffled = list(ranges)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert choose_type(written(shuffled)) is choose_type(written(ranges))


@given(headers)
def test_nothing_is_sent_that_the_client_refuses(ranges: list[tuple[str, float]]) -> None:
    chosen = choose_type(written(ranges))
    known = dict(ranges)
    named = {
        Type.JSON: (V1_JSON, LATEST_JSON),
        Type.VERSIONED_HTML: (V1_HTML, LATEST_HTML),
        Type.HTML: ("text/html",),
    }

    def weight(kind: Type) -> float:
        group = kind.value.partition("/")[0] + "/*"
        return next((known[name] for name in (*named[kind], group, "*/*") if name in known), 0.0)

    if chosen is None:
        assert all(weight(kind) == 0 for kind in Type)
    else:
        assert weight(chosen) == max(weight(kind) for kind in Type) > 0


@given(st.text(max_size=60))
def test_no_header_is_too_odd_to_be_answered(header: str) -> None:
    choose_type(header)
    choose_encodings(header)
