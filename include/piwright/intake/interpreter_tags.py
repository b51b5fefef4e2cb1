"""Decides which interpreter and ABI a wheel with compiled objects may claim. Pure; a part of `platform_tags`.

verdict = judge_abi(verdict, native_objects, site)      # with other tags, or with reasons
"""

import re
from dataclasses import replace

from piwright.intake.abi3 import audit_abi3
from piwright.intake.elf import ElfFile
from piwright.intake.elf_machines import extension_name
from piwright.intake.tag_verdict import Site, Verdict

_MOST_NAMED = 5
_CPYTHON = re.compile(r"cp3([0-9]{1,3})")


def judge_abi(verdict: Verdict, native: list[ElfFile], site: Site) -> Verdict:
    """Whether the claimed interpreter and ABI hold for the objects that use the interpreter."""
    bound = [each for each in native if each.bound_to_python]
    if not bound:
        return verdict
    if "abi3" in verdict.tags.abis:
        return _judge_abi3(verdict, bound, site)
    if "none" in verdict.tags.abis:
        said = f"it claims no ABI, and {bound[0].member} uses the interpreter's"
        return _one_python(verdict, said, site) if site.python else replace(verdict, reasons=(said,))
    return verdict


def _judge_abi3(verdict: Verdict, bound: list[ElfFile], site: Site) -> Verdict:
    minors = [int(match[1]) for name in verdict.tags.interpreters if (match := _CPYTHON.fullmatch(name))]
    if not minors:
        return replace(
            verdict, reasons=(f"it claims abi3 for {'.'.join(verdict.tags.interpreters)}, not for a CPython",)
        )
    for each in bound:
        name = extension_name(each.member)
        if name and name.python:
            said = f"it claims abi3, and {each.member} is named for one Python only"
            if site.python and name.python == f"cpython-{site.python[0]}{site.python[1]}":
                return _one_python(verdict, said, site)
            return replace(verdict, reasons=(said,))
    audit = audit_abi3(bound, (3, min(minors)))
    if audit.foreign:
        shown = ", ".join(audit.foreign[:_MOST_NAMED])
        said = f"it claims abi3 and uses {shown}, which the stable ABI does not have"
        # An older Python in the name means that it was meant to run where these symbols may be others.
        if site.python and tag_of(site.python) in verdict.tags.interpreters:
            return _one_python(verdict, said, site)
        return replace(verdict, reasons=(said,))
    if audit.computed > (3, min(minors)):
        said = f"it claims abi3 from Python 3.{min(minors)} on and uses what came with 3.{audit.computed[1]}"
        if site.python is None or audit.computed > site.python:
            return replace(verdict, reasons=(said,))
        tags = replace(verdict.tags, interpreters=(tag_of(audit.computed),))
        return replace(verdict, tags=tags, corrections=(*verdict.corrections, said), untrue=True)
    return verdict


def _one_python(verdict: Verdict, said: str, site: Site) -> Verdict:
    assert site.python is not None
    tag = tag_of(site.python)
    tags = replace(verdict.tags, interpreters=(tag,), abis=(tag,))
    return replace(verdict, tags=tags, corrections=(*verdict.corrections, said), untrue=True)


def tag_of(python: tuple[int, int]) -> str:
    """Such as "cp311"."""
    return f"cp{python[0]}{python[1]}"
