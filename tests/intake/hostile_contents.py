"""Wheels whose texts are made to be read in two ways, or to be dear to read, or whose files go where they do not belong.

for case in CONTENTS + LAYOUT: case.make(directory), case.reason

Their zips are sound. `hostile_wheels` has the plainer ones.
"""

import random
from collections.abc import Callable
from pathlib import Path

from intake.hostile_wheels import CODE, DIST_INFO, METADATA, Hostile, make_wheel, wheel_info, with_member

HEADERS = METADATA.partition(b"\n\n")[0] + b"\n"
_SKIPPED = b"".join(b"X-%d: 1\n" % number for number in range(300_000))
_TAG_BOMB = "-".join(".".join(f"{letter}{number}" for number in range(3000)) for letter in "abc")
_ROWS = [["", "", ""]] * 2_000_000


def with_metadata(metadata: bytes) -> Callable[[Path], Path]:
    """A wheel with another METADATA."""
    return lambda directory: make_wheel(directory, metadata=metadata)


def with_headers(headers: bytes) -> Callable[[Path], Path]:
    """A wheel with more headers in METADATA."""
    return with_metadata(HEADERS + headers)


def with_info(info: bytes) -> Callable[[Path], Path]:
    """A wheel with another WHEEL file."""
    return lambda directory: make_wheel(directory, info=info)


def with_record(edit: Callable[[list[list[str]]], object]) -> Callable[[Path], Path]:
    """A wheel whose RECORD was changed."""
    return lambda directory: make_wheel(directory, edit_record=edit)


def _millions_of_rows(directory: Path) -> Path:
    """Beside noise that keeps it from being a bomb."""
    noise = {"noise.bin": random.Random(1).randbytes(1 << 20)}
    return make_wheel(directory, code=CODE | noise, edit_record=lambda rows: rows.extend(_ROWS))


CONTENTS = (
    Hostile("RECORD of millions of rows", _millions_of_rows, "more rows than"),
    Hostile("RECORD with a form feed", with_record(lambda rows: rows[0].__setitem__(2, "26\f")), "odd line break"),
    Hostile(
        "RECORD with a line separator", with_record(lambda rows: rows.append(["a\u2028b", "", ""])), "odd line break"
    ),
    Hostile(
        "RECORD with a path outside",
        with_record(lambda rows: rows.append(["../../etc/passwd", "", ""])),
        "not in the wheel",
    ),
    Hostile(
        "RECORD with another way to a path",
        with_record(lambda rows: rows[0].__setitem__(0, "./spidev.py")),
        "not in the wheel",
    ),
    Hostile(
        "RECORD with an absolute path",
        with_record(lambda rows: rows[0].__setitem__(0, "/spidev.py")),
        "not in the wheel",
    ),
    Hostile(
        "RECORD with its own hash",
        with_record(lambda rows: rows[-1].__setitem__(1, "sha256=" + "A" * 43)),
        "RECORD file incorrectly",
    ),
    Hostile("RECORD that signs", with_member(f"{DIST_INFO}/RECORD.jws"), "RECORD.jws is incorrectly"),
    Hostile("headers behind a colon", with_headers(b":\n" + _SKIPPED), "more headers"),
    Hostile("headers behind From", with_headers(b"From x\n" + _SKIPPED), "more headers"),
    Hostile(
        "multipart behind a colon", with_headers(b":\nContent-Type: multipart/mixed; boundary=x\n"), "Content-Type"
    ),
    Hostile("second name behind a colon", with_headers(b":\nName: spidex\n"), "name is repeated"),
    Hostile("second name in capitals", with_headers(b"NAME: spidex\n"), "name is repeated"),
    Hostile("encoded name", with_metadata(METADATA.replace(b"spidev", b"=?utf-8?q?spidev?=")), "is invalid"),
    Hostile("name with NUL", with_metadata(METADATA.replace(b"spidev", b"spidev\0")), "is invalid"),
    Hostile("name with an escape", with_metadata(METADATA.replace(b"spidev", b"spidev\x1b[2J")), "is invalid"),
    Hostile("name of no text", with_metadata(METADATA.replace(b"spidev", b"spidev\xff")), "not UTF-8"),
    Hostile("text in a code page", with_headers(b"Author: J\xf6rg\n"), "METADATA is not UTF-8: byte 80 is 0xf6"),
    Hostile("encoded body", with_headers(b"Content-Transfer-Encoding: base64\n"), "Content-Type header or the like"),
    Hostile("metadata of the future", with_metadata(METADATA.replace(b"2.1", b"3.0")), "Metadata-Version is '3.0'"),
    Hostile("metadata of no version", with_metadata(METADATA.replace(b"2.1", b"new")), "Metadata-Version is 'new'"),
    Hostile("metadata of two versions", with_headers(b"Metadata-Version: 1.0\n"), "metadata-version is repeated"),
    Hostile(
        "version of 5000 digits", with_metadata(METADATA.replace(b"3.6", b"9" * 5000)), "version has 5000 characters"
    ),
    Hostile("long name", with_metadata(METADATA.replace(b"spidev", b"a-" * 1_000_000)), "name has 2000000 characters"),
    Hostile("long requires-python", with_metadata(METADATA.replace(b"3.7", b"9" * 5000)), "requires-python has 5002"),
    Hostile(
        "long requires-dist", with_headers(b"Requires-Dist: a " + b">=1," * 900_000 + b">=1\n"), "requires-dist has"
    ),
    Hostile("many requires-dist", with_headers((b"Requires-Dist: a" + b",>=1" * 900 + b"\n") * 500), "in all"),
    Hostile("WHEEL with a bomb of tags", with_info(wheel_info([_TAG_BOMB])), "more than 500 tags"),
    Hostile("WHEEL with many tags", with_info(wheel_info(f"cp{n}-none-any" for n in range(600))), "more than 500 tags"),
    Hostile("WHEEL of two formats", with_info(wheel_info() + b"Wheel-Version: 9.0\n"), "Wheel-Version is repeated"),
    Hostile("WHEEL of two minds", with_info(wheel_info() + b"Root-Is-Purelib: true\n"), "Root-Is-Purelib is repeated"),
    Hostile("WHEEL of no text", with_info(wheel_info() + b"X: \xff\n"), "WHEEL is not UTF-8"),
    Hostile("huge WHEEL", with_info(wheel_info() + b"x" * 70_000), "at most 65536"),
)

