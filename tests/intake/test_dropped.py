"""A release that lost its extension is noticed; one that never had any, or does well without, is not."""

import pytest

from piwright.intake.dropped import dropped_extension

PURE = ["py3-none-any"]
COMPILED = ["cp311-cp311-linux_armv7l"]
Earlier = list[tuple[str, list[str]]]


@pytest.mark.parametrize(
    "earlier",
    [
        [("1.9", COMPILED)],
        [("1.10", COMPILED), ("1.9", PURE)],
        [("1.9", ["cp311-cp311-manylinux_2_17_armv7l"]), ("1.9", ["cp39-cp39-win_amd64"])],
        [("2.0", []), ("1.9", COMPILED)],
        [("no version", PURE), ("1.9", COMPILED)],
    ],
)
def test_pure_after_compiled_is_noticed(earlier: Earlier) -> None:
    said = dropped_extension(PURE, earlier)
    assert said
    assert max(version for version, tags in earlier if tags == COMPILED or "1.9" in version) in said or "1.10" in said


@pytest.mark.parametrize(
    ("tags", "earlier"),
    [
        (PURE, []),
        (PURE, [("1.9", PURE)]),
        (PURE, [("1.9", PURE), ("1.8", COMPILED)]),
        (PURE, [("1.9", COMPILED), ("1.9", PURE)]),
        (PURE, [("1.9", [])]),
        (COMPILED, [("1.9", COMPILED)]),
        (COMPILED + PURE, [("1.9", COMPILED)]),
        ([], [("1.9", COMPILED)]),
    ],
)
def test_everything_else_is_not(tags: list[str], earlier: Earlier) -> None:
    assert dropped_extension(tags, earlier) is None
