"""Targets: what wheels are built for, and which tags each can install.

machine_target()                            # the machine this runs on
known_targets()                             # Raspberry Pis
read_targets(Path("config/targets.toml"))   # more of them
store_targets(connection, targets)
"""

import platform
import re
import sysconfig
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from packaging.tags import compatible_tags, cpython_tags

from piwright.database.connection import Connection, execute_values, fetch_all

_LEGACY_ALIASES = {(2, 5): "manylinux1", (2, 12): "manylinux2010", (2, 17): "manylinux2014"}
_MANYLINUX1_ARCHITECTURES = ("x86_64", "i686")
_NAME_PART = re.compile(r"[a-z0-9][a-z0-9_.]*")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_KNOWN = Path(__file__).with_name("targets.toml")


class TargetError(ValueError):
    """A target that cannot be used; says which field, its value and what would be right."""


@dataclass(frozen=True)
class Target:
    """A distribution, a Python and an architecture; `libc` is ("glibc" | "musl", major, minor).

    `preinstalled` names the distribution's packages with libraries that every machine of this kind has.
    """

    distribution: str
    python: tuple[int, int]
    architecture: str
    libc: tuple[str, int, int]
    preinstalled: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Such as `bookworm-cp311-armv7l`."""
        return f"{self.distribution}-cp{self.python[0]}{self.python[1]}-{self.architecture}"

    @property
    def python_version(self) -> str:
        """Such as `3.11`."""
        return f"{self.python[0]}.{self.python[1]}"

    @property
    def tags(self) -> list[str]:
        """Every wheel tag it can install, most specific first, as pip on such a machine would say.

        A 32-bit Python below a 64-bit kernel, as Raspberry Pi OS has it on newer Pis, also takes `armv8l` wheels, before
        `armv7l` ones, if its pip is new enough to know them. Those are no tags of the target: another machine of the same
        target could not install such a wheel, so it needs ours.
        """
        platforms = list(_platforms(self.libc, self.architecture))
        interpreter = f"cp{self.python[0]}{self.python[1]}"
        both = [
            *cpython_tags(self.python, abis=[interpreter], platforms=platforms),
            *compatible_tags(self.python, interpreter=interpreter, platforms=platforms),
        ]
        return [str(tag) for tag in both]


def _platforms(libc: tuple[str, int, int], architecture: str) -> Iterator[str]:
    """Platform tags, best first (PEP 600, PEP 656): what was built for this very platform wins."""
    family, major, minor = libc
    yield f"linux_{architecture}"
    if family == "musl":
        for below in range(minor, -1, -1):
            yield f"musllinux_{major}_{below}_{architecture}"
    else:
        oldest = 5 if architecture in _MANYLINUX1_ARCHITECTURES else 17
        for below in range(minor, oldest - 1, -1):
            yield f"manylinux_{major}_{below}_{architecture}"
            if (major, below) in _LEGACY_ALIASES:
                yield f"{_LEGACY_ALIASES[major, below]}_{architecture}"


def machine_target() -> Target:
    """The machine itself: its distribution, the Python that runs this, its architecture."""
    family, version = platform.libc_ver()
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if family == "glibc" and numbers:
        libc = ("glibc", int(numbers[1]), int(numbers[2]))
    else:
        libc = ("musl", 1, 2)
    major, minor = (int(part) for part in platform.python_version_tuple()[:2])
    architecture = sysconfig.get_platform().removeprefix("linux-").replace("-", "_").replace(".", "_")
    distribution = _distribution()
    return Target(distribution, (major, minor), architecture, libc, _preinstalled_on(distribution))


@cache
def known_targets() -> list[Target]:
    """The Raspberry Pis piwright knows, as `targets.toml` beside this file lists them."""
    return read_targets(_KNOWN)


def known_target(distribution: str, architecture: str) -> Target:
    """A known target. Raises `TargetError` that names those there are."""
    for each in known_targets():
        if (each.distribution, each.architecture) == (distribution, architecture):
            return each
    names = ", ".join(f"{each.distribution} {each.architecture}" for each in known_targets())
    raise TargetError(f"{distribution} {architecture} is no known target: it must be one of {names}.")


def _preinstalled_on(distribution: str) -> tuple[str, ...]:
    return next((each.preinstalled for each in known_targets() if each.distribution == distribution), ())


def _distribution() -> str:
    """The distribution's code name (`bookworm`), or its name and version where it has none (`fedora43`)."""
    try:
        facts = platform.freedesktop_os_release()
    except OSError:
        return "linux"
    name = facts.get("VERSION_CODENAME") or facts.get("ID", "linux") + facts.get("VERSION_ID", "")
    return re.sub(r"[^a-z0-9_.]", "", name.lower()) or "linux"


