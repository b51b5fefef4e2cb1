"""The version of the worker program: a hash of its own sources, put into the zipapp beside them."""

from __future__ import annotations

import pkgutil


def read_resource(name: str) -> bytes:
    """A file of the program, also from inside the zipapp."""
    data = pkgutil.get_data(__name__.rpartition(".")[0], name)  # __package__ is None in a zipapp of Python 3.9
    if data is None:
        raise FileNotFoundError(name)
    return data


def _version() -> str:
    try:
        return read_resource("VERSION").decode().strip()
    except OSError:
        return "unpacked"


WORKER_VERSION = _version()
