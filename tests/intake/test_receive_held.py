"""Wheels that do not import are kept and not offered, and what that means for other targets and for later builds."""

from pathlib import Path
from typing import Any

import pytest

from intake.hostile_wheels import make_wheel, wheel_info
from intake.receiving import TRIXIE, Shop, different, open_shop, pure
from piwright.database.connection import Connection
from piwright.index.offer import NoSuchWheel, hold_wheel, offer_wheel

PURE = "spidev-3.6-py3-none-any.whl"
BROKEN = {
    "outcome": "broken",
    "detail": "spidev: SyntaxError: invalid syntax",
    "modules": [{"name": "spidev", "outcome": "broken", "detail": "SyntaxError: invalid syntax"}],
}
IMPORTED = {"outcome": "imported", "detail": "", "modules": [{"name": "spidev", "outcome": "imported", "detail": ""}]}


@pytest.fixture
def shop(connection: Connection, tmp_path: Path) -> Shop:
    return open_shop(connection, tmp_path)


def other_pure(directory: Path) -> Path:
    return make_wheel(directory, PURE, info=wheel_info(["py3-none-any"]), code={"spidev.py": b"other\n"})


def held(shop: Shop) -> dict[str, str | None]:
    return {row.filename: row.held_reason for row in shop.all("SELECT filename, held_reason FROM wheel ORDER BY 1")}


def job(shop: Shop, job_id: int) -> Any:
    return shop.one("SELECT * FROM job WHERE job_id = %s", (job_id,))


def stale(shop: Shop) -> bool:
    return bool(shop.one("SELECT stale_since IS NOT NULL FROM project")[0])


def test_a_wheel_that_does_not_import_is_stored_recorded_and_held(shop: Shop) -> None:
    first = shop.job()
    received = shop.receive(shop.build(first, wheel=pure, smoke=BROKEN))
    assert (received.outcome, len(received.wheel_ids)) == ("built", 1)
    assert shop.stored() == [PURE]
    assert held(shop) == {PURE: "it does not import: spidev: SyntaxError: invalid syntax"}
    assert job(shop, first).state == "built"
    assert job(shop, first).reason == f"{PURE} is held: it does not import: spidev: SyntaxError: invalid syntax"
    assert shop.one("SELECT smoke FROM attempt").smoke == BROKEN
    assert stale(shop)  # its page says that it is held, and why


@pytest.mark.parametrize("outcome", ["imported", "needs_package", "needs_hardware", "untested"])
def test_what_could_not_be_tried_for_a_reason_outside_of_the_wheel_is_offered(shop: Shop, outcome: str) -> None:
    first = shop.job()
    shop.receive(shop.build(first, smoke={"outcome": outcome, "detail": "d", "modules": []}))
    assert set(held(shop).values()) == {None}
    assert job(shop, first).reason is None
    assert stale(shop)


def test_a_detail_is_taken_from_the_module_where_there_is_none(shop: Shop) -> None:
    shop.receive(shop.build(shop.job(), wheel=pure, smoke=BROKEN | {"detail": ""}))
    assert held(shop) == {PURE: "it does not import: spidev: SyntaxError: invalid syntax"}


def test_receiving_a_held_wheel_again_changes_nothing(shop: Shop) -> None:
    directory = shop.build(shop.job(), wheel=pure, smoke=BROKEN)
    first = shop.receive(directory), shop.all("SELECT * FROM wheel"), shop.all("SELECT * FROM job")
    assert (shop.receive(directory), shop.all("SELECT * FROM wheel"), shop.all("SELECT * FROM job")) == first


def test_a_held_wheel_serves_no_other_target(shop: Shop) -> None:
    first, other = shop.job(), shop.job("trixie-cp313-armv7l", TRIXIE, "waiting")
    shop.receive(shop.build(first, wheel=pure, smoke=BROKEN))
    assert job(shop, other).state == "waiting"


def test_the_same_bytes_are_offered_once_they_import_on_another_target(shop: Shop) -> None:
    first, second = shop.job("trixie-cp313-armv7l", TRIXIE), shop.job()
    shop.receive(shop.build(first, wheel=pure, smoke=BROKEN))
    received = shop.receive(shop.build(second, wheel=pure, smoke=IMPORTED))
    assert len(received.wheel_ids) == 1
    assert held(shop) == {PURE: None}
    assert [(job(shop, each).state, job(shop, each).reason) for each in (first, second)] == [("built", None)] * 2
    assert stale(shop)


def test_the_same_bytes_stay_offered_when_another_target_cannot_import_them(shop: Shop) -> None:
    first, second = shop.job(), shop.job("trixie-cp313-armv7l", TRIXIE)
    shop.receive(shop.build(first, wheel=pure, smoke=IMPORTED))
    shop.receive(shop.build(second, wheel=pure, smoke=BROKEN))
    assert held(shop) == {PURE: None}
    assert job(shop, second).state == "built"


