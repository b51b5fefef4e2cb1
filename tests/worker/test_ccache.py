"""What compilers made is reused by the next build of the same project, and by nobody else."""

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piwright.worker.program.ccache import (
    LINKS,
    BadCache,
    ProjectCaches,
    environment,
    is_usable,
    pack,
    worth_keeping,
)

KEY = "2/8/a7cn3dpv2olh7crtv89mp92a93g253c"
ENTRY = b"\xcc\xac\x01\x01" + b"x" * 1000


def version() -> str:
    if shutil.which("ccache") is None:
        return ""
    return subprocess.run(["ccache", "--version"], capture_output=True, text=True, check=True).stdout.split()[2]


needs_ccache = pytest.mark.skipif(not is_usable(version()), reason="no ccache here")
needs_sandbox = pytest.mark.skipif(shutil.which("bwrap") is None, reason="no bubblewrap here")


def build(folder: Path, kept: Path | None, files: int = 4) -> dict[str, int]:
    """Compile some files in a sandbox that sees what was kept as /ccache; ccache's own statistics."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for number in range(files):
        (folder / f"f{number}.c").write_text(f"#include <stdio.h>\nint f{number}(void) {{ return {number}; }}\n")
    system = [("--ro-bind-try", each, each) for each in ("/usr", "/bin", "/lib", "/lib64", "/etc/alternatives")]
    bound = [*system, ("--bind", str(folder), "/build"), *([("--ro-bind", str(kept), "/ccache")] if kept else [])]
    path = {"PATH": f"{LINKS}:/usr/bin:/bin", "HOME": "/tmp"}
    variables = {**path, **environment(version(), "/build/ccache", "/ccache" if kept else "")}
    script = "for file in *.c; do gcc -O1 -c $file || exit 1; done; ccache --print-stats"
    settings = [("--setenv", *each) for each in variables.items()]
    command = ["bwrap", "--unshare-all", "--clearenv", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"]
    words = [word for each in (*bound, *settings) for word in each]
    done = subprocess.run(
        [*command, *words, "--chdir", "/build", "sh", "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return {name: int(value) for name, value in (line.split("\t")[:2] for line in done.stdout.splitlines())}


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


@pytest.fixture
def packed(tmp_path: Path) -> Callable[..., Path]:
    """A tar file of these members: a name and content, or a name and a change to the header."""

    def make(*members: tuple[str, bytes | Callable[[tarfile.TarInfo], None]]) -> Path:
        path = tmp_path / "cache.tar"
        with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
            for name, content in members:
                member = tarfile.TarInfo(name)
                if isinstance(content, bytes):
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
                else:
                    content(member)
                    tar.addfile(member)
        return path

    return make


@needs_ccache
@needs_sandbox
def test_the_second_build_of_a_project_finds_what_the_first_one_compiled(tmp_path: Path) -> None:
    caches = ProjectCaches(tmp_path / "state")
    assert caches.kept("Demo.Project") is None
    first = build(tmp_path / "one", None)
    assert first["cache_miss"] == 4
    assert pack(tmp_path / "one" / "ccache", tmp_path / "out.tar") == 8
    assert caches.keep("Demo.Project", tmp_path / "out.tar") > 1000
    second = build(tmp_path / "two", caches.kept("demo_project"))
    assert (second["direct_cache_hit"], second["cache_miss"]) == (4, 0)
    for name in ("f0.o", "f3.o"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert caches.kept("other") is None


@needs_ccache
@needs_sandbox
def test_what_no_build_asked_for_any_more_is_not_kept(tmp_path: Path) -> None:
    caches = ProjectCaches(tmp_path / "state")
    for files in (6, 2):
        build(tmp_path / "build", caches.kept("demo"), files)
        pack(tmp_path / "build" / "ccache", tmp_path / "out.tar")
        caches.keep("demo", tmp_path / "out.tar")
    kept = caches.kept("demo")
    assert kept is not None
    assert len([each for each in kept.rglob("*") if each.is_file()]) == 4


@needs_ccache
@needs_sandbox
def test_a_build_cannot_change_what_is_kept(tmp_path: Path) -> None:
    caches = ProjectCaches(tmp_path / "state")
    build(tmp_path / "one", None)
    pack(tmp_path / "one" / "ccache", tmp_path / "out.tar")
    caches.keep("demo", tmp_path / "out.tar")
    kept = caches.kept("demo")
    assert kept is not None
    before = {each: each.read_bytes() for each in kept.rglob("*") if each.is_file()}
    build(tmp_path / "two", kept, files=9)
    assert {each: each.read_bytes() for each in kept.rglob("*") if each.is_file()} == before


def link(member: tarfile.TarInfo) -> None:
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"


def hard_link(member: tarfile.TarInfo) -> None:
    member.type, member.linkname = tarfile.LNKTYPE, "/etc/passwd"


def device(member: tarfile.TarInfo) -> None:
    member.type, member.devmajor, member.devminor = tarfile.CHRTYPE, 1, 3


def fifo(member: tarfile.TarInfo) -> None:
    member.type = tarfile.FIFOTYPE


def extended(member: tarfile.TarInfo) -> None:
    member.type, member.size = tarfile.XHDTYPE, 1 << 40


@pytest.mark.parametrize(
    ("member", "words"),
    [
        ((KEY + "R", link), "neither a file nor a folder"),
        ((KEY + "R", hard_link), "neither a file nor a folder"),
        ((KEY + "R", device), "neither a file nor a folder"),
        ((KEY + "R", fifo), "neither a file nor a folder"),
        (("x", extended), "neither a file nor a folder"),
        (("../" + KEY + "R", ENTRY), "no name that ccache gives"),
        (("2/../../" + KEY + "R", ENTRY), "no name that ccache gives"),
        (("/" + KEY + "R", ENTRY), "no name that ccache gives"),
        (("//tmp/x", ENTRY), "no name that ccache gives"),
        (("2/8/A7CN3DPV2OLH7CRTV89MP92A93G253CR", ENTRY), "no name that ccache gives"),
        (("n" * 300, ENTRY), "neither a file nor a folder"),  # a long name is an extended header
        ((KEY + "R", b"\x7fELF" + ENTRY), "no entry of a cache"),
        ((KEY + "R", b""), "no entry of a cache"),
        ((KEY + "R", ENTRY * 100), "bytes"),
    ],
)
def test_what_is_no_cache_is_refused_and_what_was_kept_stays(
    tmp_path: Path, packed: Callable[..., Path], member: tuple[str, bytes], words: str
) -> None:
    caches = ProjectCaches(tmp_path / "state")
    assert caches.keep("demo", packed((KEY + "R", ENTRY))) == len(ENTRY)
    with pytest.raises(BadCache, match=words):
        caches.keep("demo", packed((KEY.replace("2/8", "1/1") + "M", ENTRY), member), limit=50_000)
    kept = caches.kept("demo")
    assert kept is not None
    assert [str(each.relative_to(kept)) for each in kept.rglob("*") if each.is_file()] == ["28/" + KEY[4:]]
    assert names(tmp_path / "state" / "ccache") == [".lock", "demo"]


def test_many_files_that_are_too_much_together_are_refused(tmp_path: Path, packed: Callable[..., Path]) -> None:
    members = [(f"{number:02d}/{'a' * 30}R", ENTRY) for number in range(30)]
    with pytest.raises(BadCache, match="more than 20000 bytes"):
        ProjectCaches(tmp_path / "state").keep("demo", packed(*members), limit=20_000)


def test_one_name_twice_and_a_file_cut_short_are_refused(tmp_path: Path, packed: Callable[..., Path]) -> None:
    caches = ProjectCaches(tmp_path / "state")
    with pytest.raises(BadCache, match="twice"):
        caches.keep("demo", packed((KEY + "R", ENTRY), (KEY + "R", ENTRY)))
    path = packed((KEY + "R", ENTRY))
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(BadCache, match="no entry"):
        caches.keep("demo", path)


def test_a_link_in_place_of_the_tar_file_is_not_followed(tmp_path: Path, packed: Callable[..., Path]) -> None:
    (tmp_path / "link").symlink_to(packed((KEY + "R", ENTRY)))
    with pytest.raises(OSError, match="symbolic links"):
        ProjectCaches(tmp_path / "state").keep("demo", tmp_path / "link")


@given(data=st.binary(max_size=4000))
@settings(max_examples=60, deadline=None)
def test_bytes_that_are_no_tar_file_are_refused_or_empty(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("random")
    (folder / "x.tar").write_bytes(data)
    try:
        assert ProjectCaches(folder / "state").keep("demo", folder / "x.tar") == 0
    except BadCache:
        pass
    assert names(folder / "state" / "ccache") == [".lock"]


def test_the_project_that_was_not_built_for_longest_goes_first(tmp_path: Path, packed: Callable[..., Path]) -> None:
    caches = ProjectCaches(tmp_path / "state")
    for age, project in enumerate(("new", "middle", "old")):
        caches.keep(project, packed((KEY + "R", ENTRY)))
        os.utime(tmp_path / "state" / "ccache" / project, (1e9 - age, 1e9 - age))
    assert caches.kept("old") is not None  # so it is the newest now
    assert caches.prune(limit=2 * len(ENTRY)) == ["middle"]
    assert caches.kept("middle") is None


def test_what_a_killed_worker_left_half_done_is_removed(tmp_path: Path, packed: Callable[..., Path]) -> None:
    caches = ProjectCaches(tmp_path / "state")
    caches.keep("demo", packed((KEY + "R", ENTRY)))
    half = tmp_path / "state" / "ccache" / ".demo.part"
    (half / "28").mkdir(parents=True)
    assert caches.prune() == []
    assert not half.exists()


@pytest.mark.parametrize("project", ["../demo", "", "a/b", ".", "-x", "a" * 200, "demo\n"])
def test_a_name_that_leads_elsewhere_is_no_project(tmp_path: Path, project: str) -> None:
    with pytest.raises(ValueError, match="no name of a project"):
        ProjectCaches(tmp_path).kept(project)


@pytest.mark.parametrize(
    ("number", "variable"),
    [("", None), ("4.2", None), ("4.5.1", "CCACHE_SECONDARY_STORAGE"), ("4.7.5", "CCACHE_REMOTE_STORAGE"),
     ("4.11.2", "CCACHE_REMOTE_STORAGE"), ("5.0", "CCACHE_REMOTE_STORAGE")],
)  # fmt: skip
def test_the_variables_are_those_that_the_version_knows(number: str, variable: str | None) -> None:
    variables = environment(number, "/b", "/k")
    assert variables.get(variable or "") == ("file:/k|read-only" if variable else None)
    assert ("CCACHE_DIR" in variables) == (variable is not None)


def test_only_builds_that_computed_for_a_while_are_worth_it() -> None:
    assert [worth_keeping(seconds) for seconds in (0.5, 4.9, 5.0, 600.0)] == [False, False, True, True]
