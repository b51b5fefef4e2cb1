"""Targets: what wheels are built for, and which tags each can install.

machine_target()                            # the machine this runs on
read_targets(Path("config/targets.toml"))   # more of them
store_targets(connection, targets)
"""

import platform
import re
import sysconfig
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.tags import compatible_tags, cpython_tags

from piwright.database.connection import Connection, execute_values, fetch_all

_LEGACY_ALIASES = {(2, 5): "manylinux1", (2, 12): "manylinux2010", (2, 17): "manylinux2014"}
_MANYLINUX1_ARCHITECTURES = ("x86_64", "i686")
_NAME_PART = re.compile(r"[a-z0-9][a-z0-9_.]*")


class TargetError(ValueError):
    """A target that cannot be used; says which field, its value and what would be right."""


@dataclass(frozen=True)
class Target:
    """A distribution, a Python and an architecture; `libc` is ("glibc" | "musl", major, minor)."""

    distribution: str
    python: tuple[int, int]
    architecture: str
    libc: tuple[str, int, int]

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
        """Every wheel tag it can install, most specific first, as pip on such a machine would say."""
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
    return Target(_distribution(), (major, minor), architecture, libc)


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

    Raises `TargetError` that names the entry and the field.
    """
    try:
        content = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TargetError(f"{path} is no TOML: {error}.") from None
    entries = content.pop("target", [])
    if content or not isinstance(entries, list):
        raise TargetError(f"{path}: only [[target]] tables belong here, not {', '.join(content) or 'target = ...'}.")
    return [_parse_target(f"{path}, target {number}", entry) for number, entry in enumerate(entries, 1)]


def _parse_target(place: str, entry: Any) -> Target:
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
    return Target(distribution, (int(python[0]), int(python[1])), architecture, (family, int(libc[0]), int(libc[1])))


def store_targets(connection: Connection, targets: Iterable[Target]) -> dict[str, int]:
    """Make exactly these the active targets, in this order; answers name to target_id."""
    rows = [
        (each.name, each.distribution, each.python_version, each.architecture, each.tags, rank)
        for rank, each in enumerate(targets)
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE target SET active = false WHERE active AND name <> ALL (%s)", ([row[0] for row in rows],)
        )
        execute_values(
            cursor,
            """
            INSERT INTO target (name, distribution, python, architecture, tags, rank) VALUES %s
            ON CONFLICT (name) DO UPDATE SET tags = excluded.tags, rank = excluded.rank, active = true
            """,
            rows,
        )
    return {row.name: row.target_id for row in fetch_all(connection, "SELECT name, target_id FROM target WHERE active")}
