"""The wire format of a project's simple JSON page, and errors that say where it was broken.

    head, body = decode_head(body)    # what decides about the rest
    raw = decode_page(body)           # RawPage; its files are still JSON
    decode_file(raw.files[0], "files[0]")

Values that nobody has to send stay JSON until they are looked at one by one, so that an odd one costs itself and not the
page. Field names and their history: https://packaging.python.org/specifications/simple-repository-api/
"""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from piwright.catalog.page_mend import mend

Decoded = TypeVar("Decoded")
_MISSING = "<missing>"
_NULL = msgspec.Raw(b"null")


class PageError(ValueError):
    """A page that cannot be used.

    `field` is the path of what is wrong, `value` what is there (in angle brackets when it is only described),
    `expected` says what should be.
    """

    def __init__(self, field: str, value: Any, expected: str) -> None:
        shown = value if isinstance(value, str) and value.startswith("<") else repr(value)
        super().__init__(f"{field} is {shown[:160]}, expected {expected}")
        self.field, self.value, self.expected = field, value, expected


class NotJsonError(PageError):
    """What cannot even be read as JSON."""


class NamelessError(PageError):
    """An entry of `files` that does not say which file it is."""


class Meta(msgspec.Struct):
    """`meta`: the API version, and the serial of the index's last change to the project."""

    api_version: str = msgspec.field(name="api-version")
    last_serial: msgspec.Raw = msgspec.field(name="_last-serial", default=_NULL)


class Head(msgspec.Struct):
    """What has to be understood before the rest is looked at.

    Another major version may mean anything by the rest, and in quarantine (`project-status`, since API 1.4) nothing of it
    counts.
    """

    meta: Meta
    project_status: msgspec.Raw = msgspec.field(name="project-status", default=_NULL)


class Named(msgspec.Struct):
    """The page of `name`, whatever is on it."""

    name: str


class RawPage(Named):
    """A page whose files are not looked into yet, so that one bad file does not spoil it. `versions` since API 1.1."""

    files: list[msgspec.Raw]
    versions: msgspec.Raw = _NULL


Metadata = bool | dict[str, str] | None


class RawFile(msgspec.Struct):
    """An entry of `files`. Mirrors send null for what they do not know, so every optional field may be null.

    `url` and `hashes` have to be there too, which is for the reader to say: without them we still know the file's name.
    """

    filename: str
    url: str | None = None
    hashes: dict[str, str] | None = None
    size: int | None = None
    upload_time: str | None = msgspec.field(name="upload-time", default=None)
    requires_python: str | None = msgspec.field(name="requires-python", default=None)
    yanked: bool | str | None = None
    core_metadata: Metadata = msgspec.field(name="core-metadata", default=None)
    # Names of the same thing from before it was settled; upstream still sends them.
    dist_info_metadata: Metadata = msgspec.field(name="dist-info-metadata", default=None)
    data_dist_info_metadata: Metadata = msgspec.field(name="data-dist-info-metadata", default=None)
    provenance: str | None = None


_ABSENT = msgspec.Raw(b"")
_FIELDS = msgspec.structs.fields(RawFile)
_LooseFile = msgspec.defstruct(
    "_LooseFile",
    [(each.name, msgspec.Raw, msgspec.field(name=each.encode_name, default=_ABSENT)) for each in _FIELDS],
)

_head = msgspec.json.Decoder(Head)
_named = msgspec.json.Decoder(Named)
_page = msgspec.json.Decoder(RawPage)
_file = msgspec.json.Decoder(RawFile)
_loose_file = msgspec.json.Decoder(_LooseFile)
_values = {each.name: msgspec.json.Decoder(each.type) for each in _FIELDS}
_anything = msgspec.json.Decoder(Any)
_NOTHING_ODD: Mapping[str, PageError] = {}


def decode_head(body: bytes) -> tuple[Head, bytes]:
    """What decides about a page, and its body: as it came, or mended if only its texts were broken. Raises `PageError`."""
    try:
        return _decode(_head, body), body
    except NotJsonError:
        mended = mend(body)
        if mended == body:
            raise
        return _decode(_head, mended), mended


def decode_name(body: bytes) -> str:
    """Whose page it is, whatever else is in it. Raises `PageError`."""
    return _decode(_named, body).name


def decode_page(body: bytes) -> RawPage:
    """A page without a look into its files. Raises `PageError`."""
    return _decode(_page, body)


def decode_value(raw: msgspec.Raw, field: str) -> Any:
    """A value that may be anything; `field` is its path, for the error. Raises `PageError`."""
    return _decode(_anything, mend(bytes(raw)), field)


def decode_file(entry: msgspec.Raw, field: str) -> tuple[RawFile, Mapping[str, PageError]]:
    """One entry of `files`, and what is wrong with fields of it, which are as if they were not there.

    A `yanked` that is neither a truth nor a text is taken for whether there is anything in it. Raises `NamelessError`;
    `field` is the path of the entry, for that.
    """
    try:
        return _file.decode(entry), _NOTHING_ODD
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _decode_loosely(mend(bytes(entry)), field)


def _decode_loosely(entry: bytes, field: str) -> tuple[RawFile, Mapping[str, PageError]]:
    try:
        loose = _decode(_loose_file, entry, field)
    except PageError as error:
        raise NamelessError(error.field, error.value, error.expected) from error
    values: dict[str, Any] = {}
    odd: dict[str, PageError] = {}
    for each in _FIELDS:
        raw = bytes(getattr(loose, each.name))
        if not raw:
            continue
        try:
            values[each.name] = _decode(_values[each.name], raw, each.encode_name)
        except PageError as error:
            odd[each.name] = error
            if each.name == "yanked":
                # Nobody writes a number here who does not mean it; 1e999 is one that we cannot read.
                values["yanked"] = bool(error.value)
    if "filename" not in values:
        wrong = odd.get("filename") or PageError("filename", _MISSING, "to be there")
        raise NamelessError(f"{field}.filename", wrong.value, wrong.expected)
    return RawFile(**values), odd


def _decode(decoder: msgspec.json.Decoder[Decoded], body: bytes, inside: str = "") -> Decoded:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _explained(body, str(error), inside) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotJsonError(inside or "the page", f"<{len(body)} bytes>", f"JSON ({error})") from error


def _explained(body: bytes, message: str, inside: str) -> PageError:
    # msgspec says "Expected `str`, got `int` - at `$.files[0].url`"; a person also wants to see the value.
    text, _, path = message.partition(" - at `$")
    path = path.removesuffix("`")
    try:
        value: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = "<not even JSON>"  # msgspec stops at the first thing that is wrong, and more can be wrong behind it
    for key, index in re.findall(r"\.([^.\[]+)|\[([^\]]+)\]", path):
        if key and isinstance(value, dict):
            value = value.get(key)
        elif index.isdigit() and isinstance(value, list):
            value = value[int(index)]
    missing = re.search(r"missing required field `(.+)`", text)
    if missing:
        return PageError(f"{inside}{path}.{missing[1]}".lstrip("."), _MISSING, "to be there")
    wanted, expected = text.replace("`", ""), "Expected "
    wanted = wanted.removeprefix(expected) if wanted.startswith(expected) else f"another value ({wanted})"
    return PageError((inside + path).lstrip(".") or "the page", value, wanted)
