"""What a distribution file is, and of which version, from its name alone.

    read_filename("RPi.GPIO-0.7.1.tar.gz", "rpi-gpio")   # FileName(kind='sdist', version=<Version('0.7.1')>)

Names from before the standards do not say where the project's name ends (`a-b-1.0.zip`), so the name of the project
whose page lists the file is the hint.
"""

import re
from dataclasses import dataclass
from typing import Literal

from packaging.utils import InvalidWheelFilename, NormalizedName, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

Kind = Literal["sdist", "wheel", "other"]

LONGEST = 255
"""Characters; no file system the shop runs on takes a longer name."""

_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+!~-]*")
_SDIST = (".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz")
_OTHER = (".egg", ".exe", ".msi", ".rpm", ".deb", ".dmg", ".tar.z", ".tar.lzma")
# distutils made binary archives that look like sdists but for what follows the version: a-1.0.linux-x86_64.tar.gz,
# a-1.0.win32-py2.7.exe, a-1.0-py3.4.egg, a-1.0-1.noarch.rpm.
_BUILT = re.compile(
    r"[.-](py[23](\.\d+)?|linux|win32|win-amd64|win-arm64|macosx|darwin|cygwin|freebsd|solaris|aix)([.-].*)?$"
    r"|(-\d+)?\.(noarch|src|i[3-6]86|x86_64)$",
    re.IGNORECASE,
)


class FileNameError(ValueError):
    """A name that does not say what the file is; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class FileName:
    """`kind` is `other` for files that today's installers ignore: eggs, installers, system packages."""

    kind: Kind
    version: Version


def read_filename(filename: str, project: NormalizedName) -> FileName:
    """What a file of a project is. Raises `FileNameError` when the name is unsafe, foreign or has no valid version."""
    if len(filename) > LONGEST or not _SAFE.fullmatch(filename):
        raise FileNameError(f"a plain file name of at most {LONGEST} characters")
    if filename.endswith(".whl"):
        return FileName("wheel", _wheel_version(filename, project))
    ending = _ending(filename)
    after = _after_name(filename.removesuffix(ending), project)
    if ending.lower() in _SDIST:
        version = _version(after)
        if version is not None:
            return FileName("sdist", version)
    version = _version(_BUILT.sub("", after).replace("_", "-"))  # eggs write hyphens as underscores
    if version is None:
        raise FileNameError(f"a version that the standard allows, not {after!r}")
    return FileName("other", version)


def _wheel_version(filename: str, project: NormalizedName) -> Version:
    try:
        name, version, _, _ = parse_wheel_filename(filename)
    except InvalidWheelFilename as error:
        raise FileNameError("NAME-VERSION[-BUILD]-PYTHON-ABI-PLATFORM.whl") from error
    if name != project:
        raise FileNameError(f"a wheel of {project}, not of {name}")
    return version


def _ending(filename: str) -> str:
    lowered = filename.lower()
    for ending in (*_SDIST, *_OTHER):
        if lowered.endswith(ending):
            return filename[-len(ending) :]
    raise FileNameError("a name that ends as sdists and wheels do, such as .tar.gz, .zip or .whl")


def _after_name(stem: str, project: NormalizedName) -> str:
    """What follows the project's name and a hyphen, however the name is spelt."""
    position = stem.find("-")
    while position > 0:
        if canonicalize_name(stem[:position]) == project:
            return stem[position + 1 :]
        position = stem.find("-", position + 1)
    raise FileNameError(f"a name that starts with {project} and a hyphen")


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None
