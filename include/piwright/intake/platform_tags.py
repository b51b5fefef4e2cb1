"""Decides which tags a wheel may truthfully carry, from its objects, its claim and the target. Pure.

    verdict = judge_tags(Claim(tags, purelib=False), objects, Site("armv7l", (3, 11), ("glibc", 2, 36)))
    verdict.reasons         # not empty: not published
    verdict.tags            # the true ones; `verdict.untrue` when the claim was a lie, not just less than could be said

What follows from what:

- **Objects for another machine** are refused, unless nothing would ever load them (`elf_roles`).
- **Pure with native objects**: gets the platform; and the interpreter, where an object is bound to it.
- **Platform without native objects**: nothing in it needs the platform or an ABI, so both go; the Python stays as
  claimed. Keeping the platform would be true as well, but would say that there is compiled code, and hide from the
  next reader that an optional extension was left out. It is refused where it brings code for another system, or
  bytecode without its source: then what it needs cannot be seen. `verdict.widened` warns that the project itself
  promised less: it was built for one target, and must not keep others from building theirs.
- **abi3** with symbols beyond the stable ABI becomes the wheel of its one Python; with symbols that came later, abi3
  from that later Python on.
- **ARMv7** whose every object an ARM1176 runs is for ARMv6 too: one file, both tags.
- **Several Pythons, one platform** (`abi3`, `py3-none-linux_*`): pip cannot tell bookworm's from trixie's by such a
  name, so it carries the target's glibc as its floor (`manylinux_2_36_armv7l`), or, where it needs libraries of the
  distribution, stays `linux_*` and `needs_distribution`. The floor is the target's own and not the oldest that would
  do: the versions of libstdc++ and libgcc are part of what it was built with, and no tag names them. There is no
  manylinux for ARMv6 (PEP 600 knows none, and auditwheel neither), so there `linux_armv6l` stands beside it, without a
  floor: such a file too is told apart by the index it is in only, hence `needs_distribution`.
"""

import re
from collections.abc import Iterable
from dataclasses import replace

from piwright.intake.elf import ElfFile
from piwright.intake.elf_arm import armv6_problem
from piwright.intake.elf_machines import architecture_of_platforms, extension_name
from piwright.intake.elf_members import Objects
from piwright.intake.elf_roles import Assigned, assign_roles
from piwright.intake.interpreter_tags import judge_abi, tag_of
from piwright.intake.manylinux import distribution_libraries, floor_of, glibc_of, musl_libraries, versions_fit
from piwright.intake.tag_set import TagSet
from piwright.intake.tag_verdict import Claim, Site, Verdict

_MOST_NAMED = 5
_ARM = ("armv6l", "armv7l")
_CPYTHON = re.compile(r"cp3([0-9]{1,3})")


def judge_tags(claim: Claim, objects: Objects, site: Site) -> Verdict:
    """Judge a wheel. The target's architecture, if not known, is the one its platform tags name."""
    known = bool(site.architecture)
    architecture = site.architecture or architecture_of_platforms(claim.tags.platforms)
    roles = tuple(assign_roles(objects.elf, architecture, site.python))
    verdict = Verdict(claim.tags, claim.purelib, roles=roles)
    if not architecture:
        return verdict
    refused = [each for each in roles if each.role == "refused" and (known or each.file.machine)]
    reasons = [f"{each.file.member} {each.why}" for each in refused]
    if known:
        reasons += [f"{name} is named as a shared object and is none" for name in objects.disguised]
    if reasons:
        return replace(verdict, reasons=_first(reasons))
    native = [each.file for each in roles if each.role == "native"]
    verdict = replace(verdict, needed=_needed(native, objects.elf), glibc=_glibc(native))
    if reasons := _misfits(native, verdict, site):
        return replace(verdict, reasons=tuple(reasons))
    compiled = any(each.role in ("native", "link_input") for each in roles)
    if claim.tags.pure:
        return _judge_pure(verdict, native, compiled, architecture, site) if known else verdict
    if not compiled:
        return _judge_empty(verdict, claim, objects) if known else verdict
    verdict = judge_abi(verdict, native, site)
    return verdict if verdict.reasons else _judge_platform(verdict, native, architecture, site)


def _first(reasons: list[str]) -> tuple[str, ...]:
    more = len(reasons) - _MOST_NAMED
    return (*reasons[:_MOST_NAMED], *([f"and {more} more of this kind"] if more > 0 else []))


def _needed(native: Iterable[ElfFile], everything: Iterable[ElfFile]) -> tuple[str, ...]:
    """Sonames that the wheel does not bring itself."""
    own = {each.member.rpartition("/")[2] for each in everything}
    own |= {each.dynamic.soname for each in everything if each.dynamic}
    return tuple(sorted({name for each in native if each.dynamic for name in each.dynamic.needed} - own - {""}))


def _glibc(native: Iterable[ElfFile]) -> tuple[int, int] | None:
    return glibc_of(version for each in native if each.dynamic for version in each.dynamic.versions)


def _misfits(native: list[ElfFile], verdict: Verdict, site: Site) -> list[str]:
    """What the target's C library cannot give."""
    if site.libc is None:
        return []
    family, *version = site.libc
    if family == "musl":
        needs_glibc = verdict.glibc or "libc.so.6" in verdict.needed
        return [f"it needs glibc {_dotted(verdict.glibc or ())}; the target has musl"] if needs_glibc else []
    if foreign := musl_libraries(verdict.needed):
        return [f"it needs {', '.join(foreign)}; the target has glibc"]
    if verdict.glibc and verdict.glibc > tuple(version):
        return [f"it needs glibc {_dotted(verdict.glibc)}; the target has {_dotted(version)}"]
    return []


