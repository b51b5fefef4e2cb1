"""Makes readable JSON of a page whose texts are broken: half characters, and bytes that are no UTF-8.

    mend(body) == body      # True if there is nothing of that in it

Programs that make pages with Python's own `json` can write both without noticing, and one text on a page must not hide the
rest of it. Nothing is taken apart here, so a page takes a few times the memory of its bytes, however it is nested.
"""

import re

# A backslash that is escaped itself, a pair of surrogates, or, as the group, one without its other half.
_ESCAPES = re.compile(
    rb"(?:\\\\)++|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)

_LONGEST = 16 << 20
"""Bytes. The pages of real projects are shorter, and one made to be slow takes some seconds up to here."""


def mend(body: bytes) -> bytes:
    """The same JSON with the replacement character for what is no character; a page that is too long stays as it is."""
    if len(body) > _LONGEST:
        return body
    try:
        body.decode()
    except UnicodeDecodeError:
        body = body.decode("utf-8", "replace").encode()
    if b"\\u" not in body:
        return body
    mended = bytearray(body)
    for found in _ESCAPES.finditer(body):
        if found[1]:
            mended[found.start() : found.end()] = b"\\ufffd"  # exactly as long
    return bytes(mended)
