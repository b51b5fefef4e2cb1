"""Addresses on a page, in the one spelling that every installer understands alike.

    read_address("../../files/é.whl", "url", "https://upstream.example/simple/a/")

Installers differ in what they make of characters that have no place in an address: one encodes them, the next refuses the
page. So they are encoded here; what is encoded already stays as it is.
"""

import re
from urllib.parse import quote, unquote, urldefrag, urljoin, urlsplit, urlunsplit

import idna

from piwright.catalog.page_json import PageError

# Needs no closer look; nearly every address.
_PLAIN = re.compile(
    r"https?://[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]{1,4})?/(?:[A-Za-z0-9/._+~@=,!-]|%[0-9A-Fa-f]{2})*", re.ASCII
)
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f.]*:[0-9a-f:.]*", re.ASCII)
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})", re.ASCII)
_IN_A_PATH = "/:@!$&'()*+,;=~%"
_IN_A_QUERY = _IN_A_PATH + "?"


def read_address(text: str | None, field: str, base: str) -> str:
    """The absolute address of a file, without a fragment, whose hashes would contradict those of the page.

    Raises `PageError`, as the others do that read a value.
    """
    if text and _PLAIN.fullmatch(text):
        return text
    expected = "an http or https address without user name"
    if not text or any(character <= " " or character == "\x7f" for character in text):
        raise PageError(field, text, expected)
    try:
        parts = urlsplit(urldefrag(urljoin(base, text)).url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise ValueError("not to be fetched")
        place = _read_host(parts.hostname) + (f":{parts.port}" if parts.port is not None else "")
        path, query = _encode(parts.path, _IN_A_PATH), _encode(parts.query, _IN_A_QUERY)
    except ValueError as error:  # also what urllib makes of a port that is no number, and idna of a name that is none
        raise PageError(field, text, expected) from error
    return urlunsplit((parts.scheme, place, path, query, ""))


def read_file_address(text: str | None, field: str, base: str, filename: str) -> str:
    """The address of a file, whose last part is its name: there are installers that take the name from there."""
    address = read_address(text, field, base)
    if "?" not in address and address.endswith(f"/{filename}"):
        return address  # nearly always
    if unquote(urlsplit(address).path.rpartition("/")[2]) != filename:
        raise PageError(field, text, f"an address whose last part is the file's name, {filename}")
    return address


def _read_host(host: str) -> str:
    if not host.isascii():
        host = idna.encode(host, uts46=True).decode()
    if not _HOST.fullmatch(host):
        raise ValueError("no name of a host")
    return f"[{host}]" if ":" in host else host


def _encode(text: str, safe: str) -> str:
    return quote(_STRAY_PERCENT.sub("%25", text), safe=safe)