def _dotted(version: Iterable[int]) -> str:
    return ".".join(map(str, version))


def _judge_pure(verdict: Verdict, native: list[ElfFile], compiled: bool, architecture: str, site: Site) -> Verdict:
    """A wheel for any platform: true only while nothing in it is for one."""
    if not compiled:
        return verdict
    what = next((each.member for each in native), "") or next(
        each.file.member for each in verdict.roles if each.role == "link_input"
    )
    bound = [each for each in native if each.bound_to_python or extension_name(each.member)]
    interpreters, abis = set(verdict.tags.interpreters), {"none"}
    if bound:
        if site.python is None:
            return replace(verdict, reasons=(f"it claims any platform, and {bound[0].member} is bound to a Python",))
        interpreters = abis = {tag_of(site.python)}
    tags = TagSet.of(interpreters, abis, {f"linux_{architecture}"})
    said = f"it claimed any platform, and {what} is compiled for {architecture}"
    verdict = replace(verdict, tags=tags, purelib=False, corrections=(said,), untrue=True)
    return _judge_platform(verdict, native, architecture, site)


def _judge_empty(verdict: Verdict, claim: Claim, objects: Objects) -> Verdict:
    """A wheel for one platform in which nothing is compiled for it."""
    says = f"it claims {claim.tags}, and nothing in it is compiled for that platform"
    if objects.alien:
        return replace(verdict, reasons=(f"{says}; {objects.alien[0]} is for another operating system",))
    if claim.sourceless:
        return replace(verdict, reasons=(f"{says}; it has bytecode without source, so what it needs cannot be seen",))
    # For interpreters of their own "py37" says what "cp37-abi3" said: this Python and later.
    later = "abi3" in claim.tags.abis
    interpreters = {_CPYTHON.sub(r"py3\1", name) if later else name for name in claim.tags.interpreters}
    return replace(
        verdict,
        tags=TagSet.of(interpreters, {"none"}, {"any"}),
        purelib=True,
        corrections=(says,),
        untrue=True,
        widened=not claim.purelib,
    )


def _judge_platform(verdict: Verdict, native: list[ElfFile], architecture: str, site: Site) -> Verdict:
    """The platforms: which glibc, and whether ARMv6 too."""
    claimed = set(verdict.tags.platforms)
    versions = [version for each in native if each.dynamic for version in each.dynamic.versions]
    outside = distribution_libraries(verdict.needed)
    several = _serves_several_pythons(verdict.tags)
    problem = _armv6_problem(verdict.roles) if architecture in _ARM else ""
    if architecture == "armv6l" and problem:
        return replace(verdict, reasons=(f"{problem}; the target is ARMv6",))
    armv6 = architecture in _ARM and not problem
    said = list(verdict.corrections)
    platforms = claimed - {"linux_armv6l"} if architecture == "armv7l" else set(claimed)
    untrue = verdict.untrue
    if "linux_armv6l" in claimed and not armv6:
        said.append(f"it claimed ARMv6, and {problem}")
        untrue = True
    for name in [name for name in platforms if not _promise_holds(name, versions, outside, site)]:
        platforms.remove(name)
        said.append(f"it claimed {name}, and needs {', '.join(outside) or 'newer libraries than that'}")
        untrue = True
    if site.libc and site.libc[0] == "glibc" and several and not outside:
        own = {f"linux_{name}" for name in _ARM} | {f"linux_{architecture}"}
        if not platforms - own:
            wide = "armv7l" if architecture in _ARM else architecture
            platforms = {f"manylinux_{site.libc[1]}_{site.libc[2]}_{wide}"}
            said.append(f"it serves several Pythons: its glibc, {_dotted(site.libc[1:])}, is part of its name now")
    platforms = platforms or {f"linux_{architecture}"}
    if armv6:
        if "linux_armv6l" not in claimed:
            said.append("every object in it runs on ARMv6 as well")
        platforms |= {"linux_armv6l"}
        if not platforms - {"linux_armv6l"}:
            platforms |= {"linux_armv7l"}
    return replace(
        verdict,
        tags=TagSet.of(set(verdict.tags.interpreters), set(verdict.tags.abis), platforms),
        corrections=tuple(said),
        untrue=untrue,
        needs_distribution=several and (bool(outside) or armv6),
        armv6=armv6,
    )


def _serves_several_pythons(tags: TagSet) -> bool:
    """One of CPython's own ABIs, or one CPython without an ABI, is one Python."""
    if {"abi3", "abi3t"} & set(tags.abis):
        return True
    return "none" in tags.abis and any(not name.startswith("cp") or name == "cp3" for name in tags.interpreters)


def _armv6_problem(roles: Iterable[Assigned]) -> str:
    """The first object an ARM1176 may not run. What is linked later counts: it ends up on the same machine."""
    for each in roles:
        file = each.file
        if file.machine != "EM_ARM" and (file.kind != "archive" or file.machine):
            continue
        never_run = each.role == "data" and file.kind in ("executable", "shared")
        if never_run or (file.arm is not None and file.arm.microcontroller):
            continue
        if problem := armv6_problem(file.arm):
            return f"{file.member} {problem}"
    return ""


def _promise_holds(platform: str, versions: list[tuple[str, str]], outside: tuple[str, ...], site: Site) -> bool:
    """Whether a manylinux tag may stay; the target's own glibc is the one it was built with."""
    floor = floor_of(platform)
    if floor is None:
        return True
    return not outside and (versions_fit(versions, floor) or (site.libc is not None and floor >= site.libc[1:]))
