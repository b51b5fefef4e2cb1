"""The system calls that no build needs, as a filter for the kernel (bubblewrap's `--seccomp`).

    path.write_bytes(filter_program())

Namespaces, mounts and modules are out of reach without rights already; the filter takes away what an ordinary user may
call: key rings (which outlive a build), programs inside the kernel, its performance counters, io_uring. A denied call
fails with EPERM. Numbers differ between architectures, and a 64-bit kernel runs 32-bit programs too, so the filter holds
them all; an architecture it does not know is let through.

Numbers: include/uapi/asm-generic/unistd.h and arch/*/tools/syscall.tbl of Linux.
"""

from __future__ import annotations

import struct

# fmt: off
_SINCE_ONE_TABLE = (425, 426, 427, 428, 429, 430, 431, 432, 433, 442)
"""io_uring_setup, _enter, _register; open_tree, move_mount, fsopen, fsconfig, fsmount, fspick; mount_setattr: the same
everywhere since Linux 5.1."""

# add_key, request_key, keyctl, bpf, userfaultfd, perf_event_open, name_to_handle_at, open_by_handle_at, mount, umount2,
# pivot_root, setns, unshare, kexec_load, init_module, finit_module, delete_module, quotactl, acct, swapon, swapoff,
# reboot, syslog, shmget (memory that belongs to no process, so that no watchdog sees it; i386: ipc too)
_DENIED = {
    0xC000003E: (248, 249, 250, 321, 323, 298, 303, 304, 165, 166, 155, 308, 272, 246, 175, 313, 176, 179, 163, 167, 168,
                 169, 103, 29),  # x86-64
    0xC00000B7: (217, 218, 219, 280, 282, 241, 264, 265, 40, 39, 41, 268, 97, 104, 105, 273, 106, 60, 89, 224, 225,
                 142, 116, 194),  # AArch64
    0x40000028: (309, 310, 311, 386, 388, 364, 370, 371, 21, 52, 218, 375, 337, 347, 128, 379, 129, 131, 51, 87, 115,
                 88, 103, 307),  # ARM (EABI)
    0x40000003: (286, 287, 288, 357, 374, 336, 341, 342, 21, 52, 217, 346, 310, 283, 128, 350, 129, 131, 51, 87, 115,
                 88, 103, 395, 117, 102),  # i386, whose old socketcall hides the family
}
_SOCKET = {0xC000003E: 41, 0xC00000B7: 198, 0x40000028: 281, 0x40000003: 359}
_FAMILIES = (1, 2, 10, 16)
"""AF_UNIX, AF_INET, AF_INET6, AF_NETLINK: those that a network namespace shuts in. AF_VSOCK, for one, knows none."""
# fmt: on
_X86_64 = 0xC000003E
_X32_BIT = 0x40000000
_EPERM = 1

_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
"""Where struct seccomp_data has them."""
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000


def filter_program() -> bytes:
    """The filter: instructions of classic BPF in the byte order of this machine."""
    program = [_instruction(_LOAD, 0, 0, _ARCHITECTURE)]
    for architecture, denied in _DENIED.items():
        block = _block(denied + _SINCE_ONE_TABLE, _SOCKET[architecture], architecture == _X86_64)
        program += [_instruction(_IF_EQUAL, 0, len(block), architecture), *block]
    return b"".join([*program, _instruction(_RETURN, 0, 0, _ALLOW)])


def _block(denied: tuple[int, ...], socket: int, with_x32: bool) -> list[bytes]:
    """For one architecture: deny what is listed, and sockets of other families. x32 is a second set of numbers."""
    checks = [(_IF_EQUAL, number) for number in denied] + ([(_IF_AT_LEAST, _X32_BIT)] if with_x32 else [])
    families = [
        _instruction(_IF_EQUAL, 0, len(_FAMILIES) + 2, socket),
        _instruction(_LOAD, 0, 0, _FIRST_ARGUMENT),
        *(_instruction(_IF_EQUAL, len(_FAMILIES) - at, 0, family) for at, family in enumerate(_FAMILIES)),
    ]
    to_denial = len(checks) + len(families) - 1
    block = [_instruction(_LOAD, 0, 0, _NUMBER)]
    block += [_instruction(kind, to_denial - at, 0, number) for at, (kind, number) in enumerate(checks)]
    denial, permission = _instruction(_RETURN, 0, 0, _ERRNO | _EPERM), _instruction(_RETURN, 0, 0, _ALLOW)
    return [*block, *families, denial, permission]


def _instruction(code: int, if_true: int, if_false: int, operand: int) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, operand)
