"""Gets the Debian packages of a guest, checked by the archive's keys, with apt and without installing anything.

Archive(folder, guest, mirror, "trixie").download(say)      # -> the .deb files
"""

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from piwright.stack.emulated.architecture import HOSTS, Guest
from piwright.stack.emulated.mirror import Mirror, acquire_settings

SYSTEM = (
    *("base-files", "base-passwd", "bash", "coreutils", "dash", "debianutils", "diffutils", "dpkg", "findutils"),
    *("grep", "gzip", "hostname", "libc-bin", "login", "mawk", "mount", "passwd", "procps", "sed", "tar", "util-linux"),
    *("bzip2", "ca-certificates", "file", "netbase", "perl-base", "tzdata", "xz-utils"),
)
BUILDING = (
    *("python3", "python3-dev", "python3-pip", "python3-venv"),
    *("gcc", "g++", "libc6-dev", "make", "patch", "pkg-config", "git", "ccache", "cmake", "ninja-build"),
    *("libffi-dev", "libssl-dev", "zlib1g-dev"),
)
"""A compiler and the headers that nearly everything asks for; what a project needs beyond is a fact about it."""

NATIVE = ("bubblewrap", "openssh-server", "systemd-standalone-sysusers")
"""Of the host's architecture: an emulated program cannot make a namespace, and an emulated sshd is four times slower."""


class PackagesUnavailable(RuntimeError):
    """apt could not get the packages; has apt's own words."""


@dataclass(frozen=True)
class Archive:
    """A folder in which apt works for a guest, apart from the machine's own state."""

    folder: Path
    guest: Guest
    mirror: Mirror
    suite: str

    def download(self, say: Callable[[str], None]) -> list[Path]:
        """Every package a guest has, as files. Raises `PackagesUnavailable`."""
        for name in ("lists/partial", "archives/partial"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "status").touch()
        (self.folder / "sources.list").write_text(self.mirror.source(self.suite))
        (self.folder / "apt.conf").write_text(acquire_settings() + "\n".join(self._settings()) + "\n")
        say(f"Reading Debian {self.suite}'s package lists.")
        self._apt("update")
        say("Downloading packages.")
        self._apt("install", "--yes", "--download-only", *package_names(self.guest))
        return sorted((self.folder / "archives").glob("*.deb"))

    def _settings(self) -> list[str]:
        # A relative name below Dir::Etc or Dir::State would be looked for there: every path is a whole one.
        native = HOSTS[os.uname().machine]
        architectures = [self.guest.debian, *([native] if native != self.guest.debian else [])]
        return [
            'Dir::Etc::main "/dev/null";',
            'Dir::Etc::parts "/dev/null";',
            f'Dir::Etc::sourcelist "{self.folder}/sources.list";',
            'Dir::Etc::sourceparts "/dev/null";',
            'Dir::Etc::preferences "/dev/null";',
            'Dir::Etc::preferencesparts "/dev/null";',
            f'Dir::State "{self.folder}";',
            f'Dir::State::lists "{self.folder}/lists";',
            f'Dir::State::status "{self.folder}/status";',
            f'Dir::Cache "{self.folder}";',
            f'Dir::Cache::archives "{self.folder}/archives";',
            f'APT::Architecture "{self.guest.debian}";',
            "#clear APT::Architectures;",
            *(f'APT::Architectures:: "{each}";' for each in architectures),
            'APT::Install-Recommends "false";',
            'APT::Sandbox::User "";',
            'APT::Get::Show-Upgraded "false";',
            'Acquire::Languages "none";',
            'Acquire::Retries "3";',
            'Debug::NoLocking "true";',
        ]

    def _apt(self, *arguments: str) -> None:
        environment = {**os.environ, "APT_CONFIG": str(self.folder / "apt.conf"), "LC_ALL": "C.UTF-8"}
        ran = subprocess.run(
            ["apt-get", "-qq", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if ran.returncode:
            raise PackagesUnavailable(
                f"apt-get {arguments[0]} for Debian {self.suite} ({self.guest.debian}) from {self.mirror.url} failed: "
                f"{ran.stdout.strip()[-1500:] or 'it said nothing'}"
            )


def package_names(guest: Guest) -> list[str]:
    """What a guest has, as apt is asked for it."""
    native = HOSTS[os.uname().machine]
    suffix = f":{native}" if native != guest.debian else ""
    return [*SYSTEM, *BUILDING, *(name + suffix for name in NATIVE)]
