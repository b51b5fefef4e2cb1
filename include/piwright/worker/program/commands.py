"""The commands one build runs: each contained, each with the build's environment, answers by a file.

commands = BuildCommands(containment, scratch, environment, log, worker_command)
commands.run([python, "-m", "venv", ...])
commands.ask([python, "hook_runner.py"], {"hook": ...})     # {"value": ...} or {"error": ...}
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any, ContextManager, Mapping, Sequence

from .containment import Containment
from .environment import Scratch
from .failure import BuildFailure
from .files import read_bounded
from .log import BuildLog
from .strict import Members, ProtocolError
from .version import read_resource

MAX_ANSWER_BYTES = 1 << 20


class BuildCommands:
    """How the phases of a build start processes."""

    def __init__(
        self, containment: Containment, scratch: Scratch, environment: Mapping[str, str], log: BuildLog
    ) -> None:
        self._containment = containment
        self._environment = environment
        self._numbers = itertools.count(1)
        self.scratch = scratch
        self.log = log

    def run(self, command: Sequence[str], directory: Path | None = None) -> int:
        """Run to the end; the exit code (negative: crashed by that signal). Raises `BuildFailure`, `Stopped`."""
        return self._containment.run(command, directory or self.scratch.tmp, self._environment)

    def off_the_clock(self, seconds: float) -> ContextManager[None]:
        """What is done within does not use up the build's time, for so many seconds at most."""
        return self._containment.off_the_clock(seconds)

    def check(self) -> None:
        """To call while waiting for something else than a command. Raises `BuildFailure` (timeout), `Stopped`."""
        self._containment.check()

    def last_line(self, start: int) -> str:
        """The last error (as pip marks it) or else the last thing said since byte `start` of the log, for a message."""
        said = self.log.since(start, 4096).decode("utf-8", "replace").splitlines()
        lines = [line.strip() for line in reversed(said) if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR: ")]
        return (errors or lines or ["it said nothing"])[0]

    def ask(self, command: Sequence[str], request: Any, directory: Path | None = None) -> Answer:
        """Run a program that reads a request from the file of its last but one argument and answers in the last."""
        number = next(self._numbers)
        request_file = self.scratch.control / f"request-{number}.json"
        answer_file = self.scratch.control / f"answer-{number}.json"
        request_file.write_text(json.dumps(request), encoding="utf-8")
        code = self.run([*command, str(request_file), str(answer_file)], directory)
        try:
            data = read_bounded(answer_file, MAX_ANSWER_BYTES)
            members = None if data is None else Members.read(data, "answer", MAX_ANSWER_BYTES)
        except (OSError, ProtocolError) as error:
            return Answer(code, None, f"its answer cannot be read: {error}")
        if members is None:
            how = f"ended with exit code {code}" if code >= 0 else f"crashed with signal {-code}"
            return Answer(code, None, f"it {how} and left no answer")
        return Answer(code, members, members.text("error", r"(?s).*", limit=2000) if members.has("error") else "")

    def script(self, name: str) -> str:
        """The path of one of the worker's own scripts, laid out for interpreters that cannot look into the zipapp."""
        path = self.scratch.control / name
        if not path.exists():
            path.write_bytes(read_resource(name))
        return str(path)


class Answer:
    """What a program left in its answer file; `error` is empty if all went well."""

    def __init__(self, code: int, members: Members | None, error: str) -> None:
        self.code = code
        self.error = error
        self._members = members

    @property
    def value(self) -> Any:
        return None if self._members is None else self._members.value("value")

    def or_fail(self, kind: str, what: str) -> Any:
        """The value. Raises `BuildFailure` of this kind if there was an error."""
        if self.error or self.code != 0:
            raise BuildFailure(kind, f"{what}: {self.error or f'exit code {self.code}'}")
        return self.value
