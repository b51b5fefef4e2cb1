"""Names the apt packages a wheel needs at run time.

    runtime_packages({"libopenblas.so.0", "libc.so.6"}, {"libopenblas.so.0": "libopenblas0-pthread"}, {"libc6"})
    # RuntimePackages(packages=("libopenblas0-pthread",), unknown=())

The sonames are from the wheel, what they are called in Debian from a worker that has them installed. Neither is
believed: a name that is none of Debian's is no name.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from piwright.intake.manylinux import is_loader

_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]{1,100}")  # Debian policy, 5.6.1
_MOST = 200
# Of the C library itself, which no system is without.
_C_LIBRARY = frozenset(
    {
        *("libc.so.6", "libm.so.6", "libmvec.so.1", "libanl.so.1", "libdl.so.2", "librt.so.1", "libutil.so.1"),
        *("libpthread.so.0", "libresolv.so.2", "libBrokenLocale.so.1", "libthread_db.so.1"),
    }
)


@dataclass(frozen=True)
class RuntimePackages:
    """`packages` to install beside the wheel, sorted; `unknown` are sonames that no known package has."""

    packages: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def runtime_packages(
    needed: Iterable[str], libraries: Mapping[str, str], preinstalled: Iterable[str]
) -> RuntimePackages:
    """What is needed beyond what the operating system ships."""
    shipped = set(preinstalled)
    packages: set[str] = set()
    unknown: set[str] = set()
    for soname in needed:
        if soname in _C_LIBRARY or is_loader(soname):
            continue
        package = libraries.get(soname, "").partition(":")[0]  # dpkg writes libc6:armhf
        if _PACKAGE.fullmatch(package):
            packages.add(package)
        else:
            unknown.add(soname)
    return RuntimePackages(tuple(sorted(packages - shipped)[:_MOST]), tuple(sorted(unknown)[:_MOST]))
