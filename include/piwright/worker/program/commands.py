"""The commands one build runs: each in a room of its own, contained, with the build's environment.

    commands = BuildCommands(containment, scratch, sandbox, means, facts, mark, log, program, certificates)
    room = commands.room(network=True)
    commands.run_tool(room, [uv, "pip", ...], variables, watched=(folder,))     # a tool of ours; none of the project's code
    commands.run_inside(room, script, python, request, ...)                     # the project's code

Tools may be given folders to write. The project's code gets none: what it made comes out through a pipe.
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ContextManager, Mapping, Sequence

from .containment import Containment, Task
from .environment import Scratch, base_environment, build_environment
from .failure import BuildFailure, one_sentence
from .installers import Installer
from .log import BuildLog
from .means import Means
from .output import Output, OutputError, SentFile, receive
from .processes import MARK_VARIABLE
from .sandbox import Room, Sandbox, etc_files
from .strict import Members, ProtocolError

MAX_ANSWER_BYTES = 1 << 20
MOST_FILES = 20
_NO_ANSWER = re.compile(
    # The words of curl (cargo), Go, uv and pip.
    rb"Could not resolve host|[Cc]ould not connect|Connection refused|no such host|[Tt]imed out|timeout was reached"
    rb"|Temporary failure in name resolution|NewConnectionError|Connection reset|error sending request|dns error"
    rb"|50[0234] (Server Error|Bad Gateway|Service Unavailable|Gateway Time)"
)


@dataclass(frozen=True)
class Answer:
    """What a script left: its exit code (None: it never started), its JSON answer, and files that were sent.

    `error` is empty if all went well.
    """

    code: int | None
    error: str
    value: Any = None
    files: tuple[SentFile, ...] = ()
    text: str = ""
    """The answer as it was written."""
    cache: SentFile | None = None
    """The compiler's cache, if it was asked for and is worth keeping."""

    def or_fail(self, kind: str, what: str) -> Any:
        """The value. Raises `BuildFailure` of this kind if there was an error."""
        if self.error or self.code != 0:
            raise BuildFailure(kind, f"{what}: {self.error or f'exit code {self.code}'}")
        return self.value


