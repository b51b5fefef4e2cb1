"""Writes the smallest shared object for 32-bit ARM that a dynamic loader would take, without a compiler.

    code = shared_object("PyInit__spidev")

It exports one function (of no instruction), needs libc, and says nothing about the kind of ARM: ARMv7 is assumed.
"""

import struct

_HEADER, _SEGMENT, _SYMBOL, _DYNAMIC = 52, 32, 16, 8
_EM_ARM, _HARD_FLOAT_EABI5 = 40, 0x05000400
_GLOBAL_FUNCTION, _ABSOLUTE = 0x12, 0xFFF1


def shared_object(exported: str, needed: str = "libc.so.6") -> bytes:
    """An ELF file of some 300 bytes."""
    names = b"\0" + exported.encode() + b"\0" + needed.encode() + b"\0"
    names += bytes(-len(names) % 4)
    strings = _HEADER + 2 * _SEGMENT
    symbols = strings + len(names)
    hashes = symbols + 2 * _SYMBOL
    dynamic = hashes + 4 * 5
    entries = (
        (1, names.index(needed.encode())),  # DT_NEEDED
        (4, hashes),
        (5, strings),
        (6, symbols),
        (10, len(names)),
        (11, _SYMBOL),
        (0, 0),
    )
    size = dynamic + _DYNAMIC * len(entries)
    header = b"\x7fELF\1\1\1" + bytes(9)
    header += struct.pack("<2H5L6H", 3, _EM_ARM, 1, 0, _HEADER, 0, _HARD_FLOAT_EABI5, _HEADER, _SEGMENT, 2, 40, 0, 0)
    segments = struct.pack("<8L", 1, 0, 0, 0, size, size, 6, 4096)
    length = _DYNAMIC * len(entries)
    segments += struct.pack("<8L", 2, dynamic, dynamic, dynamic, length, length, 6, 4)
    table = bytes(_SYMBOL) + struct.pack("<3L2BH", 1, 1, 0, _GLOBAL_FUNCTION, 0, _ABSOLUTE)
    buckets = struct.pack("<5L", 1, 2, 1, 0, 0)
    return header + segments + names + table + buckets + b"".join(struct.pack("<2L", *entry) for entry in entries)
