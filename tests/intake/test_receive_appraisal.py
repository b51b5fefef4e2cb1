"""What is recorded of a build and of its wheel besides its bytes."""

from pathlib import Path

import pytest

from intake.hostile_wheels import CODE, make_wheel
from intake.receiving import ARMV7, TRIXIE, Shop, open_shop, pure
from intake.tiny_elf import shared_object
from piwright.database.connection import Connection, Json

SANDBOX = {"kind": "bubblewrap", "memory": "watchdog", "processes": "rlimit", "space": "disk"}


@pytest.fixture
def shop(connection: Connection, tmp_path: Path) -> Shop:
    return open_shop(connection, tmp_path)


def linked_with(*sonames: str) -> dict[str, bytes]:
    """What is in a wheel whose extensions need these libraries."""
    names = [f"_part{number}" for number in range(len(sonames))]
    return CODE | {
        f"{name}.cpython-311-arm-linux-gnueabihf.so": shared_object(f"PyInit_{name}", soname)
        for name, soname in zip(names, sonames, strict=True)
    }


def add_wheel(shop: Shop, version: str, tags: list[str]) -> None:
    """A wheel of ours of another version, built for the first target there is."""
    shop.one(
        """
        WITH r AS (INSERT INTO release (project_id, version, original_version)
                   SELECT project_id, %(version)s, %(version)s FROM project RETURNING release_id),
             j AS (INSERT INTO job (release_id, target_id, priority, estimate_seconds)
                   SELECT release_id, (SELECT max(target_id) FROM target), 1, 1 FROM r RETURNING job_id),
             a AS (INSERT INTO attempt (job_id, number, outcome, started_at, finished_at)
                   SELECT job_id, 1, 'built', now(), now() FROM j RETURNING attempt_id)
        INSERT INTO wheel (attempt_id, release_id, filename, sha256, size, tags, metadata_sha256, built_at)
        SELECT attempt_id, release_id, %(version)s, repeat('a', 64), 1, %(tags)s, repeat('b', 64), now() FROM a, r
        RETURNING wheel_id
        """,
        {"version": version, "tags": tags},
    )


def test_the_sandbox_and_the_connections_that_were_tried_are_recorded(shop: Shop) -> None:
    tried = {"outside": 3, "loopback": 5, "lookups": 2}
    shop.receive(shop.build(shop.job(), sandbox=SANDBOX, connections=tried))
    attempt = shop.one("SELECT * FROM attempt")
    assert (attempt.sandbox, attempt.connections) == (SANDBOX, 5)
    assert attempt.environment["connections"] == tried
    assert attempt.environment["python"] == "3.11.7"


def test_what_was_not_counted_is_not_said_to_be_none(shop: Shop) -> None:
    shop.receive(shop.build(shop.job()))
    attempt = shop.one("SELECT * FROM attempt")
    assert (attempt.sandbox, attempt.connections, attempt.smoke) == (None, None, None)
    assert "connections" not in attempt.environment


def test_a_worker_that_claims_absurd_numbers_spoils_nothing(shop: Shop) -> None:
    shop.receive(shop.build(shop.job(), connections={"outside": 1 << 50, "loopback": 0, "lookups": 1 << 50}))
    assert shop.one("SELECT connections FROM attempt").connections == (1 << 31) - 1


@pytest.mark.parametrize("kind", ["memory_limit", "disk_limit", "process_limit", "cpu_limit"])
def test_a_limit_of_the_build_s_own_is_a_result_and_not_tried_again(shop: Shop, kind: str) -> None:
    job_id = shop.job()
    received = shop.receive(shop.build(job_id, wheel=None, kind=kind, sandbox=SANDBOX))
    assert (received.failure_class, received.retry) == (kind, False)
    assert shop.state(job_id) == "failed"
    assert shop.one("SELECT sandbox FROM attempt").sandbox == SANDBOX


def test_a_worker_without_a_sandbox_is_our_own_trouble(shop: Shop) -> None:
    job_id = shop.job()
    received = shop.receive(shop.build(job_id, wheel=None, kind="no_sandbox"))
    assert (received.failure_class, received.retry) == ("no_sandbox", True)
    assert shop.state(job_id) == "waiting"


def test_the_packages_a_wheel_needs_at_run_time_are_named_without_those_the_system_ships(shop: Shop) -> None:
    job_id = shop.job()
    needed = ("libc.so.6", "libffi.so.8", "libz.so.1", "libodd.so.3")
    libraries = {"libffi.so.8": "libffi8:armhf", "libz.so.1": "zlib1g", "libc.so.6": "libc6"}
    for soname, package in libraries.items():
        shop.one(
            "INSERT INTO target_library (target_id, soname, package) SELECT target_id, %s, %s FROM job RETURNING 1",
            (soname, package),
        )
    shop.one("UPDATE target SET preinstalled = '{zlib1g}' WHERE target_id = (SELECT target_id FROM job) RETURNING 1")
    shop.receive(shop.build(job_id, wheel=lambda directory: make_wheel(directory, code=linked_with(*needed))))
    wheel = shop.one("SELECT apt_packages, facts, note FROM wheel")
    assert wheel.apt_packages == ["libffi8"]
    assert wheel.facts["unknown_libraries"] == ["libodd.so.3"]
    assert wheel.note.startswith("It needs libodd.so.3 at run time")


