"""Which Debian mirror this machine's apt uses, and with which settings.

mirror = find_mirror("trixie", override="")        # Mirror(url, keyring), or NoMirror says what to do
acquire_settings()                                 # proxies and certificates, as lines for an apt.conf
"""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
"""Debian's own keys for every release that is supported, whatever the machine itself runs."""

_FORMAT = "$(REPO_URI)|$(LABEL)|$(RELEASE)|$(CREATED_BY)"
_RELEASES = ("bullseye", "bookworm", "trixie", "forky", "sid", "oldstable", "stable", "testing", "unstable")


class NoMirror(RuntimeError):
    """Nowhere to get Debian's packages from; says what to set."""


@dataclass(frozen=True)
class Mirror:
    """Base address of a Debian archive, and the keys its Release file is checked with."""

    url: str
    keyring: Path

    def source(self, suite: str) -> str:
        """The line for a sources.list."""
        return f"deb [signed-by={self.keyring}] {self.url} {suite} main\n"


def find_mirror(suite: str, override: str) -> Mirror:
    """`override` (PIWRIGHT_DEBIAN_MIRROR) or the archive the machine's own apt reads. Raises `NoMirror`."""
    url = override or pick_mirror(_index_targets(), suite)
    if url is None:
        raise NoMirror(
            "This machine's apt has no Debian archive among its sources: set PIWRIGHT_DEBIAN_MIRROR to the address of one."
        )
    return Mirror(url.rstrip("/") + "/", KEYRING)


def pick_mirror(index_targets: str, suite: str) -> str | None:
    """The archive among lines of `apt-get indextargets` (in `_FORMAT`) that has a suite, the machine's own first.

    An archive holds all suites, so one of another suite will do. Security and other archives have other labels.
    """
    found: dict[str, bool] = {}
    for line in index_targets.splitlines():
        url, label, release, created_by = (*line.split("|"), "", "", "")[:4]
        # Without package lists on the disk (a slim container) apt knows no labels and repeats the question.
        known = label == "Debian" or (label in ("", "$(LABEL)") and release in _RELEASES)
        if created_by == "Packages" and known and re.match(r"(https?|file|mirror\+\w+|ftp):", url):
            found[url] = found.get(url, False) or release == suite
    return next((url for url, has_suite in found.items() if has_suite), next(iter(found), None))


def _index_targets() -> str:
    try:
        ran = subprocess.run(["apt-get", "indextargets", "--format", _FORMAT], capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return ran.stdout


def acquire_settings() -> str:
    """How the machine's apt reaches the world (Acquire::*). Its hooks and pins are its own affair."""
    ran = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, text=True)
    return "".join(line + "\n" for line in ran.stdout.splitlines() if not line.startswith("Acquire::Languages"))
