"""Makes text that somebody else wrote fit to be shown: nothing in it moves, hides or turns the text around it.

    presentable(line)               # one line of a log: no longer than EVIDENCE_LENGTH
    presentable(summary, 512)

Escaping is the templates' business; this is about what is no HTML at all.
"""

import re

EVIDENCE_LENGTH = 240
"""Characters of a line of a log that are shown."""

# Control characters, surrogates, and those that are invisible or turn the direction of what follows. Joiners stay: there are
# scripts that need them.
_UNSHOWABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\ufffe\uffff"
    "\U000e0000-\U000e007f]"
)


def presentable(text: str, length: int = EVIDENCE_LENGTH) -> str:
    """One line of at most `length` characters; what must not be shown becomes a replacement character."""
    if len(text) <= length and text.isascii() and text.isprintable() and "  " not in text and text == text.strip():
        return text  # nearly always
    # Cut before looking closer: a line of a log may have megabytes.
    line = _UNSHOWABLE.sub("\ufffd", " ".join(text[: 4 * length].split()))
    return line if len(line) <= length and len(text) <= 4 * length else line[: length - 1].rstrip() + "…"


def without_controls(text: str) -> str:
    """Text of several lines with what must not be shown replaced, lines kept: for feeds and logs."""
    return "\n".join(_UNSHOWABLE.sub("\ufffd", line.replace("\t", "    ")) for line in text.split("\n"))
