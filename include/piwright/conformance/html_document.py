"""Reads an HTML page as far as an index needs it: doctype, meta tags, anchors, and what is not HTML5 about it.

    document = read_document('<!DOCTYPE html><a href="a-1.tar.gz">a-1.tar.gz</a>')
    document.anchors[0].attributes, document.anchors[0].text, document.errors

The page is hostile, and the standard library's parser takes quadratic time on some pages. This one goes over the text
once: each step takes at least one character, and a search that finds nothing ends the page. Errors have the names that
the HTML standard gives them (section 13.2.2).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape

_SPACE = re.compile(r"[ \t\r\n\f]*")
_TAG_NAME = re.compile(r"[a-zA-Z][^ \t\r\n\f/>]*")
_ATTRIBUTE_NAME = re.compile(r"=?[^ \t\r\n\f/>=]*")
_UNQUOTED = re.compile(r"[^ \t\r\n\f>]*")
_DOCTYPE = re.compile(
    r"<!doctype[ \t\r\n\f]+html[ \t\r\n\f]*(?:>|system[ \t\r\n\f]+[\"']about:legacy-compat[\"'])", re.I
)
_PLAIN_ANCHOR = re.compile(r'<a href="([^"<>&]*)">([^<>& \t\r\n\f]*)</a>(?:<br ?/?>)?[ \t\r\n\f]*')
"""What most lines of a large root page are; read at once, in less than half the time."""

_RAW_TEXT = {
    name: re.compile(rf"</{name}(?=[ \t\r\n\f/>])", re.IGNORECASE)
    for name in ("script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes")
}
_FORBIDDEN = re.compile(r"[\x01-\x08\x0b\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef]|[\ud800-\udfff]|\x00")
_MOST_ERRORS = 20


@dataclass(frozen=True, slots=True)
class Anchor:
    """An `a` element: attributes as a browser reads them, `written` as they stand in the page, and its text."""

    attributes: Mapping[str, str]
    written: Mapping[str, str]
    text: str


@dataclass(frozen=True)
class Document:
    """`metas` maps names to contents, `base` is the `href` of the base element; `errors` make it no valid HTML5."""

    anchors: tuple[Anchor, ...]
    metas: Mapping[str, tuple[str, ...]]
    base: str | None
    errors: tuple[str, ...]


@dataclass
class _Reader:
    text: str
    position: int = 0
    anchors: list[Anchor] = field(default_factory=list)
    metas: dict[str, list[str]] = field(default_factory=dict)
    base: str | None = None
    errors: list[str] = field(default_factory=list)
    open_anchor: tuple[dict[str, str], dict[str, str], list[str]] | None = None

    def error(self, name: str) -> None:
        if len(self.errors) < _MOST_ERRORS:
            line = self.text.count("\n", 0, self.position) + 1
            self.errors.append(f"{name} in line {line}")

    def read(self) -> Document:
        first = _SPACE.match(self.text.removeprefix("\ufeff"))
        assert first is not None  # the pattern fits an empty text
        start = first.end() + self.text.startswith("\ufeff")
        while self.text.startswith("<!--", start) and (end := self.text.find("-->", start)) > 0:
            spaces = _SPACE.match(self.text, end + 3)
            start = spaces.end() if spaces else end + 3
        if not _DOCTYPE.match(self.text, start):
            self.error("missing-doctype")
        if found := _FORBIDDEN.search(self.text):
            self.position = found.start()
            self.error(f"control-character-in-input-stream ({ord(found[0]):#04x})")
            self.position = 0
        while self.position < len(self.text):
            self.step()
        self.close_anchor()
        metas = {name: tuple(contents) for name, contents in self.metas.items()}
        return Document(tuple(self.anchors), metas, self.base, tuple(self.errors))

    def step(self) -> None:
        """One piece of text, tag, comment or doctype."""
        text, here = self.text, self.position
        if text[here] != "<":
            end = text.find("<", here)
            self.said(text[here : end if end >= 0 else None])
            self.position = end if end >= 0 else len(text)
        elif self.open_anchor is None and (plain := _PLAIN_ANCHOR.match(text, here)):
            attributes = {"href": plain[1]}
            self.anchors.append(Anchor(attributes, attributes, plain[2]))
            self.position = plain.end()
        elif text.startswith("<!--", here):
            self.skip_past("-->", "eof-in-comment", here + 4 if not text.startswith("<!-->", here) else here + 2)
        elif text.startswith(("<!", "<?"), here):
            if text[here + 1] == "?" or text[here : here + 9].lower() != "<!doctype":
                self.error("incorrectly-opened-comment")
            self.skip_past(">", "eof-in-doctype", here)
        elif text.startswith("</", here) and (name := _TAG_NAME.match(text, here + 2)):
            if name[0].lower() == "a":
                self.close_anchor()
            self.skip_past(">", "eof-in-tag", name.end())
        elif name := _TAG_NAME.match(text, here + 1):
            self.start_tag(name[0].lower(), name.end())
        else:
            self.error("invalid-first-character-of-tag-name")
            self.said("<")
            self.position = here + 1

    def skip_past(self, what: str, otherwise: str, start: int) -> None:
        end = self.text.find(what, start)
        if end < 0:
            self.error(otherwise)
        self.position = end + len(what) if end >= 0 else len(self.text)

    def said(self, text: str) -> None:
        if self.open_anchor is not None:
            self.open_anchor[2].append(text)

    def start_tag(self, tag: str, position: int) -> None:
        attributes, written = self.read_attributes(position)
        if tag == "a":
            if self.open_anchor is not None:
                self.error("anchor-inside-anchor")
            self.close_anchor()
            self.open_anchor = (attributes, written, [])
        elif tag == "meta" and "name" in attributes:
            self.metas.setdefault(attributes["name"].lower(), []).append(attributes.get("content", ""))
        elif tag == "base" and self.base is None:
            self.base = attributes.get("href")
        elif tag in _RAW_TEXT and self.position < len(self.text):
            end = _RAW_TEXT[tag].search(self.text, self.position)
            if end is None:
                self.error("eof-in-script-html-comment-like-text" if tag == "script" else f"eof-in-{tag}")
            self.position = end.start() if end else len(self.text)

    def read_attributes(self, position: int) -> tuple[dict[str, str], dict[str, str]]:
        """The attributes of a start tag; afterwards the position is behind the tag."""
        text = self.text
        attributes: dict[str, str] = {}
        written: dict[str, str] = {}
        while True:
            before = position
            while position < len(text) and (text[position] == "/" or text[position] in " \t\r\n\f"):
                position += 1
            if position >= len(text):
                self.error("eof-in-tag")
                break
            if text[position] == ">":
                position += 1
                break
            if position == before and written:
                self.error("missing-whitespace-between-attributes")
            name = _ATTRIBUTE_NAME.match(text, position)
            assert name is not None  # the pattern fits an empty text
            position, value = self.read_value(name.end())
            key = name[0].lower()
            if set(key) & set("\"'<="):
                self.error("unexpected-character-in-attribute-name")
            if key in written:
                self.error("duplicate-attribute")
            else:
                written[key], attributes[key] = value, unescape(value)
        self.position = position
        return attributes, written

    def read_value(self, position: int) -> tuple[int, str]:
        """(position behind it, the value as written) of what follows an attribute's name."""
        text = self.text
        spaces = _SPACE.match(text, position)
        equals = spaces.end() if spaces else position
        if not text.startswith("=", equals):
            return position, ""
        spaces = _SPACE.match(text, equals + 1)
        start = spaces.end() if spaces else equals + 1
        if text[start : start + 1] in ('"', "'"):
            end = text.find(text[start], start + 1)
            if end < 0:
                return len(text), text[start + 1 :]
            return end + 1, text[start + 1 : end]
        unquoted = _UNQUOTED.match(text, start)
        assert unquoted is not None  # the pattern fits an empty text
        if not unquoted[0]:
            self.error("missing-attribute-value")
        elif set(unquoted[0]) & set("\"'<=`"):
            self.error("unexpected-character-in-unquoted-attribute-value")
        return unquoted.end(), unquoted[0]

    def close_anchor(self) -> None:
        if self.open_anchor is not None:
            attributes, written, texts = self.open_anchor
            self.anchors.append(Anchor(attributes, written, " ".join(unescape("".join(texts)).split())))
            self.open_anchor = None


def read_document(text: str) -> Document:
    """The page; never fails, whatever the text is."""
    return _Reader(text).read()
