"""Reads what the dynamic loader reads of an ELF file: libraries it needs, versions of their symbols, Python's symbols.

    dynamic = read_dynamic(elf, data)       # None for an object the loader never sees
    dynamic.needed, dynamic.versions, dynamic.python_symbols

As the loader does, it starts at PT_DYNAMIC and looks at no section: those may be stripped, or say other than what is
loaded. `pyelftools` follows the tables; the symbols themselves, of which there may be a million, are unpacked here.
"""

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

from piwright.intake.elf_stream import ElfRefused
from piwright.intake.untrusted import clean_text

_MOST_SEGMENTS = 256
_MOST_NEEDED = 1000
_MOST_VERSIONS = 5000
_MOST_SYMBOLS = 3_000_000  # the largest libraries known have half a million
_MOST_PYTHON_SYMBOLS = 20_000
_LONGEST_NAME = 4096
_STRINGS = ("DT_NEEDED", "DT_SONAME", "DT_RPATH", "DT_RUNPATH")
_LOCAL = 0


@dataclass(frozen=True)
class Dynamic:
    """What an object asks of the loader, as it says; texts are cleaned.

    `versions` has (library, version) such as ("libc.so.6", "GLIBC_2.34"). `python_symbols` are those of the
    interpreter that others must define; `modules` are the names of extension modules it can be imported as.
    """

    needed: tuple[str, ...] = ()
    soname: str = ""
    rpath: str = ""
    runpath: str = ""
    versions: tuple[tuple[str, str], ...] = ()
    python_symbols: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()


class AsLoaded(ELFFile):
    """An ELF file without its sections."""

    def num_sections(self) -> int:
        """None that the loader would know."""
        return 0


def read_dynamic(elf: AsLoaded, data: mmap.mmap) -> Dynamic | None:
    """What PT_DYNAMIC leads to. Raises `ElfRefused`, or whatever a parser raises, for what cannot be followed."""
    if elf["e_phnum"] > _MOST_SEGMENTS:
        raise ElfRefused(f"it has {elf['e_phnum']} segments; at most {_MOST_SEGMENTS} are read")
    segment = next(elf.iter_segments("PT_DYNAMIC"), None)
    if not isinstance(segment, DynamicSegment) or segment["p_filesz"] == 0:
        return None
    texts = _strings(segment)
    undefined, modules = _python_names(elf, segment, data)
    return Dynamic(
        needed=tuple(texts["DT_NEEDED"]),
        soname=next(iter(texts["DT_SONAME"]), ""),
        rpath=":".join(texts["DT_RPATH"]),
        runpath=":".join(texts["DT_RUNPATH"]),
        versions=_versions(elf, segment),
        python_symbols=undefined,
        modules=modules,
    )


def _strings(segment: DynamicSegment) -> dict[str, list[str]]:
    texts: dict[str, list[str]] = {name: [] for name in _STRINGS}
    for entry in segment._iter_tags():
        if entry["d_tag"] in texts:
            found = texts[entry["d_tag"]]
            text = segment._get_stringtable().get_string(entry["d_val"])
            found.append(clean_text(text, 200))
            if len(found) > _MOST_NEEDED:
                raise ElfRefused(f"it has more than {_MOST_NEEDED} entries {entry['d_tag']}")
    return texts


def _value(segment: DynamicSegment, tag: str) -> int | None:
    entry = next(segment._iter_tags(tag), None)
    return None if entry is None else int(entry["d_val"])


def _versions(elf: AsLoaded, segment: DynamicSegment) -> tuple[tuple[str, str], ...]:
    """The symbol versions it requires, by library (DT_VERNEED)."""
    _, offset = segment.get_table_offset("DT_VERNEED")
    count = _value(segment, "DT_VERNEEDNUM") or 0
    if offset is None or not count:
        return ()
    header: Any = {"sh_offset": offset, "sh_info": count, "sh_size": 0, "sh_flags": 0, "sh_addralign": 0}
    table = GNUVerNeedSection(header, "", elf, segment._get_stringtable())  # type: ignore[arg-type]
    found: set[tuple[str, str]] = set()
    entries = 0
    for library, versions in table.iter_versions():
        for version in versions:
            entries += 1
            if entries > _MOST_VERSIONS:
                raise ElfRefused(f"it requires more than {_MOST_VERSIONS} versions of symbols")
            found.add((clean_text(library.name or "", 200), clean_text(version.name, 200)))
    return tuple(sorted(found))


def _python_names(elf: AsLoaded, segment: DynamicSegment, data: mmap.mmap) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(symbols of the interpreter it wants, modules it defines)."""
    _, names = segment.get_table_offset("DT_STRTAB")
    undefined: set[str] = set()
    modules: set[str] = set()
    for name, binding, defined in _symbols(elf, segment, data, names):
        start = (names or 0) + name
        head = data[start : start + 7]
        if binding == _LOCAL or not head.startswith((b"Py", b"_Py")):
            continue
        end = data.find(b"\0", start, start + _LONGEST_NAME)
        if end < 0:
            raise ElfRefused("the name of a symbol in it has no end")
        text = clean_text(data[start:end].decode("utf-8", "replace"), 200)
        if not defined:
            undefined.add(text)
        elif head == b"PyInit_":
            modules.add(text[7:])
        elif text.startswith("PyInitU_"):
            modules.add(text[8:])
        if len(undefined) + len(modules) > _MOST_PYTHON_SYMBOLS:
            raise ElfRefused(f"it has more than {_MOST_PYTHON_SYMBOLS} symbols of the interpreter")
    return tuple(sorted(undefined)), tuple(sorted(modules))


def _symbols(
    elf: AsLoaded, segment: DynamicSegment, data: mmap.mmap, names: int | None
) -> Iterator[tuple[int, int, bool]]:
    """(offset of the name, binding, is defined) of each dynamic symbol."""
    _, start = segment.get_table_offset("DT_SYMTAB")
    if start is None:
        return
    count = segment.num_symbols()
    if count <= 1 and names is not None and names > start:
        # An object that exports nothing has an empty hash table, which counts nothing; by custom the names come next.
        count = (names - start) // (16 if elf.elfclass == 32 else 24)
    order = "<" if elf.little_endian else ">"
    # The two classes have the same fields in another order.
    layout = struct.Struct(order + ("L8xBxH" if elf.elfclass == 32 else "LBxH16x"))
    if count > _MOST_SYMBOLS or start + count * layout.size > len(data):
        raise ElfRefused(f"it claims {count} dynamic symbols")
    with memoryview(data) as view, view[start : start + count * layout.size] as table:
        for name, info, section in layout.iter_unpack(table):
            yield name, info >> 4, section != 0