LAYOUT = (
    Hostile(
        "a file over another by its scheme",
        with_member("spidev-3.6.data/platlib/spidev.py"),
        "installed over 'spidev.py'",
    ),
    Hostile("the same in other case", with_member("spidev-3.6.data/purelib/SPIDEV.py"), "installed over 'spidev.py'"),
    Hostile(
        "metadata of another by data",
        with_member("spidev-3.6.data/data/lib/x-1.dist-info/METADATA"),
        "another .dist-info",
    ),
    Hostile("egg-info of another", with_member("evil.egg-info/PKG-INFO"), "pass for another"),
    Hostile("egg-info file of another", with_member("evil-1.0-py3.11.egg-info"), "pass for another"),
    Hostile("egg-info by scheme", with_member("spidev-3.6.data/purelib/evil.egg-info/PKG-INFO"), "pass for another"),
    Hostile("data of another distribution", with_member("other-1.data/scripts/x"), "another distribution"),
    Hostile("no scheme", with_member("spidev-3.6.data/etc/passwd"), "no install scheme"),
    *(
        Hostile(
            f"a script called {name}", with_member(f"{DIST_INFO}/entry_points.txt", text.encode()), "entry_points.txt"
        )
        for name, text in {
            "outside": "[console_scripts]\n../../evil = spidev:open\n",
            "absolutely": "[gui_scripts]\n/etc/cron.d/evil = spidev:open\n",
            "outside, behind another": "[console_scripts]\nx = ../../evil = spidev:open\n",
            "outside, in brackets": "[console_scripts]\nx[../../../evil = spidev:open\n",
            "with a space": "[console_scripts]\na b = spidev:open\n",
            "of no function": "[console_scripts]\nx = spidev\n",
            "behind what is no entry": "[x]\nhello\n",
            "in a section without a name": "[]\nx = y\n",
            "in half a section": "[x\n",
            "nothing in a section of others": "[x]\n== y\n",
            "by default": "[DEFAULT]\n../evil = spidev:open\n[console_scripts]\nx = spidev:open\n",
            "behind a comment": "[console_scripts] ; x\n;../evil = spidev:open\n",
            "nothing": "[console_scripts]\n = spidev:open\n",
            "two dots": "[console_scripts]\n.. = spidev:open\n",
            "an escape": "[console_scripts]\na\x1b[2Jb = spidev:open\n",
            "a long time": "[console_scripts]\n" + "a" * 300 + " = spidev:open\n",
        }.items()
    ),
    Hostile("entry points of no text", with_member(f"{DIST_INFO}/entry_points.txt", b"\xff"), "not UTF-8"),
    Hostile("huge entry points", with_member(f"{DIST_INFO}/entry_points.txt", b"#" * (2 << 20)), "at most 1048576"),
)
"""Wheels that are whole, and would put files where they do not belong."""
