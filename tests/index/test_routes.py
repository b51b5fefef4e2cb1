"""What the paths of requests lead to, and that none leads out of the tree."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piwright.index.layout import EXTRA, SIMPLE, page_directory, served_wheel
from piwright.index.routes import Health, Home, ProjectPage, Redirect, RootPage, Route, WheelFile, parse_path

HASH = "ab" + "c" * 62
FILES = f"/files/ab/{'c' * 62}"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", Home()),
        ("/healthz", Health()),
        ("/simple", Redirect("simple/")),
        ("/simple/", RootPage(SIMPLE)),
        ("/extra/simple", Redirect("simple/")),
        ("/extra/simple/", RootPage(EXTRA)),
        ("/simple/spidev/", ProjectPage(SIMPLE, "spidev")),
        ("/extra/simple/spidev/", ProjectPage(EXTRA, "spidev")),
        ("/simple/s%70idev/", ProjectPage(SIMPLE, "spidev")),
        ("/simple/spidev", Redirect("spidev/")),
        ("/simple/RPi.GPIO", Redirect("rpi-gpio/")),
        ("/simple/RPi.GPIO/", Redirect("../rpi-gpio/")),
        ("/extra/simple/A._.-b/", Redirect("../a-b/")),
        ("/simple/" + "a" * 200 + "/", ProjectPage(SIMPLE, "a" * 200)),
        (f"{FILES}/a-1.0%2Bpi-py3-none-any.whl", WheelFile(HASH, "a-1.0+pi-py3-none-any.whl")),
        (f"{FILES}/a-1%211.0-py3-none-any.whl.metadata", WheelFile(HASH, "a-1!1.0-py3-none-any.whl.metadata")),
    ],
)
def test_a_path_leads_where_it_says(path: str, expected: Route) -> None:
    assert parse_path(path) == expected


@pytest.mark.parametrize(
    "path",
    [
        "",
        "simple/",
        "//simple/",
        "//elsewhere.invalid/",
        "/index.html",
        "/simple/index.html/x",
        "/simple/spidev/index.v1_json",
        "/simple/spidev//",
        "/simple//",
        "/simple/../",
        "/simple/%2e%2e/",
        "/simple/..%2f..%2fetc/",
        "/simple/%2E%2E%2Fsecret",
        "/simple/a%00/",
        "/simple/a%0d%0aSet-Cookie:x/",
        "/simple/%ff/",
        "/simple/ſpidev/",
        "/simple/-a/",
        "/simple/a-/",
        "/simple/" + "a" * 201 + "/",
        "/extra/",
        "/extra",
        "/files/",
        FILES,
        f"{FILES}/",
        f"{FILES}/..",
        f"{FILES}/%2e%2e",
        f"{FILES}/..%2fx.whl",
        f"{FILES}/.a.whl.new",
        f"{FILES}/a.tar.gz",
        f"{FILES}/a%2fb.whl",
        f"{FILES}/a%00.whl",
        f"{FILES}/a.whl\n",
        f"/files/a/b{'c' * 62}/a-1.0-py3-none-any.whl",
        f"/files/AB/{'c' * 62}/a-1.0-py3-none-any.whl",
    ],
)
def test_other_paths_lead_nowhere(path: str) -> None:
    assert parse_path(path) is None


parts = st.sampled_from(
    ["simple", "extra", "files", "..", ".", "", "%2e%2e", "..%2f", "%00", "A.b", "spidev", "ab", "c" * 62, "x.whl", "é"]
)


@given(st.lists(parts | st.text(max_size=8), max_size=6).map(lambda each: "/" + "/".join(each)))
def test_no_path_leads_out_of_the_tree(path: str) -> None:
    root = Path("/tree")
    match parse_path(path):
        case ProjectPage(flavour, name):
            assert page_directory(root, flavour, name).resolve().is_relative_to(root / flavour.path)
            assert "/" not in name
        case WheelFile(sha256, filename):
            assert served_wheel(root, sha256, filename).resolve().is_relative_to(root / "files")
        case Redirect(location):
            assert not location.startswith("/")
            assert ":" not in location
            assert parse_path("/simple/" + location.removeprefix("../")) is not None
