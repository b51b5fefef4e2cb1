"""Projects, releases and wheels that do not exist, the same ones for the same seed: the data of the benchmarks.

    for project in made_up_projects(3150, files=20_000): ...
    project.wheels[0].filename, project.wheels[0].content()

Names, numbers of releases and of wheels a release are like those of a shop for Raspberry Pi: most projects have few
releases, some have many; half of the releases are pure Python, the others have a wheel for each Python.
"""

import io
import random
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

SEED = 4

_FIRST_WORDS = """
adaptive agile amber async atomic azure binary bold brave calm canvas cedar clever cobalt copper coral cosmic crisp
crystal daily delta digital drift eager early echo edge ember epic even fast fern field final flint fluid forest frost
fusion gentle glass global golden grand granite green hazel hidden hollow honest hyper indigo inner iron ivory jade
jolly keen kind laser lazy light linear little lucid lunar magic maple marble merry micro mild misty modern mono neat
nimble noble north ocean olive open orbit outer pale paper pearl pico pine pixel plain polar prime proud pure quick
quiet rapid raven ready river robust rocky royal ruby rustic sage scarlet sharp shiny silent silver simple slim smart
smooth solar solid sonic spare stable steady stone sunny super swift tidy tiny topaz true ultra urban velvet violet
vivid warm wild wise wooden young zen
"""
_FIRST = _FIRST_WORDS.split()

_SECOND_WORDS = """
adapter agent alarm archive array atlas badge beacon bench binder board bot bridge broker buffer builder bus cache
camera canvas chart checker client clock cloud codec compass console cookie core counter crawler cube daemon dash data
decoder device dial display docs dome driver echo editor encoder engine event export fabric feed fetch filter flag
flow folder font forge form frame gate gauge graph grid guard hash helper hook host hub image index input iter json
kernel keypad kit label lamp layer lens lexer lib link list loader lock log loop mail map mask matrix mesh meter mixer
model monitor motor mount mouse net node note packet panel parser patch pipe pixel plan player plot plug pool port
power printer probe proxy pulse query queue radio reader relay render report rest ring robot router rule runner scan
scope script sensor server sheet shell signal sink slot socket spark spec stack state stream string switch sync table
tag task template term test thread timer token tool tracker trigger tunnel unit vault vector view wallet watch wave
web widget wire worker zip
"""
_SECOND = _SECOND_WORDS.split()

_PATTERNS = (
    "{}-{}",
    "py{}-{}",
    "{}{}",
    "{}-{}-py",
    "{}_{}",
    "django-{}-{}",
    "rpi-{}-{}",
    "adafruit-circuitpython-{}-{}",
)
_COMPILED = (
    "cp39-cp39-linux_armv6l.linux_armv7l",
    "cp311-cp311-linux_armv6l.linux_armv7l",
    "cp313-cp313-linux_armv6l.linux_armv7l",
    "cp313-cp313-linux_aarch64",
)
_STABLE = ("cp39-abi3-manylinux_2_31_armv7l", "cp311-abi3-manylinux_2_36_armv7l")


@dataclass(frozen=True)
class MadeUpWheel:
    """A wheel; `requires` are requirements, `padding` the bytes of its incompressible part."""

    project: str
    version: str
    tag: str
    build_seed: int
    requires_python: str | None = None
    requires: tuple[str, ...] = ()
    padding: int = 0
    description: int = 0

    @property
    def filename(self) -> str:
        return f"{self.project.replace('-', '_')}-{self.version}-{self.tag}.whl"

    @property
    def tags(self) -> list[str]:
        python, abi, platforms = self.tag.split("-")
        return [f"{python}-{abi}-{platform}" for platform in platforms.split(".")]

    @cached_property
    def metadata(self) -> bytes:
        lines = [
            "Metadata-Version: 2.1",
            f"Name: {self.project}",
            f"Version: {self.version}",
            f"Summary: The {self.project}",
        ]
        if self.requires_python:
            lines.append(f"Requires-Python: {self.requires_python}")
        lines += [f"Requires-Dist: {each}" for each in self.requires]
        words = random.Random(self.build_seed)
        body = ""
        while len(body) < self.description:
            body += " ".join(words.choices(_SECOND, k=12)) + ".\n"
        return ("\n".join(lines) + "\n\n" + body).encode()

    def content(self) -> bytes:
        """The wheel's bytes."""
        module = self.project.replace("-", "_")
        info = f"{module}-{self.version}.dist-info"
        members = {
            f"{module}/__init__.py": f"__version__ = {self.version!r}\n".encode(),
            f"{info}/METADATA": self.metadata,
            f"{info}/WHEEL": ("Wheel-Version: 1.0\nGenerator: made up\nRoot-Is-Purelib: true\n"
                              + "".join(f"Tag: {tag}\n" for tag in self.tags)).encode(),
        }  # fmt: skip
        if self.padding:
            members[f"{module}/data.bin"] = random.Random(self.build_seed).randbytes(self.padding)
        members[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*members, f"{info}/RECORD"]).encode()
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, content in members.items():
                archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content)
        return packed.getvalue()


