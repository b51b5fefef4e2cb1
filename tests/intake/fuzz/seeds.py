"""Starting points for the fuzzers: the hostile corpus, and what is sound.

directory = write_seeds(tmp_path, wheel_seeds())
"""

import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from intake.fuzz.shapes import SOUND, as_whole, samples
from intake.hostile_contents import CONTENTS, LAYOUT
from intake.hostile_results import HOSTILE_FACTS, HOSTILE_RESULTS, SOUND_PROBE, SOUND_RESULT
from intake.hostile_wheels import CORPUS
from intake.hostile_zips import ZIPS

_LARGEST = 20_000  # what is about size is no starting point


def wheel_seeds() -> Iterator[bytes]:
    """Every small hostile wheel as it is, a sound one, and each shape."""
    yield as_whole(SOUND)
    yield from samples()
    for case in (*CORPUS, *CONTENTS, *ZIPS, *LAYOUT):
        with tempfile.TemporaryDirectory() as directory:
            path = case.make(Path(directory))
            if path.stat().st_size <= _LARGEST:
                yield as_whole(path.read_bytes())


def result_seeds() -> Iterator[bytes]:
    """Hostile results and a sound one."""
    yield from _texts(SOUND_RESULT, HOSTILE_RESULTS)


def facts_seeds() -> Iterator[bytes]:
    """Hostile answers and a sound one."""
    yield from _texts(SOUND_PROBE, HOSTILE_FACTS)


def _texts(sound: dict, cases: Iterable) -> Iterator[bytes]:  # type: ignore[type-arg]
    import json

    yield json.dumps(sound).encode()
    yield from (content for case in cases if len(content := case.make()) <= _LARGEST)


def write_seeds(directory: Path, seeds: Iterable[bytes]) -> Path:
    """Each seed as a file named by its content, as libFuzzer does."""
    directory.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        (directory / hashlib.sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)
    return directory
