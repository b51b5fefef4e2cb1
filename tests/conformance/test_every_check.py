"""Every check passes on an index that keeps to the standards, and fails on one that tells the lie it is there for."""

import asyncio

import pytest
from lies import LIES
from truthful_index import served

from piwright.conformance import ALL_CHECKS, Report, Verdict, check_index

BY_ID = {check.id: check for check in ALL_CHECKS}


@pytest.fixture(scope="module")
def truthful() -> Report:
    with served() as url:
        return asyncio.run(check_index(url))


def test_each_check_has_a_name_of_its_own_and_a_lie() -> None:
    assert len(BY_ID) == len(ALL_CHECKS)
    assert set(LIES) == set(BY_ID)


@pytest.mark.parametrize("name", BY_ID)
def test_the_truth_passes(truthful: Report, name: str) -> None:
    [outcome] = [each for each in truthful.outcomes if each.check.id == name]
    assert outcome.verdict is Verdict.PASS, outcome.evidence
    assert outcome.looked > 0


@pytest.mark.parametrize("name", BY_ID)
def test_the_lie_is_found(name: str) -> None:
    with served(LIES[name]) as url:
        report = asyncio.run(check_index(url, checks=[BY_ID[name]]))
    [outcome] = report.outcomes
    assert outcome.verdict is Verdict.FAIL, (outcome.verdict, outcome.evidence)
    assert outcome.failures > 0
    assert all(each.url.startswith("http://127.0.0.1:") or name == "url-scheme" for each in outcome.evidence)
    assert all(each.found for each in outcome.evidence)
    assert outcome.to_json()["remedy"]
    assert report.conforms is (outcome.check.level == "recommended")
