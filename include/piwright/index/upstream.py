"""The upstream index as an operator gives it to a web server, which tells every visitor: so it has no password in it.

read_upstream("https://upstream.example/simple")     # "https://upstream.example/simple/"
"""

import re

from piwright.settings import parse_upstream_url

_USER = re.compile(r"^([a-z0-9+.-]*://)?.*@", re.IGNORECASE | re.DOTALL)


def read_upstream(value: str) -> str:
    """The address with a slash at its end. Raises `ValueError` with a sentence that does not repeat a password."""
    if not value:
        raise ValueError("it is empty; give the address of a simple index")
    try:
        return parse_upstream_url(value)
    except ValueError as error:
        shown = _USER.sub(r"\1***@", value)
        raise ValueError(f"{shown!r} cannot be used: it must be {error}") from None
