"""What an emulated Pi is made of, piece by piece, each against the real part: kernel, dpkg, files."""

import os
import subprocess
from pathlib import Path

import pytest

from piwright.planning.targets import TargetError
from piwright.settings import Settings
from piwright.stack.emulated import namespace
from piwright.stack.emulated.architecture import GUESTS, HOSTS
from piwright.stack.emulated.binfmt import registered_machine_wide
from piwright.stack.emulated.guest import sshd_lines
from piwright.stack.emulated.host import missing_for_emulation
from piwright.stack.emulated.mirror import Mirror, find_mirror, pick_mirror
from piwright.stack.emulated.namespace import NoNamespace, id_map
from piwright.stack.emulated.root import remove_tree
from piwright.stack.emulated.settle import make_links
from piwright.stack.emulated.shelf import Shelf, ShelfError
from piwright.stack.emulated.unpack import make_skeleton, unpack

WHOLE_MACHINE = "         0          0 4294967295\n"


def settings(home: Path, **more: str) -> Settings:
    return Settings.from_environment({"PIWRIGHT_HOME": str(home), **more})


# The kernel is told what a program of the guest's looks like.


def matches(line: bytes, header: bytes) -> bool:
    """As the kernel compares: magic and mask from a registration, against a program's first bytes."""
    magic, mask = (bytes.fromhex(field.decode().replace("\\x", "")) for field in line.split(b":")[4:6])
    return all(a & m == b & m for a, b, m in zip(header, magic, mask, strict=False))


def header(word: int, machine: int, kind: int, abi: int = 0) -> bytes:
    return bytes([0x7F, *b"ELF", word, 1, 1, abi, *bytes(8), kind, 0]) + machine.to_bytes(2, "little")


def test_only_programs_of_the_guests_architecture_go_to_the_emulator() -> None:
    for name, own in (("armv7l", (1, 40)), ("aarch64", (2, 183))):
        line = GUESTS[name].binfmt_line("/usr/bin/emulator")
        assert line.startswith(b":qemu-")
        assert line.endswith(b":/usr/bin/emulator:PF")
        for each in ((1, 40), (2, 183), (2, 62), (1, 3)):
            assert matches(line, header(*each, kind=2)) is (each == own)
        assert matches(line, header(*own, kind=3, abi=3))  # position-independent, with GNU's own ABI mark
        assert not matches(line, header(*own, kind=1))  # an object file


def test_what_an_administrator_registered_counts_if_it_works_below_another_root(tmp_path: Path) -> None:
    magic = header(1, 40, 2).hex()
    entry = "enabled\ninterpreter /usr/bin/qemu-arm-static\nflags: {}\noffset 0\nmagic " + magic + "\n"
    for flags, serves in (("PF", True), ("P", False)):
        (tmp_path / "qemu-arm").write_text(entry.format(flags))
        assert registered_machine_wide(GUESTS["armv7l"], tmp_path) is serves
        assert not registered_machine_wide(GUESTS["aarch64"], tmp_path)
    assert not registered_machine_wide(GUESTS["armv7l"], tmp_path / "not mounted")


# Accounts inside are numbers outside.


@pytest.mark.parametrize(
    ("own", "subordinate", "reachable", "expected"),
    [
        (1000, "me:100000:65536\n", WHOLE_MACHINE, [(0, 1000, 1), (1, 100000, 65535)]),
        (1000, "you:100000:65536\n1000:300000:65536\n", WHOLE_MACHINE, [(0, 1000, 1), (1, 300000, 65535)]),
        (1000, "me:100000:1000\nme:500000:70000\n", WHOLE_MACHINE, [(0, 1000, 1), (1, 500000, 65535)]),
        (0, "", WHOLE_MACHINE, [(0, 0, 1), (1, 1_000_000_000, 65535)]),
        (0, "", "0 1000 1\n1 100000 65536\n", [(0, 0, 1), (1, 1, 65535)]),  # root of a container
    ],
)
def test_ids_inside_are_the_callers_and_its_subordinate_ones(
    own: int, subordinate: str, reachable: str, expected: list[tuple[int, int, int]]
) -> None:
    assert id_map(own, "root" if own == 0 else "me", subordinate, reachable) == expected


