"""The watch list as a file."""

import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from piwright.catalog.watch_list import (
    WatchListError,
    admits,
    admitted,
    append_line,
    newest_admitted,
    parse_watch_list,
    read_watch_list,
)
from piwright.settings import ROOT

V = Version
S = SpecifierSet


def test_comments_blank_lines_and_spellings_are_understood() -> None:
    content = b"\xef\xbb\xbf# all\r\n\r\nRPi.GPIO   # the pins\n  spidev >= 3.5, <4\nspidev==3.2\nlast(>=1)"
    watch_list = parse_watch_list(content)
    assert [(each.line, each.name, each.display_name, each.specifier) for each in watch_list.entries] == [
        (3, "rpi-gpio", "RPi.GPIO", ""),
        (4, "spidev", "spidev", "<4,>=3.5"),
        (5, "spidev", "spidev", "==3.2"),
        (6, "last", "last", ">=1"),
    ]
    assert watch_list.problems == ()
    assert watch_list.specifiers["spidev"] == (S("<4,>=3.5"), S("==3.2"))  # type: ignore[index]


def test_a_line_said_twice_counts_once() -> None:
    assert len(parse_watch_list(b"spidev>=1,<2\nSpiDev <2,>=1\n").entries) == 1


@pytest.mark.parametrize(
    ("line", "named", "remedy"),
    [
        (b"spidev[fast]>=1", "extras", "write spidev>=1"),
        (b"spidev; python_version > '3'", "environment marker", "write spidev"),
        (b"spidev @ https://somewhere.example/x.zip", "names an address", "write spidev alone"),
        (b"https://somewhere.example/x.zip", "no requirement specifier", "write a project name"),
        (b"-r other.txt", "option of pip", "write the names of projects"),
        (b"spidev>=", "no requirement specifier", "such as"),
        (b"spidev evdev", "no requirement specifier", "such as"),
        (b"-", "option of pip", "one a line"),
        (b"spidev==" + b"9" * 5000, "5008 characters", "one project a line"),
        (b"spid\xe9v", "not UTF-8", "save the file in that encoding"),
        (b"spid\xc3\xa9v", "no requirement specifier", "write a project name"),
    ],
)
def test_a_bad_line_is_named_with_a_remedy_and_the_rest_goes_on(line: bytes, named: str, remedy: str) -> None:
    watch_list = parse_watch_list(b"evdev\n" + line + b"\ndocopt\n")
    assert [each.name for each in watch_list.entries] == ["evdev", "docopt"]
    (problem,) = watch_list.problems
    assert problem.name == "line 2"
    assert named in problem.text
    assert remedy in problem.text


def test_a_list_that_cannot_be_read_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(WatchListError, match="PIWRIGHT_WATCH_FILE"):
        read_watch_list(tmp_path / "missing.txt")


@given(st.binary(max_size=200))
def test_no_content_breaks_the_reading_and_every_line_is_accounted_for(content: bytes) -> None:
    watch_list = parse_watch_list(content)
    lines = content.count(b"\n") + 1
    assert all(1 <= each.line <= lines for each in watch_list.entries)
    assert all(str(problem) for problem in watch_list.problems)


# --- which versions -----------------------------------------------------------------------------------------------

VERSIONS = [V("1.0"), V("1.5"), V("2.0b1"), V("2.0"), V("3.0rc1")]


@pytest.mark.parametrize(
    ("specifiers", "wanted"),
    [
        ([""], ["1.0", "1.5", "2.0"]),
        ([">=1.5"], ["1.5", "2.0"]),
        (["==1.0", ">=2"], ["1.0", "2.0"]),
        ([">2"], ["3.0rc1"]),  # nothing else matches
        ([">=2.0b1"], ["2.0b1", "2.0", "3.0rc1"]),  # asked for
        (["==1.0", "==2.0b1"], ["1.0", "2.0b1"]),
        (["<1"], []),
        ([], []),
    ],
)
def test_lines_add_up_and_pre_releases_follow_the_standard(specifiers: list[str], wanted: list[str]) -> None:
    assert admitted(map(S, specifiers), VERSIONS) == {V(each) for each in wanted}


