"""Resolving fetches pages and metadata, no wheel, and no more bytes than those have."""

from pathlib import Path

import pytest

from clients.installers import Installer
from clients.recording_proxy import RecordingProxy
from clients.shop_for_clients import PROJECTS, Served

# pip resolves by metadata since 23.2; that of Trixie fetches what it chose even when it only tells what it would do.
tells = pytest.mark.parametrize("installer", ["pip-newest", "uv"], indirect=True)
by_metadata = pytest.mark.parametrize("installer", ["pip-25.1.1", "pip-newest", "uv"], indirect=True)


@tells
def test_resolving_fetches_no_byte_of_a_wheel(served: Served, installer: Installer) -> None:
    with RecordingProxy(served.server.port) as proxy:
        done = installer.resolve("--index-url", f"{proxy.url}/simple/", "app")
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    assert "2.0" in said
    assert "1!1.0+pi.1" in said
    assert installer.versions() == {}
    assert not [each for each in proxy.fetched if each.is_wheel], proxy.fetched
    assert [each for each in proxy.fetched if each.is_metadata]
    assert {each.status for each in proxy.fetched} <= {200, 304}
    # Each page packed and once, each metadata at most once: nothing that a client asks for twice, nothing unpacked.
    assert 0 < proxy.received <= served.cost_of_resolving(*PROJECTS)


@by_metadata
def test_installing_fetches_the_chosen_wheels_only_once_each(served: Served, installer: Installer) -> None:
    with RecordingProxy(served.server.port) as proxy:
        done = installer.install("--index-url", f"{proxy.url}/simple/", "app")
    assert done.returncode == 0, done.stderr
    wheels = [each for each in proxy.fetched if each.is_wheel]
    chosen = [served.wheel(each) for each in ("app-2.0-*.whl", "lib-2.0-*.whl", "odd_version-1!*.whl")]
    assert sorted(each.path.rpartition("/")[2].replace("%21", "!").replace("%2B", "+") for each in wheels) == sorted(
        path.name for path in chosen
    )
    sizes = sum(path.stat().st_size for path in chosen)
    assert sum(each.size for each in wheels) == sizes
    assert proxy.received <= sizes + served.cost_of_resolving(*PROJECTS)


def test_locking_with_uv_works_from_pages_and_metadata_alone(served: Served, tmp_path: Path) -> None:
    installer = Installer.make("uv", tmp_path)
    (tmp_path / "wanted.in").write_text("app\n")
    with RecordingProxy(served.server.port) as proxy:
        arguments = ("pip", "compile", "--no-cache", "--no-header", "--no-annotate", "--generate-hashes")
        done = installer.run(*arguments, "--index-url", f"{proxy.url}/simple/", tmp_path / "wanted.in")
    assert done.returncode == 0, done.stderr
    pins = [line.split(" ")[0] for line in done.stdout.splitlines() if "==" in line]
    assert pins == ["app==2.0", "lib==2.0", "odd-version==1!1.0+pi.1"]
    assert served.sha256("app-2.0-*.whl") in done.stdout
    assert not [each for each in proxy.fetched if each.is_wheel]
    assert proxy.received <= served.cost_of_resolving(*PROJECTS)


def test_a_second_look_of_uv_fetches_nothing_again(served: Served, tmp_path: Path) -> None:
    installer = Installer.make("uv", tmp_path)
    (tmp_path / "wanted.in").write_text("app\n")
    with RecordingProxy(served.server.port) as proxy:
        command = ("pip", "compile", "--cache-dir", tmp_path / "cache", "--index-url", f"{proxy.url}/simple/")
        first = installer.run(*command, tmp_path / "wanted.in")
        assert first.returncode == 0, first.stderr
        cost = proxy.received
        again = installer.run(*command, tmp_path / "wanted.in")
        assert again.returncode == 0, again.stderr
    assert cost > 0
    assert proxy.received == cost, "pages may be kept for ten minutes, metadata for ever"