def test_an_account_without_subordinate_ids_is_told_how_to_get_some() -> None:
    with pytest.raises(NoNamespace, match="usermod --add-subuids"):
        id_map(1000, "me", "you:100000:65536\n", WHOLE_MACHINE)


def emulation_or_skip(folder: Path) -> None:
    problems = missing_for_emulation(GUESTS["armv7l"], folder)
    if problems:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(" ".join(problems))


def test_a_folder_with_other_accounts_files_in_it_can_be_removed(tmp_path: Path) -> None:
    emulation_or_skip(tmp_path)
    assert list(tmp_path.iterdir()) == []  # trying it left nothing
    script = f"id -u; mkdir -p {tmp_path}/root/home/pi; touch {tmp_path}/root/home/pi/x; chown -R 1000:1000 {tmp_path}/root/home"
    done = subprocess.run(namespace.command(["sh", "-ec", script]), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr
    assert (tmp_path / "root/home/pi").stat().st_uid not in (os.getuid(), 1000)
    remove_tree(tmp_path / "root")
    assert list(tmp_path.iterdir()) == []
    remove_tree(tmp_path / "root")  # again: nothing to do


def test_what_is_missing_is_named_with_its_debian_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (problem,) = missing_for_emulation(GUESTS["armv7l" if os.uname().machine != "armv7l" else "aarch64"], tmp_path)
    assert "qemu-arm-static" in problem
    assert "apt install " in problem
    assert "qemu-user-static" in problem


# Where packages come from.


@pytest.mark.parametrize(
    ("targets", "suite", "expected"),
    [
        ("http://one/debian/|Debian|bookworm|Packages\nhttp://two/debian/|Debian|trixie|Packages\n", "trixie", "two"),
        (
            "http://one/debian/|Debian|bookworm|Packages\nhttp://one/security/|Debian-Security|trixie|Packages\n",
            "trixie",
            "one",
        ),
        ("http://one/debian/|Debian|bookworm|Translations\n", "bookworm", None),
        ("http://one/ubuntu/|Ubuntu|noble|Packages\nhttp://two/x/|Some Vendor|stable|Packages\n", "trixie", None),
        # No lists on the disk: apt does not know the labels yet.
        ("http://one/debian/|$(LABEL)|bookworm|Packages\nhttp://two/x/|$(LABEL)|jammy|Packages\n", "trixie", "one"),
        ("", "trixie", None),
    ],
)
def test_the_mirror_is_the_one_this_machines_apt_reads(targets: str, suite: str, expected: str | None) -> None:
    found = pick_mirror(targets, suite)
    assert found == (f"http://{expected}/debian/" if expected else None)


def test_a_mirror_that_was_set_wins() -> None:
    found = find_mirror("trixie", "http://127.0.0.1:9/debian")
    assert found == Mirror("http://127.0.0.1:9/debian/", found.keyring)
    assert found.source("trixie") == f"deb [signed-by={found.keyring}] http://127.0.0.1:9/debian/ trixie main\n"


# Packages are unpacked, and dpkg knows of them.


def make_package(folder: Path, name: str, files: dict[str, str], **fields: str) -> Path:
    tree = folder / name
    for path, text in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    (tree / "DEBIAN").mkdir(parents=True)
    control = {"Package": name, "Version": "1.0", "Architecture": "armhf", "Maintainer": "me", "Description": "it"} | {
        key.replace("_", "-"): value for key, value in fields.items()
    }
    (tree / "DEBIAN/control").write_text("".join(f"{key}: {value}\n" for key, value in control.items()))
    (tree / "DEBIAN/shlibs").write_text("libit 1 it\n")
    subprocess.run(
        ["dpkg-deb", "--build", "--root-owner-group", tree, folder / f"{name}.deb"], check=True, capture_output=True
    )
    return folder / f"{name}.deb"


def test_dpkg_answers_for_packages_that_were_only_unpacked(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("keeping owners takes root, which a guest's making has in a namespace")
    root = tmp_path / "root"
    make_skeleton(root, native_is_64_bit=True)
    library = make_package(
        tmp_path, "libit1", {"lib/libit.so.1": "ELF", "usr/share/doc/it/x": "prose"}, Multi_Arch="same"
    )
    program = make_package(tmp_path, "it", {"usr/bin/it": "#!/bin/sh\n"}, Depends="libit1")
    (root / "var/lib/dpkg/status").write_text("\n".join(unpack(each, root) for each in (library, program)))
    (root / "var/lib/dpkg/arch").write_text("armhf\n")
    assert (root / "lib").is_symlink()
    assert (root / "usr/lib/libit.so.1").read_text() == "ELF"
    assert not (root / "usr/share/doc/it/x").exists()

    def dpkg(*arguments: str) -> str:
        command = ["dpkg-query", f"--admindir={root}/var/lib/dpkg", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    assert dpkg("-S", "/lib/libit.so.1") == "libit1:armhf: /lib/libit.so.1"
    assert dpkg("-W", "-f", "${Package} ${Status}\\n").splitlines() == [
        "it install ok installed",
        "libit1 install ok installed",
    ]
    assert "libit 1 it" in Path(dpkg("-c", "libit1:armhf").splitlines()[-1]).read_text()


def test_a_damaged_package_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    package = make_package(tmp_path, "it", {"usr/bin/it": "x" * 100_000})
    package.write_bytes(package.read_bytes()[:-200])
    make_skeleton(tmp_path / "root", native_is_64_bit=False)
    with pytest.raises((RuntimeError, subprocess.CalledProcessError)):
        unpack(package, tmp_path / "root")


def test_names_that_update_alternatives_would_have_made_are_there(tmp_path: Path) -> None:
    programs = tmp_path / "usr/bin"
    programs.mkdir(parents=True)
    (programs / "gcc").touch()
    (programs / "which.debianutils").touch()
    (programs / "which").symlink_to("/etc/alternatives/which")  # as the package has it
    make_links(tmp_path)
    assert (programs / "cc").resolve() == programs / "gcc"
    assert (programs / "which").resolve() == programs / "which.debianutils"
    assert not (programs / "c++").is_symlink()


def test_root_cannot_log_into_a_guest_and_the_user_cannot_change_who_can() -> None:
    lines = sshd_lines(GUESTS["armv7l"], 2203, "/ho me")
    assert "PermitRootLogin no" in lines
    assert "PasswordAuthentication no" in lines
    assert "ListenAddress 127.0.0.1" in lines
    (keys,) = [line for line in lines if line.startswith("AuthorizedKeysFile")]
    assert "/home/" not in keys


# Which Pis there are.


def test_pis_are_remembered_with_ports_after_the_embedded_workers(tmp_path: Path) -> None:
    if os.uname().machine not in HOSTS:
        pytest.skip(f"an emulated Pi needs a host of {', '.join(HOSTS)}")
    home = settings(tmp_path, PIWRIGHT_WORKERS="3", PIWRIGHT_WORKER_PORT="2300")
    shelf = Shelf(home)
    assert shelf.pis() == []
    one, two = shelf.add("pi-1", "trixie", "armv7l"), shelf.add("pi-2", "bookworm", "aarch64")
    assert shelf.add("pi-1", "trixie", "armv7l") == one
    again = Shelf(home)
    assert again.pis() == [one, two]
    assert [again.port(each) for each in again.pis()] == [2303, 2304]
    assert two.target.name == "bookworm-cp311-aarch64"
    assert again.host_key(one) == shelf.host_key(one)
    again.forget("pi-1")
    assert shelf.pis() == [two]
    third = shelf.add("pi-3", "trixie", "armv7l")
    assert (shelf.port(third), shelf.port(two)) == (2303, 2304)  # a port that is free again; the others keep theirs
    assert shelf.roots.path("trixie", "armv7l") != shelf.roots.path("bookworm", "armv7l")


@pytest.mark.parametrize("name", ["", "Pi", "pi_1", "pi 1", "-pi", "pi-", "a" * 41, "worker-1", "../pi"])
def test_a_name_that_would_not_do_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ShelfError, match="cannot be a Pi's name"):
        Shelf(settings(tmp_path)).check(name, "trixie", "armv7l")


def test_a_kind_of_pi_that_is_not_known_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="trixie armv7l"):
        Shelf(settings(tmp_path)).check("pi-1", "jessie", "armv7l")
