"""Rust and Go projects build without a network, from what real cargo and real go fetched before."""

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from piwright.worker.program.unpack import glance
from piwright.worker.program.vendor import CannotVendor, build_settings, cargo_home, toolchain, vendor, vendor_commands
from piwright.worker.program.vendor_manifests import (
    Manifests,
    UnusableManifest,
    copy_manifests,
    find_manifests,
)
from support.upstream import make_sdist

MANIFESTS = ("Cargo.toml", "go.mod")
needs_cargo = pytest.mark.skipif(shutil.which("cargo") is None, reason="no cargo here")
needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="no go here")
needs_sandbox = pytest.mark.skipif(shutil.which("bwrap") is None, reason="no bubblewrap here")

CRATE = {
    "Cargo.toml": '[package]\nname = "tinyadd"\nversion = "1.2.3"\nedition = "2018"\n',
    "src/lib.rs": "pub fn add(a: i32, b: i32) -> i32 { a + b }\n",
}
APP = {
    "Cargo.toml": '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2018"\nbuild = "build.rs"\n'
    '[dependencies]\ntinyadd = "1"\n',
    "src/main.rs": 'fn main() { println!("{}", tinyadd::add(40, 2)); }\n',
    "build.rs": "fn main() {}\n",
}


def lay_out(folder: Path, files: Mapping[str, str]) -> Path:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def packed_crate() -> bytes:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for path, text in CRATE.items():
            member = tarfile.TarInfo(f"tinyadd-1.2.3/{path}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return gzip.compress(plain.getvalue(), mtime=0)


def lock(checksum: str) -> str:
    index = "registry+https://github.com/rust-lang/crates.io-index"
    app = '[[package]]\nname = "app"\nversion = "0.1.0"\ndependencies = ["tinyadd"]\n'
    return (
        f'version = 3\n\n{app}\n[[package]]\nname = "tinyadd"\nversion = "1.2.3"\n'
        f'source = "{index}"\nchecksum = "{checksum}"\n'
    )


@pytest.fixture(scope="module")
def crates() -> Iterator[str]:
    """A registry of crates on loopback that has `tinyadd`; the address of its sparse index."""
    crate = packed_crate()
    entry = {
        "name": "tinyadd", "vers": "1.2.3", "deps": [], "features": {}, "yanked": False,
        "cksum": hashlib.sha256(crate).hexdigest(),
    }  # fmt: skip

    class Handler(BaseHTTPRequestHandler):
        answers: ClassVar[dict[str, bytes]] = {}

        def do_GET(self) -> None:
            body = self.answers.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        base = f"http://127.0.0.1:{server.server_address[1]}"
        Handler.answers = {
            "/index/config.json": json.dumps({"dl": f"{base}/dl"}).encode(),
            "/index/ti/ny/tinyadd": json.dumps(entry).encode() + b"\n",
            "/dl/tinyadd/1.2.3/download": crate,
        }
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"sparse+{base}/index/"
        server.shutdown()


@pytest.fixture
def worker_home(tmp_path: Path, crates: str) -> dict[str, str]:
    """The environment of a worker whose cargo is set up to ask the registry on loopback."""
    settings = f'[source.crates-io]\nreplace-with = "near"\n[source.near]\nregistry = "{crates}"\n'
    secret = '[registry]\ntoken = "geheim"\n'
    lay_out(tmp_path / "worker", {".cargo/config.toml": settings + secret, ".cargo/credentials.toml": secret})
    return {"HOME": str(tmp_path / "worker"), "AWS_SECRET": "geheim"}


def runner(said: list[str] | None = None) -> Callable[[list[str], dict[str, str], str], int]:
    """Starts the commands of the fetch with nothing of this process's environment but the path."""

    def run(command: list[str], environment: dict[str, str], directory: str) -> int:
        home = {"HOME": directory, "PATH": "/usr/bin:/bin"}
        done = subprocess.run(
            command, env={**home, **environment}, cwd=directory, capture_output=True, text=True, check=False
        )
        (said if said is not None else []).append(done.stdout + done.stderr)
        return done.returncode

    return run


def program(name: str) -> str:
    found = shutil.which(name)
    assert found is not None
    return toolchain(found).program


def fetched(tmp_path: Path, source: Path, worker: Mapping[str, str], tool: str) -> tuple[Path, list[str]]:
    """What was fetched for a source tree, and the notes."""
    manifests = find_manifests(source)
    copied, output = tmp_path / "copied", tmp_path / "output"
    copy_manifests(source, manifests, copied)
    said: list[str] = []
    try:
        return output, vendor(manifests, str(copied), output, {tool: program(tool)}, worker, runner(said))
    except CannotVendor as error:
        raise CannotVendor(f"{error} {said}") from None


def offline(source: Path, output: Path, tool: str, *command: str) -> str:
    """What a command says in a sandbox without a network that sees the source tree and what was fetched."""
    variables, files = build_settings(output, "/vendored", "/build/home")
    for path, text in files.items():
        lay_out(source.parent, {str(Path(path).relative_to("/build")): text})
    prefix = toolchain(shutil.which(tool) or "").prefix
    system = ("/usr", "/bin", "/lib", "/lib64", "/etc/alternatives", *([prefix] if prefix else []))
    binds = [("--ro-bind-try", each, each) for each in system]
    places = [("--bind", str(source.parent), "/build"), ("--ro-bind", str(output), "/vendored")]
    path = f"{Path(program(tool)).parent}:/usr/bin:/bin"
    settings = [("--setenv", *each) for each in {"PATH": path, "HOME": "/build/home", **variables}.items()]
    words = [word for each in (*binds, *places, *settings) for word in each]
    done = subprocess.run(
        ["bwrap", "--unshare-all", "--clearenv", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", *words,
         "--chdir", f"/build/{source.name}", *command],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---- Rust


@needs_cargo
@needs_sandbox
def test_a_rust_project_builds_without_a_network_from_what_was_fetched(
    tmp_path: Path, worker_home: dict[str, str]
) -> None:
    source = lay_out(
        tmp_path / "build" / "app", {**APP, "Cargo.lock": lock(hashlib.sha256(packed_crate()).hexdigest())}
    )
    output, notes = fetched(tmp_path, source, worker_home, "cargo")
    assert notes == []
    assert (output / "crates" / "tinyadd-1.2.3" / "src" / "lib.rs").read_text() == CRATE["src/lib.rs"]
    assert offline(source, output, "cargo", "cargo", "run", "--quiet", "--locked") == "42\n"


@needs_cargo
def test_nothing_of_the_project_runs_while_its_sources_are_fetched(tmp_path: Path, worker_home: dict[str, str]) -> None:
    marker = tmp_path / "marker"
    evil = tmp_path / "build" / "app" / "evil.sh"
    config = f'[build]\nrustc = "{evil}"\nrustc-wrapper = "{evil}"\n[net]\ngit-fetch-with-cli = true\n'
    source = lay_out(
        tmp_path / "build" / "app",
        {
            **APP,
            "build.rs": f'fn main() {{ std::fs::write("{marker}", "build.rs").unwrap(); }}\n',
            ".cargo/config.toml": config,
            "rust-toolchain": "nightly-1999-01-01",
            "evil.sh": f"#!/bin/sh\necho evil > {marker}\n",
        },
    )
    evil.chmod(0o755)
    output, notes = fetched(tmp_path, source, worker_home, "cargo")
    assert "no Cargo.lock" in notes[0]
    assert (output / "crates" / "tinyadd-1.2.3").is_dir()
    assert not marker.exists()
    assert not list((tmp_path / "copied").rglob(".cargo")) + list((tmp_path / "copied").rglob("rust-toolchain*"))
    assert (tmp_path / "copied" / "build.rs").read_bytes() == b""


@needs_cargo
def test_the_workers_mirror_is_used_and_its_secrets_stay_behind(tmp_path: Path, worker_home: dict[str, str]) -> None:
    source = lay_out(tmp_path / "app", APP)
    output, _ = fetched(tmp_path, source, worker_home, "cargo")
    kept = [each for each in output.rglob("*") if each.is_file() and b"geheim" in each.read_bytes()]
    assert kept == []
    commands = vendor_commands(find_manifests(source), "/c", "/o", {"cargo": "cargo"}, worker_home)
    assert "geheim" not in json.dumps([dict(each.environment) for each in commands])


@needs_cargo
def test_a_crate_that_is_not_what_the_lock_says_is_refused(tmp_path: Path, worker_home: dict[str, str]) -> None:
    source = lay_out(tmp_path / "app", {**APP, "Cargo.lock": lock("0" * 64)})
    with pytest.raises(CannotVendor, match="checksum"):
        fetched(tmp_path, source, worker_home, "cargo")


@needs_cargo
def test_an_outdated_lock_is_noted_and_the_sources_are_fetched(tmp_path: Path, worker_home: dict[str, str]) -> None:
    lines = 'version = 3\n\n[[package]]\nname = "app"\nversion = "0.0.9"\n'
    output, notes = fetched(tmp_path, lay_out(tmp_path / "app", {**APP, "Cargo.lock": lines}), worker_home, "cargo")
    assert any("out of date" in note for note in notes)
    assert (output / "crates" / "tinyadd-1.2.3").is_dir()


# ---- Go


@pytest.fixture
def modules(tmp_path: Path) -> dict[str, str]:
    """The environment of a worker whose go is set up to ask a proxy in a folder that has one module."""
    proxy = tmp_path / "proxy" / "example.test" / "tiny" / "@v"
    mod = "module example.test/tiny\n\ngo 1.19\n"
    lay_out(proxy, {"list": "v1.0.0\n", "v1.0.0.info": '{"Version": "v1.0.0"}', "v1.0.0.mod": mod})
    with zipfile.ZipFile(proxy / "v1.0.0.zip", "w") as bundle:
        bundle.writestr("example.test/tiny@v1.0.0/go.mod", mod)
        bundle.writestr("example.test/tiny@v1.0.0/tiny.go", "package tiny\n\nfunc Add(a, b int) int { return a + b }\n")
    return {"GOPROXY": f"file://{tmp_path}/proxy", "GOSUMDB": "off", "GOFLAGS": "-toolexec=/evil", "GOVCS": "*:all"}


GO_APP = {
    "pyproject.toml": "",
    "go.mod": "module app\n\ngo 1.19\n\nrequire example.test/tiny v1.0.0\n",
    "main.go": 'package main\n\nimport "example.test/tiny"\n\nfunc main() { println(tiny.Add(40, 2)) }\n',
}


@needs_go
@needs_sandbox
def test_a_go_project_builds_without_a_network_from_what_was_fetched(tmp_path: Path, modules: dict[str, str]) -> None:
    source = lay_out(tmp_path / "build" / "app", GO_APP)
    output, notes = fetched(tmp_path, source, modules, "go")
    assert notes == []
    assert offline(source, output, "go", "sh", "-c", "go build -o app . && ./app 2>&1") == "42\n"


@needs_go
def test_a_module_that_is_not_what_go_sum_says_is_refused(tmp_path: Path, modules: dict[str, str]) -> None:
    wrong = f"example.test/tiny v1.0.0 h1:{'A' * 43}=\nexample.test/tiny v1.0.0/go.mod h1:{'A' * 43}=\n"
    with pytest.raises(CannotVendor, match="SECURITY ERROR"):
        fetched(tmp_path, lay_out(tmp_path / "app", {**GO_APP, "go.sum": wrong}), modules, "go")


def test_go_asks_no_version_control_and_fetches_no_toolchain() -> None:
    (command,) = vendor_commands(Manifests(go=("sub/go.mod",)), "/c", "/o", {"go": "/usr/bin/go"}, {"GOVCS": "*:all"})
    wanted = {"GOVCS": "*:off", "GOTOOLCHAIN": "local", "GOENV": "off", "GOWORK": "off"}
    assert {name: command.environment[name] for name in wanted} == wanted
    assert (command.command, command.directory) == (("/usr/bin/go", "mod", "download"), "/c/sub")


# ---- which manifests


@pytest.mark.parametrize(
    ("files", "cargo", "go"),
    [
        (["setup.py"], (), ()),
        (["Cargo.toml", "rust/Cargo.toml", "tests/x/Cargo.toml"], ("Cargo.toml",), ()),
        (["src/rust/Cargo.toml", "src/rust/inner/Cargo.toml", "docs/x/Cargo.toml"], ("src/rust/Cargo.toml",), ()),
        (["a/Cargo.toml", "b/Cargo.toml", "vendor/c/Cargo.toml"], ("a/Cargo.toml", "b/Cargo.toml"), ()),
        (["go.mod", "tools/go.mod", "Cargo.lock"], (), ("go.mod",)),
        ([".cargo/registry/x/Cargo.toml", ".git/Cargo.toml"], (), ()),
    ],
)
def test_the_manifests_that_builds_start_from_are_found(
    tmp_path: Path, files: list[str], cargo: tuple[str, ...], go: tuple[str, ...]
) -> None:
    found = find_manifests(lay_out(tmp_path, dict.fromkeys(files, "")))
    assert (found.cargo, found.go) == (cargo, go)
    assert bool(found) == bool(cargo or go)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("pyproject.toml", '[tool.maturin]\nmanifest-path = "deep/er/Cargo.toml"\n'),
        ("pyproject.toml", '[[tool.setuptools-rust.ext-modules]]\npath = "./deep/er/Cargo.toml"\n'),
        ("setup.py", "RustExtension('x', path='deep/er/Cargo.toml')"),
    ],
)
def test_the_manifest_that_the_build_names_is_taken(tmp_path: Path, file: str, text: str) -> None:
    lay_out(tmp_path, {"Cargo.toml": "", "deep/er/Cargo.toml": "", file: text})
    assert find_manifests(tmp_path).cargo == ("deep/er/Cargo.toml",)


