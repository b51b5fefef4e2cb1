"""Every pip of a Raspberry Pi OS, the newest pip, and uv install from the served index as their only one."""

import subprocess
from pathlib import Path

import pytest

from clients.installers import INSTALLERS, Installer, missing
from clients.shop_for_clients import REASON, Served

every_installer = pytest.mark.parametrize("installer", INSTALLERS, indirect=True)


def all_said(done: "subprocess.CompletedProcess[str]") -> str:
    """Without line breaks, which are the installer's own."""
    return " ".join((done.stdout + done.stderr).split())


@every_installer
def test_our_wheel_installs_with_dependencies_that_upstream_serves(served: Served, installer: Installer) -> None:
    done = installer.install("--index-url", served.url, "built-here")
    assert done.returncode == 0, done.stderr
    # Not 1.7, which is held; and 1.6 is yanked.
    assert installer.versions() == {"built-here": "1.5", "upstream-helper": "2.0", "on-both": "1.1"}
    checked = installer.check()
    assert checked.returncode == 0, checked.stdout


@every_installer
def test_a_project_that_we_have_nothing_of_comes_from_upstream_by_redirect(
    served: Served, installer: Installer
) -> None:
    before = served.upstream.count("/simple/upstream-helper/")
    done = installer.install("--index-url", served.url, "upstream-helper")
    assert done.returncode == 0, done.stderr
    assert installer.versions() == {"upstream-helper": "2.0"}
    assert served.upstream.count("/simple/upstream-helper/") > before


@every_installer
def test_an_epoch_and_a_local_version_install(served: Served, installer: Installer) -> None:
    done = installer.install("--index-url", served.url, "app")
    assert done.returncode == 0, done.stderr
    assert installer.versions() == {"app": "2.0", "lib": "2.0", "odd-version": "1!1.0+pi.1"}
    assert installer.check().returncode == 0


@every_installer
def test_a_yanked_release_installs_by_pin_and_says_why_it_is_yanked(served: Served, installer: Installer) -> None:
    done = installer.install("--index-url", served.url, "--no-deps", "built-here==1.6")
    assert done.returncode == 0, done.stderr
    assert installer.versions() == {"built-here": "1.6"}
    assert "yanked" in all_said(done)
    assert REASON in all_said(done)


@every_installer
def test_a_yanked_release_is_nobodys_choice(served: Served, installer: Installer) -> None:
    done = installer.install("--index-url", served.url, "--no-deps", "built-here>=1.0")
    assert done.returncode == 0, done.stderr
    assert installer.versions() == {"built-here": "1.5"}


@every_installer
def test_a_held_wheel_cannot_be_had_by_pin_either(served: Served, installer: Installer) -> None:
    done = installer.install("--index-url", served.url, "--no-deps", "built-here==1.7")
    assert done.returncode != 0
    assert "1.7" in all_said(done)


@every_installer
def test_the_extra_index_works_beside_another(served: Served, installer: Installer) -> None:
    extra = f"{served.server.url}/extra/simple/"
    done = installer.install("--index-url", served.upstream.url, "--extra-index-url", extra, "built-here")
    assert done.returncode == 0, done.stderr
    assert installer.versions()["built-here"] == "1.5"


@every_installer
def test_the_index_of_a_target_is_complete(served: Served, installer: Installer) -> None:
    # `here` is the target that the shop's jobs are for.
    done = installer.install("--index-url", f"{served.server.url}/here/simple/", "built-here", "plain")
    assert done.returncode == 0, done.stderr
    found = installer.versions()
    assert found["plain"] == "1.0"
    assert found["upstream-helper"] == "2.0"


@every_installer
def test_hashes_can_be_required(served: Served, installer: Installer, tmp_path: Path) -> None:
    pinned = tmp_path / "pinned.txt"
    for sha256, works in (("0" * 64, False), (served.sha256("built_here-1.5-*.whl"), True)):
        pinned.write_text(f"built-here==1.5 --hash=sha256:{sha256}\n")
        arguments = ("--index-url", served.url, "--no-deps", "--require-hashes", "-r", pinned)
        done = installer.install(*arguments)
        assert (done.returncode == 0) is works, all_said(done)
        assert installer.versions() == ({"built-here": "1.5"} if works else {})


def test_what_is_missing_skips_with_the_reason_and_fails_where_all_is_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no such tool"):
        missing("no such tool")
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="no such tool"):
        missing("no such tool")
