"""The answer in one look: what can be installed on each target, how, and if nothing can, why. Pure.

answers = answer_targets(facts, rows)           # one for each target
ways = ways_to_install(facts, answers, "http://127.0.0.1:8000")
ways[0].pip, ways[0].apt, ways[0].targets
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from shlex import quote
from urllib.parse import urlsplit

from piwright.site.matrix import Cell, Row
from piwright.site.project_facts import ProjectFacts, TargetFacts, WheelFacts

_APT_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Answer:
    """For one target: the newest version that installs (`row`, `cell`), or what became of the one pip would choose.

    `newest`: the version that installs is the newest of which pip sees a file there; `by_name`: so it needs no pin.
    `newer` is the cell of the version that stands in the way, or of a newer one that is not for this target.
    """

    target: TargetFacts
    installable: bool
    row: Row | None = None
    cell: Cell | None = None
    newest: bool = True
    by_name: bool = True
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
    newest = newest_row(rows)
    if newest is None:
        return tuple(Answer(target, False) for target in facts.targets)
    candidates = [row for row in rows if not row.release.gone]
    return tuple(_answer(target, position, candidates, newest) for position, target in enumerate(facts.targets))


def newest_row(rows: Sequence[Row]) -> Row | None:
    """The newest version, as pip has it: final before pre-release, what was yanked last."""
    candidates = [row for row in rows if not row.release.gone]
    return max(candidates, key=_preference, default=None)


def _preference(row: Row) -> tuple[bool, bool, object]:
    return not row.release.yanked, not row.version.is_prerelease, row.version


def _answer(target: TargetFacts, position: int, rows: Sequence[Row], newest: Row) -> Answer:
    seen = [row for row in rows if not row.cells[position].unseen]
    choice = max(seen, key=_preference, default=newest)
    chosen = max((row for row in seen if row.cells[position].installable), key=_preference, default=None)
    if chosen is None:
        # Nobody asked for the older version: then it tells more why the newest is not for this target.
        told = newest if choice.cells[position].state == "unknown" else choice
        newer = None if told is newest else newest
    else:
        told = chosen
        newer = choice if choice is not chosen else newest if newest is not chosen else None
    return Answer(
        target,
        chosen is not None,
        told,
        told.cells[position],
        newest=chosen is None or chosen is choice,
        by_name=chosen is choice and _found_by_name(told, seen),
        newer=newer.cells[position] if newer else None,
        newer_version=newer.release.version if newer else None,
    )


def _found_by_name(row: Row, seen: Sequence[Row]) -> bool:
    """pip takes what was yanked by pin only; and a pre-release, where there is a final version, be it yanked."""
    if row.release.yanked:
        return False
    return not row.version.is_prerelease or all(each.version.is_prerelease for each in seen)


def ways_to_install(facts: ProjectFacts, answers: Sequence[Answer], site_url: str) -> tuple[WayToInstall, ...]:
    """What to type, with the targets that need the same together; those of the first target come first."""
    groups: defaultdict[tuple[str | None, str, tuple[str, ...]], list[TargetFacts]] = defaultdict(list)
    for each in answers:
        if each.installable and each.row is not None and each.cell is not None:
            wheel = each.cell.wheel
            # Beside a newer version that has to be compiled, pip would take that one.
            pin = None if each.by_name else each.row.release.version
            index = index_of(each.target, wheel)
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


def index_of(target: TargetFacts, wheel: WheelFacts | None) -> str:
    """The index that offers it, from the root of the tree: one that needs its distribution is in that of the target only."""
    return f"{target.name}/simple/" if wheel and wheel.needs_distribution else "simple/"


@lru_cache(maxsize=100)
def host_to_trust(url: str) -> str | None:
    """The host that pip refuses unless told to trust it: one that is reached without TLS from another machine."""
    parts = urlsplit(url)
    return parts.netloc if parts.scheme == "http" and parts.hostname not in _LOOPBACK else None


_DISTRIBUTIONS = {"bookworm": "Bookworm", "trixie": "Trixie", "bullseye": "Bullseye", "forky": "Forky"}
_ARCHITECTURES = {"armv6l": "32-bit (ARMv6)", "armv7l": "32-bit", "aarch64": "64-bit", "x86_64": "64-bit PC"}


@lru_cache(maxsize=100)
def target_titles(targets: tuple[TargetFacts, ...]) -> dict[str, str]:
    """What people call each: Bookworm 32-bit; with its Python where another one has the same title. By name."""
    titles = {target.name: _title(target) for target in targets}
    shared = Counter(titles.values())
    return {
        target.name: titles[target.name] + (f", Python {target.python}" if shared[titles[target.name]] > 1 else "")
        for target in targets
    }


def _title(target: TargetFacts) -> str:
    distribution = _DISTRIBUTIONS.get(target.distribution, target.distribution)
    return f"{distribution} {_ARCHITECTURES.get(target.architecture, target.architecture)}"
