"""Packs jobs into batches. Pure.

pack(candidates, batch_seconds=300, slots=2)      # -> [[Candidate, ...], ...], in the order they should start
"""

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Candidate:
    """A job that could go into a batch; `estimate` in seconds."""

    job_id: int
    target_id: int
    priority: int
    estimate: float
    name: str


def pack(jobs: Iterable[Candidate], batch_seconds: float, slots: int) -> list[list[Candidate]]:
    """Spread jobs of one target over batches. Pure.

    About `batch_seconds` a batch, a build that is longer alone, and never fewer batches than there are `slots` to use
    while there are jobs for them. Longest first onto the emptiest batch; inside a batch the urgent come first.
    Batches come in the order they should start.
    """
    ordered = sorted(jobs, key=lambda job: (-job.estimate, job.job_id))
    batches = [[job] for job in ordered if job.estimate >= batch_seconds]
    rest = [job for job in ordered if job.estimate < batch_seconds]
    if rest:
        count = max(math.ceil(sum(job.estimate for job in rest) / batch_seconds), min(slots, len(rest)))
        bins: list[list[Candidate]] = [[] for _ in range(count)]
        heap = [(0.0, number) for number in range(count)]
        for job in rest:
            seconds, number = heapq.heappop(heap)
            bins[number].append(job)
            heapq.heappush(heap, (seconds + job.estimate, number))
        batches += [each for each in bins if each]
    for each in batches:
        each.sort(key=lambda job: (-job.priority, -job.estimate, job.job_id))
    return sorted(batches, key=lambda each: (-each[0].priority, -expected_seconds(each), each[0].job_id))


def expected_seconds(batch: Sequence[Candidate]) -> float:
    """How long a batch should take."""
    return sum(job.estimate for job in batch)


def label(batch: Sequence[Candidate]) -> str:
    """What is inside, short enough for a list: `spidev 3.6, evdev 1.7.1 and 4 more`."""
    names = ", ".join(job.name for job in batch[:3])
    return names if len(batch) <= 3 else f"{names} and {len(batch) - 3} more"
