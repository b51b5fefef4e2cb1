"""The page of a build says what happened, why, what would have to change, and how to see it for oneself."""

import json
import re
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from piwright.intake.failure_classes import CLASSES
from piwright.intake.record import MOST_ATTEMPTS
from piwright.site.build_advice import advice
from piwright.site.build_page import build_json, remedy, render_build, show_phases, tried
from piwright.site.build_reproduction import reproduce
from piwright.site.log_excerpt import Excerpt, Line, Part
from piwright.site.project_facts import BuildFacts, BuildWheel
from support.scripted import make_wheel, scripted

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
BUILD = BuildFacts(
    attempt_id=42,
    project="spidev",
    display_name="spidev",
    version="3.6",
    target="bookworm-cp311-armv7l",
    distribution="bookworm",
    python="3.11",
    architecture="armv7l",
    number=1,
    outcome="built",
    failure_class=None,
    message=None,
    evidence_line=None,
    evidence_text=None,
    captured={},
    started_at=NOW,
    finished_at=NOW,
    seconds=95.0,
    phases=[],
    peak_memory_bytes=90_000_000,
    log_path=None,
    log_bytes=None,
    environment={},
    smoke=None,
    sandbox=None,
    connections=None,
    worker="pi-1",
    previous_id=None,
    sdist=("spidev-3.6.tar.gz", "sha256", "ab" * 32),
    uploaded_at=NOW,
)
FAILED = replace(
    BUILD,
    outcome="failed",
    failure_class="missing_header",
    captured={"header": "ffi.h"},
    evidence_line=7,
    evidence_text="fatal error: ffi.h: No such file or directory",
    previous_id=41,
    previous_outcome="failed",
)
LOG = Excerpt((Part(0, (Line(1, "begin"),)), Part(5, (Line(7, "fatal error: ffi.h"), Line(8, "=== piwright: x")))), 8)


def text_of(page: bytes) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.decode()))


def test_a_failure_says_its_class_its_meaning_its_line_and_what_would_have_to_change() -> None:
    page = render_build(FAILED, LOG, has_log=True)
    text = text_of(page)
    assert "Failed: missing header" in text
    assert CLASSES["missing_header"].meaning in text
    assert "fatal error: ffi.h: No such file or directory" in text
    assert "Whoever runs this shop: a package with ffi.h has to be installed on the workers." in text
    assert "the one before was build 41" in text
    assert b'href="#L7"' in page
    assert re.search(rb'id="L7" class="log-line log-evidence"', page)
    assert re.search(rb'id="L8" class="log-line log-ours"', page)
    assert "5 lines not shown" in text
    assert b'href="log.txt"' in page


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_has_words_of_its_own_and_none_has_a_hole(name: str) -> None:
    said = advice(name, {}, number=1)
    assert name == "unknown" or said != advice("unknown", {}, number=1)
    assert not re.search(r"[{}]", said)
    assert said.endswith(".")
    assert ("it is our doing, and is tried again by itself" in said) is CLASSES[name].infrastructure


@pytest.mark.parametrize("name", [name for name, each in CLASSES.items() if each.infrastructure])
def test_the_last_try_is_not_said_to_be_tried_again(name: str) -> None:
    build = replace(FAILED, failure_class=name, number=MOST_ATTEMPTS)
    text = text_of(render_build(build, None, has_log=False))
    assert "It was tried 3 times, and is not tried again by itself. Whoever runs this shop: " in text
    assert "Nothing yet" not in text
    assert "Nothing yet" in text_of(render_build(replace(build, number=MOST_ATTEMPTS - 1), None, has_log=False))


def test_our_own_failures_are_not_the_projects() -> None:
    ours = render_build(replace(FAILED, failure_class="worker_lost"), None, has_log=False)
    assert "our doing" in text_of(ours)
    assert "our doing" not in text_of(render_build(FAILED, None, has_log=False))
    assert "No log was kept." in text_of(ours)


def test_a_class_that_is_not_known_any_more_is_still_shown() -> None:
    page = render_build(replace(FAILED, failure_class="of_old_times"), None, has_log=False)
    assert "Failed: of old times" in text_of(page)


def test_what_was_built_is_named_with_what_became_of_its_import() -> None:
    wheel = BuildWheel("spidev-3.6-py3-none-any.whl", 1234, "c" * 64, ("py3-none-any",), note="It is slow.")
    build = replace(BUILD, wheels=(wheel,), smoke={"outcome": "needs_hardware", "detail": "no /dev/spidev0.0"})
    page = render_build(build, LOG, has_log=True)
    text = text_of(page)
    assert "Built in 1 min 35 s." in text
    assert "It wants hardware that a worker does not have: no /dev/spidev0.0" in text
    assert "It is slow." in text
    assert b'href="../../#spidev-3.6-py3-none-any.whl"' in page


@pytest.mark.parametrize(
    ("counted", "said"),
    [
        ({"connections": {"outside": 3, "loopback": 1, "lookups": 0}}, "3 to other machines"),
        ({"connections": {"outside": 0, "loopback": 1, "lookups": 0}}, "none tried"),
        ({}, "not counted"),
        ({"connections": "many"}, "not counted"),
    ],
)
def test_connections_it_tried_are_told(counted: dict[str, Any], said: str) -> None:
    build = replace(BUILD, environment=counted)
    assert said in text_of(render_build(build, None, has_log=False))
    assert (tried(build) is None) is (said == "not counted")


