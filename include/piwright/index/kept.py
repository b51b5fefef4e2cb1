"""A property that is made once and kept with its object.

    class PageFile:
        @kept
        def anchor(self) -> str: ...

As `functools.cached_property`, which takes a lock each time before Python 3.12: five times as slow, for nothing.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class kept(Generic[T]):
    """A property whose value stays in the object's `__dict__`, where it is found before this."""

    def __init__(self, make: Callable[[Any], T]) -> None:
        self.make = make
        self.__doc__ = make.__doc__
        self.name = make.__name__

    @overload
    def __get__(self, instance: None, owner: type) -> "kept[T]": ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object | None, owner: type) -> "T | kept[T]":
        if instance is None:
            return self
        value: T = self.make(instance)
        instance.__dict__[self.name] = value
        return value
