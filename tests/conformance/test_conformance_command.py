"""`piwright conformance` as a person or a program calls it: what it prints, and its exit codes."""

import json
from pathlib import Path

import pytest
import typer
from lies import LIES
from truthful_index import Content, Lie, redirect, served
from typer.testing import CliRunner, Result

from piwright.commands.conformance import conformance
from piwright.conformance import ALL_CHECKS

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)
app.command()(conformance)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})


def test_an_index_that_keeps_to_the_standards_ends_with_0() -> None:
    with served() as url:
        done = run(url)
    assert done.exit_code == 0, done.output
    assert "conforms. Failed: 0 required, 0 recommended of" in done.stdout
    assert "Looked at 3 projects and 6 files" in done.stdout


def test_a_broken_requirement_ends_with_1_and_says_what_where_and_how_to_mend_it() -> None:
    with served(LIES["file-hash"]) as url:
        done = run(url, "--projects", "spi.dev")
    assert done.exit_code == 1
    assert "does not conform. Failed: 1 required, 0 recommended of" in done.stdout
    found = next(line for line in done.stdout.splitlines() if "the page says" in line)
    assert "/files/spi_dev-3.6.tar.gz: sha256 is" in found
    assert "Remedy: Never change a file under its address" in done.stdout
    assert "Standard: Simple repository API" in done.stdout


def test_a_recommendation_that_is_not_followed_ends_with_0() -> None:
    with served(LIES["cache-pages"]) as url:
        done = run(url)
    assert done.exit_code == 0
    assert "conforms. Failed: 0 required, 1 recommended of" in done.stdout
    assert "FAIL" in done.stdout


def test_json_has_every_check_with_its_standard_and_evidence() -> None:
    with served(LIES["agree-yanked"]) as url:
        done = run(url, "--json", "--sample", "2")
    assert done.exit_code == 1
    data = json.loads(done.stdout)
    assert data["url"] == url
    assert data["conforms"] is False
    [check] = [each for each in data["checks"] if each["id"] == "agree-yanked"]
    assert (check["level"], check["verdict"], check["group"]) == ("required", "fail", "agreement")
    assert check["failures"] == 1
    assert "HTML says 'not yanked'" in check["evidence"][0]["found"]
    assert check["evidence"][0]["url"] == f"{url}spi-dev/"
    assert check["standard"]
    assert check["remedy"]
    assert sum(data["counts"].values()) == len(data["checks"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["ftp://x.invalid/simple/"],
            "'ftp://x.invalid/simple/' cannot be checked: give the address of a simple index",
        ),
        (["http://x.invalid/simple/?a=b"], "cannot be checked"),
        (["http://x.invalid:99999/"], "cannot be checked"),
        (["http://x.invalid/\x1b[31m"], "\\x1b[31m"),
        (["simple"], "cannot be checked"),
        (["http://127.0.0.1:9/", "--projects", "not/a/name"], "'not/a/name' is no project's name"),
        (["http://127.0.0.1:9/", "--sample", "0"], "--sample"),
        (["http://127.0.0.1:9/", "--timeout", "soon"], "--timeout"),
        ([], "URL"),
    ],
)
def test_wrong_arguments_end_with_2_and_are_named(arguments: list[str], said: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2, done.output
    assert said in done.output
    assert "\x1b" not in done.output


def test_no_index_ends_with_1_and_says_so() -> None:
    with served() as url:
        done = run(url.replace("/simple/", "/elsewhere/"))
    assert done.exit_code == 1
    assert "is no simple index: status 404" in done.output
    assert "--index-url" in done.output


def test_what_the_index_says_does_nothing_to_the_terminal() -> None:
    def change(content: Content) -> None:
        content.file()["requires-python"] = "\x1b]0;owned\x07[bold red]shouting[/bold red]\u202e"

    with served(Lie(content=change)) as url:
        done = run(url, "--verbose")
    assert "[bold red]shouting[/bold red]" in done.stdout
    assert "\\x1b]0;owned\\x07" in done.stdout
    assert not set(done.stdout) & {"\x1b", "\x07", "\u202e"}


def test_the_documentation_has_every_check() -> None:
    text = (Path(__file__).parents[2] / "docs" / "conformance.md").read_text()
    for check in ALL_CHECKS:
        assert f"| `{check.id}` | {check.level.value} |" in text, f"docs/conformance.md lacks {check.id}"


def test_no_index_is_said_to_a_program_in_the_report_it_expects() -> None:
    with served() as url:
        report = json.loads(run(url, "--json").stdout)
        done = run(url.replace("/simple/", "/elsewhere/"), "--json")
    assert done.exit_code == 1
    said = json.loads(done.stdout)
    assert said.keys() == report.keys()
    assert report["error"] is None
    assert said["error"].endswith("Give the address that pip is given as --index-url.")
    assert said["error"] in done.stderr
    assert (said["conforms"], said["checks"], said["projects"]) == (False, [], [])
    assert set(said["counts"].values()) == {0}


def test_a_project_without_an_answer_is_counted_in_the_table() -> None:
    loop = Lie(reply=lambda ask, reply: redirect(ask.path) if ask.path == "/simple/other/" else reply)
    with served(loop) as url:
        done = run(url)
        program = run(url, "--json")
    assert done.exit_code == program.exit_code == 1
    assert "Looked at 2 projects (1 more gave no answer) and" in done.stdout
    assert json.loads(program.stdout)["unanswered"] == ["other"]
