"""The answer in one look: what can be installed on each target, how, and if nothing can, why. Pure.

answers = answer_targets(facts, rows)           # one for each target
ways = ways_to_install(facts, answers, "http://127.0.0.1:8000")
ways[0].pip, ways[0].apt, ways[0].targets
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from shlex import quote
from urllib.parse import urlsplit

from piwright.site.matrix import Cell, Row
from piwright.site.project_facts import ProjectFacts, TargetFacts

_APT_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Answer:
    """For one target: the newest version that installs (`row`, `cell`), or what the newest version says (`cell`).

    `newest`: the version that installs is the one pip would choose; where it is not, there is `newer`: the cell of the
    version that stands in the way.
    """

    target: TargetFacts
    installable: bool
    row: Row | None = None
    cell: Cell | None = None
    newest: bool = True
    newer: Cell | None = None
    newer_version: str | None = None


@dataclass(frozen=True, slots=True)
class WayToInstall:
    """What to type on some targets. `apt` are packages of the distribution that are needed at run time.

    `plain`: the name alone is enough for whoever uses the complete index.
    """

    targets: tuple[TargetFacts, ...]
    pip: str
    uv: str
    index_url: str
    apt: tuple[str, ...] = ()
    plain: bool = False

    @property
    def apt_line(self) -> str:
        return f"sudo apt install {' '.join(self.apt)}"


def answer_targets(facts: ProjectFacts, rows: Sequence[Row]) -> tuple[Answer, ...]:
    """One answer for each target, in their order."""
    candidates = [row for row in rows if not row.release.gone]
    return tuple(_answer(target, position, candidates) for position, target in enumerate(facts.targets))


def newest_row(rows: Sequence[Row]) -> Row | None:
    """The version pip would choose: final before pre-release, what was yanked last."""
    candidates = [row for row in rows if not row.release.gone]
    return max(candidates, key=_preference, default=None)


def _preference(row: Row) -> tuple[bool, bool, object]:
    return not row.release.yanked, not row.version.is_prerelease, row.version


def _answer(target: TargetFacts, position: int, rows: Sequence[Row]) -> Answer:
    chosen = max((row for row in rows if row.cells[position].installable), key=_preference, default=None)
    newest = newest_row(rows)
    if newest is None:
        return Answer(target, False)
    if chosen is None:
        return Answer(target, False, newest, newest.cells[position])
    return Answer(
        target,
        True,
        chosen,
        chosen.cells[position],
        newest=chosen is newest,
        newer=None if chosen is newest else newest.cells[position],
        newer_version=None if chosen is newest else newest.release.version,
    )


def ways_to_install(facts: ProjectFacts, answers: Sequence[Answer], site_url: str) -> tuple[WayToInstall, ...]:
    """What to type, with the targets that need the same together; those of the first target come first."""
    groups: defaultdict[tuple[str | None, str, tuple[str, ...]], list[TargetFacts]] = defaultdict(list)
    for each in answers:
        if each.installable and each.row is not None and each.cell is not None:
            wheel = each.cell.wheel
            # Beside a newer version that has to be compiled, pip would take that one; a yanked one it takes by pin only.
            pin = None if each.newest and not each.row.release.yanked else each.row.release.version
            index = f"{each.target.name}/simple/" if wheel and wheel.needs_distribution else "simple/"
            apt = tuple(name for name in (wheel.apt_packages if wheel else ()) if _APT_NAME.fullmatch(name))
            groups[pin, index, apt].append(each.target)
    ways = []
    for (pin, index, apt), targets in groups.items():
        url = f"{site_url}/{index}"
        wanted = quote(f"{facts.name}=={pin}") if pin else facts.name
        trust = f"--trusted-host {host} " if (host := host_to_trust(url)) else ""
        allow = f"--allow-insecure-host {host} " if host else ""
        ways.append(
            WayToInstall(
                tuple(targets),
                pip=f"pip install {trust}--index-url {url} {wanted}",
                uv=f"uv pip install {allow}--default-index {url} {wanted}",
                index_url=url,
                apt=apt,
                plain=pin is None and index == "simple/" and not apt,
            )
        )
    return tuple(ways)


@lru_cache(maxsize=100)
def host_to_trust(url: str) -> str | None:
    """The host that pip refuses unless told to trust it: one that is reached without TLS from another machine."""
    parts = urlsplit(url)
    return parts.netloc if parts.scheme == "http" and parts.hostname not in _LOOPBACK else None


_DISTRIBUTIONS = {"bookworm": "Bookworm", "trixie": "Trixie", "bullseye": "Bullseye", "forky": "Forky"}
_ARCHITECTURES = {"armv6l": "32-bit (ARMv6)", "armv7l": "32-bit", "aarch64": "64-bit", "x86_64": "64-bit PC"}


def target_title(target: TargetFacts) -> str:
    """What people call it: Bookworm 32-bit."""
    distribution = _DISTRIBUTIONS.get(target.distribution, target.distribution)
    return f"{distribution} {_ARCHITECTURES.get(target.architecture, target.architecture)}"
