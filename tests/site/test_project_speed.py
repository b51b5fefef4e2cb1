"""Project pages are made quickly enough to make all of them again."""

import time

from msgspec.structs import replace
from project_rows import SITE, UPSTREAM
from test_matrix import ATTEMPT, BOOKWORM, JOB, NOW, RELEASE, TRIXIE, TRIXIE_64, WHEEL, facts, target_facts

from piwright.planning.targets import Target
from piwright.site.badge import badge_for
from piwright.site.matrix import decide_matrix
from piwright.site.project_facts import ProjectFacts
from piwright.site.project_feed import project_feed
from piwright.site.project_json import project_json
from piwright.site.project_page import render_project, view

TARGETS = (BOOKWORM, target_facts(4, Target("bookworm", (3, 11), "aarch64", ("glibc", 2, 36))), TRIXIE, TRIXIE_64)


def project(number: int) -> ProjectFacts:
    """A project with two versions, and a wheel of the newer one for each target."""
    releases = (RELEASE, replace(RELEASE, release_id=11, version="3.5"))
    jobs, attempts, wheels = [], [], []
    for target in TARGETS:
        python = f"cp{target.python.replace('.', '')}"
        tag = f"{python}-{python}-linux_{target.architecture}"
        build = 10 * number + target.target_id
        jobs.append(replace(JOB, job_id=build, target_id=target.target_id))
        attempts.append(replace(ATTEMPT, attempt_id=build, job_id=build, worker="pi-1", smoke="imported"))
        wheels.append(
            replace(
                WHEEL,
                wheel_id=build,
                attempt_id=build,
                target=target.name,
                distribution=target.distribution,
                tags=(tag,),
                filename=f"p{number}-3.6-{tag}.whl",
            )
        )
    return facts(
        project_id=number,
        name=f"p{number}",
        targets=TARGETS,
        releases=releases,
        jobs=tuple(jobs),
        attempts=tuple(attempts),
        wheels=tuple(wheels),
        downloads=((NOW.date(), 7),),
        downloads_total=7,
    )


def make(known: ProjectFacts) -> int:
    rows = decide_matrix(known)
    shown = view(known, rows, SITE, UPSTREAM)
    return (
        len(render_project(shown))
        + len(project_json(shown))
        + len(project_feed(shown))
        + len(badge_for(known, shown.answers))
    )


def test_a_thousand_projects_take_about_a_second_of_one_processor() -> None:
    """Page, data, feed and badge; about 0.7 s on a quiet machine. The best of several tries: others work here too."""
    known = [project(number) for number in range(100)]
    assert make(known[0]) > 10_000
    tries = []
    for _ in range(8):
        began = time.process_time()
        for each in known:
            make(each)
        tries.append(time.process_time() - began)
    assert min(tries) * 10 < 2