def test_the_same_bytes_that_import_nowhere_stay_held_and_both_jobs_say_so(shop: Shop) -> None:
    first, second = shop.job(), shop.job("trixie-cp313-armv7l", TRIXIE)
    shop.receive(shop.build(first, wheel=pure, smoke=BROKEN))
    shop.receive(shop.build(second, wheel=pure, smoke=BROKEN))
    assert list(held(shop)) == [PURE]
    assert all(job(shop, each).reason.startswith(f"{PURE} is held") for each in (first, second))


def test_other_bytes_that_import_get_a_name_of_their_own_beside_a_held_file(shop: Shop) -> None:
    first, second = shop.job("trixie-cp313-armv7l", TRIXIE), shop.job()
    shop.receive(shop.build(first, wheel=pure, smoke=BROKEN))
    shop.receive(shop.build(second, wheel=other_pure, smoke=IMPORTED))
    assert {name: reason is None for name, reason in held(shop).items()} == {
        PURE: False,
        "spidev-3.6-1-py3-none-any.whl": True,
    }
    assert job(shop, second).reason is None


def test_other_bytes_that_do_not_import_either_add_no_second_held_file(shop: Shop) -> None:
    first, second = shop.job("trixie-cp313-armv7l", TRIXIE), shop.job()
    shop.receive(shop.build(first, wheel=pure, smoke=BROKEN))
    shop.receive(shop.build(second, wheel=other_pure, smoke=BROKEN))
    assert list(held(shop)) == [PURE]
    assert job(shop, second).state == "built"
    assert "is held" in job(shop, second).reason


def test_nothing_goes_around_what_an_operator_holds(shop: Shop) -> None:
    first, second, third = (
        shop.job(),
        shop.job("trixie-cp313-armv7l", TRIXIE),
        shop.job("sid-cp313-armv7l", TRIXIE),
    )
    shop.receive(shop.build(first, wheel=pure, smoke=IMPORTED))
    assert hold_wheel(shop.connection, PURE, reason="it deletes files", by="alice")
    shop.receive(shop.build(second, wheel=pure, smoke=IMPORTED))
    shop.receive(shop.build(third, wheel=other_pure, smoke=IMPORTED))
    assert held(shop) == {PURE: "it deletes files"}
    assert [job(shop, each).state for each in (first, second, third)] == ["built"] * 3
    assert "it deletes files" in job(shop, third).reason


def test_a_late_failure_of_a_job_with_a_held_wheel_says_why_nothing_is_offered(shop: Shop) -> None:
    first = shop.job()
    shop.receive(shop.build(first, wheel=pure, smoke=BROKEN))
    shop.one("UPDATE job SET state = 'leased', reason = NULL WHERE job_id = %s RETURNING 1", (first,))
    shop.receive(shop.build(first, 2, wheel=None, kind="no_space"))
    assert (job(shop, first).state, job(shop, first).reason.startswith(f"{PURE} is held")) == ("built", True)


def test_an_operator_offers_a_held_wheel_and_takes_it_back(shop: Shop) -> None:
    first = shop.job()
    shop.receive(shop.build(first, wheel=pure, smoke=BROKEN))
    assert offer_wheel(shop.connection, PURE, reason="the test has no screen", by="alice")
    wheel = shop.one("SELECT * FROM wheel")
    assert (wheel.held_reason, wheel.released_by, wheel.released_reason) == (None, "alice", "the test has no screen")
    assert wheel.released_at is not None
    assert job(shop, first).reason is None
    assert stale(shop)
    assert not offer_wheel(shop.connection, PURE, reason="again", by="bob")
    assert shop.one("SELECT released_by FROM wheel").released_by == "alice"

    assert hold_wheel(shop.connection, PURE, reason="crashes on a Zero", by="bob")
    wheel = shop.one("SELECT * FROM wheel")
    assert (wheel.held_reason, wheel.held_by, wheel.released_by) == ("crashes on a Zero", "bob", None)
    assert job(shop, first).reason == f"{PURE} is held by bob: crashes on a Zero"
    assert not hold_wheel(shop.connection, PURE, reason="crashes on every Zero", by="carol")
    assert held(shop) == {PURE: "crashes on every Zero"}


def test_a_wheel_an_operator_offered_is_not_held_again_by_the_next_build(shop: Shop) -> None:
    first = shop.job()
    shop.receive(shop.build(first, wheel=pure, smoke=BROKEN))
    offer_wheel(shop.connection, PURE, reason="fine", by="alice")
    shop.receive(shop.build(shop.job("trixie-cp313-armv7l", TRIXIE), wheel=pure, smoke=BROKEN))
    assert held(shop) == {PURE: None}


def test_what_is_no_wheel_of_ours_or_was_removed_cannot_be_offered(shop: Shop) -> None:
    with pytest.raises(NoSuchWheel, match="piwright why"):
        offer_wheel(shop.connection, "nothing-1.0-py3-none-any.whl", reason="r", by="me")
    shop.receive(shop.build(shop.job(), wheel=different, smoke=BROKEN))
    (name,) = held(shop)
    shop.one("UPDATE wheel SET removed_at = now(), removed_reason = 'it was malware' RETURNING 1")
    with pytest.raises(NoSuchWheel, match="it was malware"):
        hold_wheel(shop.connection, name, reason="r", by="me")
