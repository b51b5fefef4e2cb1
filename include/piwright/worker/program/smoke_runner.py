"""Imports the top-level modules of a wheel and says after each one what came of it. Runs alone, inside the sandbox.

    python smoke_runner.py REQUEST.json ANSWER      # ANSWER: the number of an open descriptor, or a file

The request: `modules` (names in the order to try) and `seconds` for all of them. The answer: a line of JSON for each
module as soon as it is known, so that a crash leaves what was known before:

    {"name": "gi_app", "outcome": "failed", "detail": "ModuleNotFoundError: No module named 'gi'",
     "errors": [{"types": [...], "text", "missing", "path", "filename", "errno"}, ...], "where": "gi_app/ui.py:3"}

`outcome` is `imported`, `failed` (an exception), `exited` (it ended the interpreter), `crashed` (a signal) or
`timeout`; `errors` starts with the exception itself, then come those it was raised from or during. What that means for
the wheel is decided by `smoke.judge`, outside.

The modules are imported one after the other in a child process, which tells of them through shared memory: nothing
that a module does to descriptors, files, `sys.modules` or the working directory keeps the parent from reporting. A
module that fails is believed only if it was the first of its process, so none is blamed for what another one did.
"""

import contextlib
import faulthandler
import importlib
import json
import mmap
import os
import select
import signal
import struct
import sys
import time
from typing import Any, Dict, List, Optional, Tuple

AREA_BYTES = 1 << 20
MAX_TEXT = 500
MAX_ERRORS = 5
MAX_SAID = 1 << 16
"""Bytes that one child's output may add to the log; the rest is dropped."""
_HEAD = struct.Struct("=Q")
_PAUSE = 0.02


class Reports:
    """Lines of JSON from child to parent, in memory that both share: there is no descriptor to be closed."""

    def __init__(self) -> None:
        self._area = mmap.mmap(-1, AREA_BYTES)

    def add(self, line: bytes) -> None:
        end = _HEAD.unpack_from(self._area, 0)[0]
        start = _HEAD.size + end
        if start + len(line) + 1 <= AREA_BYTES:
            self._area[start : start + len(line) + 1] = line + b"\n"
            _HEAD.pack_into(self._area, 0, end + len(line) + 1)  # last, so that a line is there whole or not at all

    def lines(self) -> List[bytes]:
        end = min(_HEAD.unpack_from(self._area, 0)[0], AREA_BYTES - _HEAD.size)
        return bytes(self._area[_HEAD.size : _HEAD.size + end]).split(b"\n")[:-1]


# ---- in the child


def import_all(names: List[str], reports: Reports) -> None:
    """Import one after the other. Ends early, without a word, where a module is better tried on its own."""
    own, identity, dumps = os.getpid(), os.getpid, json.dumps  # a module may replace them
    for position, name in enumerate(names):
        report = attempt(name)
        if identity() != own:
            return  # the module forked, and this is the copy
        if report["outcome"] != "imported" and position:
            return
        reports.add(dumps(report).encode("ascii", "replace"))


def attempt(name: str) -> Dict[str, Any]:
    """Import a module: its line of the answer."""
    try:
        importlib.import_module(name)
    except BaseException as error:
        outcome = "exited" if isinstance(error, SystemExit) else "failed"
        described = [describe(each) for each in chain(error)]
        detail = "{}: {}".format(described[0]["types"][0], described[0]["text"])
        return {"name": name, "outcome": outcome, "detail": detail, "errors": described, "where": where(error)}
    return {"name": name, "outcome": "imported", "detail": "", "errors": [], "where": ""}


def chain(error: BaseException) -> List[BaseException]:
    """An exception and those it came from, hidden ones too: what a message leaves out is often their cause."""
    found: List[BaseException] = []
    following: Optional[BaseException] = error
    while following is not None and len(found) < MAX_ERRORS and not any(following is each for each in found):
        found.append(following)
        following = following.__cause__ or following.__context__
    return found


def describe(error: BaseException) -> Dict[str, Any]:
    """An exception as data; its attributes are whatever its class makes of them."""
    try:
        text = str(error)
    except BaseException:
        text = "(an exception that cannot be shown)"
    return {
        "types": [plain(each.__name__) for each in type(error).__mro__ if each is not object][:6],
        "text": plain(text),
        "missing": plain(attribute(error, "name")) if isinstance(error, ImportError) else "",
        "path": plain(attribute(error, "path")) if isinstance(error, ImportError) else "",
        "within": within(plain(attribute(error, "name"))) if isinstance(error, ImportError) else "",
        "filename": plain(attribute(error, "filename")),
        "errno": attribute(error, "errno") if isinstance(attribute(error, "errno"), int) else 0,
    }


def within(missing: str) -> str:
    """The file of the package that a missing module would be in; empty for a namespace, or where that is missing too."""
    parent = sys.modules.get(missing.rpartition(".")[0])
    return plain(getattr(parent, "__file__", None))


