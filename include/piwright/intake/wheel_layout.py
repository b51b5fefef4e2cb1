"""Judges where the files of a wheel would land when it is installed, beyond what each path says by itself.

    judge_layout(archive, "spidev-3.6.dist-info")   # ["'spidev-3.6.data/etc/x' is for no install scheme"]

What a wheel may do is left alone, also where it is odd: a `.pth` file or a `sitecustomize.py` runs code when Python
starts, and `.data/data` writes below the whole environment. But nothing may be installed over another file of the same
wheel, pass for another distribution, or be written outside of the place for its kind.
"""

import re
from collections.abc import Iterable

from packaging.utils import canonicalize_name

from piwright.intake.untrusted import clean_text
from piwright.intake.wheel_archive import Archive
from piwright.intake.wheel_members import fold

_SCHEMES = frozenset({"purelib", "platlib", "headers", "scripts", "data"})
_LIBRARIES = ("purelib", "platlib")
_MOST_REASONS = 20
_ENTRY_POINTS_BYTES = 1 << 20
_SCRIPT_SECTIONS = ("console_scripts", "gui_scripts", "DEFAULT")
_SCRIPT = re.compile(r"(?!\.{1,2}$)[^\s/\\\[\]\x00-\x1f\x7f-\x9f]{1,200}")
# Pip searches for `name = module:function` also within what stands behind the first `=`.
_FUNCTION = re.compile(r"[\w.]+\s*:\s*[\w.]+\s*(?:\[[\w\s,.-]*\])?")


def judge_layout(archive: Archive, dist_info: str) -> list[str]:
    """What is wrong with where files go. Raises `ArchiveRejected` when entry_points.txt is larger than any project's."""
    reasons = judge_places(archive.members, dist_info)
    name = f"{dist_info}/entry_points.txt"
    if name in archive.members:
        reasons += judge_entry_points(archive.read(name, _ENTRY_POINTS_BYTES))
    return reasons


def judge_places(members: Iterable[str], dist_info: str) -> list[str]:
    """What is wrong with the places of members: schemes, other distributions, two files for one place."""
    reasons: list[str] = []
    data = dist_info.removesuffix(".dist-info") + ".data"
    taken: dict[str, str] = {}
    for member in members:
        top, _, rest = member.partition("/")
        place = member
        if top.endswith(".data") and rest:
            scheme, _, place = rest.partition("/")
            if top != data:
                reasons.append(f"{member!r} is data of another distribution")
                continue
            if scheme not in _SCHEMES or not place:
                reasons.append(f"{member!r} is for no install scheme")
                continue
            if scheme == "data" and _passes_for_another(place.split("/"), dist_info):
                reasons.append(f"{member!r} would install another .dist-info")
            if scheme not in _LIBRARIES:
                continue
            if place.split("/", 1)[0].lower().endswith(".dist-info"):
                reasons.append(f"{member!r} would install another .dist-info")
                continue
        if _passes_for_another(place.split("/", 1)[:1], dist_info):
            reasons.append(f"{member!r} would pass for another distribution")
        elif (other := taken.setdefault(fold(place), member)) != member:
            reasons.append(f"{member!r} would be installed over {other!r}")
    return reasons


def _passes_for_another(parts: list[str], dist_info: str) -> bool:
    """Whether Python would find a distribution other than the wheel's by one of these names."""
    project = canonicalize_name(dist_info.removesuffix(".dist-info").rpartition("-")[0])
    for part in parts:
        stem, _, suffix = part.rpartition(".")
        if suffix.lower() not in ("dist-info", "egg-info") or part == dist_info:
            continue
        if canonicalize_name(stem.partition("-")[0]) != project:
            return True
    return False


def judge_entry_points(content: bytes) -> list[str]:
    """What is wrong with the names of the scripts an installer would write: it joins them to a directory.

    Read as the most forgiving reader does, for `importlib.metadata` and `configparser` differ in what a section is.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return ["entry_points.txt is not UTF-8"]
    reasons: list[str] = []
    scripts = False
    for line in map(str.strip, text.splitlines()):
        if not line or line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]") and line.strip("[]").strip():
            scripts = any(section in line for section in _SCRIPT_SECTIONS)
        elif "=" not in line or line.startswith("="):
            # Whoever lists entry points, of whatever project in that environment, would stumble over it.
            reasons.append(f"entry_points.txt has {clean_text(line, 100)!r}, which is neither a section nor an entry")
        elif scripts:
            reasons += _judge_script(*(part.strip() for part in line.split("=", 1)))
        if len(reasons) >= _MOST_REASONS:
            break
    return reasons


def _judge_script(name: str, function: str) -> list[str]:
    if not _SCRIPT.fullmatch(name) or len(name.encode("utf-8", "replace")) > 200:
        return [f"entry_points.txt asks for a script called {clean_text(name, 100)!r}"]
    if not _FUNCTION.fullmatch(function):
        shown = clean_text(function, 100)
        return [f"entry_points.txt has {shown!r} for the script {name!r}, which is no function of a module"]
    return []
