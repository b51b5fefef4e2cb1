"""Targets and the tags they can install."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from packaging import tags as packaging_tags
from packaging.tags import sys_tags

from piwright.database.connection import Connection, fetch_all
from piwright.planning.targets import (
    Target,
    TargetError,
    known_target,
    known_targets,
    machine_target,
    read_targets,
    store_targets,
)
from support.shop import BOOKWORM, TRIXIE, add_sdist


def test_the_machine_installs_exactly_what_packaging_says_it_does() -> None:
    assert machine_target().tags == [str(tag) for tag in sys_tags()]


def test_a_target_is_named_for_distribution_python_and_architecture() -> None:
    assert BOOKWORM.name == "bookworm-cp311-armv7l"
    assert BOOKWORM.tags[-1] == "py30-none-any"
    assert BOOKWORM.tags[:2] == ["cp311-cp311-linux_armv7l", "cp311-cp311-manylinux_2_36_armv7l"]
    assert not any("2_37" in tag for tag in BOOKWORM.tags)


def test_targets_come_from_a_file_in_its_order(tmp_path: Path) -> None:
    file = tmp_path / "targets.toml"
    file.write_text(
        '[[target]]\ndistribution = "trixie"\npython = "3.13"\narchitecture = "armv7l"\nglibc = "2.41"\n'
        '[[target]]\ndistribution = "alpine3.22"\npython = "3.12"\narchitecture = "aarch64"\nmusl = "1.2"\n'
    )
    trixie, alpine = read_targets(file)
    assert trixie == replace(TRIXIE, preinstalled=known_target("trixie", "armv7l").preinstalled)
    assert alpine.preinstalled == ()
    assert "cp312-cp312-musllinux_1_2_aarch64" in alpine.tags


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("target = 3", "[[target]]"),
        ("[[target]]\n", "distribution = None"),
        ('[[target]]\ndistribution = "trixie"\npython = "2.7"\n', "python = '2.7'"),
        ('[[target]]\ndistribution = "trixie"\npython = "3.13"\narchitecture = "a b"\n', "architecture = 'a b'"),
        (
            '[[target]]\ndistribution = "trixie"\npython = "3.13"\narchitecture = "armv7l"\nglibc = 2.41\n',
            "glibc = 2.41",
        ),
        ("not toml", "no TOML"),
    ],
)
def test_a_wrong_target_is_named_with_its_field_and_value(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "targets.toml"
    file.write_text(text)
    with pytest.raises(TargetError) as error:
        read_targets(file)
    assert named in str(error.value)


def test_what_a_file_says_is_preinstalled_wins_over_what_is_known(tmp_path: Path) -> None:
    entry = '[[target]]\ndistribution = "trixie"\npython = "3.13"\narchitecture = "{}"\nglibc = "2.41"\n'
    file = tmp_path / "targets.toml"
    file.write_text(
        entry.format("armv7l")
        + "preinstalled = []\n"
        + entry.format("aarch64")
        + '[preinstalled]\ntrixie = ["libc6"]\n'
    )
    assert [each.preinstalled for each in read_targets(file)] == [(), ("libc6",)]
    file.write_text(entry.format("armv7l") + 'preinstalled = ["libc6", "No Package"]\n')
    with pytest.raises(TargetError, match=r"preinstalled = \['No Package'\]"):
        read_targets(file)


# Raspberry Pis.


def test_the_known_pis_are_two_debians_on_two_architectures() -> None:
    assert {each.name: each.libc for each in known_targets()} == {
        "bookworm-cp311-armv7l": ("glibc", 2, 36),
        "bookworm-cp311-aarch64": ("glibc", 2, 36),
        "trixie-cp313-armv7l": ("glibc", 2, 41),
        "trixie-cp313-aarch64": ("glibc", 2, 41),
    }


def test_what_an_image_ships_has_the_names_its_debian_gives() -> None:
    for each in known_targets():
        assert {"libc6", "libstdc++6", "libgcc-s1", "zlib1g", "libffi8", "libexpat1"} <= set(each.preinstalled)
        assert len(set(each.preinstalled)) == len(each.preinstalled)
        assert not [name for name in each.preinstalled if re.search(r"-(dev|data|doc|dbg)$", name)]
        # Debian renamed libraries whose interface has times in it, from trixie on.
        assert ("libssl3" in each.preinstalled) is (each.distribution == "bookworm")
        assert ("libssl3t64" in each.preinstalled) is (each.distribution == "trixie")


def as_on(machine: str, target: Target, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What `packaging` says on a kernel of that machine below a 32-bit Python of the target."""
    monkeypatch.setattr(packaging_tags.sysconfig, "get_platform", lambda: f"linux-{machine}")
    monkeypatch.setattr(packaging_tags._manylinux, "_have_compatible_abi", lambda executable, archs: True)
    monkeypatch.setattr(packaging_tags._manylinux, "_get_glibc_version", lambda: target.libc[1:])
    monkeypatch.setattr(packaging_tags._musllinux, "_get_musl_version", lambda executable: None)
    platforms = list(packaging_tags._linux_platforms(is_32bit=True))
    interpreter = target.name.split("-")[1]
    found = [
        *packaging_tags.cpython_tags(target.python, abis=[interpreter], platforms=platforms),
        *packaging_tags.compatible_tags(target.python, interpreter=interpreter, platforms=platforms),
    ]
    return [str(tag) for tag in found]


@pytest.mark.parametrize("target", [known_target("bookworm", "armv7l"), known_target("trixie", "armv7l")])
def test_a_32_bit_pi_installs_a_targets_wheels_below_either_kernel(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert as_on("armv7l", target, monkeypatch) == target.tags
    # Raspberry Pi OS runs 32-bit systems below a 64-bit kernel on newer Pis. There `armv8l` comes first, but only there:
    # what upstream has for it alone does not spare the other Pis of the target a build.
    mixed = as_on("aarch64", target, monkeypatch)
    assert mixed[0].endswith("linux_armv8l")
    assert [tag for tag in mixed if "armv8l" not in tag] == target.tags
    assert not any("armv8l" in tag for tag in target.tags)


def test_a_target_that_comes_later_makes_every_line_of_the_watch_list_new(connection: Connection) -> None:
    store_targets(connection, [BOOKWORM])
    add_sdist(connection, "demo", "1.0")
    new = "SELECT count(*) AS lines FROM watch WHERE queued_at IS NULL"
    for targets, lines in (([BOOKWORM], 0), ([BOOKWORM, TRIXIE], 1), ([BOOKWORM], 0), ([TRIXIE], 1)):
        with connection.cursor() as cursor:
            cursor.execute("UPDATE watch SET queued_at = now()")
        store_targets(connection, targets)
        assert fetch_all(connection, new)[0].lines == lines


def test_a_target_keeps_what_its_system_ships(connection: Connection) -> None:
    pi = known_target("trixie", "armv7l")
    store_targets(connection, [pi])
    (row,) = fetch_all(connection, "SELECT preinstalled FROM target")
    assert tuple(row.preinstalled) == pi.preinstalled


def test_a_target_that_is_listed_no_more_is_kept_but_not_built_for(connection: Connection) -> None:
    first = store_targets(connection, [BOOKWORM, TRIXIE])
    assert store_targets(connection, [TRIXIE]) == {TRIXIE.name: first[TRIXIE.name]}
    assert [row.name for row in fetch_all(connection, "SELECT name FROM target WHERE NOT active")] == [BOOKWORM.name]