def test_a_project_that_brings_its_crates_along_fetches_none(tmp_path: Path) -> None:
    lay_out(tmp_path, {"Cargo.toml": "", ".cargo/config.toml": '[source.crates-io]\nreplace-with = "vendored"\n'})
    found = find_manifests(tmp_path)
    assert not found
    assert "brings its Rust dependencies" in found.notes[0]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"Cargo.lock": 'source = "git+ssh://git@h/x?branch=m#' + "a" * 40 + '"'}, "only https with a commit"),
        ({"Cargo.lock": 'source = "git+http://h/x#' + "a" * 40 + '"'}, "only https with a commit"),
        ({"Cargo.lock": 'source = "git+file:///etc#' + "a" * 40 + '"'}, "only https with a commit"),
        ({"Cargo.lock": 'source = "git+https://h/x?branch=main"'}, "only https with a commit"),
        ({"Cargo.lock": 'source = "registry+http://192.0.2.1/index"'}, "only https is asked"),
        ({"Cargo.toml": '[dependencies]\nx = { git = "https://h/x" }'}, "no Cargo.lock says which"),
        ({"Cargo.lock": "#" * (5 << 20)}, "more than"),
        ({f"m{number}/Cargo.toml": "" for number in range(600)}, "more than 500"),
    ],
)
def test_what_is_not_fetched_is_said(tmp_path: Path, files: dict[str, str], words: str) -> None:
    with pytest.raises(UnusableManifest, match=words):
        find_manifests(lay_out(tmp_path, {"Cargo.toml": "", **files}))