def attribute(error: BaseException, name: str) -> Any:
    try:
        return getattr(error, name, None)
    except BaseException:
        return None


def plain(text: Any) -> str:
    """One line of bounded length; empty for anything that is no text."""
    return " ".join(text[: 4 * MAX_TEXT].split())[:MAX_TEXT] if isinstance(text, str) else ""


def where(error: BaseException) -> str:
    """The place that raised it, without the way to the installed packages: `package/module.py:12`."""
    found = ""
    trace = error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith("<frozen importlib") and file != __file__:
            found = "{}:{}".format(file, trace.tb_lineno)
        trace = trace.tb_next
    for mark in ("/site-packages/", "/dist-packages/"):
        found = found.rpartition(mark)[2]
    return plain(found)


def become_child(output: int, close: List[int], seconds: float) -> None:
    """What a module finds: no input, output into the parent's pipe, no descriptor of the parent's, no arguments."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    for descriptor in {nothing, output, *close} - {0, 1, 2}:
        os.close(descriptor)
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [each for each in sys.path if each and os.path.abspath(each) != here]
    sys.argv[:] = [""]
    faulthandler.enable()
    if seconds > 2:
        faulthandler.dump_traceback_later(seconds - 1)  # where it hangs, for the log


# ---- in the parent


def run_child(names: List[str], answer: int, deadline: float) -> Tuple[int, Optional[int]]:
    """Have them imported and pass on what is told: how many were, and the child's status (None: time was up)."""
    reports = Reports()
    reading, writing = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        end = os._exit
        try:
            become_child(writing, [reading, answer], deadline - time.monotonic())
            import_all(names, reports)
        finally:
            end(0)  # not sys.exit: threads a module started would keep the process
    os.close(writing)
    said, told, status = 0, 0, None
    open_ = True
    while True:
        ended, code = os.waitpid(child, os.WNOHANG)
        for line in reports.lines()[told : len(names)]:
            write(answer, line + b"\n")
            told += 1
        if ended:
            status = code
        late = time.monotonic() >= deadline
        if ended or late:
            break
        # A daemon may hold the pipe open after the child has ended, or close it before: it tells nothing but words.
        ready = select.select([reading] if open_ else [], [], [], _PAUSE)[0]
        if ready:
            data = os.read(reading, 1 << 16)
            open_ = bool(data)
            said = pass_on(data, said)
    try:
        os.killpg(child, signal.SIGKILL)
    except OSError:
        pass  # nobody is left
    if status is None:
        os.kill(child, signal.SIGKILL)  # a module may have left its group
        os.waitpid(child, 0)
    os.set_blocking(reading, False)
    try:
        while open_ and said <= MAX_SAID:
            data = os.read(reading, 1 << 16)
            open_ = bool(data)
            said = pass_on(data, said)
    except BlockingIOError:
        pass
    os.close(reading)
    return told, status


def pass_on(data: bytes, said: int) -> int:
    """Copy output to our own, up to a limit; how much there was so far."""
    if said < MAX_SAID:
        write(1, data[: MAX_SAID - said])
        if said + len(data) > MAX_SAID:
            write(1, b"\n(more output of the imported module is left out)\n")
    return said + len(data)


def write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def ending(name: str, status: Optional[int], seconds: float) -> bytes:
    """The line for a module during whose import the process ended."""
    if status is None:
        outcome, detail = "timeout", "it was still being imported after {:.0f} s".format(seconds)
    elif os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        outcome, detail = "crashed", "signal {} ({})".format(number, signal_name(number))
    else:
        outcome, detail = "exited", "it ended the interpreter with exit code {}".format(os.WEXITSTATUS(status))
    report = {"name": name, "outcome": outcome, "detail": detail, "errors": [], "where": ""}
    return json.dumps(report).encode() + b"\n"


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def put_back(answer: int, place: str) -> None:
    """See to it that the answer is where it is looked for, if a module removed or replaced it."""
    with contextlib.suppress(OSError):
        if os.path.samestat(os.stat(place, follow_symlinks=False), os.fstat(answer)):
            return
    said = os.pread(answer, AREA_BYTES, 0)
    with contextlib.suppress(OSError):
        os.unlink(place)
    again = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    write(again, said)
    os.close(again)


def main(request_file: str, answer_place: str) -> int:
    with open(request_file, encoding="utf-8") as file:
        request = json.load(file)
    if answer_place.isdigit():
        answer = int(answer_place)
    else:
        answer_place = os.path.abspath(answer_place)
        answer = os.open(answer_place, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    names, seconds = list(request["modules"]), float(request["seconds"])
    deadline = time.monotonic() + seconds
    while names and time.monotonic() < deadline:
        told, status = run_child(names, answer, deadline)
        names = names[told:]
        # A later one is tried again, as the first of a new process. Of the first one this is all there is to say.
        if names and (told == 0 or status is None):
            write(answer, ending(names.pop(0), status, seconds))
    if not answer_place.isdigit():
        put_back(answer, answer_place)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
