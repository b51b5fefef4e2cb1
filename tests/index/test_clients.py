"""Real pip and real uv with the served index as their only one, and `pypi-simple` as judge of the pages."""

import hashlib
import io
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from published_shop import Shop, make_wheel
from pypi_simple import ACCEPT_HTML_ONLY, ACCEPT_JSON_ONLY, PyPISimple
from serving import IndexServer

from piwright.database.connection import connect
from piwright.database.provision import Access
from piwright.index.publish import publish
from support.postgres import fresh_database
from support.upstream import Distribution, LoopbackUpstream

CLIENTS = ["pip", "uv"]


@dataclass(frozen=True)
class Served:
    """The shop as it is served, and an upstream that is nowhere else."""

    shop: Shop
    upstream: LoopbackUpstream
    server: IndexServer

    @property
    def url(self) -> str:
        return f"{self.server.url}/simple/"


@pytest.fixture(scope="module")
def served(
    postgres_server: str, postgres_template: Access, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    with (
        LoopbackUpstream(redirect_to=None) as upstream,
        fresh_database(postgres_server, postgres_template) as access,
        connect(access.application) as connection,
    ):
        shop = Shop(connection, tmp_path_factory.mktemp("clients"))
        helper = upstream.add(Distribution(*make_wheel("upstream-helper", "2.0")))
        both = upstream.add(Distribution(*make_wheel("on-both", "1.0")))
        newer = upstream.add(Distribution(*make_wheel("on-both", "1.1")))
        shop.wheel("built-here", "1.5", requires=["upstream-helper>=1", "on-both"])
        shop.wheel("built-here", "1.6", requires=["no-such-project"])
        shop.release("built-here", "1.6", yanked=True, yanked_reason='asks for the "impossible" <1>')
        shop.wheel("on-both", "0.9")
        shop.hold(shop.wheel("built-here", "1.7"))
        shop.execute(
            "INSERT INTO network_exception (project_id, reason, allowed_by) SELECT project_id, %s, 'me' FROM project",
            ('asks <a href="built_here-9-py3-none-any.whl">a server</a> & "fonts" for things',),
        )
        for each in (both, newer):
            shop.upstream_file(
                each.project,
                each.version,
                each.filename,
                url=upstream.file_url(each),
                hashes=f'{{"sha256": "{each.sha256}"}}',
                size=len(each.content),
            )
        publish(connection, store_root=shop.store.root, index_root=shop.index_root, upstream_url=upstream.url)
        assert helper.project == "upstream-helper"
        with IndexServer(shop.index_root, upstream.url) as server:
            yield Served(shop, upstream, server)


def uv() -> str:
    found = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    assert found, "uv is in requirements-dev.txt"
    return found


def clean_environment() -> dict[str, str]:
    """The environment without anything that names another index."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "VIRTUAL_ENV"))}
    return kept | {"PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with pip."""
    directory = tmp_path_factory.mktemp("seed") / "venv"
    subprocess.run([uv(), "venv", "-q", "--python", sys.executable, directory], check=True)
    subprocess.run([uv(), "pip", "install", "-q", "--python", directory / "bin/python", "pip"], check=True)
    return directory


@pytest.fixture
def python(seed: Path, tmp_path: Path) -> Path:
    """The interpreter of a virtual environment of the test's own that has nothing but pip."""
    shutil.copytree(seed, tmp_path / "venv", symlinks=True)
    return tmp_path / "venv/bin/python"


def install(client: str, python: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [str(python), "-m", "pip", "install", "--no-cache-dir"]
    if client == "uv":
        command = [uv(), "pip", "install", "--no-cache", "--python", str(python)]
    return subprocess.run([*command, *arguments], capture_output=True, text=True, env=clean_environment(), timeout=120)


def versions(python: Path) -> dict[str, str]:
    code = "import importlib.metadata as m; print(*(f'{d.name} {d.version}' for d in m.distributions()), sep='\\n')"
    said = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout
    found = dict(line.split(" ") for line in said.splitlines())
    found.pop("pip")
    return found


@pytest.mark.parametrize("client", CLIENTS)
def test_our_wheel_installs_with_dependencies_that_upstream_serves(served: Served, python: Path, client: str) -> None:
    done = install(client, python, "--index-url", served.url, "built-here")
    assert done.returncode == 0, done.stderr
    # Not 1.7, which is held; and 1.6 is yanked.
    assert versions(python) == {"built-here": "1.5", "upstream-helper": "2.0", "on-both": "1.1"}
    checked = subprocess.run([python, "-m", "pip", "check"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
    assert served.upstream.count("/simple/upstream-helper/") > 0


@pytest.mark.parametrize("client", CLIENTS)
def test_a_yanked_release_installs_by_pin_and_says_why_it_is_yanked(served: Served, python: Path, client: str) -> None:
    done = install(client, python, "--index-url", served.url, "--no-deps", "built-here==1.6")
    assert done.returncode == 0, done.stderr
    assert versions(python) == {"built-here": "1.6"}
    assert "yanked" in done.stderr + done.stdout
    assert 'asks for the "impossible" <1>' in done.stderr + done.stdout


@pytest.mark.parametrize("client", CLIENTS)
def test_a_held_wheel_cannot_be_had_by_pin_either(served: Served, python: Path, client: str) -> None:
    done = install(client, python, "--index-url", served.url, "--no-deps", "built-here==1.7")
    assert done.returncode != 0
    assert "1.7" in done.stderr + done.stdout


@pytest.mark.parametrize("client", CLIENTS)
def test_the_extra_index_works_beside_another(served: Served, python: Path, client: str) -> None:
    extra = f"{served.server.url}/extra/simple/"
    done = install(client, python, "--index-url", served.upstream.url, "--extra-index-url", extra, "built-here")
    assert done.returncode == 0, done.stderr
    assert versions(python)["built-here"] == "1.5"


@pytest.mark.parametrize("client", CLIENTS)
def test_hashes_can_be_required(served: Served, python: Path, client: str, tmp_path: Path) -> None:
    [wheel] = served.shop.index_root.glob("files/*/*/built_here-1.5-*.whl")
    for sha256, works in (("0" * 64, False), (hashlib.sha256(wheel.read_bytes()).hexdigest(), True)):
        (tmp_path / "pinned.txt").write_text(f"built-here==1.5 --hash=sha256:{sha256}\n")
        arguments = ("--index-url", served.url, "--no-deps", "--require-hashes", "-r", str(tmp_path / "pinned.txt"))
        done = install(client, python, *arguments)
        assert (done.returncode == 0) is works, done.stderr


@pytest.mark.parametrize(("client", "option"), [("pip", "--uploaded-prior-to"), ("uv", "--exclude-newer")])
def test_upload_times_serve_those_who_wait(served: Served, python: Path, client: str, option: str) -> None:
    # The wheels of the shop are built on 2026-03-04; the files of upstream in it have no upload time.
    plain = ("--index-url", served.url, "--no-deps", "built-here")
    early = install(client, python, option, "2026-03-01T00:00:00Z", *plain)
    assert early.returncode != 0
    later = install(client, python, option, "2026-04-01T00:00:00Z", *plain)
    assert later.returncode == 0, later.stderr


def test_resolving_needs_no_wheel_but_its_metadata(served: Served, tmp_path: Path) -> None:
    without = tmp_path / "index"
    shutil.copytree(served.shop.index_root, without)
    for wheel in without.glob("files/*/*/*.whl"):
        wheel.unlink()
    (tmp_path / "wanted.in").write_text("built-here\n")
    with IndexServer(without, served.upstream.url) as server:
        command = [uv(), "pip", "compile", "--no-cache", "--no-header", "--index-url", f"{server.url}/simple/"]
        done = subprocess.run(
            [*command, tmp_path / "wanted.in"], capture_output=True, text=True, env=clean_environment(), timeout=120
        )
    assert done.returncode == 0, done.stderr
    pins = [line for line in done.stdout.splitlines() if "==" in line]
    assert pins == ["built-here==1.5", "on-both==1.1", "upstream-helper==2.0"]


@pytest.mark.parametrize("index", ["simple", "extra/simple"])
def test_an_independent_reader_finds_the_same_in_html_and_json(served: Served, index: str) -> None:
    with PyPISimple(f"{served.server.url}/{index}/") as client:
        names = client.get_index_page(accept=ACCEPT_JSON_ONLY).projects
        assert names == client.get_index_page(accept=ACCEPT_HTML_ONLY).projects == ["built-here", "on-both"]
        for name in names:
            in_json = client.get_project_page(name, accept=ACCEPT_JSON_ONLY)
            in_html = client.get_project_page(name, accept=ACCEPT_HTML_ONLY)
            assert in_json.repository_version == in_html.repository_version == "1.4"
            assert in_json.versions == sorted({each.version for each in in_json.packages if each.version})
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