def test_git_over_https_by_its_commit_is_allowed(tmp_path: Path) -> None:
    text = 'source = "git+https://h/x?branch=main#' + "a" * 40 + '"'
    assert find_manifests(lay_out(tmp_path, {"Cargo.toml": "", "Cargo.lock": text})).cargo == ("Cargo.toml",)


def test_links_in_the_tree_are_not_followed(tmp_path: Path) -> None:
    lay_out(tmp_path / "outside", {"Cargo.toml": "secret", "go.mod": "secret"})
    source = lay_out(tmp_path / "source", {"setup.py": ""})
    (source / "linked").symlink_to(tmp_path / "outside")
    (source / "Cargo.toml").symlink_to(tmp_path / "outside" / "Cargo.toml")
    assert not find_manifests(source)


@pytest.mark.parametrize(
    ("path", "found"), [("rust/Cargo.toml", True), ("go.mod", True), ("xCargo.toml", False), ("Cargo.toml/x", False)]
)
def test_an_archive_that_names_no_manifest_need_not_be_unpacked(tmp_path: Path, path: str, found: bool) -> None:
    sdist = make_sdist("p", "1", files={path: ""})
    (tmp_path / "archive").write_bytes(sdist.content)
    seen = glance(tmp_path / "archive", sdist.filename, "pyproject.toml", 1 << 20, MANIFESTS)
    assert bool(seen.names) is found


def test_a_worker_without_cargo_says_so(tmp_path: Path) -> None:
    def never(*_: Any) -> int:
        raise AssertionError

    notes = vendor(Manifests(cargo=("Cargo.toml",)), "/c", tmp_path / "out", {}, {"HOME": "/nowhere"}, never)
    assert notes == ["Cargo.toml needs cargo, which the worker does not have"]
    assert build_settings(tmp_path / "out", "/v", "/h") == ({}, {})


def test_secrets_are_left_out_of_the_settings_of_the_fetch(tmp_path: Path) -> None:
    text = '[source.x]\nregistry = "sparse+https://m/"\n[registries.x]\ntoken = "s1"\n"token"="s2"\ncredential-provider = "s3"\n'
    lay_out(tmp_path, {"home/config.toml": text})
    cargo_home({"CARGO_HOME": str(tmp_path / "home")}, tmp_path / "out")
    kept = (tmp_path / "out" / "cargo-home" / "config.toml").read_text()
    assert "sparse+https://m/" in kept
    assert not {"s1", "s2", "s3"} & set(kept.replace('"', " ").split())
    assert os.listdir(tmp_path / "out" / "cargo-home") == ["config.toml"]  # noqa: PTH208
