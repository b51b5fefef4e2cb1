"""A cell of a project's table says whether a version installs on a target, and if not, why."""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from piwright.index.compose import is_for
from piwright.index.contents import OurWheel
from piwright.index.layout import TargetTags, target_flavour
from piwright.planning.targets import Target
from piwright.site.matrix import Cell, decide_matrix, serves, tags_of
from piwright.site.project_answers import answer_targets, host_to_trust, ways_to_install
from piwright.site.project_facts import (
    AttemptFacts,
    JobFacts,
    ProjectFacts,
    ReleaseFacts,
    TargetFacts,
    UpstreamFileFacts,
    WheelFacts,
    pack_tags,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def target_facts(target_id: int, target: Target, slots: int = 1) -> TargetFacts:
    return TargetFacts(
        target_id,
        target.name,
        target.distribution,
        target.python_version,
        target.architecture,
        pack_tags(target.tags),
        slots,
    )


BOOKWORM = target_facts(1, Target("bookworm", (3, 11), "armv7l", ("glibc", 2, 36)))
TRIXIE = target_facts(2, Target("trixie", (3, 13), "armv7l", ("glibc", 2, 41)))
TRIXIE_64 = target_facts(3, Target("trixie", (3, 13), "aarch64", ("glibc", 2, 41)))

SDIST = UpstreamFileFacts("spidev-3.6.tar.gz", "sdist", {"sha256": "0" * 64})
RELEASE = ReleaseFacts(10, "3.6", files=(SDIST,))
JOB = JobFacts(100, 10, 1, "built", estimate_seconds=60)
ATTEMPT = AttemptFacts(1000, 100, 1, "built", None, None, NOW, NOW, 60.0)
FAILED = replace(ATTEMPT, outcome="failed", failure_class="missing_header", evidence="fatal error: ffi.h")
WHEEL = WheelFacts(
    wheel_id=5,
    attempt_id=1000,
    release_id=10,
    target=BOOKWORM.name,
    distribution="bookworm",
    filename="spidev-3.6-cp311-cp311-linux_armv7l.whl",
    sha256="a" * 64,
    size=1,
    tags=("cp311-cp311-linux_armv7l",),
    built_at=NOW,
    published=True,
)
FACTS = ProjectFacts(7, "spidev", "spidev", NOW, watched=("",), targets=(BOOKWORM,), releases=(RELEASE,))


def facts(**columns: Any) -> ProjectFacts:
    return replace(FACTS, **columns)


def release(*files: str, **columns: Any) -> tuple[ReleaseFacts, ...]:
    kinds = {True: "wheel", False: "sdist"}
    made = tuple(UpstreamFileFacts(name, kinds[name.endswith(".whl")], {"sha256": "0" * 64}) for name in files)
    return (replace(RELEASE, files=made or RELEASE.files, **columns),)


def job(state: str, **columns: Any) -> tuple[JobFacts, ...]:
    return (replace(JOB, state=state, **columns),)


def only_cell(project: ProjectFacts) -> Cell:
    [row] = decide_matrix(project)
    [cell] = row.cells
    return cell


BUILT = {"jobs": job("built"), "attempts": (ATTEMPT,), "wheels": (WHEEL,)}


@pytest.mark.parametrize(
    ("known", "state", "said"),
    [
        (BUILT, "built", None),
        ({"releases": release("spidev-3.6-py3-none-any.whl")}, "upstream", None),
        ({"releases": release("spidev-3.6-cp311-cp311-manylinux_2_17_armv7l.whl"), **BUILT}, "upstream", None),
        ({"releases": release("spidev-3.6-cp311-cp311-manylinux_2_17_x86_64.whl"), **BUILT}, "built", None),
        ({"jobs": job("failed"), "attempts": (FAILED,)}, "failed", "header is not installed"),
        ({"jobs": job("parked", reason="given up"), "attempts": ()}, "failed", "Given up."),
        ({"jobs": job("leased", worker="pi-3")}, "building", "On pi-3 now."),
        ({"jobs": job("leased")}, "building", "on its way to a worker"),
        ({"jobs": job("waiting", ahead=0)}, "waiting", "Next in the queue, about a minute"),
        (
            {"jobs": job("waiting", ahead=11, seconds_ahead=3000.0)},
            "waiting",
            "Place 12 in the queue, about 51 minutes",
        ),
        ({"jobs": job("waiting", ahead=None)}, "waiting", "Many builds are before it."),
        (
            {"jobs": job("waiting", ahead=1, next_try_at=NOW.replace(hour=13))},
            "waiting",
            "after 22 Nov 2026, 13:00 UTC",
        ),
        ({"jobs": job("waiting", waits_for="numpy 2.0")}, "waiting", "Waits for numpy 2.0."),
        (
            {"jobs": job("waiting", ahead=1), "targets": (replace(BOOKWORM, slots=0),)},
            "waiting",
            "Nobody builds for this target",
        ),
        (
            {**BUILT, "wheels": (replace(WHEEL, held_reason="it does not import"),)},
            "held",
            "Held by the shop: it does not import",
        ),
        (
            {**BUILT, "wheels": (replace(WHEEL, held_reason="crashes", held_by="alice"),)},
            "held",
            "Held by alice: crashes",
        ),
        ({**BUILT, "wheels": (replace(WHEEL, removed_reason="wrong licence"),)}, "removed", "removed: wrong licence"),
        ({**BUILT, "releases": release(gone=True)}, "removed", "Upstream removed this version."),
        ({**BUILT, "gone": True}, "removed", "no longer has this project"),
        ({**BUILT, "status": "quarantined", "status_reason": "malware"}, "removed", "Quarantined upstream: malware."),
        ({"releases": release("spidev-3.6-cp39-cp39-win32.whl")}, "skipped", "Upstream has no source distribution."),
        (
            {"releases": (replace(RELEASE, files=(replace(SDIST, requires_python=">=3.12"),)),)},
            "skipped",
            "Needs Python >=3.12, the target has 3.11.",
        ),
        ({"releases": (replace(RELEASE, files=(replace(SDIST, hashes={"md5": "0"}),)),)}, "skipped", "gives no sha256"),
        ({"jobs": job("superseded", reason="x.whl serves this target too")}, "skipped", "serves this target too"),
        ({"releases": release(yanked=True, yanked_reason="broken")}, "yanked", "Yanked upstream: broken."),
        ({**BUILT, "releases": release(yanked=True)}, "built", None),
        ({}, "unknown", "the watch list admits other versions"),
        ({"jobs": job("waiting", target_id=2)}, "unknown", "not in the queue for this target yet"),
        ({"watched": ()}, "unknown", "not on the watch list"),
        ({"watched": (), "skip_reason": "404"}, "unknown", "could not be read: 404"),
    ],
)
def test_a_cell_says_what_is_the_case(known: dict[str, Any], state: str, said: str | None) -> None:
    cell = only_cell(facts(**known))
    assert cell.state == state
    assert (said or "") in (cell.detail or "")
    assert cell.installable is (state in ("built", "upstream"))


def test_a_rebuild_that_waits_does_not_hide_the_wheel_there_is() -> None:
    assert only_cell(facts(**{**BUILT, "jobs": job("waiting", ahead=3)})).state == "built"


def test_a_cell_leads_to_the_build_of_its_wheel_not_to_a_later_failure() -> None:
    later = replace(FAILED, attempt_id=1001, number=2)
    cell = only_cell(facts(**{**BUILT, "attempts": (later, ATTEMPT)}))
    assert cell.attempt == ATTEMPT
    waiting = only_cell(facts(jobs=job("waiting", ahead=0), attempts=(ATTEMPT, later)))
    assert waiting.attempt == later


@pytest.mark.parametrize(
    ("tags", "columns", "fits"),
    [
        (["cp311-cp311-linux_armv7l"], {}, (True, False)),
        (["py3-none-any"], {}, (True, True)),
        (["cp39-abi3-linux_armv7l"], {}, (True, False)),
        (["cp39-abi3-manylinux_2_36_armv7l"], {}, (True, True)),
        (["cp39-abi3-linux_armv7l", "cp39-abi3-manylinux_2_36_armv7l"], {}, (True, True)),
        (["cp311-cp311-linux_aarch64"], {}, (False, False)),
        (["py3-none-any"], {"requires_python": ">=3.12"}, (False, True)),
    ],
)
def test_a_wheel_serves_whoever_takes_its_tags_and_has_its_libraries(
    tags: list[str], columns: dict[str, Any], fits: tuple[bool, bool]
) -> None:
    wheel = replace(WHEEL, tags=tuple(tags), **columns)
    assert (serves(wheel, BOOKWORM), serves(wheel, TRIXIE)) == fits


def test_versions_come_newest_first_and_what_upstream_removed_unseen_does_not_come_at_all() -> None:
    versions = ["1.10", "1.9", "1.10rc1", "2.0.dev1", "1!0.1"]
    releases = [replace(RELEASE, release_id=number, version=version) for number, version in enumerate(versions)]
    gone = replace(RELEASE, release_id=99, version="3.0", gone=True)
    rows = decide_matrix(facts(releases=(*releases, gone)))
    assert [row.release.version for row in rows] == ["1!0.1", "2.0.dev1", "1.10", "1.10rc1", "1.9"]


def two_versions(newer_job: tuple[JobFacts, ...] = ()) -> ProjectFacts:
    """3.6 has a wheel for Bookworm; 3.7 has none."""
    newer = replace(RELEASE, release_id=11, version="3.7")
    return facts(**{**BUILT, "jobs": (*BUILT["jobs"], *newer_job)}, releases=(RELEASE, newer))


def test_where_only_an_older_version_installs_the_line_pins_it_and_the_answer_says_what_stands_in_the_way() -> None:
    failed = (replace(JOB, job_id=101, release_id=11, state="failed", reason="no"),)
    project = two_versions(failed)
    [answer] = answer_targets(project, decide_matrix(project))
    assert (answer.installable, answer.row and answer.row.release.version, answer.newer_version) == (True, "3.6", "3.7")
    assert answer.newer
    assert answer.newer.state == "failed"
    [way] = ways_to_install(project, [answer], "http://127.0.0.1:8000")
    assert way.pip == "pip install --index-url http://127.0.0.1:8000/simple/ spidev==3.6"
    assert way.uv == "uv pip install --default-index http://127.0.0.1:8000/simple/ spidev==3.6"


@pytest.mark.parametrize(("version", "columns"), [("3.7rc1", {}), ("3.7", {"yanked": True}), ("3.7", {"gone": True})])
def test_a_version_pip_would_not_choose_is_not_in_the_way(version: str, columns: dict[str, Any]) -> None:
    newer = replace(RELEASE, release_id=11, version=version, **columns)
    project = facts(**BUILT, releases=(RELEASE, newer))
    [answer] = answer_targets(project, decide_matrix(project))
    assert (answer.newest, answer.newer) == (True, None)
    [way] = ways_to_install(project, [answer], "https://wheels.invalid")
    assert way.pip == "pip install --index-url https://wheels.invalid/simple/ spidev"


def test_targets_that_need_different_libraries_get_lines_of_their_own() -> None:
    wheels = (
        replace(WHEEL, apt_packages=("libopenblas0", "evil;rm -rf /"), tags=("cp311-cp311-manylinux_2_36_armv7l",)),
        replace(
            WHEEL,
            wheel_id=6,
            distribution="trixie",
            tags=("cp313-cp313-linux_armv7l",),
            needs_distribution=True,
        ),
    )
    project = facts(targets=(BOOKWORM, TRIXIE, TRIXIE_64), wheels=wheels, attempts=(ATTEMPT,))
    answers = answer_targets(project, decide_matrix(project))
    assert [each.installable for each in answers] == [True, True, False]
    first, second = ways_to_install(project, answers, "http://pi.lan:8000")
    assert first.apt_line == "sudo apt install libopenblas0"
    assert first.pip == "pip install --trusted-host pi.lan:8000 --index-url http://pi.lan:8000/simple/ spidev"
    assert second.apt == ()
    assert second.index_url == "http://pi.lan:8000/trixie-cp313-armv7l/simple/"
    assert [each.name for each in second.targets] == ["trixie-cp313-armv7l"]


def test_a_version_that_is_all_there_is_and_yanked_is_pinned() -> None:
    project = facts(**{**BUILT, "releases": release(yanked=True, version="1!3.6")})
    answers = answer_targets(project, decide_matrix(project))
    [way] = ways_to_install(project, answers, "https://wheels.invalid")
    assert way.pip.endswith(" 'spidev==1!3.6'")


@pytest.mark.parametrize(
    ("url", "host"),
    [("http://127.0.0.1:8000/", None), ("https://wheels.invalid/", None), ("http://pi.lan:8000/", "pi.lan:8000")],
)
def test_pip_is_told_to_trust_only_a_host_it_would_refuse(url: str, host: str | None) -> None:
    assert host_to_trust(url) == host


@pytest.mark.parametrize("tag", ["cp311-cp311-linux_armv7l", "cp39-abi3-manylinux_2_36_armv7l", "py3-none-any"])
@pytest.mark.parametrize("target", [BOOKWORM, TRIXIE, TRIXIE_64], ids=lambda target: target.name)
def test_the_table_and_the_index_agree_on_whom_a_wheel_is_for(tag: str, target: TargetFacts) -> None:
    flavour = target_flavour(target.name, TargetTags(target.distribution, tags_of(target)))
    ours = OurWheel(5, "3.6", "x.whl", "a" * 64, 1, "b" * 64, NOW, tags=(tag,), distribution="bookworm")
    assert serves(replace(WHEEL, tags=(tag,)), target) is is_for(ours, flavour)
