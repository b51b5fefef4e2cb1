"""Phase `smoke`: a wheel installed into a fresh environment, its requirements checked, its modules imported.

smoke_test(commands, builds, containment, wheel)       # the `smoke` of result.json
"""

from __future__ import annotations

import email
import zipfile
from pathlib import Path
from typing import Any, Sequence

from .commands import BuildCommands
from .containment import Containment
from .environments import Environment, NoWheel
from .failure import BuildFailure
from .sandbox import ENVIRONMENT
from .smoke import judge, parse_check, untested
from .smoke_modules import BadWheel, extension_modules, top_level_modules
from .source_build import SourceBuilds

SECONDS = 60
"""For all imports of a wheel."""
_SPARE_SECONDS = 30
_MAX_METADATA_BYTES = 4 << 20
_ANSWER_BYTES = 2 << 20


def smoke_test(commands: BuildCommands, builds: SourceBuilds, containment: Containment, wheel: Path) -> dict[str, Any]:
    """Try a wheel. Whatever goes wrong is an outcome; raises only `Stopped`."""
    try:
        modules, extensions = top_level_modules(wheel), extension_modules(wheel)
    except (BadWheel, OSError) as error:
        return untested(f"its modules cannot be listed: {error}")
    why_not = refuse_to_install(wheel, containment.disk_bytes)
    if why_not:
        return untested(why_not)
    try:
        environment = builds.install(wheel)
    except NoWheel as lacking:
        return untested(f"what it requires has no wheel: {lacking.project}")
    except BuildFailure as failure:
        return untested(f"it could not be installed: {failure.message}")
    try:
        complaints = _check(commands, builds, environment, wheel.name.partition("-")[0])
        return _import(commands, containment, environment, modules, extensions, complaints)
    except BuildFailure as failure:
        return judge(modules, b"", 1, failure.kind in ("timeout", "silent"), extensions=extensions)
    finally:
        environment.discard()


def refuse_to_install(wheel: Path, most_bytes: int) -> str:
    """Why a wheel is not given to an installer, which has a network and unpacks on the worker's disk; or nothing."""
    try:
        with zipfile.ZipFile(wheel) as bundle:
            unpacked = sum(each.file_size for each in bundle.infolist())
            names = [each for each in bundle.namelist() if each.lower().endswith(".dist-info/metadata")]
            texts = [bundle.open(each).read(_MAX_METADATA_BYTES + 1) for each in names[:5]]
    except Exception as error:  # zipfile raises almost anything for a file that is none
        return f"its archive cannot be read: {type(error).__name__}: {error}"
    if unpacked > most_bytes:
        return f"it unpacks to {unpacked} bytes, and a build has {most_bytes}"
    if any(len(each) > _MAX_METADATA_BYTES for each in texts):
        return "its metadata are too long"
    required = [line for each in texts for line in email.message_from_bytes(each).get_all("Requires-Dist", [])]
    if any("@" in str(each).partition(";")[0] for each in required):
        return "it requires a project by an address, and a worker fetches only from the index"
    return ""


def _check(commands: BuildCommands, builds: SourceBuilds, environment: Environment, project: str) -> list[str]:
    """What the installer says is missing of the wheel's own requirements. It runs the environment's Python: no network."""
    if len(environment.locked) < 2:
        return []  # the wheel alone: the installer found nothing that it requires
    installer = builds.installer
    room = commands.room()
    env = room.reads(environment.path, ENVIRONMENT)
    program = commands.installer_in(room, installer)
    start = commands.log.bytes
    code = commands.run_tool(room, installer.check_command(program, env), {"UV_NO_CONFIG": "1", "UV_NO_CACHE": "1"})
    return parse_check(commands.log.since(start, 1 << 16).decode("utf-8", "replace"), code, project)


def _import(
    commands: BuildCommands,
    containment: Containment,
    environment: Environment,
    modules: Sequence[str],
    extensions: Sequence[str],
    complaints: Sequence[str],
) -> dict[str, Any]:
    room = commands.room()
    env = room.reads(environment.path, ENVIRONMENT)
    with containment.within(SECONDS + _SPARE_SECONDS):
        answer = commands.run_inside(
            room,
            "smoke_runner.py",
            f"{env}/bin/python",
            {"modules": [*modules, *extensions], "seconds": SECONDS},
            variables={"PATH": f"{env}/bin:/usr/bin:/bin"},
            output_bytes=_ANSWER_BYTES,
        )
    said = answer.text.encode("utf-8", "replace")
    return judge(modules, said, answer.code or 0, False, extensions=extensions, complaints=complaints)
