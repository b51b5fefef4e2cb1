"""A file that counts how often it is read, so that no table of offsets can keep its reader busy.

    budget = Budget(reads=100_000)
    elf = ELFFile(MeteredFile(data, budget))

`pyelftools` follows the counts and offsets a file declares. Whatever it does, it does by reading, so a cap on reads is
a cap on everything: time, memory, loops.
"""

import mmap
import os

MOST_AT_ONCE = 1 << 16
"""Bytes: headers and entries are small, and tables are not read through here."""


class ElfRefused(ValueError):
    """An ELF file that is not read any further; the message says why."""


class Budget:
    """Reads that are left, for one file or for all files of a wheel together."""

    def __init__(self, reads: int) -> None:
        self.reads = reads

    def spend(self) -> None:
        """Take one. Raises `ElfRefused` when there are none left."""
        if self.reads <= 0:
            raise ElfRefused("its tables lead from one to another without end")
        self.reads -= 1


class MeteredFile:
    """What `pyelftools` needs of a file (seek, tell, read), over bytes or a memory map."""

    def __init__(self, data: bytes | mmap.mmap, budget: Budget) -> None:
        self._data = memoryview(data)
        self._position = 0
        self._budget = budget

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position; behind the end is allowed, as in any file."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: len(self._data)}[whence]
        if start + offset < 0:
            raise ElfRefused("an offset in it leads before its start")
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        """The position."""
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes."""
        self._budget.spend()
        if not 0 <= size <= MOST_AT_ONCE:
            raise ElfRefused(f"an entry in it claims {size} bytes")
        if self._position >= len(self._data):
            return b""
        piece = bytes(self._data[self._position : self._position + size])
        self._position += len(piece)
        return piece

    def close(self) -> None:
        """Let go of the data; a memory map cannot be closed before."""
        self._data.release()
