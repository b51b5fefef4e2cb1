"""Packing jobs into batches."""

from hypothesis import given
from hypothesis import strategies as st

from piwright.planning.pack import Candidate, label, pack

jobs = st.lists(
    st.builds(
        Candidate,
        job_id=st.integers(1, 10**6),
        target_id=st.just(1),
        priority=st.sampled_from([0, 20, 50, 100]),
        estimate=st.floats(1, 2000),
        name=st.just("a 1"),
    ),
    unique_by=lambda job: job.job_id,
    max_size=60,
)


@given(jobs, st.integers(1, 8))
def test_every_job_is_in_exactly_one_batch(waiting: list[Candidate], slots: int) -> None:
    packed = [job for batch in pack(waiting, 300, slots) for job in batch]
    assert sorted(job.job_id for job in packed) == sorted(job.job_id for job in waiting)


@given(jobs, st.integers(1, 8))
def test_a_long_build_is_alone_and_a_batch_is_about_as_long_as_asked(waiting: list[Candidate], slots: int) -> None:
    for batch in pack(waiting, 300, slots):
        if any(job.estimate >= 300 for job in batch):
            assert len(batch) == 1
        else:
            # Longest first onto the emptiest: no batch exceeds the even share by more than one job.
            assert sum(job.estimate for job in batch) <= 600


@given(jobs, st.integers(1, 8))
def test_every_slot_gets_work_while_there_is_work_for_it(waiting: list[Candidate], slots: int) -> None:
    assert len(pack(waiting, 300, slots)) >= min(slots, len(waiting))


@given(jobs, st.integers(1, 8))
def test_the_urgent_come_first_inside_a_batch_and_among_batches(waiting: list[Candidate], slots: int) -> None:
    batches = pack(waiting, 300, slots)
    for batch in batches:
        assert [job.priority for job in batch] == sorted((job.priority for job in batch), reverse=True)
    assert [batch[0].priority for batch in batches] == sorted((batch[0].priority for batch in batches), reverse=True)


def test_a_label_says_what_is_inside() -> None:
    batch = [Candidate(number, 1, 0, 1.0, f"p{number} 1.0") for number in range(5)]
    assert label(batch[:2]) == "p0 1.0, p1 1.0"
    assert label(batch) == "p0 1.0, p1 1.0, p2 1.0 and 2 more"
