"""Sources that Rust and Go builds depend on, fetched before the build, which has no network.

    manifests = find_manifests(source)                                     # vendor_manifests
    copy_manifests(source, manifests, copied)
    done = vendor(manifests, str(copied), str(output), programs, os.environ, run)     # run(command, environment, directory)
    build_settings(Path(output), "/vendored")                              # what the build needs: variables

`programs` are `{"cargo": path, "go": path}` as the commands will see them, without what the worker does not have. The
commands run in a sandbox that has a network and may write `output`; they see copies of manifests, no code of the project
and no secrets. How they are started is the caller's business: here are only their words.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, List, Mapping, Optional, Tuple

from .files import read_bounded
from .vendor_manifests import Manifests

MAX_BYTES = 2 << 30
MAX_FILES = 500_000
_MAX_CONFIG_BYTES = 1 << 20
_CRATES, _CARGO_HOME, _CONFIG = "crates", "cargo-home", "config.toml"
_MODULES = "modules"
_GO_SETTINGS = ("GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOPROXY", "GOPRIVATE", "GOINSECURE")
_CARGO_SETTINGS = re.compile(
    r"CARGO_(REGISTRIES_[A-Z0-9_]+_INDEX|HTTP_[A-Z0-9_]+|SOURCE_[A-Z0-9_]+)|(https?|no|all)_proxy", re.I
)
_SECRET = re.compile(r"^\s*[\"']?(token|secret-key|credential-provider|global-credential-providers)[\"']?\s*=")
_DIRECTORY = re.compile(r'^directory = ".*"$', re.MULTILINE)

Run = Callable[[List[str], Dict[str, str], str], int]


class CannotVendor(Exception):
    """The sources could not be fetched; one sentence says why."""


@dataclass(frozen=True)
class Command:
    """A command of the fetch phase, the variables it needs beside the usual ones, and where it runs."""

    command: Tuple[str, ...]
    environment: Mapping[str, str]
    directory: str


@dataclass(frozen=True)
class Toolchain:
    """Where a program really is: `program` to be called, `prefix` to be bound read-only ("" if it is below /usr)."""

    program: str
    prefix: str


def toolchain(program: str) -> Toolchain:
    """The installation behind a program's name; behind rustup's stand-in for `cargo` the default toolchain's."""
    real = os.path.realpath(program)
    if os.path.basename(real) == "rustup":
        try:
            done = subprocess.run(
                [real, "which", os.path.basename(program)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=20,
                check=False,
                cwd="/",
            )
            found = done.stdout.decode("utf-8", "replace").strip()
        except (OSError, subprocess.SubprocessError):
            found = ""
        # Without a toolchain the stand-in is called by its own name: what it says then is what a person needs to know.
        real = os.path.realpath(found) if found else os.path.abspath(program)
    prefix = os.path.dirname(os.path.dirname(real))
    return Toolchain(real, "" if f"{prefix}/".startswith("/usr/") and not prefix.startswith("/usr/local") else prefix)


def cargo_home(outer: Mapping[str, str], output: Path) -> None:
    """Make the empty CARGO_HOME of the fetch, with the worker's own settings (mirrors) but not its secrets."""
    home = outer.get("CARGO_HOME") or os.path.join(outer.get("HOME", "/"), ".cargo")
    kept = ""
    for name in ("config.toml", "config"):
        data = read_bounded(Path(home, name), _MAX_CONFIG_BYTES)
        if data is not None:
            lines = data.decode("utf-8", "replace").splitlines()
            kept = "\n".join(line for line in lines if not _SECRET.match(line)) + "\n"
            break
    place = output / _CARGO_HOME
    place.mkdir(parents=True, exist_ok=True)
    (place / "config.toml").write_text(kept, encoding="utf-8")


def vendor_commands(
    manifests: Manifests,
    copied: str,
    output: str,
    programs: Mapping[str, str],
    outer: Mapping[str, str],
    locked: bool = True,
) -> List[Command]:
    """What to run. `copied` and `output` as the commands see them; `outer` is the worker's own environment.

    `locked`: an out-of-date Cargo.lock is an error.
    """
    commands = []
    if manifests.cargo and "cargo" in programs:
        first, *others = (f"{copied}/{path}" for path in manifests.cargo)
        words = [
            programs["cargo"],
            "vendor",
            "--versioned-dirs",
            "--respect-source-config",
            "--manifest-path",
            first,
        ]
        words += [word for each in others for word in ("--sync", each)]
        words += ["--locked"] if locked and manifests.locked else []
        # It prints the settings that make builds use what it fetched.
        script = 'out="$1"; shift; exec "$@" > "$out"'
        commands.append(
            Command(
                ("sh", "-c", script, "sh", f"{output}/{_CONFIG}", *words, f"{output}/{_CRATES}"),
                {
                    "CARGO_HOME": f"{output}/{_CARGO_HOME}",
                    "CARGO_NET_GIT_FETCH_WITH_CLI": "false",
                    "CARGO_REGISTRY_GLOBAL_CREDENTIAL_PROVIDERS": "",
                    "CARGO_TERM_COLOR": "never",
                    "CARGO_HTTP_MULTIPLEXING": "false",
                    "RUSTUP_AUTO_INSTALL": "0",
                    **{name: value for name, value in outer.items() if _CARGO_SETTINGS.fullmatch(name)},
                },
                output,  # no folder of the project's, from which cargo would read settings
            )
        )
    if "go" in programs:
        settings = {
            "GOMODCACHE": f"{output}/{_MODULES}",
            "GOPATH": f"{output}/go",
            "GOCACHE": f"{output}/go-cache",
            "GOENV": "off",
            "GOWORK": "off",
            "GOTOOLCHAIN": "local",
            "GOFLAGS": "-mod=mod -modcacherw",
            "GOVCS": "*:off",
            "GOAUTH": "off",
            **{name: outer[name] for name in _GO_SETTINGS if name in outer},
            **{
                name: value
                for name, value in outer.items()
                if name.lower() in ("http_proxy", "https_proxy", "no_proxy")
            },
        }
        for path in manifests.go:
            place = f"{copied}/{path}".rpartition("/")[0]
            commands.append(Command((programs["go"], "mod", "download"), settings, place))
    return commands


def vendor(
    manifests: Manifests,
    copied: str,
    output: Path,
    programs: Mapping[str, str],
    outer: Mapping[str, str],
    run: Run,
    seen_as: Optional[str] = None,
) -> List[str]:
    """Fetch everything into `output`; notes for the log. `seen_as` is what the commands call `output`.

    Raises `CannotVendor`, and whatever `run` raises.
    """
    place = seen_as or str(output)
    notes = list(manifests.notes)
    for name, wanted in (("cargo", manifests.cargo), ("go", manifests.go)):
        if wanted and name not in programs:
            notes.append(f"{wanted[0]} needs {name}, which the worker does not have")
    cargo_home(outer, output)
    for each in vendor_commands(manifests, copied, place, programs, outer):
        code = run(list(each.command), dict(each.environment), each.directory)
        if code and "--locked" in each.command:
            notes.append("Cargo.lock is out of date, or its sources are not to be had; tried again without it")
            each = next(iter(vendor_commands(manifests, copied, place, programs, outer, locked=False)))
            code = run(list(each.command), dict(each.environment), each.directory)
        if code:
            raise CannotVendor(f"`{' '.join(_words(each))}` ended with exit code {code}.")
    size, files = _measure(output)
    if size > MAX_BYTES or files > MAX_FILES:
        raise CannotVendor(f"What the project depends on has {files} files with {size} bytes.")
    return notes


def build_settings(output: Path, seen_as: str, home: str) -> Tuple[Dict[str, str], Dict[str, str]]:
    """What a build without a network needs, which sees `output` read-only as `seen_as` and writes below `home`.

    Variables, and files to make before it starts: their content by path.
    """
    variables: Dict[str, str] = {}
    files: Dict[str, str] = {}
    config = read_bounded(output / _CONFIG, _MAX_CONFIG_BYTES)
    if config is not None:
        crates = f'directory = "{seen_as}/{_CRATES}"'
        text = _DIRECTORY.sub(lambda _: crates, config.decode("utf-8", "replace"))
        files[f"{home}/.cargo/config.toml"] = f"{text}\n[net]\noffline = true\n"
        variables.update({"CARGO_HOME": f"{home}/.cargo", "CARGO_NET_OFFLINE": "true"})
    if (output / _MODULES / "cache" / "download").is_dir():
        variables.update({
            "GOPROXY": f"file://{seen_as}/{_MODULES}/cache/download",
            "GOFLAGS": "-mod=mod -modcacherw",
            "GOSUMDB": "off",  # what was fetched has been checked; there is nobody to ask
            "GOTOOLCHAIN": "local",
            "GOPATH": f"{home}/go",
            "GOCACHE": f"{home}/.cache/go-build",
        })  # fmt: skip
    return variables, files


def _words(command: Command) -> List[str]:
    """The command without the shell around it, for a message."""
    return list(command.command[5:] if command.command[0] == "sh" else command.command)


def _measure(folder: Path) -> Tuple[int, int]:
    size = files = 0
    for place, _, names in os.walk(folder):
        for name in names:
            size += os.lstat(os.path.join(place, name)).st_size
            files += 1
    return size, files
