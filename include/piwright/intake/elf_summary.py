"""Writes down what was found in a wheel's objects, for a database and for people: plain values, bounded.

summarise(verdict)      # {"objects": [...], "needed": ["libc.so.6"], "glibc": "2.34", "armv6": False, ...}
"""

from collections.abc import Iterable
from typing import Any

from piwright.intake.elf_arm import armv6_problem
from piwright.intake.elf_roles import Assigned
from piwright.intake.tag_verdict import Verdict
from piwright.intake.untrusted import clean_text

_MOST_OBJECTS = 100
_MOST_NAMES = 100
_MOST_TEXT = 200


def summarise(verdict: Verdict) -> dict[str, Any]:
    """A dict for JSON; empty for a wheel without any object.

    "objects" has the first hundred, each with its role; "count" is of all; "notes" are about those that are there and
    were not judged, such as firmware.
    """
    if not verdict.roles:
        return {}
    native = [each for each in verdict.roles if each.role == "native"]
    return {
        "count": len(verdict.roles),
        "objects": [_object(each) for each in verdict.roles[:_MOST_OBJECTS]],
        "needed": [clean_text(name, _MOST_TEXT) for name in verdict.needed[:_MOST_NAMES]],
        "needs_distribution": verdict.needs_distribution,
        "glibc": ".".join(map(str, verdict.glibc)) if verdict.glibc else None,
        "armv6": verdict.armv6,
        "neon": any(each.file.arm is not None and each.file.arm.neon for each in native),
        "notes": [_text(f"{each.file.member} {each.why}") for each in verdict.roles if each.why][:_MOST_OBJECTS],
    }


def _object(each: Assigned) -> dict[str, Any]:
    file, dynamic = each.file, each.file.dynamic
    facts: dict[str, Any] = {
        "member": _text(file.member),
        "role": each.role,
        "kind": file.kind,
        "machine": file.machine,
        "bits": file.bits,
    }
    if file.machine == "EM_ARM":
        facts |= {"float_abi": file.float_abi, "armv6": not armv6_problem(file.arm)}
    if file.arm is not None:
        facts |= {"cpu": file.arm.cpu, "fp": file.arm.fp, "neon": file.arm.neon}
    if dynamic is not None:
        facts |= {
            "needed": list(dynamic.needed[:_MOST_NAMES]),
            "soname": dynamic.soname,
            "rpath": dynamic.runpath or dynamic.rpath,
            "versions": _highest(dynamic.versions),
            "python_symbols": len(dynamic.python_symbols),
            "modules": list(dynamic.modules[:_MOST_NAMES]),
        }
    return facts


def _text(text: str) -> str:
    return clean_text(text, _MOST_TEXT)


def _highest(versions: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The highest version of each scale: {"GLIBC": "2.34", "GLIBCXX": "3.4.30"}."""
    found: dict[str, tuple[tuple[int, ...], str]] = {}
    for _, version in versions:
        scale, _, number = version.rpartition("_")
        if not scale or not all(part.isdecimal() and len(part) < 6 for part in number.split(".")):
            continue
        key = tuple(int(part) for part in number.split("."))
        if (scale in found or len(found) < _MOST_NAMES) and key > found.get(scale, ((), ""))[0]:
            found[scale] = (key, number)
    return {scale: number for scale, (_, number) in sorted(found.items())}
