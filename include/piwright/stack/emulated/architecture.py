"""The architectures a guest may have, and what emulates them.

GUESTS["armv7l"].debian       # "armhf"
GUESTS["armv7l"].binfmt_line("/usr/bin/qemu-arm-static")
"""

import os
import shutil
from dataclasses import dataclass


@dataclass(frozen=True)
class Guest:
    """`machine` is what the kernel calls it, `debian` what Debian does; `elf` is (EI_CLASS, e_machine)."""

    machine: str
    debian: str
    triplet: str
    qemu: str
    cpu: str
    elf: tuple[int, int]

    @property
    def emulator(self) -> str | None:
        """The emulator of this machine by its full path; None where it is not installed."""
        # Newer distributions have the static program under the plain name.
        return shutil.which(f"{self.qemu}-static") or shutil.which(self.qemu)

    @property
    def needs_emulator(self) -> bool:
        """Whether this machine is of another architecture."""
        return os.uname().machine != self.machine

    def binfmt_line(self, emulator: str) -> bytes:
        """What to write into binfmt_misc's `register` (Documentation/admin-guide/binfmt-misc.rst).

        Flags: F opens the emulator now, so it need not exist below the guest's root; P lets programs see their own name.
        """
        word, machine = self.elf
        magic = bytes([0x7F, *b"ELF", word, 1, 1, 0, *bytes(8), 2, 0]) + machine.to_bytes(2, "little")
        # The ABI's byte is not looked at, nor whether it is a plain (2) or a position-independent program (3).
        mask = b"\xff" * 7 + b"\x00" + b"\xff" * 8 + b"\xfe\xff\xff\xff"
        fields = [b"", self.qemu.encode(), b"M", b"", _escaped(magic), _escaped(mask), os.fsencode(emulator), b"PF"]
        return b":".join(fields)


def _escaped(data: bytes) -> bytes:
    return b"".join(b"\\x%02x" % byte for byte in data)


GUESTS = {
    each.machine: each
    for each in (
        # The processors of the oldest Pis that run these: a Pi 2, a Pi 3.
        Guest("armv7l", "armhf", "arm-linux-gnueabihf", "qemu-arm", "cortex-a7", (1, 40)),
        Guest("aarch64", "arm64", "aarch64-linux-gnu", "qemu-aarch64", "cortex-a53", (2, 183)),
    )
}
"""By the name that targets use."""

HOSTS = {"x86_64": "amd64", "aarch64": "arm64"}
"""What Debian calls the machines that can hold an emulated Pi."""