def test_phases_are_drawn_one_after_the_other_and_fill_the_line() -> None:
    shown = show_phases(
        [{"name": "fetch", "seconds": 10.0}, {"name": "build", "seconds": 30.0}, {"name": "fetch", "seconds": 0}]
    )
    assert [(each.start, each.width, each.number) for each in shown] == [(0, 250, 1), (250, 750, 2), (1000, 0, 1)]
    assert shown[1].label == "Build the wheel: 30 s"
    assert show_phases([]) == ()
    assert show_phases([{"name": "odd_one", "seconds": 0.0}])[0].words == "Odd one"


HOSTILE = [
    "a==1; rm -rf /",
    "$(reboot)",
    "END",
    "-r /etc/passwd",
    "a==1 --hash=sha256:" + "0" * 63,
    "--index-url=http://x",
]


def test_nothing_a_worker_says_gets_into_a_shell() -> None:
    build = replace(
        BUILD,
        environment={"requirements": [*HOSTILE, "setuptools==80.0"], "apt": [*HOSTILE, "gcc=1", "ok-dev=1;reboot"]},
    )
    made = reproduce(build)
    assert made.packages == ("gcc",)
    assert "setuptools==80.0" in made.text
    for each in HOSTILE[:2]:
        assert each not in made.text
    assert "rm -rf" not in made.text
    assert "reboot" not in made.text
    assert made.text.count("END") == 4
    for sdist in (
        ("x.tar.gz; reboot", "sha256", "ab" * 32),
        ("x.tar.gz", "md5", "ab" * 32),
        ("x.tar.gz", "sha256", "x"),
    ):
        assert reproduce(replace(BUILD, sdist=sdist)).text == ""
    assert reproduce(replace(BUILD, version="1.0$(reboot)")).text == ""
    assert reproduce(replace(BUILD, sdist=None)).text == ""


def test_the_tools_are_installed_first_and_libraries_where_they_are_missing() -> None:
    had = [
        "gcc=4",
        "make=4",
        "libc6-dev=2",
        "python3.11-dev=3",
        "libldap-dev=2",
        "libsasl2-dev=2",
        "zlib1g-dev=1",
        "vim=9",
    ]
    made = reproduce(replace(BUILD, environment={"apt": had}))
    tools, libraries = made.text.split("\n\n")[0], made.libraries
    assert [each for each in ("gcc", "make", "libc6-dev", "python3.11-dev") if each not in tools] == []
    assert "libldap-dev" not in made.text
    assert [each for each in ("libldap-dev", "libsasl2-dev", "zlib1g-dev") if each not in libraries] == []
    assert "gcc" not in libraries
    assert "vim" not in made.text + libraries
    assert reproduce(replace(BUILD, environment={"apt": ["gcc=4"]})).libraries == ""


def test_the_lines_to_repeat_a_build_make_the_wheel(tmp_path: Path) -> None:
    """As they stand on the page, in a shell, with this machine's Python."""
    source = scripted("repeatable", "import helper", requires=["helper"])
    helper = make_wheel("helper", {"helper.py": ""})
    folder = tmp_path / "sources"
    folder.mkdir()
    for each in (source, helper):
        (folder / each.filename).write_bytes(each.content)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    build = replace(
        BUILD,
        project="repeatable",
        version="1.0",
        python=python,
        sdist=(source.filename, "sha256", source.sha256),
        environment={"requirements": [f"helper==1.0 --hash=sha256:{helper.sha256}"]},
    )
    made = reproduce(build)
    assert made.exact
    text = made.text.replace(f"python{python} -m venv", f"{sys.executable} -m venv")
    environment = {"PATH": "/usr/bin:/bin", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "HOME": str(tmp_path)}
    done = subprocess.run(["bash", "-e", "-c", text], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    [wheel] = (tmp_path / "repeat").glob("*.whl")
    assert zipfile.ZipFile(wheel).testzip() is None
    # Another source by the same name is refused.
    forged = replace(build, sdist=(source.filename, "sha256", "0" * 64))
    text = reproduce(forged).text.replace(f"python{python} -m venv repeat", f"{sys.executable} -m venv forged")
    text = text.replace("cd repeat", "cd forged")
    refused = subprocess.run(["bash", "-e", "-c", text], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert refused.returncode != 0
    assert "DO NOT MATCH" in refused.stderr + refused.stdout


def test_data_says_what_the_page_shows() -> None:
    data = json.loads(build_json(FAILED, LOG, "https://wheels.invalid", has_log=True))
    assert data["evidence"] == {"line": 7, "text": FAILED.evidence_text}
    assert data["meaning"] == CLASSES["missing_header"].meaning
    assert data["remedy"] == remedy(FAILED)
    assert data["log"] == {
        "url": "https://wheels.invalid/project/spidev/build/42/log.txt",
        "bytes": None,
        "lines": 8,
    }
    assert json.loads(build_json(BUILD, None, "https://wheels.invalid", has_log=False))["log"] is None
