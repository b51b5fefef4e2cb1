"""Reads from a User-Agent what fetched a file: installer, Python, distribution, architecture.

    client = read_agent('pip/26.3 {"cpu":"armv7l",...}')       # Client("pip", "3.11", "bookworm", "cp311", "armv7l")
    client.target(["linux_armv7l"])                            # "bookworm-cp311-armv7l"

The formats are those that PyPI's own statistics read (pypi/linehaul-cloud-function). Its library is not used: it does not
know today's PDM, takes five times as long, writes what strangers send into the log, and raises for `uv/1.0 null`.

Whatever an agent claims comes out as one of a few known words or as nothing: it is written by strangers, who must not be
able to fill a table with what they make up.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

OTHER = "other"

_INSTALLERS = {
    "pip": "pip", "uv": "uv", "poetry": "poetry", "pdm": "pdm", "pex": "pex", "conda": "conda",
    "bandersnatch": "mirror", "devpi-server": "mirror", "artifactory": "mirror", "nexus": "mirror",
}  # fmt: skip

_DISTRIBUTIONS = frozenset({
    "stretch", "buster", "bullseye", "bookworm", "trixie", "forky", "duke", "sid",
    "bionic", "focal", "jammy", "noble", "plucky", "questing", "resolute",
})  # fmt: skip
"""Code names of Debian (which Raspberry Pi OS shares) and of Ubuntu's releases that run on a Pi."""

_ARCHITECTURES = {
    "armv6l": "armv6l", "armv7l": "armv7l", "armv8l": "armv8l", "aarch64": "aarch64", "arm64": "aarch64",
    "x86_64": "x86_64", "amd64": "x86_64", "i386": "i686", "i486": "i686", "i586": "i686", "i686": "i686",
    "riscv64": "riscv64", "ppc64le": "ppc64le", "s390x": "s390x", "loongarch64": "loongarch64",
}  # fmt: skip

_PRODUCT = re.compile(r"([A-Za-z0-9-]{1,32})/[^\s]{1,64}(?: |$)")
_PYTHON = re.compile(r"(2\.7|3\.[0-9]{1,2})(?![0-9])")
_IMPLEMENTATIONS = {"CPython": "cp", "PyPy": "pp"}
_LONGEST_AGENT = 4096


@dataclass(frozen=True)
class Client:
    """What fetched a file, as far as it says; a part is empty where it does not, or says what we do not know."""

    installer: str = OTHER
    python: str = ""
    distribution: str = ""
    interpreter: str = ""
    architecture: str = ""

    def target(self, platforms: Iterable[str]) -> str:
        """Such as `bookworm-cp311-armv7l`, for one who fetched a wheel with these platform tags.

        A 32-bit Python below a 64-bit kernel reports the kernel's architecture; the wheel it took tells which it is.
        """
        architecture = self.architecture
        if architecture in ("aarch64", "armv8l"):
            wheels = {platform.rpartition("_")[2] for platform in platforms}
            if wheels <= {"armv6l", "armv7l"} and wheels:
                architecture = max(wheels)
            elif architecture == "armv8l":
                architecture = "armv7l"
        return "-".join(filter(None, (self.distribution, self.interpreter, architecture)))


class _Linehaul(msgspec.Struct):
    """What pip and uv append as JSON; of any type until it was looked at."""

    python: Any = None
    cpu: Any = None
    implementation: Any = None
    distro: Any = None


_decoder = msgspec.json.Decoder(_Linehaul)


def read_agent(agent: str, distributions: frozenset[str] = frozenset()) -> Client:
    """What a User-Agent tells; `distributions` are known besides those everybody knows (the shop's targets)."""
    return _read(agent[:_LONGEST_AGENT], distributions)


@lru_cache(maxsize=4096)
def _read(agent: str, distributions: frozenset[str]) -> Client:
    product = _PRODUCT.match(agent)
    installer = _INSTALLERS.get(product[1].lower(), OTHER) if product else OTHER
    if product is None or installer not in ("pip", "uv"):
        # Poetry and PDM name the Python they run on themselves, which need not be the one they install for.
        return Client(installer)
    try:
        said = _decoder.decode(agent[product.end() :])
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return Client(installer)
    python = match[1] if (match := _PYTHON.match(_text(said.python))) else ""
    implementation = _IMPLEMENTATIONS.get(_text(_member(said.implementation, "name")), "")
    distribution = _text(_member(said.distro, "id")).lower()
    return Client(
        installer,
        python,
        distribution if distribution in _DISTRIBUTIONS or distribution in distributions else "",
        implementation + python.replace(".", "") if implementation and python else "",
        _ARCHITECTURES.get(_text(said.cpu).lower(), ""),
    )


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
