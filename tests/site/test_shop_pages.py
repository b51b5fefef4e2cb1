"""The pages of the shop: written only when they change, linked only to what is there, readable by machines."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit
from xml.etree import ElementTree

import pytest

from index.published_shop import UPSTREAM, Shop
from piwright.database.connection import Connection
from piwright.index.storage_directory import DirectoryStorage
from piwright.site.project_source import ProjectSite
from piwright.site.search_index import SearchDue
from piwright.site.search_page import render_missing
from piwright.site.shop_pages import write_shop_pages
from piwright.site.sitemap import is_of, robots_txt, sitemap_files
from piwright.site.static_files import script_path, static_files, style_path

URL = "https://wheels.example/shop"
ATOM = "{http://www.w3.org/2005/Atom}"
SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"


@pytest.fixture
def shop(connection: Connection, tmp_path: Path) -> Shop:
    return Shop(connection, tmp_path)


def write(shop: Shop, url: str = URL) -> int:
    storage = DirectoryStorage(shop.index_root)
    shop.publish(sources=[SearchDue(storage)])
    return write_shop_pages(shop.connection, storage, site_url=url).written


class Links(HTMLParser):
    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {str(value) for name, value in attrs if name in ("href", "src", "data-root") and value}


def test_pages_are_written_once_and_again_only_when_something_changed(shop: Shop) -> None:
    shop.wheel("spidev", "3.6")
    assert write(shop) > 10
    assert write(shop) == 0
    shop.job("waits", "1.0", state="waiting")
    assert write(shop) > 0
    assert write(shop) == 0


def test_every_link_of_every_page_leads_to_something_of_the_site(shop: Shop) -> None:
    shop.wheel("spidev", "3.6")
    shop.hold(shop.wheel("held", "1.0"))
    shop.attempt(shop.job("fails", "1.0", state="failed"), "timeout")
    shop.job("waits", "1.0", state="waiting")
    shop.project("skipped", skip_reason="its page is no JSON")
    storage = DirectoryStorage(shop.index_root)
    shop.publish(storage=storage, sources=[ProjectSite(URL, UPSTREAM, shop.store.root), SearchDue(storage)])
    write_shop_pages(shop.connection, storage, site_url=URL)
    pages = {
        path
        for path in shop.index_root.rglob("*.html")
        if path.relative_to(shop.index_root).parts[0] not in ("simple", "extra", "here", ".new")
    }
    assert len(pages) >= 4 + 5 + 3
    for page in pages:
        base = f"{URL}/{page.relative_to(shop.index_root)}".removesuffix("index.html")
        for link in Links(page.read_bytes()).found:
            target = urljoin(base, link)
            if target.startswith((UPSTREAM, URL + "/simple/", URL + "/here/simple/")):
                continue  # a project without a page in the index is a redirect
            assert target.startswith(URL + "/"), f"{page}: {link}"
            path = shop.index_root / unquote(urlsplit(target).path).removeprefix("/shop/")
            there = [path, path / "index.html", path.with_name(path.name + ".gz")]
            assert any(each.is_file() for each in there), f"{page}: {link}"
            anchor = urlsplit(target).fragment
            if anchor:
                text = (path if path.is_file() else path / "index.html").read_text()
                assert re.search(f'id="?{re.escape(anchor)}["\\s>]', text), f"{page}: {link}"


def test_the_page_for_what_is_missing_is_the_same_at_any_depth_and_below_any_path() -> None:
    for url, root in ((URL, "/shop/"), ("http://127.0.0.1:8000", "/"), (URL + "/", "/shop/")):
        links = Links(render_missing(url)).found
        assert root in links
        assert all(link.startswith((root, "#")) for link in links)


def test_pages_name_static_files_by_their_content(shop: Shop) -> None:
    write(shop)
    files = static_files()
    assert {style_path(), script_path("search.js")} <= set(files)
    for path, content in files.items():
        assert re.fullmatch(r"static/[0-9a-f]{16}/[a-z0-9]+\.(css|js|svg)", path)
        assert (shop.index_root / path).read_bytes() == content
    scripts = {path.rpartition("/")[0] for path in files if path.endswith(".js")}
    assert len(scripts) == 1  # they import each other by relative addresses
    assert f'href="./{style_path()}"' in (shop.index_root / "index.html").read_text()


def test_no_page_has_a_style_or_a_script_of_its_own_or_a_time_of_its_making(shop: Shop) -> None:
    write(shop)
    for page in ("index.html", "search/index.html", "status/index.html", "404.html"):
        text = (shop.index_root / page).read_text()
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text)
        assert not re.search(r"<script(?! type=\"module\" src=)", text)
        assert "https://" not in text.replace(URL, "")


HOSTILE = "<script>alert(1)</script>&\x1b]0;x\x07\u202egnp.exe"


def test_the_feed_is_atom_and_changes_only_with_what_was_built(shop: Shop) -> None:
    shop.wheel("spidev", "3.6")
    shop.wheel("smbus2", "1.0")
    shop.release("smbus2", "1.0", yanked=True, yanked_reason=HOSTILE)
    write(shop)
    content = (shop.index_root / "feed.atom").read_bytes()
    feed = ElementTree.fromstring(content)
    assert feed.tag == f"{ATOM}feed"
    assert feed.findtext(f"{ATOM}updated") == "2026-03-04T05:06:07Z"
    entries = feed.findall(f"{ATOM}entry")
    assert len({entry.findtext(f"{ATOM}id") for entry in entries}) == len(entries) == 2
    assert {entry.findtext(f"{ATOM}title") for entry in entries} == {"spidev 3.6", "smbus2 1.0 (yanked)"}
    for entry in entries:
        [link] = entry.findall(f"{ATOM}link")
        assert str(link.get("href")).startswith(f"{URL}/project/")
    shop.job("waits", "1.0", state="waiting")
    write(shop)
    assert (shop.index_root / "feed.atom").read_bytes() == content


def test_the_sitemap_names_every_project_with_a_page_and_no_other(shop: Shop) -> None:
    shop.wheel("spidev", "3.6")
    shop.job("waits", "1.0", state="waiting")
    shop.project("upstream-only", checked_at="2026-01-01")
    write(shop)
    listed = ElementTree.parse(shop.index_root / "sitemap.xml").getroot()
    parts = [str(each.findtext(f"{SITEMAP}loc")) for each in listed]
    assert parts == [f"{URL}/sitemap/1.xml"]
    part = ElementTree.parse(shop.index_root / "sitemap" / "1.xml").getroot()
    pages = [str(each.findtext(f"{SITEMAP}loc")) for each in part]
    assert pages == [URL + "/" + path for path in ("", "search/", "status/", "project/spidev/", "project/waits/")]
    write(shop, "https://elsewhere.example")
    assert b"https://elsewhere.example/sitemap/1.xml" in (shop.index_root / "sitemap.xml").read_bytes()


def test_a_sitemap_is_cut_into_parts_of_what_the_protocol_allows() -> None:
    files = dict(sitemap_files((f"p{number}" for number in range(9)), URL, most=5))
    assert list(files) == ["sitemap/1.xml", "sitemap/2.xml", "sitemap/3.xml", "sitemap.xml"]
    assert [files[path].count(b"<url>") for path in list(files)[:3]] == [5, 5, 2]
    assert is_of(files["sitemap.xml"], URL + "/")
    assert not is_of(files["sitemap.xml"], URL + "2")
    assert not is_of(None, URL)


def test_robots_are_kept_from_files_and_indexes() -> None:
    lines = robots_txt(URL).decode().splitlines()
    assert "Disallow: /shop/files/" in lines
    assert f"Sitemap: {URL}/sitemap.xml" in lines


def test_everything_a_page_shows_is_there_as_json(shop: Shop) -> None:
    shop.wheel("spidev", "3.6")
    write(shop)
    assert json.loads((shop.index_root / "json").read_bytes())["wheels"] == 1
    status = json.loads((shop.index_root / "status" / "json").read_bytes())
    assert status["piwright"] == {"json": "1.0"}
    assert status["index"]["due"] == 0
