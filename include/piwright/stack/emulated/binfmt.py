"""Lets the kernel run a guest's programs by itself: binfmt_misc of a user namespace (Linux 6.7 and newer).

    register(GUESTS["armv7l"], Path("/proc/sys/fs/binfmt_misc"))     # inside a namespace of one's own

Older kernels know one binfmt_misc for the whole machine; what an administrator registered there serves as well.
"""

from pathlib import Path

from piwright.stack.emulated.architecture import Guest
from piwright.stack.emulated.namespace import NO_DEVICES, NO_PROGRAMS, NO_SUID, mount

MACHINE_WIDE = Path("/proc/sys/fs/binfmt_misc")


class NotEmulated(RuntimeError):
    """Programs of the guest's architecture cannot be run here; says why and what to do."""


def register(guest: Guest, place: Path) -> None:
    """Mount the namespace's own binfmt_misc at `place`, and register the guest's emulator in it. Raises `NotEmulated`."""
    if not guest.needs_emulator:
        return
    by_machine = registered_machine_wide(guest, MACHINE_WIDE)
    emulator = guest.emulator
    try:
        if emulator is None:
            raise NotEmulated(f"There is no {guest.qemu}-static: install it (Debian: apt install qemu-user-static).")
        mount("binfmt_misc", place, "binfmt_misc", NO_SUID | NO_DEVICES | NO_PROGRAMS)
        (place / "register").write_bytes(guest.binfmt_line(emulator))
    except (OSError, NotEmulated) as error:
        if not by_machine:
            raise NotEmulated(
                f"{guest.machine} programs cannot be run ({error}): it takes Linux 6.7, where everybody may register an "
                f"emulator, or an administrator who registers {guest.qemu} for the machine "
                "(Debian: apt install qemu-user-static binfmt-support)."
            ) from None


def registered_machine_wide(guest: Guest, place: Path) -> bool:
    """Whether the machine itself runs such programs, with an emulator that works below another root too (flag F)."""
    machine = guest.elf[1].to_bytes(2, "little").hex()
    try:
        entries = [each.read_text() for each in place.iterdir() if each.name not in ("register", "status")]
    except OSError:
        return False
    for entry in entries:
        words = dict(line.partition(" ")[::2] for line in entry.splitlines())
        magic = words.get("magic", "")
        if entry.startswith("enabled") and "F" in words.get("flags:", "") and magic[36:40] == machine:
            return True
    return False
