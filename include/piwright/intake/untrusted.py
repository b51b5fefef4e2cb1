"""Handles files and texts that a stranger's build wrote.

with open_regular(path, max_bytes=1 << 20) as stream: ...
clean_text(message, 500)        # fit for PostgreSQL, a terminal and a page
"""

import os
import re
import stat
from pathlib import Path
from typing import BinaryIO


class FileRefused(ValueError):
    """A file that is not what it has to be; the message names it and says what is wrong."""


def open_regular(path: Path, max_bytes: int) -> BinaryIO:
    """Open a regular file of at most `max_bytes` for reading; the caller closes it.

    Raises `FileRefused` when it is missing, a link, a pipe, a device, a directory or too large. A symbolic link would
    make us read, and publish, a file of our own; opening a pipe would wait for ever.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise FileRefused(f"{path.name} is missing") from None
    except OSError as error:
        if path.is_symlink() or not path.is_file():
            raise FileRefused(f"{path.name} is not a regular file") from None
        raise error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise FileRefused(f"{path.name} is not a regular file")
        if status.st_size > max_bytes:
            raise FileRefused(f"{path.name} has {status.st_size} bytes; at most {max_bytes} are accepted")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


_TERMINAL_SEQUENCE = re.compile(r"\x1b(?:\[[0-9;:?]*[ -/]*[@-~]|[@-Z\\-_])")
# Control characters (PostgreSQL refuses NUL), lone surrogates (no UTF-8 for them), and the marks that turn the reading
# direction, with which a log line can show other than what it says.
_UNSHOWABLE = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069\ud800-\udfff]"
)


def without_colours(line: str) -> str:
    """The line without terminal sequences."""
    return _TERMINAL_SEQUENCE.sub("", line) if "\x1b" in line else line


def clean_text(text: str, max_length: int) -> str:
    """One line of at most `max_length` characters that any database, terminal and page can hold.

    What cannot be shown becomes U+FFFD; a line break becomes a space.
    """
    text = without_colours(text[: 2 * max_length + 100])
    text = re.sub(r"[\r\n]+", " ", text.strip())
    text = _UNSHOWABLE.sub("\N{REPLACEMENT CHARACTER}", text).replace("\t", " ")
    return text if len(text) <= max_length else text[: max_length - 1] + "…"
