"""The command line of the worker program: one command in, one line of JSON out.

Exit code 0: done as asked. 2: arguments or a spec that cannot be used. 1: anything else. Errors are
`{"error": sentence}`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn, Sequence

from .failure import one_sentence
from .protocol import IDENTIFIER, IDENTIFIER_RULE
from .strict import ProtocolError, quote


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ProtocolError(f"{message}. {' '.join(self.format_usage().split())}")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="worker", description="Build wheels on this machine for piwright.", allow_abbrev=False)
    parser.add_argument("--state", type=Path, required=True, help="where batches and tools are kept")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    for name, about in (
        ("run", "start the batch whose spec.json was uploaded, or attach to it"),
        ("status", "say where the batch stands"),
        ("cancel", "end the batch and all of its processes"),
    ):
        commands.add_parser(name, help=about).add_argument("batch")
    sweeping = commands.add_parser("sweep", help="remove batches that are over, and leftover processes")
    sweeping.add_argument("--keep", nargs="*", action="extend", default=[], metavar="BATCH")
    sweeping.add_argument("--older-than", type=float, default=0.0, metavar="SECONDS")
    probing = commands.add_parser("probe", help="say what this machine is, and how it keeps builds within their limits")
    probing.add_argument("python", metavar="PYTHON", help="the interpreter to build for")
    # Not for people: the processes this program starts from itself.
    runner = commands.add_parser("_runner")
    runner.add_argument("batch")
    runner.add_argument("lock", type=int)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    try:
        answer, code = _run(_parser().parse_args(arguments)), 0
    except ProtocolError as error:
        answer, code = {"error": one_sentence(str(error))}, 2
    except Exception as error:
        traceback.print_exc()
        answer, code = {"error": one_sentence(f"{type(error).__name__}: {error}")}, 1
    if isinstance(answer, int):
        return answer
    print(json.dumps(answer))
    return code


def _run(arguments: argparse.Namespace) -> dict[str, Any] | int:
    # Each command imports what it needs: nothing in a zipapp is compiled ahead, and a Pi is asked for `status` often.
    # Symbolic links are resolved once: processes are recognised by paths.
    state = Path(os.path.realpath(arguments.state))
    if arguments.command == "sweep":
        from .sweep import check_keep, sweep

        check_keep(arguments.keep)
        return sweep(state, frozenset(arguments.keep), arguments.older_than)
    if arguments.command == "probe":
        from .probe import probe

        return probe(state, arguments.python)
    return _run_on_batch(arguments, state)


def _run_on_batch(arguments: argparse.Namespace, state: Path) -> dict[str, Any] | int:
    from .batch import Batch, read_status

    if not re.fullmatch(IDENTIFIER, arguments.batch):
        raise ProtocolError(f"BATCH is {quote(arguments.batch)}; it must be {IDENTIFIER_RULE}.")
    batch = Batch(state, arguments.batch)
    if arguments.command == "_runner":
        from .runner import run_batch

        return run_batch(batch, arguments.lock)
    if arguments.command == "run":
        from .launch import run

        return run(batch).to_json()
    if arguments.command == "cancel":
        from .cancel import cancel

        return cancel(batch).to_json()
    return read_status(batch).to_json()


if __name__ == "__main__":
    sys.exit(main())