def test_the_newest_admitted_is_final_unless_there_is_no_other() -> None:
    assert newest_admitted(S(""), VERSIONS) == V("2.0")
    assert newest_admitted(S(">=2.0b1"), VERSIONS) == V("3.0rc1")
    assert newest_admitted(S(""), [V("1.0a1"), V("1.0a2")]) == V("1.0a2")
    assert newest_admitted(S(">9"), VERSIONS) is None
    assert newest_admitted(S(""), []) is None


def test_alone_a_pre_release_is_admitted_only_where_one_is_asked_for() -> None:
    assert admits([S(">=1")], V("1.5"))
    assert not admits([S(">=1")], V("2.0b1"))
    assert admits([S("==1.0"), S(">=2.0a1")], V("2.0b1"))
    assert not admits([], V("1.0"))


@given(st.lists(st.sampled_from(VERSIONS), unique=True), st.sampled_from(["", ">=1.5", "<2", "!=2.0", ">=2.0b1"]))
def test_what_is_admitted_alone_is_admitted_together_and_the_newest_is_among_them(
    versions: list[Version], text: str
) -> None:
    together = admitted([S(text)], versions)
    assert {each for each in versions if admits([S(text)], each)} <= together
    assert newest_admitted(S(text), versions) == max(together, default=None)


# --- adding a line ------------------------------------------------------------------------------------------------


def test_a_line_is_added_at_the_end_and_everything_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "watch.txt"
    path.write_bytes(b"# ours\nspidev  # pins\nbad line here\nlast")
    path.chmod(0o640)
    assert append_line(path, "  evdev >=1.9  # input ")
    assert path.read_bytes() == b"# ours\nspidev  # pins\nbad line here\nlast\nevdev >=1.9  # input\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_there_already_is_not_added_again(tmp_path: Path) -> None:
    path = tmp_path / "watch.txt"
    assert append_line(path, "RPi.GPIO>=0.7")
    before = path.stat()
    assert not append_line(path, "rpi_gpio >= 0.7")
    assert path.stat().st_ino == before.st_ino
    assert append_line(path, "rpi-gpio")


def test_windows_line_ends_and_a_linked_list_stay_so(tmp_path: Path) -> None:
    (tmp_path / "real.txt").write_bytes(b"spidev\r\n")
    link = tmp_path / "watch.txt"
    link.symlink_to("real.txt")
    assert append_line(link, "evdev")
    assert link.is_symlink()
    assert (tmp_path / "real.txt").read_bytes() == b"spidev\r\nevdev\r\n"


@pytest.mark.parametrize("line", ["", "  # nothing", "spidev[x]", "a\nb", "-e .", "spidev @ file:///x", "é"])
def test_what_cannot_be_watched_is_refused_and_the_file_stays(tmp_path: Path, line: str) -> None:
    path = tmp_path / "watch.txt"
    path.write_text("spidev\n")
    with pytest.raises(WatchListError):
        append_line(path, line)
    assert path.read_text() == "spidev\n"


def test_two_who_add_at_once_both_get_their_line(tmp_path: Path) -> None:
    path = tmp_path / "watch.txt"
    together = threading.Barrier(8)

    def add(number: int) -> None:
        together.wait()
        append_line(path, f"project{number}")

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {each.name for each in read_watch_list(path).entries} == {f"project{number}" for number in range(8)}


# --- ours ---------------------------------------------------------------------------------------------------------


def test_the_list_we_ship_has_no_problem_and_about_fifteen_projects() -> None:
    watch_list = read_watch_list(ROOT / "config" / "watch.txt")
    assert watch_list.problems == ()
    assert 12 <= len(watch_list.specifiers) <= 20
