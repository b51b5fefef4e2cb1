"""Targets and the tags they can install."""

from pathlib import Path

import pytest
from packaging.tags import sys_tags

from piwright.database.connection import Connection, fetch_all
from piwright.planning.targets import TargetError, machine_target, read_targets, store_targets
from support.shop import BOOKWORM, TRIXIE


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
    assert trixie == TRIXIE
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


def test_a_target_that_is_listed_no_more_is_kept_but_not_built_for(connection: Connection) -> None:
    first = store_targets(connection, [BOOKWORM, TRIXIE])
    assert store_targets(connection, [TRIXIE]) == {TRIXIE.name: first[TRIXIE.name]}
    assert [row.name for row in fetch_all(connection, "SELECT name FROM target WHERE NOT active")] == [BOOKWORM.name]