@dataclass(frozen=True)
class MadeUpProject:
    """A project with its wheels, oldest release first."""

    name: str
    wheels: tuple[MadeUpWheel, ...]


def made_up_names(count: int, seed: int = SEED) -> Iterator[str]:
    """Normalised names, each once."""
    dice = random.Random(seed)
    seen: set[str] = set()
    while len(seen) < count:
        name = dice.choice(_PATTERNS).format(dice.choice(_FIRST), dice.choice(_SECOND)).replace("_", "-")
        if name in seen:
            name += f"-{dice.choice(_SECOND)}"
        if name in seen:
            name += f"{dice.randrange(10_000_000)}"
        if name not in seen:
            seen.add(name)
            yield name


def made_up_projects(count: int, *, files: int, seed: int = SEED, padding: int = 0) -> Iterator[MadeUpProject]:
    """`count` projects with `files` wheels together; a wheel has up to twice `padding` bytes that do not compress."""
    dice = random.Random(seed + 1)
    left = files
    for number, name in enumerate(made_up_names(count, seed)):
        others = count - number - 1
        wanted = left if not others else max(1, min(round(dice.expovariate(count / files)), left - others))
        left -= wanted
        yield MadeUpProject(name, tuple(_wheels(name, wanted, dice, padding)))


def _wheels(name: str, count: int, dice: random.Random, padding: int) -> Iterator[MadeUpWheel]:
    kind = dice.random()
    tags: Sequence[str] = ("py3-none-any",) if kind < 0.5 else _COMPILED if kind < 0.9 else _STABLE
    numbers = [0, dice.randrange(3), 0]
    requires_python = dice.choice([None, ">=3.7", ">=3.9", ">=3.8,<4"])
    made = 0
    while made < count:
        numbers[dice.choice((1, 2, 2, 2))] += 1
        version = ".".join(map(str, numbers)) + dice.choice(("", "", "", "", "rc1", ".post1"))
        for tag in tags[: count - made]:
            made += 1
            size = dice.randrange(2 * padding) if padding else 0
            yield MadeUpWheel(name, version, tag, dice.getrandbits(32), requires_python, (), size)


def resolvable_projects(count: int, *, files: int, roots: int, seed: int = SEED, padding: int = 100_000) -> (
    tuple[list[MadeUpProject], list[str]]
):  # fmt: skip
    """Pure projects that require one another, and `roots` of them that need, with what they need, much of the rest.

    A project requires only later ones, a version that exists, and sometimes not the newest.
    """
    dice = random.Random(seed)
    names = list(made_up_names(count, seed))
    each = files // count
    versions = [f"{number // 4 + 1}.{number % 4}.0" for number in range(each)]
    projects = []
    for number, name in enumerate(names):
        later = names[number + 1 :]
        wheels = []
        for version_number, version in enumerate(versions):
            needs = dice.sample(later, min(len(later), dice.choice((0, 1, 2, 3))))
            bound = versions[max(0, version_number - 2)]
            requires = tuple(f"{need}>={bound}" for need in needs)
            size = int(dice.lognormvariate(0, 1) * padding)
            wheels.append(
                MadeUpWheel(name, version, "py3-none-any", dice.getrandbits(32), ">=3.9", requires, size, 3000)
            )
        projects.append(MadeUpProject(name, tuple(wheels)))
    return projects, names[:roots]
