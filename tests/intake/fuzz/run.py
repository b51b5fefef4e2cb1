"""Starts libFuzzer on one harness, with the corpus as seeds. Each harness calls it."""

import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path


def fuzz(judge: Callable[[bytes], object], seeds: Iterable[bytes], arguments: list[str]) -> None:
    """Run until libFuzzer's arguments say so; a folder among them keeps what was found worth keeping, a file is judged.

    Prints how much of what was tried was accepted: a harness that accepts nothing tests little.
    """
    import atheris

    from intake.fuzz.seeds import write_seeds

    counts = {True: 0, False: 0}

    def once(data: bytes) -> None:
        counts[bool(judge(data))] += 1
        total = counts[True] + counts[False]
        if total % 1000 == 0:
            sys.stderr.write(f"piwright: {total} judged, {counts[True]} accepted\n")

    with tempfile.TemporaryDirectory(prefix="piwright-fuzz-") as directory:
        options = ["-max_len=20000", "-timeout=20", "-rss_limit_mb=2048", f"-artifact_prefix={directory}/"]
        own = [each for each in arguments if not each.startswith("-")]
        given = [each for each in arguments if each.startswith("-")]
        if not any(Path(each).is_file() for each in own):
            own.append(str(write_seeds(Path(directory) / "seeds", seeds)))
        atheris.Setup([sys.argv[0], *options, *given, *own], once)
        atheris.Fuzz()
