"""Says whether objects keep to Python's stable ABI, and which Python has all of it that they use.

    audit = audit_abi3(objects, (3, 7))
    audit.foreign       # ("_PyLong_AsByteArray",): symbols that are not part of it
    audit.computed      # (3, 9): the first Python with all the others

`abi3audit` judges; the symbols come from our own bounded reading. Only what an object takes from the interpreter is
shown to it: `abi3audit` by itself also counts functions the object defines, and calls a `PyMine_New` of the project's
own a violation.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from piwright.intake.elf import ElfFile

_LIBPYTHON = "libpython3."


@dataclass(frozen=True)
class Abi3Audit:
    """`foreign` symbols are not of the stable ABI; `computed` is (3, minor), at least the baseline."""

    foreign: tuple[str, ...]
    computed: tuple[int, int]


class _Symbols:
    """An object as `abi3audit.audit` wants it: a baseline and symbols. It never opens a file or a connection."""

    def __init__(self, found: Iterable[str], baseline: tuple[int, int]) -> None:
        self._found = tuple(found)
        self._baseline = baseline

    def abi3_version(self, assume_lowest: Any) -> Any:
        from abi3info.models import PyVersion

        return PyVersion(*self._baseline)

    def __iter__(self) -> Iterator[Any]:
        from abi3info.models import Symbol

        for name in self._found:
            yield Symbol(name, visibility="global")


def audit_abi3(objects: Iterable[ElfFile], baseline: tuple[int, int]) -> Abi3Audit:
    """Audit all objects together for a wheel that says it runs from Python `baseline` on."""
    from abi3audit._audit import audit  # a second, most of it for its network client: only where a wheel claims abi3

    symbols: set[str] = set()
    linked: set[str] = set()
    for each in objects:
        if each.dynamic is not None:
            symbols.update(each.dynamic.python_symbols)
            # libpython3.so is the stable ABI's own; libpython3.11.so.1.0 is one Python's.
            linked.update(
                n for n in each.dynamic.needed if n.startswith(_LIBPYTHON) and not n.startswith("libpython3.so")
            )
    result = audit(_Symbols(sorted(symbols), baseline))
    foreign = sorted(symbol.name for symbol in result.non_abi3_symbols)
    return Abi3Audit(tuple(foreign + sorted(linked)), (result.computed.major, result.computed.minor))
