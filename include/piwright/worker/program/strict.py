"""Reading JSON that somebody else wrote: every member by name, type and bounds.

    members = Members.read(data, "spec.json", limit=1 << 20)
    members.whole("format", 1, 1)

Whatever does not fit raises `ProtocolError`, a sentence that names the field, the value and what it must be.
"""

from __future__ import annotations

import json
import re
from typing import Any, Callable, TypeVar

T = TypeVar("T")


class ProtocolError(ValueError):
    """JSON of the other side that is not what the protocol says."""


def quote(value: object, limit: int = 100) -> str:
    """A value as it may be shown to a person: printable, one line, short."""
    text = ascii(value)
    return text if len(text) <= limit else text[:limit] + "..."


def parse(data: bytes, name: str, limit: int) -> Any:
    """The JSON value in `data`; `name` is what errors call it, `limit` the bytes it may have."""
    if len(data) > limit:
        raise ProtocolError(f"{name} has {len(data)} bytes; it may have at most {limit}.")
    try:
        return json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"{name} must be JSON: {quote(str(error))}.") from None


class Members:
    """A JSON object and where it was found (`path`, for errors). Members nobody asks for are ignored."""

    def __init__(self, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise ProtocolError(f"{path} must be an object, not {quote(value)}.")
        self._value = value
        self.path = path

    @classmethod
    def read(cls, data: bytes, name: str, limit: int) -> Members:
        """The object in `data`."""
        return cls(parse(data, name, limit), name)

    def has(self, name: str) -> bool:
        return name in self._value

    def fail(self, name: str, expected: str) -> ProtocolError:
        """The error to raise for a member; `expected` completes "must be"."""
        found = quote(self._value[name]) if name in self._value else "missing"
        return ProtocolError(f"{self.path}: field {name!r} is {found}; it must be {expected}.")

    def text(self, name: str, pattern: str = r"[^\x00-\x1f\x7f]*", expected: str = "", limit: int = 1000) -> str:
        """A string that `pattern` matches as a whole."""
        value = self._value.get(name)
        if not isinstance(value, str) or len(value) > limit or not re.fullmatch(pattern, value):
            raise self.fail(name, expected or f"a string of at most {limit} printable characters")
        return value

    def one_of(self, name: str, choices: tuple[str, ...]) -> str:
        value = self._value.get(name)
        if not isinstance(value, str) or value not in choices:
            raise self.fail(name, "one of " + ", ".join(choices))
        return value

    def whole(self, name: str, low: int, high: int) -> int:
        value = self._value.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.fail(name, f"a whole number from {low} to {high}")
        return value

    def truth(self, name: str) -> bool:
        value = self._value.get(name)
        if not isinstance(value, bool):
            raise self.fail(name, "true or false")
        return value

    def nullable(self, name: str, read: Callable[[str], T]) -> T | None:
        """None where the member is null, else what `read(name)` gives. It must be there."""
        if name in self._value and self._value[name] is None:
            return None
        return read(name)

    def member(self, name: str) -> Members:
        """An object inside this one."""
        if name not in self._value:
            raise self.fail(name, "an object")
        return Members(self._value[name], f"{self.path}: {name}")

    def texts(self, limit: int) -> dict[str, str]:
        """The whole object as strings by name."""
        if len(self._value) > limit or not all(isinstance(value, str) for value in self._value.values()):
            raise ProtocolError(f"{self.path} must be an object of at most {limit} strings.")
        return dict(self._value)

    def objects(self, name: str, limit: int) -> list[Members]:
        """A list of objects."""
        value = self._value.get(name)
        if not isinstance(value, list) or len(value) > limit:
            raise self.fail(name, f"a list of at most {limit} objects")
        return [Members(each, f"{self.path}: {name}[{position}]") for position, each in enumerate(value)]

    def value(self, name: str) -> Any:
        """A member as it is, None if absent; for callers that look at it themselves."""
        return self._value.get(name)
