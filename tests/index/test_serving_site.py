"""The site's pages and files, as both web servers hand them out."""

import gzip
from pathlib import Path

import pytest
from backports import zstd
from serving import TARGET, RunningServer

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
CACHED = "public, max-age=600, stale-while-revalidate=300, stale-if-error=86400"
FOR_EVER = "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    ("path", "file", "content_type"),
    [
        ("/", "index.html", "text/html; charset=utf-8"),
        ("/json", "json", "application/json"),
        ("/feed.atom", "feed.atom", "application/atom+xml"),
        ("/sitemap.xml", "sitemap.xml", "application/xml"),
        ("/sitemap/1.xml", "sitemap/1.xml", "application/xml"),
        ("/robots.txt", "robots.txt", "text/plain; charset=utf-8"),
        ("/search/", "search/index.html", "text/html; charset=utf-8"),
        ("/search/?q=spi", "search/index.html", "text/html; charset=utf-8"),
        ("/search/names/sp.json", "search/names/sp.json", "application/json"),
        ("/status/", "status/index.html", "text/html; charset=utf-8"),
        ("/status/json", "status/json", "application/json"),
        ("/static/abcdef/style.css", "static/abcdef/style.css", "text/css; charset=utf-8"),
        ("/static/abcdef/search.js", "static/abcdef/search.js", "text/javascript; charset=utf-8"),
        ("/static/abcdef/icon.png", "static/abcdef/icon.png", "image/png"),
        ("/static/abcdef/icon.ico", "static/abcdef/icon.ico", "image/x-icon"),
        ("/static/abcdef/font.woff2", "static/abcdef/font.woff2", "font/woff2"),
        ("/static/abcdef/site.webmanifest", "static/abcdef/site.webmanifest", "application/manifest+json"),
        ("/static/abcdef/archive.tar.bz2", "static/abcdef/archive.tar.bz2", "application/octet-stream"),
        ("/static/abcdef/README", "static/abcdef/README", "application/octet-stream"),
        ("/project/spidev/", "project/spidev/index.html", "text/html; charset=utf-8"),
        ("/project/spidev/json", "project/spidev/json", "application/json"),
        ("/project/spidev/badge.svg", "project/spidev/badge.svg", "image/svg+xml"),
        ("/project/spidev/feed.atom", "project/spidev/feed.atom", "application/atom+xml"),
        ("/project/spidev/build/12/", "project/spidev/build/12/index.html", "text/html; charset=utf-8"),
        ("/project/spidev/build/12/json", "project/spidev/build/12/json", "application/json"),
    ],
)
def test_a_file_of_the_site(server: RunningServer, served_tree: Path, path: str, file: str, content_type: str) -> None:
    plain = server.get(path, Accept="image/png")  # there is one representation: nothing to negotiate
    assert (plain.status, plain.body) == (200, (served_tree / file).read_bytes())
    packed = server.get(path, Accept_Encoding="gzip, br")
    small = server.get(path, Accept_Encoding="gzip, br, zstd")
    if (served_tree / f"{file}.gz").exists():
        assert (packed.headers["Content-Encoding"], small.headers["Content-Encoding"]) == ("gzip", "zstd")
        assert gzip.decompress(packed.body) == zstd.decompress(small.body) == plain.body
        assert len({answer.headers["ETag"] for answer in (plain, packed, small)}) == 3
    else:
        assert "text" not in content_type
        assert packed.body == small.body == plain.body
    for answer in (plain, packed, small):
        assert answer.headers.get_all("Content-Type") == [content_type]
        assert answer.headers["Cache-Control"] == (FOR_EVER if path.startswith("/static/") else CACHED)
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert answer.headers["Content-Security-Policy"] == POLICY
        assert answer.headers["ETag"].startswith('"')
        assert server.get(path, If_Modified_Since=answer.headers["Last-Modified"]).status == 304
    assert server.get(path, If_None_Match=plain.headers["ETag"]).status == 304


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/search", "search/"),
        ("/status", "status/"),
        ("/project/spidev", "spidev/"),
        ("/project/spidev/build/12", "12/"),
        ("/project/SpiDev", "spidev/"),
        ("/project/SpiDev/", "../spidev/"),
        ("/project/RPi.GPIO/badge.svg", "../rpi-gpio/badge.svg"),
        ("/project/RPi.GPIO/build/12", "../../rpi-gpio/build/12"),
        ("/project/RPi.GPIO/build/12/", "../../../rpi-gpio/build/12/"),
        ("/project/RPi.GPIO/build/12/log.txt", "../../../rpi-gpio/build/12/log.txt"),
    ],
)
def test_a_page_is_found_by_another_spelling(server: RunningServer, path: str, location: str) -> None:
    answer = server.get(path)
    assert (answer.status, answer.headers["Location"]) == (301, location)


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/nothing/",
        "/project/",
        "/project/numpy/",
        "/project/numpy/json",
        "/project/spidev/build/13/",
        "/project/spidev/build/13/log.txt",
        "/project/spidev/build/",
        "/search/names/",
        "/search/names",
        "/static/abcdef/gone.css",
        "/static/",
        "/extra/",
        "/extra",
        f"/{TARGET}/",
        "/404.html",
        "/index.html",
        "/simple/spidev/index.v1_json",
        "/project/spidev/index.html",
        "/project/spidev/json.gz",
        "/json.zst",
        "/project/spidev/build/12/log.txt.gz",
        "/files/",
        "/healthz/",
        "/json/",
    ],
)
def test_what_is_not_there_is_met_by_a_page_that_helps(server: RunningServer, served_tree: Path, path: str) -> None:
    lost = (served_tree / "404.html").read_bytes()
    plain = server.get(path)
    assert (plain.status, plain.body) == (404, lost)
    packed = server.get(path, Accept_Encoding="gzip")
    assert (packed.status, packed.headers["Content-Encoding"]) == (404, "gzip")
    assert gzip.decompress(packed.body) == lost
    for answer in (plain, packed):
        assert answer.headers.get_all("Content-Type") == ["text/html; charset=utf-8"]
        assert answer.headers["Cache-Control"] == "public, max-age=60"
        assert answer.headers["Content-Security-Policy"] == POLICY
        assert answer.headers["Vary"] == "Accept-Encoding"