def test_libraries_of_another_target_say_nothing(shop: Shop) -> None:
    job_id, other = shop.job(), shop.job("trixie-cp313-armv7l", TRIXIE)
    shop.one(
        "INSERT INTO target_library (target_id, soname, package) "
        "SELECT target_id, 'libffi.so.8', 'libffi8' FROM job WHERE job_id = %s RETURNING 1",
        (other,),
    )
    code = linked_with("libffi.so.8")
    shop.receive(shop.build(job_id, wheel=lambda directory: make_wheel(directory, code=code)))
    assert shop.one("SELECT apt_packages FROM wheel").apt_packages == []


def test_an_extension_that_the_version_before_had_is_missed_and_the_wheel_offered(shop: Shop) -> None:
    job_id = shop.job()
    add_wheel(shop, "3.5", ["cp311-cp311-linux_armv7l"])
    shop.receive(shop.build(job_id, wheel=pure))
    wheel = shop.one("SELECT note, held_reason FROM wheel WHERE filename LIKE 'spidev%'")
    assert "no compiled code, and 3.5 had" in wheel.note
    assert wheel.held_reason is None


@pytest.mark.parametrize(
    ("version", "tags"),
    [
        ("3.7", ["cp311-cp311-linux_armv7l"]),  # what comes later says nothing about what came before
        ("3.5", ["py3-none-any"]),
        ("3.5", ["cp27-cp27m-linux_armv7l"]),  # for no machine of this target
    ],
)
def test_nothing_is_missed_where_nothing_was(shop: Shop, version: str, tags: list[str]) -> None:
    job_id = shop.job()
    add_wheel(shop, version, tags)
    shop.receive(shop.build(job_id, wheel=pure))
    assert shop.one("SELECT note FROM wheel WHERE filename LIKE 'spidev%'").note is None


def test_an_extension_that_upstream_s_own_wheels_have_is_missed(shop: Shop) -> None:
    job_id = shop.job("bookworm-cp311-armv7l", ARMV7)
    shop.one(
        "INSERT INTO upstream_file (release_id, filename, kind, url, hashes) "
        "VALUES (%s, 'spidev-3.6-cp311-cp311-manylinux_2_17_x86_64.whl', 'wheel', 'u', %s) RETURNING 1",
        (shop.release_id, Json({})),
    )
    shop.receive(shop.build(job_id, wheel=pure))
    assert "upstream's own wheels of this version do" in shop.one("SELECT note FROM wheel").note


def test_what_a_compiled_wheel_is_made_of_is_kept(shop: Shop) -> None:
    shop.receive(shop.build(shop.job()))
    wheel = shop.one("SELECT facts, note, apt_packages FROM wheel")
    assert wheel.facts
    assert (wheel.note, wheel.apt_packages) == (None, [])


def without_code(directory: Path) -> Path:
    """Claims to be compiled, and is not: its optional extension was left out."""
    return make_wheel(directory, code={"spidev.py": CODE["spidev.py"]})


def test_a_wheel_is_published_under_the_tags_it_deserves_and_what_was_corrected_is_told(shop: Shop) -> None:
    shop.receive(shop.build(shop.job(tags=[*ARMV7, "cp311-none-any"]), wheel=without_code))
    wheel = shop.one("SELECT * FROM wheel")
    assert wheel.filename == "spidev-3.6-cp311-none-any.whl"
    assert wheel.tags == ["cp311-none-any"]
    assert wheel.facts["corrections"]
    assert shop.stored() == [wheel.filename]
    assert shop.store.wheel_path(wheel.sha256, wheel.filename).stat().st_size == wheel.size


def test_receiving_a_corrected_wheel_again_makes_the_same_file(shop: Shop) -> None:
    tags = [*ARMV7, "cp311-none-any"]
    first, second = shop.job(tags=tags), shop.job("trixie-cp311-armv7l", tags)
    one = shop.receive(shop.build(first, wheel=without_code))
    other = shop.receive(shop.build(second, wheel=without_code))
    assert one.wheel_ids == other.wheel_ids
    assert len(shop.stored()) == 1


def test_a_wheel_the_project_meant_for_one_platform_keeps_no_other_target_from_building_its_own(shop: Shop) -> None:
    tags = [*ARMV7, "cp311-none-any"]
    first, other = shop.job(tags=tags), shop.job("trixie-cp311-armv7l", tags, "waiting")
    shop.receive(shop.build(first, wheel=without_code))
    assert shop.one("SELECT facts FROM wheel").facts["widened"] is True
    assert shop.state(other) == "waiting"
