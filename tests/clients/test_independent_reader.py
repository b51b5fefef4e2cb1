"""`pypi-simple` as judge of what is served."""

import io
import zipfile
from pathlib import Path

import pytest
from pypi_simple import ACCEPT_HTML_ONLY, ACCEPT_JSON_ONLY, PyPISimple

from clients.shop_for_clients import Served

OURS = {"built-here", "on-both", "app", "lib", "odd-version", "plain"}


@pytest.mark.parametrize("index", ["simple", "extra/simple", "here/simple"])
def test_an_independent_reader_finds_the_same_in_html_and_json(served: Served, index: str) -> None:
    with PyPISimple(f"{served.server.url}/{index}/") as client:
        names = client.get_index_page(accept=ACCEPT_JSON_ONLY).projects
        assert names == client.get_index_page(accept=ACCEPT_HTML_ONLY).projects
        assert set(names) >= OURS
        for name in OURS:
            in_json = client.get_project_page(name, accept=ACCEPT_JSON_ONLY)
            in_html = client.get_project_page(name, accept=ACCEPT_HTML_ONLY)
            assert in_json.packages
            assert in_json.repository_version == in_html.repository_version == "1.4"
            assert set(in_json.versions or ()) == {each.version for each in in_json.packages if each.version}
            for one, other in zip(in_json.packages, in_html.packages, strict=True):
                assert (one.filename, one.url, one.digests) == (other.filename, other.url, other.digests)
                assert (one.is_yanked, one.yanked_reason) == (other.is_yanked, other.yanked_reason)
                assert one.metadata_digests == other.metadata_digests


def test_metadata_is_the_member_of_the_wheel(served: Served, tmp_path: Path) -> None:
    with PyPISimple(served.url) as client:
        for package in client.get_project_page("built-here").packages:
            client.download_package(package, tmp_path / package.filename)
            with zipfile.ZipFile(io.BytesIO((tmp_path / package.filename).read_bytes())) as archive:
                [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
                assert client.get_package_metadata_bytes(package) == archive.read(name)
