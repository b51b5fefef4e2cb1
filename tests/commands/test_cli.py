"""The `piwright` command without a stack: what it refuses, what it says, and its exit codes. The end-to-end test has the rest."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PIWRIGHT = str(Path(sys.executable).with_name("piwright"))
VERBS = (
    "up",
    "down",
    "status",
    "sync",
    "add",
    "why",
    "offer",
    "hold",
    "worker",
    "network",
    "db",
    "airflow",
    "conformance",
    "downloads",
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def run(home: Path, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PIWRIGHT_")}
    environment = inherited | {"PIWRIGHT_HOME": str(home)} | more
    return subprocess.run([PIWRIGHT, *arguments], env=environment, capture_output=True, text=True, timeout=120)


def test_help_lists_every_verb(home: Path) -> None:
    done = run(home, "--help")
    assert done.returncode == 0
    for verb in VERBS:
        assert f"  {verb} " in done.stdout


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "airflow"])
def test_every_verb_has_help(home: Path, verb: str) -> None:
    done = run(home, verb, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: piwright {verb}")


WITHOUT_A_SHOP = [
    *(["status"], ["why", "spidev"], ["db", "url"], ["db", "revision"], ["db", "upgrade"]),
    *(["offer", "a.whl", "--reason", "r"], ["hold", "a.whl", "--reason", "r"]),
    *(["network", "allow", "spidev", "--reason", "r"], ["network", "forbid", "spidev"], ["network", "list"]),
]


@pytest.mark.parametrize("arguments", WITHOUT_A_SHOP, ids=" ".join)
def test_without_a_shop_it_says_how_to_open_one(home: Path, arguments: list[str]) -> None:
    done = run(home, *arguments)
    assert done.returncode == 1
    assert "There is no shop in" in done.stderr
    assert "make up" in done.stderr


def test_a_wrong_setting_is_refused_by_name_with_exit_code_2(home: Path) -> None:
    done = run(home, "status", PIWRIGHT_INDEX_PORT="eighty")
    assert done.returncode == 2
    assert "PIWRIGHT_INDEX_PORT='eighty' cannot be used" in done.stderr


def test_a_misspelt_setting_is_named(home: Path) -> None:
    assert "PIWRIGHT_INDEXPORT is no setting" in run(home, "down", PIWRIGHT_INDEXPORT="8000").stderr


def test_sync_without_a_stack_says_what_starts_one(home: Path) -> None:
    done = run(home, "sync")
    assert done.returncode == 1
    assert "`piwright up` starts it" in done.stderr


def test_down_without_a_stack_is_no_error(home: Path) -> None:
    done = run(home, "down")
    assert (done.returncode, done.stdout) == (0, "Nothing was running.\n")


def test_add_puts_requirements_on_the_watch_list_once_and_keeps_its_comments(home: Path, tmp_path: Path) -> None:
    watch = tmp_path / "watch.txt"
    watch.write_text("# mine\nspidev  # SPI\n")
    done = run(home, "add", "--no-sync", "evdev>=1.6", "spidev", PIWRIGHT_WATCH_FILE=str(watch))
    assert (done.returncode, done.stdout) == (0, "evdev>=1.6: added\nspidev: was there\n")
    assert watch.read_text() == "# mine\nspidev  # SPI\nevdev>=1.6\n"


def test_add_refuses_what_is_no_requirement_and_adds_the_rest(home: Path, tmp_path: Path) -> None:
    watch = tmp_path / "watch.txt"
    watch.write_text("")
    done = run(home, "add", "--no-sync", "not a name!", "evdev", PIWRIGHT_WATCH_FILE=str(watch))
    assert done.returncode == 2
    assert "'not a name!'" in done.stderr
    assert watch.read_text() == "evdev\n"
