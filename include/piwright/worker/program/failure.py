"""How a build ends other than with a wheel. A failed build is data, not an error of the worker."""

from __future__ import annotations

KINDS = (
    "upstream_gone",  # HTTP 404 or 410
    "fetch_failed",  # the network, or an answer that is no file
    "hash_mismatch",
    "bad_sdist",  # no archive, tricks with paths, no single top folder, a pyproject.toml nobody can read
    "requirements",  # the build requirements could not be installed
    "backend",  # a hook failed: the ordinary build failure
    "timeout",
    "silent",
    "log_limit",
    "killed",  # by a signal that was not ours: out of memory, or an operator
    "no_wheel",
    "wheel_limit",
    "memory_limit",
    "process_limit",
    "disk_limit",  # the build's own files
    "cpu_limit",
    "no_space",  # the worker's disk
    "no_sandbox",  # bubblewrap is missing, or the kernel does not let it work
    "internal",  # the worker's own fault
)
MAX_MESSAGE = 500


class BuildFailure(Exception):
    """The build failed: one of `KINDS` and one sentence."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(kind, message)
        self.kind = kind
        self.message = one_sentence(message)


class Stopped(Exception):
    """The runner was told to stop: the build has no result and will be started again."""


def one_sentence(text: str) -> str:
    """Text of unknown origin as one printable line of bounded length."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    # Lone surrogates stand for bytes that are no UTF-8; nobody downstream could store them.
    line = line.encode("utf-8", "replace").decode()
    return line if len(line) <= MAX_MESSAGE else line[: MAX_MESSAGE - 3] + "..."
