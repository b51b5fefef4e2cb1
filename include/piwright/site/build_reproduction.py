"""How to repeat a build on a Pi: lines to paste into a shell, with the versions the build had.

    reproduce(build).text

They are pasted by somebody who trusts this page, and most of what they are made of was said by a worker: what is not
exactly a name, a version and a digest is left out.
"""

import re
from dataclasses import dataclass
from shlex import quote

from piwright.site.project_facts import BuildFacts

_REQUIREMENT = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}==[A-Za-z0-9.!+_-]{1,100}(?: --hash=sha256:[0-9a-f]{64})?")
_APT = re.compile(r"([a-z0-9][a-z0-9+.-]{1,99})=[0-9A-Za-z][0-9A-Za-z.+~:-]{0,99}")
_DIGEST = re.compile(r"[0-9a-f]{64,128}")
_SDIST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,239}")
_VERSION = re.compile(r"[a-z0-9.!+]{1,200}")
_TOOLS = re.compile(
    r"gcc|g\+\+|make|cmake|ninja-build|meson|git|cargo|rustc|gfortran|swig|nasm|bison|flex|pkg-config|pkgconf|.*-dev"
)


@dataclass(frozen=True, slots=True)
class Reproduction:
    """`packages` for apt; `text` to paste, which installs the tools among them; `exact`: it asks for the very source, by its
    digest. `libraries` is to be pasted first where a header or a library is missing: the others of `packages`."""

    packages: tuple[str, ...]
    text: str
    exact: bool
    libraries: str = ""


def reproduce(build: BuildFacts) -> Reproduction:
    """The commands for one build."""
    packages = _packages(build.environment.get("apt"))
    requirements = _requirements(build.environment.get("requirements"))
    python = f"python{build.python}"
    lines = []
    libraries = [each for each in packages if each.endswith("-dev") and not each.startswith(("python3", "libc6-"))]
    if packages:
        lines += [*_apt_install([f"{python}-venv", *(each for each in packages if each not in libraries)]), ""]
    lines += [f"{python} -m venv repeat && cd repeat"]
    source = _source(build)
    if source is None:
        return Reproduction(packages, "", exact=False)
    if requirements:
        hashed = all("--hash=" in line for line in requirements)
        lines += ["cat > requirements.txt <<'END'", *requirements, "END"]
        lines += [f"bin/pip install --no-deps {'--require-hashes ' if hashed else ''}-r requirements.txt"]
    filename, digest = source
    lines += ["cat > source.txt <<'END'", f"{build.project}=={build.version}{digest}", "END"]
    isolation = "--no-build-isolation " if requirements else ""
    if build.uploaded_at:
        lines += [f"export SOURCE_DATE_EPOCH={int(build.uploaded_at.timestamp())}"]
    # What is downloaded is checked against the digest; the archive itself is built, so that nothing else can be meant.
    lines += [
        f"bin/pip download --no-deps --no-binary :all: {isolation}{'--require-hashes ' if digest else ''}-r source.txt"
    ]
    lines += [f"bin/pip wheel --no-deps {isolation}{quote('./' + filename)}"]
    headers = "\n".join(_apt_install(libraries)) if libraries else ""
    return Reproduction(packages, "\n".join(lines), exact=bool(digest), libraries=headers)


def _source(build: BuildFacts) -> tuple[str, str] | None:
    """File name and hash option; None where nothing can be named safely."""
    if build.sdist is None or not _VERSION.fullmatch(build.version):
        return None
    filename, algorithm, digest = build.sdist
    if (
        not _SDIST.fullmatch(filename)
        or not _DIGEST.fullmatch(digest)
        or algorithm not in ("sha256", "sha384", "sha512")
    ):
        return None
    return filename, f" --hash={algorithm}:{digest}"


def _requirements(said: object) -> list[str]:
    lines = said if isinstance(said, list) else []
    return [line for line in lines[:500] if isinstance(line, str) and _REQUIREMENT.fullmatch(line)]


def _packages(said: object) -> tuple[str, ...]:
    names = [match[1] for each in (said if isinstance(said, list) else []) if (match := _APT.fullmatch(str(each)))]
    return tuple(sorted({name for name in names if _TOOLS.fullmatch(name)}))[:300]


def _apt_install(names: list[str]) -> list[str]:
    return ["sudo apt install --no-install-recommends \\", *_wrapped(names)]


def _wrapped(names: list[str]) -> list[str]:
    """Names in lines of a readable length, as the continuation of a shell command."""
    lines = [""]
    for name in names:
        if len(lines[-1]) + len(name) > 90:
            lines.append("")
        lines[-1] += f" {name}"
    return [f"   {line} \\" for line in lines[:-1]] + [f"   {lines[-1]}"]