def read_targets(path: Path) -> list[Target]:
    """The targets a TOML file lists, in its order.

        [[target]]
        distribution = "trixie"
        python = "3.13"
        architecture = "aarch64"
        glibc = "2.41"
        preinstalled = ["libc6", "libstdc++6"]    # optional; what is known of the distribution without it

        [preinstalled]                            # optional; for all targets of a distribution
        trixie = ["libc6", "libstdc++6"]

    Raises `TargetError` that names the entry and the field.
    """
    try:
        content = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TargetError(f"{path} is no TOML: {error}.") from None
    known = {} if path == _KNOWN else {each.distribution: each.preinstalled for each in known_targets()}
    entries, shared = content.pop("target", []), content.pop("preinstalled", {})
    if content or not isinstance(entries, list) or not isinstance(shared, dict):
        wrong = ", ".join(content) or "target = ... or preinstalled = ..."
        raise TargetError(f"{path}: only [[target]] tables and one [preinstalled] belong here, not {wrong}.")
    own = {name: _parse_packages(f"{path}, preinstalled: {name}", value) for name, value in shared.items()}
    return [_parse_target(f"{path}, target {number}", entry, known | own) for number, entry in enumerate(entries, 1)]


def _parse_packages(place: str, names: Any) -> tuple[str, ...]:
    wrong = [each for each in names if not isinstance(each, str) or not _PACKAGE.fullmatch(each)] if names else []
    if not isinstance(names, list) or wrong:
        raise TargetError(f"{place} = {wrong or names!r} cannot be used: it must be a list of Debian package names.")
    return tuple(names)


def _parse_target(place: str, entry: Any, preinstalled: dict[str, tuple[str, ...]]) -> Target:
    def text(field: str, pattern: str, expected: str) -> str:
        value = entry.get(field) if isinstance(entry, dict) else None
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise TargetError(f"{place}: {field} = {value!r} cannot be used: it must be {expected}.")
        return value

    distribution = text("distribution", _NAME_PART.pattern, 'a code name such as "trixie"')
    python = text("python", r"3\.\d{1,2}", 'a minor version such as "3.13"').split(".")
    architecture = text("architecture", _NAME_PART.pattern, 'a machine name such as "armv7l" or "aarch64"')
    family = "musl" if "musl" in entry else "glibc"
    libc = text(family, r"\d{1,2}\.\d{1,3}", f'the version of its {family}, such as "2.41"').split(".")
    packages = preinstalled.get(distribution, ())
    if "preinstalled" in entry:
        packages = _parse_packages(f"{place}: preinstalled", entry["preinstalled"])
    numbers = (int(python[0]), int(python[1]))
    return Target(distribution, numbers, architecture, (family, int(libc[0]), int(libc[1])), packages)


def store_targets(connection: Connection, targets: Iterable[Target]) -> dict[str, int]:
    """Make exactly these the active targets, in this order; answers name to target_id.

    A target that was not active before has missed what was queued: every line of the watch list counts as new again, and
    the next sync queues for it what it lacks. For the others that changes nothing.
    """
    rows = [
        (each.name, each.distribution, each.python_version, each.architecture, each.tags, list(each.preinstalled), rank)
        for rank, each in enumerate(targets)
    ]
    names = [row[0] for row in rows]
    active = {row.name for row in fetch_all(connection, "SELECT name FROM target WHERE active")}
    with connection.cursor() as cursor:
        cursor.execute("UPDATE target SET active = false WHERE active AND name <> ALL (%s)", (names,))
        execute_values(
            cursor,
            """
            INSERT INTO target (name, distribution, python, architecture, tags, preinstalled, rank) VALUES %s
            ON CONFLICT (name) DO UPDATE
            SET tags = excluded.tags, preinstalled = excluded.preinstalled, rank = excluded.rank, active = true
            """,
            rows,
        )
        if not active.issuperset(names):
            cursor.execute("UPDATE watch SET queued_at = NULL WHERE queued_at IS NOT NULL")
    return {row.name: row.target_id for row in fetch_all(connection, "SELECT name, target_id FROM target WHERE active")}