class BuildCommands:
    """How the phases of a build start processes. `facts` are those of the interpreter."""

    def __init__(
        self,
        containment: Containment,
        scratch: Scratch,
        sandbox: Sandbox,
        means: Means,
        facts: Mapping[str, str],
        mark: str,
        log: BuildLog,
        program: Path,
        certificates: str,
    ) -> None:
        self._containment = containment
        self._means = means
        self._mark = mark
        self._program = program
        self._certificates = certificates
        self._numbers = itertools.count(1)
        self.sandbox = sandbox
        self.scratch = scratch
        self.facts = facts
        self.log = log

    def room(self, network: bool = False) -> Room:
        """A new room with an empty place to write."""
        room = self.sandbox.room(self.scratch.space(), self._means.tmpfs_bytes, network)
        for file, at in etc_files(self.scratch.root.parent / "etc"):
            room.reads(file, at)
        return room

    def installer_in(self, room: Room, installer: Installer) -> str:
        """How a command in the room calls the installer."""
        if installer.name == "uv":
            return room.reads(installer.program, "/uv")
        return self.python_in(room, installer.program)

    def python_in(self, room: Room, python: str) -> str:
        """How a command in the room calls a Python: one of the worker's virtual environments, or the interpreter."""
        venv = Path(python).parent.parent
        if (venv / "pyvenv.cfg").exists():
            return room.reads(venv, "/tools") + "/bin/python"
        return python

    def program_in(self, room: Room) -> str:
        """The folder of the worker program's own files, as a command in the room sees it."""
        return room.reads(self._program, "/program") + "/piwright_worker"

    def run_tool(
        self,
        room: Room,
        command: Sequence[str],
        variables: Mapping[str, str],
        watched: tuple[Path, ...] = (),
        directory: str = "",
    ) -> int:
        """Run a tool of ours to its end; the exit code (negative: crashed by that signal). `directory`: where, if that
        matters, as the tool sees it; `watched`: what it writes, bounded like a build's own files.

        Raises `BuildFailure`, `Stopped`.
        """
        for name in ("home", "tmp"):
            if not room.tmpfs_bytes:
                (room.root / name).mkdir(exist_ok=True)
        environment = {**self._base(room), **variables}
        line = _with_folders(room, command, directory)
        return self._containment.run(
            Task(
                lambda given: room.wrap(line, environment, given.filter),
                self._outer(environment),
                self.scratch.root,
                watched=(*watched, *self._on_disk(room)),
            )
        )

    def run_plain(self, command: Sequence[str]) -> int:
        """Run a tool of ours outside of any room: making the worker's own tools, which no build's data reaches."""
        space = self.scratch.space()
        (space / "home").mkdir()
        (space / "tmp").mkdir()
        environment = base_environment(str(space), self._mark, self._certificates)
        return self._containment.run(Task(lambda _: command, environment, self.scratch.root))

    def run_inside(
        self,
        room: Room,
        script: str,
        python: str,
        request: Any,
        *,
        archive: tuple[Path, str] | None = None,
        variables: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
        send: str | None = None,
        output_bytes: int = 4 << 20,
        keep_cache: bool = False,
    ) -> Answer:
        """Run one of the worker's scripts with the project's code in it: `python [options] script REQUEST ANSWER`.

        `archive`: an sdist (file and name) to unpack first, and run in. `send`: the folder below the room's place whose
        files come back; `keep_cache`: the compiler's cache too. Raises `BuildFailure`, `Stopped`.
        """
        number = next(self._numbers)
        asked = self.scratch.control / f"request-{number}.json"
        output = self.scratch.control / f"output-{number}"
        program = self.program_in(room)
        environment = {**self._base(room), **(variables or {})}
        asked.write_text(
            json.dumps(
                {
                    "root": room.build,
                    "archive": room.reads(archive[0], "/input/archive") if archive else None,
                    "filename": archive[1] if archive else None,
                    "python": python,
                    "options": list(options),
                    "script": f"{program}/{script}",
                    "request": request,
                    "environment": environment,
                    "send": send,
                    "most_files": MOST_FILES,
                    "keep_cache": keep_cache,
                    "bounded": room.tmpfs_bytes > 0,
                    "isolated": self.sandbox.works and not room.network,
                }
            ),
            encoding="utf-8",
        )
        inside = [self.facts["executable"], "-I", "-S", f"{program}/inside.py"]
        inside.append(room.reads(asked, "/input/request.json"))
        task = Task(
            lambda given: room.wrap([*inside, str(given.output)], {"PATH": environment["PATH"]}, given.filter),
            self._outer(environment),
            self.scratch.root,
            output,
            output_bytes,
            watched=self._on_disk(room),
            isolated=self.sandbox.works and not room.network,
        )
        code = self._containment.run(task)
        return self._read(output, code)

    @property
    def jobs(self) -> int:
        """How many processes the commands may keep busy."""
        return self._means.jobs

    def environment_of_build(self, room: Room, env: str, index_url: str, epoch: int) -> dict[str, str]:
        """Variables of the project's own code in a room."""
        return build_environment(self._base(room), env, index_url, epoch, self._means.jobs)

    def off_the_clock(self, seconds: float) -> ContextManager[None]:
        """What is done within does not use up the build's time, for so many seconds at most."""
        return self._containment.off_the_clock(seconds)

    def check(self) -> None:
        """To call while waiting for something else than a command. Raises `BuildFailure` (timeout), `Stopped`."""
        self._containment.check()

    def last_line(self, start: int) -> str:
        """The last error (as pip and uv mark it) or else the last thing said since byte `start` of the log."""
        said = self.log.since(start, 4096).decode("utf-8", "replace").splitlines()
        lines = [line.strip() for line in reversed(said) if line.strip()]
        errors = [line for line in lines if line.startswith(("ERROR: ", "cause: "))]
        return (errors or lines or ["it said nothing"])[0].removeprefix("cause: ")

    def network_failed(self, start: int) -> bool:
        """Whether a tool that failed said since byte `start` of the log that it was for want of an answer."""
        return bool(_NO_ANSWER.search(self.log.since(start, 1 << 15)))

    def _base(self, room: Room) -> dict[str, str]:
        trusted = room.reads(self._certificates, "/certificates.pem") if self._certificates else ""
        return base_environment(room.build, self._mark, trusted)

    def _outer(self, environment: Mapping[str, str]) -> Mapping[str, str]:
        """What bubblewrap itself gets; without it the command is started directly."""
        return {MARK_VARIABLE: self._mark} if self.sandbox.works else environment

    def _on_disk(self, room: Room) -> tuple[Path, ...]:
        return () if room.tmpfs_bytes else (room.root,)

    def _read(self, output: Path, code: int) -> Answer:
        """What came through the pipe. The project's code could have written it: nothing of it is believed."""
        how = f"ended with exit code {code}" if code >= 0 else f"crashed with signal {-code}"
        try:
            came = receive(output)
        except OutputError as error:
            if code == 1 and self.last_line(self._containment.log_start).startswith("bwrap: "):
                raise BuildFailure("internal", self.last_line(self._containment.log_start)) from None
            return Answer(code or None, f"it {how} and left no result ({error})" if code else f"no result: {error}")
        return self._judge(came)

    def _judge(self, came: Output) -> Answer:
        members = Members(came.members, "result")
        usage = self._containment.usage
        scratch = came.members.get("scratch_bytes")
        if isinstance(scratch, int) and not isinstance(scratch, bool) and 0 <= scratch < 1 << 50:
            usage.scratch_bytes = max(usage.scratch_bytes, scratch)
        self._containment.note_connections(came.members.get("connections"))
        if came.members.get("failure") is not None:
            failure = members.member("failure")
            try:
                kind = failure.one_of("kind", ("bad_sdist", "disk_limit", "internal"))
                raise BuildFailure(kind, one_sentence(str(failure.value("message"))[:2000]))
            except ProtocolError as error:
                return Answer(None, str(error))
        code = came.members.get("code")
        if not isinstance(code, int) or isinstance(code, bool):
            return Answer(None, "its result has no exit code")
        self._containment.judge_script(code)
        files, cache = came.files, None
        if came.members.get("packed") is True and files:
            files, cache = files[:-1], files[-1]
        return replace(_answer(code, came.members.get("answer"), files), cache=cache)


def _answer(code: int, text: Any, files: tuple[SentFile, ...]) -> Answer:
    if not isinstance(text, str):
        how = f"ended with exit code {code}" if code >= 0 else f"crashed with signal {-code}"
        return Answer(code, f"it {how} and left no answer", files=files)
    try:
        members = Members.read(text.encode("utf-8", "replace"), "answer", MAX_ANSWER_BYTES)
        error = members.text("error", r"(?s).*", limit=2000) if members.has("error") else ""
    except ProtocolError as problem:
        return Answer(code, f"its answer cannot be read: {problem}", files=files, text=text)
    return Answer(code, error, members.value("value"), files, text)


def _with_folders(room: Room, command: Sequence[str], directory: str) -> list[str]:
    """HOME and TMPDIR have to be there: a room starts empty."""
    if not room.tmpfs_bytes and not directory:
        return list(command)
    script = f'mkdir -p {room.build}/home {room.build}/tmp && cd "$1" && shift && exec "$@"'
    return ["/bin/sh", "-c", script, "sh", directory or room.build, *command]
