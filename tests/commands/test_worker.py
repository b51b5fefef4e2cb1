"""`piwright worker` as a person or a program calls it."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from piwright.commands.worker import sandbox_in_words
from piwright.database.connection import Json, connect
from piwright.database.provision import Access
from piwright.planning.targets import known_target
from piwright.stack.workers import REMOVED
from support.shop import add_worker

PIWRIGHT = str(Path(sys.executable).with_name("piwright"))
SANDBOX = {
    "kind": "bubblewrap",
    "version": "0.11.0",
    "why": "",
    "memory": "watchdog",
    "processes": "rlimit",
    "space": "disk",
}


@pytest.fixture
def shop(database: Access, tmp_path: Path) -> Path:
    """A home whose database has three workers: one that was asked, one that was not, one that is gone."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "databases.json").write_text(json.dumps(dataclasses.asdict(database)))
    with connect(database.application) as connection:
        for name in ("pi-1", "pi-2", "pi-3"):
            add_worker(connection, name, known_target("trixie", "armv7l"))
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE worker SET facts = %s, probed_at = now() WHERE name = 'pi-1'",
                (Json({"sandbox": SANDBOX, "machine": "armv7l"}),),
            )
            cursor.execute("UPDATE worker SET state = 'refused', state_reason = 'it [cannot]' WHERE name = 'pi-2'")
            cursor.execute("UPDATE worker SET state = 'drained', state_reason = %s WHERE name = 'pi-3'", (REMOVED,))
    return tmp_path


def worker(home: Path, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIWRIGHT")}
    environment |= {"PIWRIGHT_HOME": str(home)} | more
    return subprocess.run(
        [PIWRIGHT, "worker", *arguments], env=environment, capture_output=True, text=True, timeout=120
    )


def test_the_list_says_how_each_worker_is_and_how_it_shuts_builds_in(shop: Path) -> None:
    done = worker(shop, "list")
    assert done.returncode == 0, done.stderr
    _, one, two = done.stdout.splitlines()  # a worker is a line, and one that is gone is none
    assert "pi-1" in one
    assert "bubblewrap 0.11.0; memory by watchdog, processes by rlimit, space by disk" in one
    assert "refused: it [cannot]" in two
    assert two.rstrip().endswith("never")


def test_programs_get_the_same_as_data(shop: Path) -> None:
    one, two = json.loads(worker(shop, "list", "--json").stdout)
    assert (one["name"], one["target"], one["slots"]) == ("pi-1", "trixie-cp313-armv7l", 1)
    assert one["sandbox"]["memory"] == "watchdog"
    assert one["facts"]["machine"] == "armv7l"
    assert one["probed"].startswith("20")
    assert (two["state"], two["reason"], two["sandbox"], two["probed"]) == ("refused", "it [cannot]", None, None)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["emulate", "Pi_1"], "cannot be a Pi's name"),
        (["emulate", "worker-7"], "cannot be a Pi's name"),
        (["remove", "pi-9"], "is no emulated Pi"),
        (["remove"], "Name an emulated Pi"),
        (["probe", "pi-9"], "is no worker of this stack: there are worker-1"),
    ],
)
def test_what_cannot_be_is_said_with_exit_code_2(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = worker(tmp_path, *arguments)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def test_a_machine_that_lacks_the_tools_is_told_which_before_anything_is_changed(tmp_path: Path) -> None:
    done = worker(tmp_path, "emulate", "pi-1", PATH=str(tmp_path))
    assert done.returncode == 1
    assert "qemu-arm-static" in done.stderr
    assert "apt install" in done.stderr
    assert not (tmp_path / "emulated").exists()


def test_a_worker_without_a_sandbox_says_why() -> None:
    assert sandbox_in_words(None) == "not asked yet"
    none = {"kind": "none", "version": "", "why": "there is no bwrap", "memory": "watchdog"}
    assert sandbox_in_words(none) == "none (there is no bwrap); memory by watchdog"
