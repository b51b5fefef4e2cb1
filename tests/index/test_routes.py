"""What the paths of requests lead to, and that none leads out of the tree."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piwright.index.routes import (
    Health,
    LogFile,
    MetadataFile,
    ProjectPage,
    Redirect,
    RootPage,
    Route,
    SiteFile,
    StaticFile,
    WheelFile,
    parse_path,
)

HASH = "ab" + "c" * 62
FILES = f"/files/ab/{'c' * 62}"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", SiteFile("index.html")),
        ("/healthz", Health()),
        ("/simple", Redirect("simple/", "simple")),
        ("/simple/", RootPage("simple")),
        ("/extra/simple", Redirect("simple/", "extra/simple")),
        ("/extra/simple/", RootPage("extra/simple")),
        ("/bookworm-cp311-armv7l/simple/", RootPage("bookworm-cp311-armv7l/simple")),
        ("/simple/spidev/", ProjectPage("simple", "spidev")),
        ("/extra/simple/spidev/", ProjectPage("extra/simple", "spidev")),
        ("/here/simple/spidev/", ProjectPage("here/simple", "spidev")),
        ("/simple/simple/", ProjectPage("simple", "simple")),
        ("/simple/s%70idev/", ProjectPage("simple", "spidev")),
        ("/simple/spidev", Redirect("spidev/", "simple")),
        ("/simple/RPi.GPIO", Redirect("rpi-gpio/", "simple")),
        ("/simple/RPi.GPIO/", Redirect("../rpi-gpio/", "simple")),
        ("/extra/simple/A._.-b/", Redirect("../a-b/", "extra/simple")),
        ("/simple/" + "a" * 200 + "/", ProjectPage("simple", "a" * 200)),
        (f"{FILES}/a-1.0%2Bpi-py3-none-any.whl", WheelFile(f"{FILES[1:]}/a-1.0+pi-py3-none-any.whl", HASH)),
        (
            f"{FILES}/a-1%211.0-py3-none-any.whl.metadata",
            MetadataFile(f"{FILES[1:]}/a-1!1.0-py3-none-any.whl.metadata"),
        ),
        ("/project/spidev/", SiteFile("project/spidev/index.html")),
        ("/project/spidev", SiteFile("project/spidev", folder="project/spidev")),
        ("/project/SpiDev/json", Redirect("../spidev/json")),
        ("/project/SpiDev", Redirect("spidev/")),
        ("/project/spidev/build/12/log.txt", LogFile("project/spidev/build/12/log.txt")),
        ("/project/simple/", SiteFile("project/simple/index.html")),
        ("/static/ab/style.css", StaticFile("static/ab/style.css")),
        ("/json", SiteFile("json", folder="json")),
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
        "/simple/" + "a" * 256 + "/",
        "/json.gz",
        "/project/spidev/index.html",
        "/404.html",
        "/.new/1",
        f"{FILES}/..",
        f"{FILES}/%2e%2e",
        f"{FILES}/..%2fx.whl",
        f"{FILES}/.a.whl.new",
        f"{FILES}/a%2fb.whl",
        f"{FILES}/a%00.whl",
        f"{FILES}/a.whl\n",
        f"/files/a/b{'c' * 62}/a-1.0-py3-none-any.whl",
        f"/files/AB/{'c' * 62}/a-1.0-py3-none-any.whl.metadata",
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
        case ProjectPage(index, name):
            assert (root / index / name).resolve().is_relative_to(root / index)
            assert "/" not in name
        case RootPage(index):
            assert (root / index).resolve().is_relative_to(root)
        case WheelFile(inside, _) | MetadataFile(inside) | StaticFile(inside) | LogFile(inside) | SiteFile(inside, _):
            assert (root / inside).resolve().is_relative_to(root)
            assert not any(part.startswith(".") for part in Path(inside).parts)
        case Redirect(location):
            assert not location.startswith("/")
            assert ":" not in location
            assert "//" not in location
