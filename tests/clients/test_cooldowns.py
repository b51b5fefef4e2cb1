"""Who waits some days before using what is new can do so with our index: it has upload times."""

import pytest

from clients.installers import Installer
from clients.shop_for_clients import LATER, PATIENT, Served

OPTIONS = {"pip-newest": "--uploaded-prior-to", "uv": "--exclude-newer"}

cooldown = pytest.mark.parametrize("installer", OPTIONS, indirect=True)


@cooldown
def test_what_is_too_new_is_not_installed(served: Served, installer: Installer) -> None:
    option = OPTIONS[installer.name]
    plain = ("--index-url", served.url, "--no-deps", "built-here")
    early = installer.install(option, PATIENT, *plain)
    assert early.returncode != 0
    assert installer.versions() == {}
    later = installer.install(option, LATER, *plain)
    assert later.returncode == 0, later.stderr
    assert installer.versions() == {"built-here": "1.5"}


@cooldown
def test_our_extra_index_breaks_nobodys_cooldown(served: Served, installer: Installer) -> None:
    # pip refuses to go on when any of its indexes does not say when files were uploaded.
    option = OPTIONS[installer.name]
    extra = f"{served.server.url}/extra/simple/"
    done = installer.install(
        *(option, LATER, "--index-url", served.upstream.url, "--extra-index-url", extra, "--no-deps"),
        *("built-here", "upstream-helper"),
    )
    assert done.returncode == 0, done.stderr
    assert installer.versions() == {"built-here": "1.5", "upstream-helper": "2.0"}
